"""The test setup of HubSpot's adapter: a fake HubSpot, and the faults that the contract needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from fakes.fault_queue import Fault
from fakes.hubspot import FakeHubspot
from fakes.local_server import serve
from relay.adapters.hubspot import Hubspot
from relay.adapters.hubspot.mapping import PROPERTIES

from tests.contract.crm.hurry import hurry
from tests.contract.crm.tokens import FixedToken


@dataclass
class HubspotTestSetup:
    """The adapter and a fake HubSpot."""

    fake: FakeHubspot
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
        names = {theirs: ours for ours, theirs in PROPERTIES.items()} | {
            "firstname": "merchants_note",
            "lastname": "last_name",
            "phone": "phone",
        }
        return [
            {names[theirs]: value for theirs, value in contact.items()}
            for contact in self.fake.portal.contacts.values()
        ]

    def texts(self) -> str:
        """Return the contacts and the bin."""
        return json.dumps([self.fake.portal.contacts, self.fake.portal.archived])

    def seed(self, **values: str) -> None:
        """Add a contact."""
        names = {**PROPERTIES, "merchants_note": "firstname"}
        self.fake.portal.create({names[ours]: value for ours, value in values.items()})

    def remove_option(self, field: str, option: str) -> None:
        """Take an option out of a property."""
        definition = self.fake.portal.definitions[PROPERTIES[field]]
        definition["options"] = [each for each in definition["options"] if each["value"] != option]

    def add_address(self, email: str, other: str) -> None:
        """Add a secondary address."""
        contact = self.fake.portal.find(email, "email")
        assert contact
        self.fake.portal.secondary[other] = contact

    def delete(self, key: str) -> None:
        """Delete a contact."""
        contacts = self.fake.portal.contacts
        [contact] = [each for each, held in contacts.items() if held.get(PROPERTIES["key"]) == key]
        del contacts[contact]

    def edit_key(self, key: str, text: str) -> None:
        """Change the key of a contact."""
        for held in self.fake.portal.contacts.values():
            if held.get(PROPERTIES["key"]) == key:
                held[PROPERTIES["key"]] = text

    def fail(self, case: str, times: int = 1) -> None:
        """Set the fault."""
        self.fake.faults.append(replace(_FAULTS[case](), times=times))

    def heal(self) -> None:
        """End all faults."""
        self.fake.faults.waiting.clear()

    def hurry(self) -> None:
        """Wait for each answer for less time than "hang" takes, on new connections."""
        hurry(self.crm)

    def writes(self) -> list[int]:
        """Return the sizes of the upserts."""
        return [asked["inputs"] for asked in self.fake.requests if asked["path"].endswith("/batch/upsert")]

    def started(self) -> list[str]:
        """Return the custom events: each can start a workflow."""
        return [event["eventName"] for event in self.fake.portal.events.occurrences.values()]


_FAULTS: Final[dict[str, Callable[[], Fault]]] = {
    "silent_2xx": lambda: Fault(silent=True),
    "locked_423": lambda: Fault(status=423),
    "rate_limited": lambda: Fault(status=429, policy="TEN_SECONDLY_ROLLING", retry_after=7),
    "rate_limited_no_header": lambda: Fault(status=429, policy="TEN_SECONDLY_ROLLING"),
    "daily_limit": lambda: Fault(status=429, policy="DAILY"),
    "unauthorised_mid_batch": lambda: Fault(status=401, after=1),
    "missing_scopes": lambda: Fault(status=403),
    "timeout_after_write": lambda: Fault(apply_then_drop=True),
    "hang": lambda: Fault(hang=1.0),
    "edge_page": lambda: Fault(status=403, body="<html>403 Forbidden</html>"),
    "version_ended": lambda: Fault(status=410),
    "provider_wide_code": lambda: Fault(status=400, code="LIMIT_EXCEEDED", path="/batch/"),
    "unknown_code": lambda: Fault(status=400, code="CODE_OF_TOMORROW"),
    "down": lambda: Fault(status=503),
    "deletion_refused": lambda: Fault(status=400, code="LIMIT_EXCEEDED", path="/batch/archive"),
    "bad_gateway": lambda: Fault(status=502),
}


@contextmanager
def hubspot(*, multi_status: bool = True) -> Iterator[HubspotTestSetup]:
    """Serve a fake HubSpot and connect the adapter to it, custom events on."""
    fake = FakeHubspot(multi_status=multi_status)
    with serve(fake.app()) as base_url:
        crm = Hubspot(base_url, FixedToken(), events=True)
        try:
            yield HubspotTestSetup(fake, crm)
        finally:
            crm.close()
