"""The test setup of Salesforce's adapter: a fake org, the administrator's work, and the faults that the contract needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from fakes.fault_queue import Fault
from fakes.local_server import serve
from fakes.salesforce import FakeSalesforce
from fakes.salesforce_org import SalesforceField
from relay.adapters.salesforce import Salesforce, SalesforceOrg
from relay.adapters.salesforce.mapping import definitions, names

from tests.contract.crm.hurry import hurry
from tests.contract.crm.tokens import FixedToken

OBJECT: Final = "Contact"
CREDENTIALS: Final = json.dumps({"client_id": "an-app", "client_secret": "its-secret"})

NOT_APPLICABLE: Final = {
    "unknown_property": "Relay defines no fields at Salesforce: that takes the right to customise the whole org, and a "
    "field made through the API stays hidden until it is granted. Members wait until an administrator has "
    "deployed the fields (test_salesforce.py)",
    "preparing": "an administrator deploys the fields: what is missing is named (test_salesforce.py)",
    "email_change_to_an_address_in_use": "an address is not unique there: the member's own contact stays its own "
    "(test_salesforce.py, test_a_member_keeps_its_contact_beside_a_free_one)",
    "definitions_grow": "an administrator deploys the fields: what a field lacks is named (test_salesforce.py)",
    "erased_after_a_move": "the member's own contact stays its own: none is left behind",
    "secondary_address": "a Salesforce contact has one address",
    "quiet_backfill": "Salesforce has no write without automations: any write can start the merchant's flows, so the command "
    "that fills a target asks",
}


def define_fields(fake: FakeSalesforce) -> None:
    """Define our fields, as the administrator's deployment does."""
    fake.org.columns |= {
        each.name: SalesforceField(
            type=each.type,
            length=each.length or 255,
            digits=each.digits,
            external_id=each.external_id,
            unique=each.external_id,
        )
        for each in definitions(fake.org.object_name)
    }


@dataclass
class SalesforceTestSetup:
    """The adapter and a fake org."""

    fake: FakeSalesforce
    crm: Salesforce
    per_call: int = 200
    longest_text: int | None = 255

    def prepare(self) -> None:
        """Define the fields, as an administrator does from the documented list."""
        define_fields(self.fake)

    def shown(self, key: str) -> Mapping[str, str] | None:
        """Return a record's fields by canonical name."""
        return next((contact for contact in self.contacts() if contact.get("key") == key), None)

    def contacts(self) -> list[Mapping[str, str]]:
        """Return all records, without the last name that a new record needs."""
        ours = {theirs: name for name, theirs in names(OBJECT).items()} | {
            "FirstName": "merchants_note",
            "Phone": "phone",
        }
        return [
            {ours[theirs]: _plain(value) for theirs, value in record.items() if _has_value(theirs, value)}
            for record in self.fake.org.records.values()
        ]

    def texts(self) -> str:
        """Return the records."""
        return json.dumps(self.fake.org.records)

    def seed(self, **values: str) -> None:
        """Add a record."""
        theirs = {**names(OBJECT), "merchants_note": "FirstName"}
        fields = {theirs[name]: value for name, value in values.items()}
        self.fake.org.create({"LastName": "Doe", **fields})

    def remove_option(self, field: str, option: str) -> None:
        """Not applicable."""
        raise NotImplementedError

    def add_address(self, email: str, other: str) -> None:
        """Not applicable."""
        raise NotImplementedError

    def delete(self, key: str) -> None:
        """Delete a record: it is in the bin, and in no answer."""
        records = self.fake.org.records
        [record] = [each for each, held in records.items() if held.get(names(OBJECT)["key"]) == key]
        del records[record]

    def edit_key(self, key: str, text: str) -> None:
        """Change the key of a record; one without a value is absent."""
        theirs = names(OBJECT)["key"]
        for held in self.fake.org.records.values():
            if held.get(theirs) == key:
                held[theirs] = text
                if not text:
                    del held[theirs]

    def fail(self, case: str, times: int = 1) -> None:
        """Set the faults."""
        self.fake.faults.waiting += [replace(fault, times=times) for fault in _FAULTS[case]()]

    def heal(self) -> None:
        """End all faults."""
        self.fake.faults.waiting.clear()

    def hurry(self) -> None:
        """Wait for each answer for less time than "hang" takes, on new connections."""
        hurry(self.crm)

    def writes(self) -> list[int]:
        """Return the sizes of the collections."""
        return [asked["records"] for asked in self.fake.requests if "/composite/" in asked["path"]]

    def started(self) -> list[str]:
        """Return nothing: what starts a flow here is a write."""
        return []


def _has_value(name: str, value: Any) -> bool:
    """Return whether a field has a value: a checkbox that is false has none."""
    return name != "LastName" and value is not False


def _plain(value: Any) -> str:
    if value is True:
        return "true"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _on_write(**how: Any) -> list[Fault]:
    return [Fault(path="/composite/", **how)]


_FAULTS: Final[dict[str, Callable[[], list[Fault]]]] = {
    "silent_2xx": lambda: _on_write(silent=True),
    "locked_423": lambda: _on_write(record_code="UNABLE_TO_LOCK_ROW"),
    "rate_limited": lambda: _on_write(status=503, code="SERVER_UNAVAILABLE", retry_after=7),
    "rate_limited_no_header": lambda: _on_write(status=503, code="SERVER_UNAVAILABLE"),
    "daily_limit": lambda: _on_write(status=403, code="REQUEST_LIMIT_EXCEEDED"),
    # An ended session is renewed at once, so the app is revoked as well.
    "unauthorised_mid_batch": lambda: [
        *_on_write(status=401, after=1),
        Fault(path="/oauth2/token", status=400, code="invalid_client", after=1),
    ],
    "missing_scopes": lambda: _on_write(status=403, code="API_DISABLED_FOR_ORG"),
    "timeout_after_write": lambda: _on_write(apply_then_drop=True),
    "hang": lambda: _on_write(hang=1.0),
    "edge_page": lambda: _on_write(status=403, body="<html>403 Forbidden</html>"),
    "version_ended": lambda: _on_write(status=410, code="UNSUPPORTED_API_VERSION"),
    "provider_wide_code": lambda: _on_write(record_code="STORAGE_LIMIT_EXCEEDED"),
    "unknown_code": lambda: _on_write(record_code="CODE_OF_TOMORROW"),
    "down": lambda: _on_write(status=500),
    "deletion_refused": lambda: _on_write(status=403, code="INSUFFICIENT_ACCESS", after=1),
    "bad_gateway": lambda: _on_write(status=502),
}


@contextmanager
def salesforce() -> Iterator[SalesforceTestSetup]:
    """Serve a fake org and connect the adapter to it."""
    fake = FakeSalesforce()
    with serve(fake.app()) as base_url:
        crm = Salesforce(SalesforceOrg(base_url, OBJECT), FixedToken(CREDENTIALS))
        try:
            yield SalesforceTestSetup(fake, crm)
        finally:
            crm.close()
