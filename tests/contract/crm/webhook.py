"""The bench of the signed webhook: a receiver that believes what is signed, and the faults that the contract asks for."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from fakes.fault_queue import Fault
from fakes.local_server import serve
from fakes.signed_webhook import FakeWebhookReceiver
from relay.adapters.webhook import Webhook

from tests.contract.crm.tokens import FixedToken

SECRET: Final = "whsec_" + base64.b64encode(bytes(range(32))).decode()

_IDENTITY: Final = "a message goes by the member's key; which contact that is, is the receiver's own matter"

NOT_APPLICABLE: Final = {
    "no_email": "the key says who it is: a member without an address is told like any other, with null",
    "identity_conflict": _IDENTITY,
    "owned_by_other": _IDENTITY,
    "email_change_to_an_address_in_use": _IDENTITY,
    "silent_2xx": "a receiver's 2xx is its whole answer: there is nothing in it that could name nobody",
    "unknown_property": "the fields are ours; a receiver has none that could be missing",
    "reading": "a receiver can be told and not asked (test_webhook_answers.py)",
    "clearing_a_contact": "there is no contact to find: the receiver is told that a member is gone (test_webhook_bodies.py)",
}


@dataclass
class WebhookBench:
    """The adapter and a receiver."""

    standin: FakeWebhookReceiver
    crm: Webhook
    per_call: int = 1
    longest_text: int | None = None

    def prepare(self) -> None:
        """Do nothing: a receiver needs no preparation."""

    def shown(self, key: str) -> Mapping[str, str] | None:
        """Return what the receiver was told of a member."""
        return next((contact for contact in self.contacts() if contact["key"] == key), None)

    def contacts(self) -> list[Mapping[str, str]]:
        """Return all members that it was told of."""
        return [
            {name: _text(value) for name, value in data.items() if value is not None}
            for data in self.standin.members.values()
        ]

    def seed(self, **values: str) -> None:
        """Add a member by hand."""
        self.standin.members[values["key"]] = dict(values)

    def fail(self, case: str) -> None:
        """Set the stand-in's fault."""
        self.standin.faults.waiting.append(_FAULTS[case]())

    def writes(self) -> list[int]:
        """Return a one for each message."""
        return [1 for _ in self.standin.requests]

    def started(self) -> list[str]:
        """Return the moments that are not marked as a back-fill's."""
        return [event["name"] for event in self.standin.events if not event["backfill"]]


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
    "down": lambda: Fault(status=503),
    "bad_gateway": lambda: Fault(status=502),
}


@contextmanager
def webhook() -> Iterator[WebhookBench]:
    """Serve a receiver and connect the adapter to it."""
    standin = FakeWebhookReceiver((SECRET,))
    with serve(standin.app()) as base_url:
        crm = Webhook(f"{base_url}/hook", FixedToken(SECRET), read_seconds=0.5)
        try:
            yield WebhookBench(standin, crm)
        finally:
            crm.close()
