"""The mirrors table, empty, as the template makes it."""

from __future__ import annotations

import pytest
from relay.adapters.aws import client


@pytest.fixture
def mirrors_table() -> str:
    """Return the name of an empty mirrors table."""
    client("dynamodb").create_table(
        TableName="mirrors",
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return "mirrors"
