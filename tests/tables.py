"""Tables as the template defines them, made in the tests' own AWS."""

from __future__ import annotations

from relay.adapters.aws import client


def figures_table(name: str = "figures") -> str:
    """Make the table of the programme's figures; return its name."""
    client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name
