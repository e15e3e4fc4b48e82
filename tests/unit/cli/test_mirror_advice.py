"""What `relay mirror status --who` says to do about a member."""

from __future__ import annotations

import pytest
from relay_cli.commands.mirror.advice import advice


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("invalid_email email", "the address in Shopify"),
        ("invalid_email_address Email", "the address in Shopify"),
        ("invalid /data/attributes/email", "the address in Shopify"),
        ("not_cleared_invalid_email", "the address in Shopify"),
        ("invalid /data/attributes/last_name", "the field that it names"),
        ("invalid_email work_email", "the field that it names"),
        ("invalid_email_address Backup_Email__c", "the field that it names"),
        ("string_too_long Membership_Tier__c", "the field that it names"),
        ("duplicate_value Loyalty_Number__c", "merge the two"),
        ("search_refused invalid", "KlaviyoRevision"),
        ("code_of_tomorrow", "relay mirror retry"),
    ],
)
def test_the_field_that_is_named_decides(reason: str, says: str) -> None:
    """A refusal of another field is not mended by correcting an address."""
    assert says in advice(reason)
