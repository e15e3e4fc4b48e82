"""Salesforce: members become contacts, two hundred in a call, each under its external id `Membership_Key__c`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

from relay.adapters.crm_batches import in_batches
from relay.adapters.http import READ_SECONDS, CrmHttpClient, CrmUnavailableError, SecretSource, port_errors
from relay.adapters.salesforce.clearing import clear
from relay.adapters.salesforce.client import SalesforceClient, SalesforceOrg
from relay.adapters.salesforce.faults import OBJECT
from relay.adapters.salesforce.mapping import (
    KEY,
    PERSON_FIELDS,
    decode,
    expected_fields,
    known_person,
    names,
    needs_last_name,
    placeholder_name,
)
from relay.adapters.salesforce.query import find
from relay.adapters.salesforce.schema import missing
from relay.adapters.salesforce.upsert import RecordWriter, SalesforceUpsert, time_limit
from relay.errors import MisconfiguredError
from relay.model.messages import MemberChanged, notes_in
from relay.ports.crm import NO_NOTES, BulkImport, ContactNotes, ContactRef, CrmOutcome, RateLimit
from relay.rules.crm_profile import CrmProfile

if TYPE_CHECKING:
    import httpx

__all__ = ["Salesforce", "SalesforceOrg"]

_CREDENTIAL: Final = "SalesforceSecret"
_NO_TIMELINE: Final = CrmOutcome(state="skipped", reason="salesforce has no timeline of its own")


class Salesforce:
    """Salesforce as a `Crm`. `transport` replaces the network in tests."""

    name: Final = "salesforce"
    batch_size: Final = 200
    members_per_call: Final = 200
    notes_batch_size: Final = 200
    rate_limits: Sequence[RateLimit] = ()  # the org's calls of a day are limited, those of a second are not
    identified_by: Literal["key", "email"] = "key"
    automations: Final = "flows"
    version_ends: date | None = (
        None  # Salesforce announces the end of a version a year ahead, and of none of these
    )
    bulk: BulkImport | None = None  # 200 in a call are enough: 40,000 members are 200 calls

    def __init__(
        self,
        org: SalesforceOrg,
        secret: SecretSource,
        transport: httpx.BaseTransport | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._http = CrmHttpClient(transport, read_seconds, "SalesforceUrl")
        self._client = SalesforceClient(org, secret, self._http)

    def upsert(
        self,
        profiles: Sequence[CrmProfile],
        notes: ContactNotes = NO_NOTES,
    ) -> Mapping[str, CrmOutcome]:
        """Write the members' contacts. A member without an e-mail address is skipped: the merchant may have its contact."""
        return in_batches(profiles, self.batch_size, lambda: SalesforceUpsert(self._client, notes))

    def record(
        self,
        changes: Sequence[MemberChanged],
        contacts: Mapping[str, ContactRef] | None = None,  # noqa: ARG002 - the port's argument
    ) -> Mapping[str, CrmOutcome]:
        """Skip the notes: a task or a record for each would use up the org's storage, and be hard to find.

        A record-triggered flow can start on the fields themselves.
        """
        return {note_id: _NO_TIMELINE for note_id, *_ in notes_in(changes)}

    def clear(self, contacts: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Remove our fields from the contacts under these members' keys, and an erased person from one that Relay made."""
        outcomes: dict[str, CrmOutcome] = {}
        for start in range(0, len(contacts), self.batch_size):
            writer, batch = RecordWriter(self._client), contacts[start : start + self.batch_size]
            try:
                outcomes |= clear(self._client, batch, writer)
            except CrmUnavailableError as error:
                return outcomes | dict.fromkeys((each.key for each in contacts[start:]), error.outcome)
        return outcomes

    def read(self, contacts: Sequence[ContactRef]) -> Mapping[str, Mapping[str, str]]:
        """Return what the contacts under these members' keys hold."""
        field_names = names(self._client.org.object_name)
        with port_errors(self.name, _CREDENTIAL):
            found = self._by_key(
                [contact.key for contact in contacts], ("Id", *field_names.values()), time_limit()
            )
        held = {
            key: {name: decode(name, record.get(theirs)) for name, theirs in field_names.items()}
            for key, record in found.items()
        }
        return {
            key: {name: value for name, value in fields.items() if value is not None}
            for key, fields in held.items()
        }

    def expected_fields(self, profile: CrmProfile) -> Mapping[str, str]:
        """Return what `read` finds after this profile was written."""
        return expected_fields(profile)

    def fill_names(self, profiles: Sequence[CrmProfile], contacts: Sequence[ContactRef]) -> None:  # noqa: ARG002 - the port's argument: the key finds a contact
        """Write names and phone where the contact's own are empty; the last name of our making counts as none."""
        wanted = {profile.key: known for profile in profiles if (known := known_person(profile))}
        if not wanted or not needs_last_name(self._client.org.object_name):
            return
        made_up = {each.key: placeholder_name(str(each.values["shopify_customer_id"])) for each in profiles}
        with port_errors(self.name, _CREDENTIAL):
            found = self._by_key(list(wanted), ("Id", KEY, *PERSON_FIELDS), time_limit())
            lacking = {
                key: {
                    name: value
                    for name, value in wanted[key].items()
                    if str(record.get(name) or "").strip() in {"", made_up[key]}
                }
                for key, record in found.items()
                if key in wanted
            }
            records = {
                key: {"id": str(found[key]["Id"]), **fields} for key, fields in lacking.items() if fields
            }
            for start in range(0, len(records), self.batch_size):
                batch = list(records)[start : start + self.batch_size]
                RecordWriter(self._client).write({key: records[key] for key in batch})

    def check(self) -> None:
        """Query a key that no member has: this needs the credentials, the object, our key and the right to read it."""
        with port_errors(self.name, _CREDENTIAL):
            find(self._client, ("Id",), KEY, ["no-member"], until=time_limit())

    def ensure_schema(self, *, dry_run: bool = False) -> Sequence[str]:
        """Return the fields that are missing with `dry_run`, else raise: an administrator defines them.

        Raises:
            MisconfiguredError: fields are missing, or as in `read`.
            TransientError: as in `read`.

        """
        with port_errors(self.name, OBJECT):
            lacking = missing(self._client)
        if lacking and not dry_run:
            raise MisconfiguredError(
                f"salesforce: {self._client.org.object_name} lacks {', '.join(lacking)}: deploy them (docs/salesforce.md)",
                setting=OBJECT,
            )
        return lacking

    def close(self) -> None:
        """Close the connections. A function never does: they end with its environment."""
        self._http.close()

    def _by_key(
        self, keys: Sequence[str], fields: Sequence[str], until: float
    ) -> dict[str, Mapping[str, object]]:
        """Return these members' records, by our own spelling of their keys."""
        records = find(self._client, fields, KEY, keys, until=until)
        by_key = {str(record.get(KEY) or "").lower(): record for record in records}
        return {key: by_key[key.lower()] for key in keys if key.lower() in by_key}
