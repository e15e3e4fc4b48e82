"""One test setup for each CRM adapter: the adapter, a fake of its CRM, and the faults that the contract needs.

A further adapter needs a setup, and a line in `SETUPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final, Protocol

from relay.ports.crm import Crm

from tests.contract.crm import salesforce_setup, webhook_setup
from tests.contract.crm.hubspot_setup import hubspot
from tests.contract.crm.klaviyo_setup import klaviyo

CASES: Final = (
    "duplicate",
    "out_of_order",
    "email_change",
    "no_email",
    "identity_conflict",
    "owned_by_other",
    "partial_207",
    "silent_2xx",
    "locked_423",
    "rate_limited",
    "rate_limited_no_header",
    "daily_limit",
    "unauthorised_mid_batch",
    "timeout_after_write",
    "unknown_property",
    "decimal",
    "tier_rename",
    "hostile_name",
    "batch_split",
    "quiet_backfill",
    # Addresses that members exchange (test_swaps.py; beside it, test_moves.py strikes each call of a move).
    "address_swap",
    "ring_of_three",
    "swap_parted_by_a_fault",
    # What a provider's "no" means.
    "edge_page",
    "version_ended",
    "provider_wide_code",
    "unknown_code",
    "definitions_grow",
    "secondary_address",
    "deleted_contact",
    "deleted_contact_that_may_be_made_again",
    # A key that the merchant edited by hand (test_edited_keys.py).
    "edited_key",
    "clearing_an_edited_key",
    "an_edited_address_leaves_no_second_contact",
    "waiting_and_its_next_try",
    "the_schedule_of_a_waiting_member",
    "provider_wide_code_for_a_while",
    "notes_of_a_waiting_member",
    # An erasure (test_erasure.py).
    "erased_on_a_contact_that_relay_made",
    "erased_on_a_contact_of_the_merchant",
    "erase_contacts_delete",
    "erased_after_a_move",
    "deletion_refused",
    "joined_again_after_an_erasure",
)

PORT: Final = (
    "reading",
    "clearing_a_contact",
    "another_members_contact_is_not_cleared",
    "preparing",
    "describing",
)
"""The promises of an adapter beside writing (test_port.py)."""


class CrmTestSetup(Protocol):
    """An adapter and a fake of its CRM, as the contract suite needs them."""

    @property
    def crm(self) -> Crm:
        """The adapter."""
        ...

    @property
    def per_call(self) -> int:
        """How many members one write call has at most."""
        ...

    def prepare(self) -> None:
        """Define what the CRM must know beforehand."""
        ...

    def shown(self, key: str) -> Mapping[str, str] | None:
        """Return the CRM's fields of a member, by canonical name; None if it has no such member."""
        ...

    def contacts(self) -> list[Mapping[str, str]]:
        """Return all contacts that the CRM has, by canonical names."""
        ...

    def texts(self) -> str:
        """Return all that the CRM holds, its bin included, as one text."""
        ...

    def seed(self, **values: str) -> None:
        """Add a contact by hand, by canonical names; `merchants_note` is a field of the merchant's own."""
        ...

    def remove_option(self, field: str, option: str) -> None:
        """Take an option of a choice out of the CRM's definitions, as an older version of Relay left them."""
        ...

    def add_address(self, email: str, other: str) -> None:
        """Give the contact with an address another one, as a merge of contacts does."""
        ...

    def delete(self, key: str) -> None:
        """Delete a member's contact, as the merchant does in the CRM."""
        ...

    def edit_key(self, key: str, text: str) -> None:
        """Change the key on a member's contact by hand; an empty text takes it away."""
        ...

    def fail(self, case: str, times: int = 1) -> None:
        """Cause the fault of a case, so many times."""
        ...

    def heal(self) -> None:
        """End all faults."""
        ...

    def hurry(self) -> None:
        """Wait for each answer for less time than "hang" takes."""
        ...

    def writes(self) -> list[int]:
        """Return how many members each write call had."""
        ...

    def started(self) -> list[str]:
        """Return the names of the events that can have started an automation."""
        ...

    @property
    def longest_text(self) -> int | None:
        """How many characters of a text the CRM can hold; None for any number."""
        ...


SETUPS: Final[dict[str, Callable[[], AbstractContextManager[CrmTestSetup]]]] = {
    "hubspot": hubspot,
    "klaviyo": klaviyo,
    "salesforce": salesforce_setup.salesforce,
    "webhook": webhook_setup.webhook,
}

NOT_APPLICABLE: Final[dict[str, dict[str, str]]] = {
    "klaviyo": {
        "definitions_grow": "Klaviyo knows a property from its first use on",
        "secondary_address": "a Klaviyo profile has one address",
    },
    "salesforce": salesforce_setup.NOT_APPLICABLE,
    "webhook": webhook_setup.NOT_APPLICABLE,
}
"""The cases, and further promises by their test's name, that a provider cannot show, with the reason."""
