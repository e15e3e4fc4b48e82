"""Salesforce: members become contacts, two hundred at a time, each under its external id `Membership_Key__c`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

from relay.adapters.crm_batches import in_batches
from relay.adapters.crm_http import READ_SECONDS, AccessToken, ClosedError, CrmHttpClient, in_our_words
from relay.adapters.salesforce.client import Org, SalesforceClient
from relay.adapters.salesforce.mapping import KEY, decode, names, shown
from relay.adapters.salesforce.query import find
from relay.adapters.salesforce.schema import missing
from relay.adapters.salesforce.upsert import Collection, SalesforceUpsert, soon
from relay.errors import MisconfiguredError
from relay.model.messages import MemberChanged, notes_in
from relay.ports.crm import BulkImport, ContactRef, CrmOutcome, RateLimit
from relay.rules.crm_profile import CrmProfile

if TYPE_CHECKING:
    import httpx

__all__ = ["Org", "Salesforce"]

_CREDENTIAL: Final = "SALESFORCE_SECRET"
_NO_TIMELINE: Final = CrmOutcome(state="skipped", reason="salesforce has no timeline of its own")
_NO_CONTACT: Final = CrmOutcome(state="skipped", reason="no_contact")


class Salesforce:
    """Salesforce as a `Crm`. `transport` stands in for the network in tests."""

    name: Final = "salesforce"
    batch_size: Final = 200
    notes_batch_size: Final = 200
    rates: Sequence[RateLimit] = ()  # the org's calls of a day are limited, those of a second are not
    homes_by: Literal["key", "email"] = "key"
    automations: Final = "flows"
    bulk: BulkImport | None = None  # two hundred in a call is bulk enough: 40,000 members are 400 calls

    def __init__(
        self,
        org: Org,
        secret: AccessToken,
        transport: httpx.BaseTransport | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._wire = CrmHttpClient(transport, read_seconds)
        self._client = SalesforceClient(org, secret, self._wire)

    def upsert(self, profiles: Sequence[CrmProfile]) -> Mapping[str, CrmOutcome]:
        """Write the members' contacts. Without an e-mail address nobody could tell whether the merchant has the person."""
        return in_batches(profiles, self.batch_size, lambda: SalesforceUpsert(self._client))

    def record(
        self,
        changes: Sequence[MemberChanged],
        homes: Mapping[str, ContactRef] | None = None,  # noqa: ARG002 - the port's
    ) -> Mapping[str, CrmOutcome]:
        """Skip the notes: a task or a record for each would spend the org's storage, and nobody could find it.

        What the merchant wants to start, a record-triggered flow starts on the fields themselves.
        """
        return {note_id: _NO_TIMELINE for note_id, *_ in notes_in(changes)}

    def clear(self, homes: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Take our fields off the contacts that bear these members' keys."""
        outcomes: dict[str, CrmOutcome] = {}
        keys = [home.key for home in homes]
        for start in range(0, len(keys), self.batch_size):
            run = Collection(self._client)
            batch = keys[start : start + self.batch_size]
            try:
                found = self._by_key(batch, ("Id", KEY), run.until)
                run.clear({key: str(found[key]["Id"]) for key in batch if key in found})
            except ClosedError as closed:
                return outcomes | dict.fromkeys(keys[start:], closed.outcome) | run.outcomes
            outcomes |= dict.fromkeys(batch, _NO_CONTACT) | run.outcomes
        return outcomes

    def read(self, homes: Sequence[ContactRef]) -> Mapping[str, Mapping[str, str]]:
        """Return what the contacts that bear these members' keys hold. Errors as the port's."""
        theirs = names(self._client.org.object_name)
        with in_our_words(self.name, _CREDENTIAL):
            found = self._by_key([home.key for home in homes], ("Id", *theirs.values()), soon())
        held = {
            key: {name: decode(name, record.get(field)) for name, field in theirs.items()}
            for key, record in found.items()
        }
        return {
            key: {name: value for name, value in fields.items() if value is not None}
            for key, fields in held.items()
        }

    def shown(self, profile: CrmProfile) -> Mapping[str, str]:
        """Return what `read` would find after this profile was written."""
        return shown(profile)

    def check(self) -> None:
        """Look for nobody: it takes the credentials, the object, our key and the right to read it. Errors as the port's."""
        with in_our_words(self.name, _CREDENTIAL):
            find(self._client, ("Id",), KEY, ["nobody"], until=soon())

    def ensure_schema(self, *, dry_run: bool = False) -> Sequence[str]:
        """Say which fields are missing; they are an administrator's to define. Errors as the port's."""
        with in_our_words(self.name, "SALESFORCE_OBJECT"):
            lacking = missing(self._client)
        if lacking and not dry_run:
            raise MisconfiguredError(
                f"salesforce: {self._client.org.object_name} lacks {', '.join(lacking)}: deploy them (docs/salesforce.md)",
                setting="SALESFORCE_OBJECT",
            )
        return lacking

    def close(self) -> None:
        """End the connections. A function never does: they end with its environment."""
        self._wire.close()

    def _by_key(
        self, keys: Sequence[str], fields: Sequence[str], until: float
    ) -> dict[str, Mapping[str, object]]:
        """Return these members' records, by our own spelling of their keys."""
        found = find(self._client, fields, KEY, keys, until=until)
        bearing = {str(record.get(KEY) or "").lower(): record for record in found}
        return {key: bearing[key.lower()] for key in keys if key.lower() in bearing}
