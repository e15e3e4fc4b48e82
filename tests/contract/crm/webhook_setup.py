"""The test setup of the signed webhook: a receiver that checks signatures, and the faults that the contract needs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from fakes.fault_queue import Fault
from fakes.local_server import serve
from fakes.signed_webhook import FakeWebhookReceiver
from relay.adapters.webhook import Webhook

from tests.contract.crm.hurry import hurry
from tests.contract.crm.tokens import FixedToken

SECRET: Final = "whsec_" + base64.b64encode(bytes(range(32))).decode()

_IDENTITY: Final = "a message names the member's key; the receiver decides which contact that is"
_UNSEEN: Final = "a receiver cannot be read, and says nothing of what the merchant deleted or edited there"

NOT_APPLICABLE: Final = {
    "no_email": "the key identifies the member: one without an address is sent like any other, with null",
    "identity_conflict": _IDENTITY,
    "owned_by_other": _IDENTITY,
    "email_change_to_an_address_in_use": _IDENTITY,
    "silent_2xx": "a receiver's 2xx is its whole answer: it has no list of members that could be empty",
    "unknown_property": "the fields are ours; a receiver has none that could be missing",
    "edge_page": "a receiver is the merchant's own, and so is every answer of its address (test_fault_tables.py)",
    "definitions_grow": "the schema is ours; a receiver has no definitions",
    "secondary_address": _IDENTITY,
    "erased_on_a_contact_of_the_merchant": _IDENTITY,
    "erased_after_a_move": _IDENTITY,
    "deletion_refused": "the message is the deletion: a refusal of it is one of any message (test_answers.py)",
    "deleted_contact": _UNSEEN,
    "deleted_contact_that_may_be_made_again": _UNSEEN,
    "edited_key": _UNSEEN,
    "clearing_an_edited_key": _UNSEEN,
    "an_edited_address_leaves_no_second_contact": _UNSEEN,
    "reading": "a receiver cannot be read (test_webhook_answers.py)",
    "clearing_a_contact": "there is no contact to find: the receiver is asked to remove a member (test_webhook_bodies.py)",
}


@dataclass
class WebhookTestSetup:
    """The adapter and a receiver."""

    fake: FakeWebhookReceiver
    crm: Webhook
    per_call: int = 1
    longest_text: int | None = None

    def prepare(self) -> None:
        """Do nothing: a receiver needs no preparation."""

    def shown(self, key: str) -> Mapping[str, str] | None:
        """Return the receiver's fields of a member."""
        return next((contact for contact in self.contacts() if contact["key"] == key), None)

    def contacts(self) -> list[Mapping[str, str]]:
        """Return all members that it received."""
        return [
            {name: _text(value) for name, value in data.items() if value is not None}
            for data in self.fake.members.values()
        ]

    def texts(self) -> str:
        """Return the members."""
        return json.dumps(self.fake.members)

    def seed(self, **values: str) -> None:
        """Add a member by hand."""
        self.fake.members[values["key"]] = dict(values)

    def remove_option(self, field: str, option: str) -> None:
        """Not applicable."""
        raise NotImplementedError

    def add_address(self, email: str, other: str) -> None:
        """Not applicable."""
        raise NotImplementedError

    def delete(self, key: str) -> None:
        """Not applicable."""
        raise NotImplementedError

    def edit_key(self, key: str, text: str) -> None:
        """Not applicable: the members there are found by the key that each message names, and no person edits it."""
        raise NotImplementedError

    def fail(self, case: str, times: int = 1) -> None:
        """Set the fault."""
        self.fake.faults.waiting.append(replace(_FAULTS[case](), times=times))

    def heal(self) -> None:
        """End all faults."""
        self.fake.faults.waiting.clear()

    def hurry(self) -> None:
        """Wait for each answer for less time than "hang" takes, on new connections."""
        hurry(self.crm)

    def writes(self) -> list[int]:
        """Return 1 for each message."""
        return [1 for _ in self.fake.requests]

    def started(self) -> list[str]:
        """Return the events that are not marked as a back-fill's."""
        return [event["name"] for event in self.fake.events if not event["backfill"]]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_FAULTS: Final[dict[str, Callable[[], Fault]]] = {
    "locked_423": lambda: Fault(status=423),
    "rate_limited": lambda: Fault(status=429, retry_after=7),
    "rate_limited_no_header": lambda: Fault(status=429),
    "daily_limit": lambda: Fault(status=429, retry_after=3600),
    "unauthorised_mid_batch": lambda: Fault(status=410, after=1),
    "missing_scopes": lambda: Fault(status=403),
    "timeout_after_write": lambda: Fault(apply_then_drop=True),
    "hang": lambda: Fault(hang=1.0),
    "version_ended": lambda: Fault(status=410),
    "provider_wide_code": lambda: Fault(status=400),
    "unknown_code": lambda: Fault(status=418),
    "down": lambda: Fault(status=503),
    "bad_gateway": lambda: Fault(status=502),
}


@contextmanager
def webhook() -> Iterator[WebhookTestSetup]:
    """Serve a receiver and connect the adapter to it."""
    fake = FakeWebhookReceiver((SECRET,))
    with serve(fake.app()) as base_url:
        crm = Webhook(f"{base_url}/hook", FixedToken(SECRET))
        try:
            yield WebhookTestSetup(fake, crm)
        finally:
            crm.close()
