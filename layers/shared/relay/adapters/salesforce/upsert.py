"""Upserts up to two hundred members: a query for their contacts, and the writes that follow from it.

Usually one query and one write. One more write for contacts that become a member's; a second round for a key that was
taken between query and write; at most four halvings of a call that was refused as a whole. No call is started after `TIME_LIMIT`: the rest is tried again later.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from relay.adapters.fault_table import MOST_HALVINGS
from relay.adapters.http import CrmUnavailableError
from relay.adapters.salesforce.answers import read_answer
from relay.adapters.salesforce.client import TIME_LIMIT, SalesforceClient
from relay.adapters.salesforce.contacts import plan_contacts
from relay.adapters.salesforce.mapping import (
    KEY,
    LAST_NAME,
    fields_of,
    needs_last_name,
    person_names,
    placeholder_name,
)
from relay.ports.crm import NO_NOTES, ContactNotes, CrmOutcome
from relay.rules.crm_profile import CrmProfile

Records: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Fields to write, by member key; with an `id` for a record that is addressed by it."""

_TAKEN: Final = CrmOutcome(state="waiting", reason="identity_conflict")


def time_limit() -> float:
    """Return the (monotonic) time until which calls of a batch that begins now may be started."""
    return time.monotonic() + TIME_LIMIT


@dataclass(slots=True)
class RecordWriter:
    """Writes many records in one call. `outcomes` grows with every answer; `taken` as in `SalesforceAnswer`.

    A record that is refused for names or phone alone is written once more without them.
    """

    client: SalesforceClient
    until: float = field(default_factory=time_limit)
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    _halvings: int = 0

    def write(self, records: Records, *, by_key: bool = False) -> None:
        """Upsert these records by their key, or update those with these ids.

        Raises:
            CrmUnavailableError: no further member can be written; the outcomes so far stay.

        """
        if not records:
            return
        object_name = self.client.org.object_name
        path = f"/composite/sobjects/{object_name}/{KEY}" if by_key else "/composite/sobjects"
        kind = {"attributes": {"type": object_name}}
        body = {"allOrNone": False, "records": [{**kind, **fields} for fields in records.values()]}
        answer = read_answer(self.client.call("PATCH", path, body, until=self.until), list(records))
        self.outcomes |= answer.outcomes
        self.taken += answer.taken
        if answer.unavailable:
            raise CrmUnavailableError(answer.unavailable)
        self.write(_without(records, answer.personal), by_key=by_key)
        if answer.unclear and self._halvings >= MOST_HALVINGS:
            self.outcomes |= {
                key: CrmOutcome(state="waiting", reason=reason) for key, reason in answer.unclear.items()
            }
            return
        self._halvings += bool(answer.unclear)
        unclear, middle = list(answer.unclear), (len(answer.unclear) + 1) // 2
        for half in (unclear[:middle], unclear[middle:]):
            self.write({key: records[key] for key in half}, by_key=by_key)


def _without(records: Records, personal: Mapping[str, frozenset[str]]) -> dict[str, dict[str, Any]]:
    """Return what is left of these records without the names that were refused, where that is another record and not empty.

    A last name is required of a new record, and becomes the customer's number.
    """
    again: dict[str, dict[str, Any]] = {}
    for member, refused in personal.items():
        record = records[member]
        fields = {name: value for name, value in record.items() if name not in refused}
        if LAST_NAME in refused and KEY in record:
            fields[LAST_NAME] = placeholder_name(str(record[KEY]).rpartition(":")[2])
        if fields != record and fields.keys() - {"id"}:
            again[member] = fields
    return again


@dataclass(slots=True)
class SalesforceUpsert:
    """The upsert of one batch. `outcomes` grows with every answer."""

    client: SalesforceClient
    notes: ContactNotes = NO_NOTES
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    _until: float = field(default_factory=time_limit)

    def run(self, profiles: Mapping[str, CrmProfile]) -> None:
        """Write these members.

        Raises:
            CrmUnavailableError: no further member can be written; the outcomes so far stay.

        """
        taken = self._round(profiles)
        if taken:
            taken = self._round({key: profiles[key] for key in taken})
        self.outcomes |= dict.fromkeys(taken, _TAKEN)

    def _round(self, profiles: Mapping[str, CrmProfile]) -> list[str]:
        """Write the members; return those whose key was taken between query and write."""
        plan = plan_contacts(self.client, profiles, self._until, self.notes)
        self.outcomes |= plan.outcomes
        fields = {key: fields_of(each, self.client.org.object_name) for key, each in profiles.items()}
        adopted = {key: {"id": record, **fields[key]} for key, record in plan.adopted.items()}
        new = {key: {**fields[key], **self._names(profiles[key])} for key in plan.new}
        writer = RecordWriter(self.client, self._until, self.outcomes)
        writer.write(adopted)
        writer.write({key: fields[key] for key in plan.known} | new, by_key=True)
        return writer.taken

    def _names(self, profile: CrmProfile) -> dict[str, str]:
        return person_names(profile) if needs_last_name(self.client.org.object_name) else {}
