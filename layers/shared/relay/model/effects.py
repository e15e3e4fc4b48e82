"""The effects that a rule can yield: an alert to people, a note for the CRM, a KPI, credits for a member, a recheck.

Effects are values. A rule yields them, the write of the record commits them, the fan-out sends them, so a rule's
test compares two lists. As JSON (`messages.py`) each has its `kind`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import Final, Literal, TypeAlias


class Level(IntEnum):
    """The severity of an alert; an incident's level only rises."""

    INFO = 10
    WARNING = 20
    ERROR = 30
    CRITICAL = 40


LONGEST_DETAIL: Final = 1_000
"""Characters of a detail's value; every channel cuts earlier."""

_CURRENCY: Final = re.compile("[A-Z]{3}")

Action: TypeAlias = Literal["open", "close", "mention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Tell people about an incident_key: that it began or grew worse (`open`), or that it is over (`close`).

    A `mention` says something more about an incident that is open, to those who have heard of it: it
    neither ends nor raises one, and where none is open nobody hears of it.

    `incident_key` is the key under which all alert_messages of one matter meet, e.g.
    `dun:acme.myshopify.com:7001`. `title` is a sentence without personal data; `details` are label and
    value in the order in which people should read them, personal data excluded: who the member is, is
    looked up when the message is written. An alert of level `INFO` opens its incident silently, for the
    daily digest counts such things; `at_once` tells it all the same. A closing or a mention that is `at_once`
    is told as well where nobody has heard of the matter: its beginning was silent, or switched off.
    An opening that is not `lasting` (a joining, a grant, a loss) is told once for each level like any other,
    and is over as it is told: nobody waits for its end, though more may be said of it.
    """

    kind: Literal["alert"] = "alert"
    rule: str
    incident_key: str
    level: Level
    title: str
    action: Action = "open"
    details: tuple[tuple[str, str], ...] = ()
    advice: str = ""
    at_once: bool = False
    lasting: bool = True

    def __post_init__(self) -> None:
        """Cut what the platform wrote without end: an alert travels in the item of its member's record."""
        cut = tuple((label, value[:LONGEST_DETAIL]) for label, value in self.details)
        object.__setattr__(self, "details", cut)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An event on the member's timeline in the CRM; `name` is one of `timeline_events.NoteName`."""

    kind: Literal["note"] = "note"
    rule: str
    name: str
    properties: Mapping[str, str | Decimal | int | bool] = field(default_factory=dict)


KpiName: TypeAlias = Literal[
    "joined",
    "joined_paid",
    "rejoined",
    "left_voluntarily",
    "left_involuntarily",
    "left_by_merchant",
    "pending_cancellation",
    "tier_up",
    "tier_down",
    "failed_attempt",
    "payment",
    "recovered",
    "lost",
    "credits_expired",
    "manual_credit",
]
"""What the programme counts. A name never gets another meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """One thing that the programme counts, for the digest, for baselines and for spikes.

    Counted once per event, rule and name, dated by the event. `amount` is in `currency`; both may be None.
    """

    kind: Literal["kpi"] = "kpi"
    rule: str
    name: KpiName
    amount: Decimal | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        """Drop a currency that is no ISO 4217 code: amounts are summed by it."""
        if self.currency is not None and not _CURRENCY.fullmatch(self.currency):
            object.__setattr__(self, "currency", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantCredits:
    """Store credit for the member, granted at most once per `key`. `amount` is in the shop's currency unit."""

    kind: Literal["grant"] = "grant"
    rule: str
    key: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck:
    """A later check of the member, which reads the API if the record is still inconsistent (`consistency.py`)."""

    kind: Literal["recheck"] = "recheck"
    rule: str
    reason: str


Effect: TypeAlias = Alert | Note | Kpi | GrantCredits | Recheck
Effects: TypeAlias = Iterator[Effect]


def effect_id(event_id: str, effect: Effect) -> str:
    """Return the id by which an effect is sent or granted once: the event's and the rule's."""
    return f"{event_id}.{effect.rule}"
