"""The effects that a rule can yield: an alert to people, a note for the CRM, a KPI, credits for a member, a recheck.

Effects are values. A rule yields them, the write of the record commits them, the fan-out sends them, so a rule's
test compares two lists. As JSON (`messages.py`) each has its `kind`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Final, Literal, TypeAlias

from inveterate.webhooks import texts


class Level(IntEnum):
    """The severity of an alert; an incident's level only rises."""

    INFO = 10
    WARNING = 20
    ERROR = 30
    CRITICAL = 40


LONGEST_DETAIL: Final = 1_000
"""Characters of a detail's value; every channel cuts earlier."""

_CURRENCY: Final = re.compile("[A-Z]{3}")

AlertAction: TypeAlias = Literal["open", "update", "resolve"]

Outcome: TypeAlias = Literal["failed_for_good", "recovered", "lost", "rejoined"]
"""How a failed fee went on: each is told once for an incident. The last three end it."""


Tone: TypeAlias = Literal["good", "bad", "neutral"]
"""What an end means to the programme: only a good one gets a tick."""

MEMBER: Final = "{member}"
"""What stands in a title for the member's name, which is put in when the notification is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert to people about an incident: it opens or escalates it (`open`), adds to it (`update`) or ends it (`resolve`).

    An `update` goes to the channels that were notified of an active incident; it neither opens, escalates nor
    resolves one.

    `incident_key` is what all alerts of one incident share, e.g. `dun:acme.myshopify.com:7001`. `title` is a sentence
    without personal data, with `MEMBER` where the name belongs; `details` are labels and values in reading order, also without: the member is looked up
    when the notification is sent. An alert of level `INFO` opens its incident silently, since the daily
    digest counts it; `immediate` sends it at once. An `immediate` resolve or update is sent even if no channel
    was notified before: the opening was silent, or its rule is switched off.
    A `one_off` opening (a joining, a grant, a loss) is sent once per level like any other, but waits for no
    resolution, though updates may follow.

    `tone` is how an end is marked; without one, a lost fee is bad and every other end good.
    `outcome` is told even where the incident's level was reached before. Where `as_of` is later than the event,
    the alert holds as of then: a cancellation ends what was told a moment after it, and a joining that arrives late opens the
    incident of a failure after it. An opening whose
    `cycle_at` is later than all before it begins the next incident under the same key. One that names a `next_cycle_at`
    belongs to the incident before the one that began then. `silent_since` is of an end by silence: any opening newer than
    that, though it is heard of later, shows that it was none.
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
    outcome: Outcome | None = None
    tone: Tone | None = None
    as_of: datetime | None = None
    cycle_at: datetime | None = None
    next_cycle_at: datetime | None = None
    silent_since: datetime | None = None

    def __post_init__(self) -> None:
        """Cut long values: an alert is stored in the item of its member's record."""
        cut = tuple((label, texts.cut(value, LONGEST_DETAIL)) for label, value in self.details)
        object.__setattr__(self, "details", cut)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An event on the member's timeline in the CRM; `name` is one of `timeline_events.NoteName`.

    `key` takes the place of the event's id in the note's own, where several events can tell the same.
    """

    kind: Literal["note"] = "note"
    rule: str
    name: str
    properties: Mapping[str, str | Decimal | int | bool] = field(default_factory=dict)
    key: str = ""


KpiName: TypeAlias = Literal[
    "joined",
    "joined_paid",
    "rejoined",
    "left_voluntarily",
    "left_involuntarily",
    "left_by_merchant",
    "left_for_unknown_reason",
    "pending_cancellation",
    "tier_up",
    "tier_down",
    "failed_attempt",
    "payment",
    "recovered",
    "lost",
    "credits_expired",
    "manual_credit",
    "premature_recovered",
    "premature_lost",
    "premature_rejoined",
]
"""What the programme counts. A name never gets another meaning.

`premature_` counts what was told of two events, such as a recovery, and denied by a third that came still later.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """One thing that the programme counts, for the digest, for baselines and for spikes.

    Counted once per event, rule and name, dated by the event. `amount` is in `currency`; both may be None.
    Where several events can tell the same, `key` takes the place of the event's id and `at` that of its time.
    `withdrawn` takes back what was counted under the same key, time, rule and name.
    """

    kind: Literal["kpi"] = "kpi"
    rule: str
    name: KpiName
    amount: Decimal | None = None
    currency: str | None = None
    key: str = ""
    at: datetime | None = None
    withdrawn: bool = False

    def __post_init__(self) -> None:
        """Drop a currency that is no ISO 4217 code: amounts are summed by currency."""
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
    """Return the id by which an effect is sent or granted once, made of the event's id and the rule's.

    A CRM gets only one of two notes with one id: a rule yields at most one note for an event, or for a key.
    """
    key = effect.key if isinstance(effect, Note | Kpi) else ""
    return f"{key or event_id}.{effect.rule}"
