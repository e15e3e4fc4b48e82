"""Tables with the very keys that the template gives them, made in the tests' own AWS."""

from __future__ import annotations

from typing import Any

from moto.backends import get_backend
from relay.adapters.aws.boto import client

from tests.support.template_data import of_type


def make_table(kind: str, name: str = "") -> str:
    """Make the template's table of this kind, as `members`, by this name or its own; return the name."""
    made_of = of_type("AWS::DynamoDB::Table")[kind.capitalize()]
    client("dynamodb").create_table(
        TableName=name or kind,
        **{part: made_of[part] for part in ("KeySchema", "AttributeDefinitions", "BillingMode")},
    )
    return name or kind


def items_of(name: str) -> list[dict[str, Any]]:
    """Return what a table holds as a scan does, past the API: most of a moto call's time goes into its answer."""
    table = get_backend("dynamodb")["123456789012"]["us-east-1"].get_table(name)
    return [{each: value.to_json() for each, value in item.attrs.items()} for item in table.all_items()]
