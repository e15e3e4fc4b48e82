"""Relay's tables in DynamoDB."""
