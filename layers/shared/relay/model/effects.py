"""What a rule can ask for: an alert to people, a note for the CRM, credits for a member, a second look.

Effects are values. A rule yields them, the record's write commits them, the fan-out sends them; so a
rule's test compares two lists. `kind` tells them apart when they travel as JSON (`changes.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import Final, Literal, TypeAlias


class Level(IntEnum):
    """How bad it is; an incident's level only rises."""

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
    """A moment for the member's timeline in the CRM, under a metric name that is a contract."""

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
"""What the programme's figures count. A name is never given another meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """Something that the programme's figures count: for the digest, for baselines and for spikes.

    Kept once per event and rule, dated by the event. `amount` is in `currency`, None where there is none.
    """

    kind: Literal["figure"] = "figure"
    rule: str
    name: KpiName
    amount: Decimal | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        """Take for a currency only what can be one: figures are summed by it."""
        if self.currency is not None and not _CURRENCY.fullmatch(self.currency):
            object.__setattr__(self, "currency", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantCredits:
    """Give the member store credit, at most once per `key`. `amount` is in the shop's currency unit."""

    kind: Literal["grant"] = "grant"
    rule: str
    key: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck:
    """Look at the member again in a while, and ask the API if the doubt still stands (`rechecking.py`)."""

    kind: Literal["recheck"] = "recheck"
    rule: str
    reason: str


Effect: TypeAlias = Alert | Note | Kpi | GrantCredits | Recheck
Effects: TypeAlias = Iterator[Effect]


def effect_id(event_id: str, effect: Effect) -> str:
    """Return the id under which an effect is told, sent or granted once: the event's and the rule's."""
    return f"{event_id}.{effect.rule}"
