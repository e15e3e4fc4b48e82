"""AWS in memory behind the seam: what Relay calls of SQS, DynamoDB, SNS, Firehose and SSM, in virtual time."""
