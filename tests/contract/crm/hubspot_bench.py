"""HubSpot's bench: the adapter, its stand-in, and the faults that the contract asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from fakes.fault_queue import Fault
from fakes.hubspot import FakeHubspot
from fakes.local_server import serve
from relay.adapters.hubspot import Hubspot
from relay.adapters.hubspot.mapping import PROPERTIES

from tests.contract.crm.tokens import FixedToken


@dataclass
class HubspotBench:
    """HubSpot and its stand-in."""

    standin: FakeHubspot
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
def hubspot(*, multi_status: bool = True) -> Iterator[HubspotBench]:
    """Serve HubSpot's stand-in and connect the adapter to it, custom events on."""
    standin = FakeHubspot(multi_status=multi_status)
    with serve(standin.app()) as base_url:
        crm = Hubspot(base_url, FixedToken(), read_seconds=0.5, events=True)
        try:
            yield HubspotBench(standin, crm)
        finally:
            crm.close()
