"""A merchant can edit the key on a HubSpot contact: what Relay wrote there is still removed."""

from __future__ import annotations

import pytest
from relay.ports.crm import ContactRef

from tests.contract.crm.hubspot_setup import hubspot
from tests.contract.crm.profiles import key_of, wanted

KEY = key_of(7001)


@pytest.mark.parametrize("edited", [" {} ", "", "{}x"])
def test_clearing_a_contact_with_an_edited_key(edited: str) -> None:
    """A contact whose key the merchant edited or emptied is found by its id; under another key it is not touched."""
    with hubspot() as setup:
        setup.prepare()
        member = wanted(7001, tier_name="Gold")
        outcome = setup.crm.upsert([member])[KEY]
        [contact] = setup.fake.portal.contacts.values()
        contact["membership_key"] = edited.format(KEY.upper())
        answer = setup.crm.clear([ContactRef(key=KEY, id=outcome.id, email=member.email)])[KEY]
        kept = edited.endswith("x")
        [contact] = setup.fake.portal.contacts.values()
        assert answer.state == ("skipped" if kept else "mirrored")
        assert bool(contact.get("membership_tier")) is kept
