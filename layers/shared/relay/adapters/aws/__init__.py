"""Relay's messages and secrets in AWS: SQS, SNS, Firehose, SSM, CloudWatch."""
