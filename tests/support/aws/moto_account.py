"""An account's resources made by botocore's clients, in moto or in the local AWS, under names of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.contract.aws.behaviours import Account, Call

SERVICES: Final = ("sqs", "dynamodb", "sns", "firehose", "ssm", "s3", "iam")


def make_account(clients: Mapping[str, Any], call: Call, name: str) -> Account:
    """Make a queue, two tables, a topic, a stream and a parameter whose names begin with `name`."""
    queue = clients["sqs"].create_queue(QueueName=f"{name}-queue")["QueueUrl"]
    for table, keys in ((f"{name}-table", ("pk",)), (f"{name}-ranged", ("pk", "sk"))):
        clients["dynamodb"].create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )
    topic = clients["sns"].create_topic(Name=f"{name}-topic")["TopicArn"]
    clients["s3"].create_bucket(Bucket=f"{name}-bucket")
    clients["firehose"].create_delivery_stream(
        DeliveryStreamName=f"{name}-stream",
        S3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::123456789012:role/r",
            "BucketARN": f"arn:aws:s3:::{name}-bucket",
        },
    )
    clients["ssm"].put_parameter(Name=f"/{name}/secret", Value="secret", Type="SecureString")
    return Account(call, queue, f"{name}-table", f"{name}-ranged", topic, f"{name}-stream", f"/{name}/secret")
