"""One bench for each CRM adapter: the adapter, its stand-in, and the faults that the contract asks for.

A further adapter needs a bench here, and a line in `BENCHES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from relay.adapters.hubspot import Hubspot
from relay.adapters.hubspot.mapping import PROPERTIES
from relay.ports.crm import Crm
from sim.standins.faulty import Fault
from sim.standins.hubspot import HubspotStandIn
from sim.standins.serving import serve

from tests.contract.crm import salesforce, webhook
from tests.contract.crm.klaviyo_bench import klaviyo

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
)

PORT: Final = (
    "reading",
    "clearing_a_contact",
    "another_members_contact_is_not_cleared",
    "preparing",
    "describing",
)
"""What is asked of an adapter beside writing (test_port.py)."""


class Bench(Protocol):
    """What the contract suite needs of an adapter's surroundings."""

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
        """Return what the CRM shows of a member, by canonical name; None where it has no such member."""
        ...

    def contacts(self) -> list[Mapping[str, str]]:
        """Return all contacts that the CRM has, likewise."""
        ...

    def seed(self, **values: str) -> None:
        """Add a contact by hand, by canonical names; `merchants_note` is a field of the merchant's own."""
        ...

    def fail(self, case: str) -> None:
        """Bring about the fault of a case, once."""
        ...

    def writes(self) -> list[int]:
        """Return how many members each write call had."""
        ...

    def started(self) -> list[str]:
        """Return what has started an automation by being told, by name; a mere write may have, unseen."""
        ...

    @property
    def longest_text(self) -> int | None:
        """How many characters of a text the CRM can hold; None where any number."""
        ...


@dataclass
class FixedToken:
    """A token that counts how often it was to be read anew."""

    text: str = "a-service-key"
    forgotten: int = 0

    def value(self) -> str:
        """Return it."""
        return self.text

    def forget(self) -> None:
        """Remember that it was refused."""
        self.forgotten += 1


@dataclass
class HubspotBench:
    """HubSpot and its stand-in."""

    standin: HubspotStandIn
    crm: Hubspot
    per_call: int = Hubspot.batch_size
    longest_text: int | None = None

    def prepare(self) -> None:
        """Define the properties, as `relay mirror prepare` would."""
        self.crm.ensure_schema()

    def shown(self, key: str) -> Mapping[str, str] | None:
        """Return a contact's properties by canonical name."""
        return next((contact for contact in self.contacts() if contact.get("key") == key), None)

    def contacts(self) -> list[Mapping[str, str]]:
        """Return all contacts."""
        names = {theirs: ours for ours, theirs in PROPERTIES.items()} | {"firstname": "merchants_note"}
        return [
            {names[theirs]: value for theirs, value in contact.items()}
            for contact in self.standin.portal.contacts.values()
        ]

    def seed(self, **values: str) -> None:
        """Add a contact."""
        names = {**PROPERTIES, "merchants_note": "firstname"}
        self.standin.portal.create({names[ours]: value for ours, value in values.items()})

    def fail(self, case: str) -> None:
        """Set the stand-in's fault."""
        self.standin.faults.append(_HUBSPOT_FAULTS[case]())

    def writes(self) -> list[int]:
        """Return the sizes of the upserts."""
        return [asked["inputs"] for asked in self.standin.requests if asked["path"].endswith("/batch/upsert")]

    def started(self) -> list[str]:
        """Return the custom events that took place: each can start a workflow."""
        return [event["eventName"] for event in self.standin.portal.events.occurrences.values()]


_HUBSPOT_FAULTS: Final[dict[str, Callable[[], Fault]]] = {
    "silent_2xx": lambda: Fault(silent=True),
    "locked_423": lambda: Fault(status=423),
    "rate_limited": lambda: Fault(status=429, policy="TEN_SECONDLY_ROLLING", retry_after=7),
    "rate_limited_no_header": lambda: Fault(status=429, policy="TEN_SECONDLY_ROLLING"),
    "daily_limit": lambda: Fault(status=429, policy="DAILY"),
    "unauthorised_mid_batch": lambda: Fault(status=401, after=1),
    "missing_scopes": lambda: Fault(status=403),
    "timeout_after_write": lambda: Fault(apply_then_drop=True),
    "hang": lambda: Fault(hang=1.0),
    "down": lambda: Fault(status=503),
    "bad_gateway": lambda: Fault(status=502),
}


@contextmanager
def hubspot() -> Iterator[HubspotBench]:
    """Serve HubSpot's stand-in and connect the adapter to it."""
    standin = HubspotStandIn()
    with serve(standin.app()) as base_url:
        crm = Hubspot(base_url, FixedToken(), read_seconds=0.5, events=True)
        try:
            yield HubspotBench(standin, crm)
        finally:
            crm.close()


BENCHES: Final[dict[str, Callable[[], AbstractContextManager[Bench]]]] = {
    "hubspot": hubspot,
    "klaviyo": klaviyo,
    "salesforce": salesforce.salesforce,
    "webhook": webhook.webhook,
}

NOT_APPLICABLE: Final[dict[str, dict[str, str]]] = {
    "hubspot": {},
    "klaviyo": {},
    "salesforce": salesforce.NOT_APPLICABLE,
    "webhook": webhook.NOT_APPLICABLE,
}
"""Cases, and further promises by their test's name, that a provider cannot show, with the reason."""
