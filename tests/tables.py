"""Tables with the very keys that the template gives them, made in the tests' own AWS."""

from __future__ import annotations

from relay.adapters.aws import client

from tests.stack import of_type


def make_table(kind: str, name: str = "") -> str:
    """Make the template's table of this kind, as `members`, by this name or its own; return the name."""
    made_of = of_type("AWS::DynamoDB::Table")[kind.capitalize()]
    client("dynamodb").create_table(
        TableName=name or kind,
        **{part: made_of[part] for part in ("KeySchema", "AttributeDefinitions", "BillingMode")},
    )
    return name or kind
