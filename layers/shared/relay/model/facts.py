"""The facts that one event reports about a member, and when they became true.

A field that the event lacks is not in the facts and changes nothing. A field that the event gives as null is in
the facts as None and clears the record's. The names are those of `fields.FIELDS`. An event may have no values at all:
`Facts.of(event)` changes no field, and the rule still yields its effects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from inveterate.webhooks import cleaning
from inveterate.webhooks.cleaning import Kind

from relay.model.balance_chain import Balances
from relay.model.fields import FIELDS, TOGETHER, Value, ValueKind, whole_millis
from relay.model.milestones import Milestone
from relay.model.stamps import RANKS, READING, Stamp

if TYPE_CHECKING:
    from inveterate.webhooks.base import Event, WireModel

_KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "email": cleaning.EMAIL,
        "phone": cleaning.PHONE,
        "first_name": cleaning.NAME,
        "last_name": cleaning.NAME,
        "tier_id": cleaning.ID,
        "previous_tier_id": cleaning.ID,
        "seen_tier_id": cleaning.ID,
        "tier_name": cleaning.LABEL,
        "previous_tier_name": cleaning.LABEL,
        "fee_currency": cleaning.CURRENCY,
        "unpaid_currency": cleaning.CURRENCY,
        # Rounded to its currency where it was read; here it only has to be an amount.
        "fee_amount": cleaning.AMOUNT,
    }
)
"""The kinds of texts that are more than a line: of events, whose models are clean already, and of the API's readings."""

_BY_TYPE: Final[Mapping[ValueKind, Kind]] = MappingProxyType(
    {
        ValueKind.TEXT: cleaning.LINE,
        ValueKind.MONEY: cleaning.AMOUNT,
        ValueKind.COUNT: cleaning.COUNT,
        ValueKind.FLAG: cleaning.FLAG,
        ValueKind.MOMENT: cleaning.MOMENT,
        ValueKind.DAY: cleaning.DAY,
    }
)

_NO_VALUES: Final[Mapping[str, Value]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Lot:
    """Credits that were granted together and expire together. The amount is what was granted, not what is left."""

    amount: Decimal
    expires_at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "expires_at", whole_millis(self.expires_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Values by field name, reported by `event_id` as of `at` (aware, UTC; None until `dated` gives a time).

    `rank` and `ordinal` decide between facts of one millisecond (`stamps.py`).

    Raises:
        ValueError: a name is no field of a member.

    """

    event_id: str
    at: datetime | None
    rank: int = READING
    ordinal: int = 0
    values: Mapping[str, Value] = field(default_factory=lambda: _NO_VALUES)
    lot: Lot | None = None
    balances: Balances | None = None
    milestone: Milestone | None = None

    def __post_init__(self) -> None:
        unknown = self.values.keys() - FIELDS.keys()
        if unknown:
            raise ValueError(f"not fields of a member: {sorted(unknown)}")
        if any(self.values.keys() & group and not self.values.keys() >= group for group in TOGETHER):
            object.__setattr__(self, "values", _completed(self.values))
        if (balance := self.values.get("credit_balance")) is not None and self.balances is None:
            # A balance without the one before it is an anchor of the chain: the balance is no register.
            object.__setattr__(self, "balances", (None, balance))
        if "credit_balance" in self.values:
            rest = {name: value for name, value in self.values.items() if name != "credit_balance"}
            object.__setattr__(self, "values", rest)
        if self.at:
            object.__setattr__(self, "at", whole_millis(self.at))

    @classmethod
    def of(
        cls,
        event: Event,
        *values: Mapping[str, Value],
        ordinal: int = 0,
        lot: Lot | None = None,
        balances: Balances | None = None,
        milestone: Milestone | None = None,
    ) -> Facts:
        """Return the facts of an event, dated and ranked by it."""
        return cls(
            event_id=event.id,
            at=event.occurred_at,
            rank=RANKS[event.TOPIC],
            ordinal=ordinal,
            values=combine(*values),
            lot=lot,
            balances=balances,
            milestone=milestone,
        )

    @property
    def stamp(self) -> Stamp:
        """The stamp of every field that these facts set.

        Raises:
            ValueError: the facts have no time.

        """
        if self.at is None:
            raise ValueError("facts without a time: date them by their receipt first")
        return Stamp.of(self.at, self.event_id, rank=self.rank, ordinal=self.ordinal)

    def dated(self, received_at: datetime) -> Facts:
        """Return the same facts; where the event has no time, as of their receipt."""
        return self if self.at else replace(self, at=received_at)


def _completed(values: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return the values with every field of a group of which there is one: values that mean something together."""
    missing = (group for group in TOGETHER if values.keys() & group)
    return {**{name: None for group in missing for name in sorted(group)}, **values}


def combine(*parts: Mapping[str, Value]) -> dict[str, Value]:
    """Return the values of all parts in the form in which the record keeps them; a later part replaces an earlier one.

    A value that cannot be what its field holds says nothing and is left out: what the record has stays.
    """
    values: dict[str, Value] = {}
    for name, value in (item for part in parts for item in part.items()):
        try:
            values[name] = normalise(name, value)
        except ValueError:
            continue
    return values


def pick(part: WireModel, /, **fields: str) -> dict[str, Value]:
    """Return the fields that a part of an event has, under the member's names.

    `pick(event.contact, email="email", phone_number="phone")`: the keyword is the part's name of a field, its
    value the member's. A field that the part lacks is left out.
    """
    return {name: getattr(part, source) for source, name in fields.items() if part.has(source)}


def known(part: WireModel, /, **fields: str) -> dict[str, Value]:
    """Return the fields that a part of an event has and that are not null: the event is not about them, so null clears nothing."""
    return {name: value for name, value in pick(part, **fields).items() if value is not None}


def normalise(name: str, value: Value) -> Value:
    """Return a value in the form in which the record keeps it, by the same kinds as the models of events.

    Raises:
        ValueError: the field cannot hold it: no address, no amount, no count.

    """
    known = FIELDS.get(name)
    if value is None or known is None:
        return value
    if isinstance(value, date) and known.kind is ValueKind.DAY:
        day = value.date() if isinstance(value, datetime) else value
        return value if cleaning.FIRST_DAY <= day <= cleaning.LAST_DAY else None
    clean: Value = (_KINDS.get(name) or _BY_TYPE[known.kind]).clean(value)
    return clean
