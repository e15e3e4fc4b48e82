"""Whether the CRM has become what the platform knows to be true: every field that differs, by name.

Pure: the truth comes from the simulator, which knows nothing of Relay; the contacts from the stand-in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from relay.adapters.hubspot.mapping import PROPERTIES

NOT_COMPARED: Final = frozenset({"last_event_at", "mirror_updated_at"})
"""When something was last heard and last sent is ours to say; no platform knows it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one member: what is true, and what the CRM holds; empty stands for nothing."""

    member: str
    field: str
    truth: str
    mirror: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.member} {self.field}: true is {self.truth or 'nothing'}, the CRM has {self.mirror or 'nothing'}"


@dataclass(frozen=True, slots=True)
class Compared:
    """`differences` are faults. `unheard` differ because the newest report of them reached nobody."""

    differences: tuple[Difference, ...]
    unheard: tuple[Difference, ...]


def compare(truth: Iterable[Mapping[str, Any]], contacts: Mapping[str, Mapping[str, str]]) -> Compared:
    """Compare each member that the truth states with the contact of that key, field by field."""
    wrong: list[Difference] = []
    unheard: list[Difference] = []
    for member in truth:
        excused = set(member["unheard"])
        for found in _differing(member, contacts.get(member["key"])):
            # Without a contact there is no field to look at: it is excused only if nothing was ever heard.
            named = set(member["fields"]) if found.field == "contact" else {found.field}
            heard = not named <= excused
            (wrong if heard else unheard).append(found)
    return Compared(tuple(wrong), tuple(unheard))


def _differing(member: Mapping[str, Any], contact: Mapping[str, str] | None) -> Iterator[Difference]:
    who = member["customer_id"]
    if contact is None:
        yield Difference(who, "contact", "a member", "")
        return
    for name, value in member["fields"].items():
        if name not in PROPERTIES or name in NOT_COMPARED:
            continue
        held, wanted = contact.get(PROPERTIES[name], ""), _text(value)
        if not _same(wanted, held):
            yield Difference(who, name, wanted, held)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return Decimal(one) == Decimal(other)  # 25 and 25.00 are one amount
    except InvalidOperation:
        return False
