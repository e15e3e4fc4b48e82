"""One upsert of up to two hundred members: a look at who is where, and the writes that follow from it.

Usually one question and one write. One write more for contacts that take a member over, and one for those
that give it up; a second round for a key that somebody took between look and write; halves of a call that
was refused as a whole. All of it ends after `PATIENCE`: the rest is tried again later.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from relay.adapters.crm_http import ClosedError
from relay.adapters.salesforce.answers import read
from relay.adapters.salesforce.client import PATIENCE, SalesforceClient
from relay.adapters.salesforce.contacts import place
from relay.adapters.salesforce.mapping import KEY, encode, fields_of, last_name, needs_last_name, ours
from relay.ports.crm import CrmOutcome
from relay.rules.crm_profile import CrmProfile

Records: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Fields to write, by member key; with an `id` where a record is named by that."""

_TAKEN: Final = CrmOutcome(state="refused", reason="identity_conflict")


def soon() -> float:
    """Return until when (monotonic) calls of a batch that begins now may be started."""
    return time.monotonic() + PATIENCE


@dataclass(slots=True)
class Collection:
    """Writes of many records in one call. `outcomes` is filled as they come in, `taken` as in `answers.py`."""

    client: SalesforceClient
    until: float = field(default_factory=soon)
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)

    def write(self, records: Records, *, by_key: bool = False) -> None:
        """Upsert these records by their key, or update those with these ids.

        Raises:
            ClosedError: when nobody gets through; who has an outcome by then keeps it.

        """
        if not records:
            return
        object_name = self.client.org.object_name
        path = f"/composite/sobjects/{object_name}/{KEY}" if by_key else "/composite/sobjects"
        kind = {"attributes": {"type": object_name}}
        body = {"allOrNone": False, "records": [{**kind, **fields} for fields in records.values()]}
        reading = read(self.client.call("PATCH", path, body, until=self.until), list(records))
        self.outcomes |= reading.outcomes
        self.taken += reading.taken
        if reading.closed:
            raise ClosedError(reading.closed)
        middle = (len(reading.unclear) + 1) // 2
        for half in (reading.unclear[:middle], reading.unclear[middle:]):
            self.write({key: records[key] for key in half}, by_key=by_key)

    def clear(self, contacts: Mapping[str, str]) -> None:
        """Take our fields off these records, whose ids are given by member key. Errors as in `write`."""
        nothing = {theirs: encode(name, None) for name, theirs in ours(self.client.org.object_name).items()}
        self.write({key: {"id": id_, **nothing} for key, id_ in contacts.items()})


@dataclass(slots=True)
class SalesforceUpsert:
    """One run. `outcomes` is filled as they come in."""

    client: SalesforceClient
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    _until: float = field(default_factory=soon)

    def run(self, wanted: Mapping[str, CrmProfile]) -> None:
        """Write these members.

        Raises:
            ClosedError: when nobody gets through; who has an outcome by then keeps it.

        """
        taken = self._round(wanted)
        if taken:
            taken = self._round({key: wanted[key] for key in taken})
        self.outcomes |= dict.fromkeys(taken, _TAKEN)

    def _round(self, wanted: Mapping[str, CrmProfile]) -> list[str]:
        """Write them; return those whose key was taken meanwhile."""
        places = place(self.client, wanted, self._until)
        self.outcomes |= places.outcomes
        fields = {key: fields_of(each, self.client.org.object_name) for key, each in wanted.items()}
        staying = self._give_up(places.former)
        adopted = {
            key: {"id": id_, **fields[key]} for key, id_ in places.adopted.items() if key not in staying
        }
        new = {key: {**fields[key], **self._name(wanted[key])} for key in places.new}
        writing = Collection(self.client, self._until, self.outcomes)
        writing.write(adopted)
        writing.write({key: fields[key] for key in places.known} | new, by_key=True)
        return writing.taken

    def _give_up(self, former: Mapping[str, str]) -> list[str]:
        """Clear the contacts that bore the keys until now; return the members whose contact did not let go.

        The key is unique: so it is given up first, and a crash in between leaves none rather than two.
        """
        clearing = Collection(self.client, self._until)
        clearing.clear(former)
        staying = {key: each for key, each in clearing.outcomes.items() if each.state != "mirrored"}
        self.outcomes |= staying | dict.fromkeys(clearing.taken, _TAKEN)
        return [*staying, *clearing.taken]

    def _name(self, wanted: CrmProfile) -> dict[str, str]:
        return {"LastName": last_name(wanted)} if needs_last_name(self.client.org.object_name) else {}
