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

AlertAction: TypeAlias = Literal["open", "update", "resolve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert to people about an incident: it opens or escalates it (`open`), adds to it (`update`) or ends it (`resolve`).

    An `update` goes to the channels that were notified of an active incident; it neither opens, escalates nor
    resolves one.

    `incident_key` is what all alerts of one incident share, e.g. `dun:acme.myshopify.com:7001`. `title` is a sentence
    without personal data; `details` are labels and values in reading order, also without: the member is looked up
    when the notification is sent. An alert of level `INFO` opens its incident silently, since the daily
    digest counts it; `immediate` sends it all the same. An `immediate` resolve or update is sent even if no channel
    was notified before: the opening was silent, or its rule is switched off.
    A `one_off` opening (a joining, a grant, a loss) is sent once per level like any other, but waits for no
    resolution, though updates may follow.
    """

    kind: Literal["alert"] = "alert"
    rule: str
    incident_key: str
    level: Level
    title: str
    action: AlertAction = "open"
    details: tuple[tuple[str, str], ...] = ()
    advice: str = ""
    immediate: bool = False
    one_off: bool = False

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
