"""The differences between the CRM and the platform's true state, field by field.

Pure: the truth comes from the simulator, which does not know Relay; the contacts come from the fake CRM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from relay.adapters.hubspot.mapping import PROPERTIES

NOT_COMPARED: Final = frozenset({"last_event_at", "mirror_updated_at"})
"""Fields about Relay's own work, which the platform cannot know."""


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field of one member: the true value and the CRM's, as text; empty for none."""

    member: str
    field: str
    truth: str
    mirror: str

    def __str__(self) -> str:
        """Return the difference as one line."""
        return f"{self.member} {self.field}: true is {self.truth or 'nothing'}, the CRM has {self.mirror or 'nothing'}"


@dataclass(frozen=True, slots=True)
class CrmDiff:
    """`differences` are Relay's faults. `unheard` are fields whose newest event never reached Relay."""

    differences: tuple[FieldDifference, ...]
    unheard: tuple[FieldDifference, ...]


def compare_crm(truth: Iterable[Mapping[str, Any]], contacts: Mapping[str, Mapping[str, str]]) -> CrmDiff:
    """Compare each true member with the contact of its key.

    An erased member may have a contact or none; one that it has holds no e-mail address.
    """
    differences: list[FieldDifference] = []
    unheard: list[FieldDifference] = []
    for member in truth:
        if member.get("erased"):
            differences.extend(_left_of(member, contacts.get(member["key"])))
            continue
        excused = set(member["unheard"])
        for found in _differing(member, contacts.get(member["key"])):
            # A missing contact is excused only if no field's event ever arrived.
            fields = set(member["fields"]) if found.field == "contact" else {found.field}
            (unheard if fields <= excused else differences).append(found)
    return CrmDiff(tuple(differences), tuple(unheard))


def _left_of(member: Mapping[str, Any], contact: Mapping[str, str] | None) -> Iterator[FieldDifference]:
    left = (contact or {}).get(PROPERTIES["email"], "")
    if left:
        # The address itself is what must not be shown any longer.
        yield FieldDifference(member["customer_id"], "email", "", "an address")


def _differing(member: Mapping[str, Any], contact: Mapping[str, str] | None) -> Iterator[FieldDifference]:
    customer = member["customer_id"]
    if contact is None:
        yield FieldDifference(customer, "contact", "a member", "")
        return
    for name, value in member["fields"].items():
        if name not in PROPERTIES or name in NOT_COMPARED:
            continue
        actual, expected = contact.get(PROPERTIES[name], ""), _text(value)
        if name == "first_joined_at":
            # The platform's record has it in seconds, an event in milliseconds: either may have come first.
            expected, actual = expected[:19], actual[:19]
        if not _same(expected, actual):
            yield FieldDifference(customer, name, expected, actual)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return Decimal(one) == Decimal(other)  # 25 and 25.00 are one amount
    except InvalidOperation:
        return False
