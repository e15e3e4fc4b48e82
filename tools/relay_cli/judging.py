"""What became of every event, and whether that is what had to: from what was seen to a verdict.

Nothing here talks to anybody: what was posted and what was seen come in as values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

DEAD: Final = "dead-letters"
_ACCEPTED: Final = 202
_OUTCOMES: Final = ("applied", "stale", "ignored", "probe", "unclaimed", "dead", "repeat")
"""Of several lines of one event the first of these tells what became of it."""


@dataclass(frozen=True, slots=True)
class Posted:
    """One delivery: its topic, the answer's status and the event id in it, empty when it was refused."""

    topic: str
    status: int
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen at one moment.

    `queues` holds event ids by queue; `journal` the lines; `members` the keys in the table; `contacts` the
    CRM's record id by member key; `skipped` the reason by member key; `openings` counts Slack messages that
    open an incident, `emails` what people would read.
    """

    queues: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    journal: tuple[Mapping[str, Any], ...] = ()
    members: frozenset[str] = frozenset()
    contacts: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    openings: int = 0
    emails: int = 0

    def waiting(self) -> int:
        """Count the messages that somebody has yet to take: what was given up waits for a person."""
        return sum(len(ids) for name, ids in self.queues.items() if name != DEAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the events that are posted must lead to; `skipped` are customers without a record in the CRM."""

    alerts: int
    members: int
    contacts: int
    skipped: frozenset[str]


DOCUMENTED: Final = Expected(alerts=5, members=8, contacts=7, skipped=frozenset({"8921477710119"}))
"""The 15 documented samples: a payment lost for good; another whose membership is cancelled; a member about to
leave, who takes a free tier: three openings and two closings. 8 members, one of whom has no e-mail in any."""

Result: TypeAlias = dict[str, int | float]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one event, in words."""

    topic: str
    answer: str
    outcome: str
    member: str
    people: str
    crm: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row for each event, the numbers, and what is not as it must be: nothing, when all went well."""

    rows: tuple[Row, ...]
    result: Result
    problems: tuple[str, ...]


def telling_lines(journal: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return of each event, by its id, the line that tells what became of it: a repeat may be journaled first."""
    best: dict[str, Mapping[str, Any]] = {}
    for line in sorted(journal, key=lambda line: _rank(line["outcome"])):
        best.setdefault(line["id"], line)
    return best


def _rank(outcome: str) -> int:
    return _OUTCOMES.index(outcome) if outcome in _OUTCOMES else len(_OUTCOMES)


def judge(posted: Sequence[Posted], seen: Seen, expected: Expected = DOCUMENTED) -> Verdict:
    """Judge a run."""
    lines = telling_lines(seen.journal)
    result = _result(posted, seen, lines)
    rows = tuple(_row(delivery, lines.get(delivery.id), seen) for delivery in posted)
    return Verdict(rows, result, tuple(_problems(result, seen, expected)))


def _result(posted: Sequence[Posted], seen: Seen, lines: Mapping[str, Mapping[str, Any]]) -> Result:
    accepted = [delivery.id for delivery in posted if delivery.status == _ACCEPTED]
    held = {event_id for ids in seen.queues.values() for event_id in ids}
    ours = [lines[event_id] for event_id in set(accepted) & lines.keys()]
    return {
        "posted": len(posted),
        "accepted": len(accepted),
        "applied": sum(line["outcome"] == "applied" for line in ours),
        "stale": sum(line["outcome"] == "stale" for line in ours),
        "journaled": len(ours),
        "waiting": seen.waiting(),
        "dead_letters": len(seen.queues.get(DEAD, ())),
        "lost": sum(event_id not in lines and event_id not in held for event_id in accepted),
        "alerts": seen.openings,
        "emails": seen.emails,
        "members": len(seen.members),
        "crm_contacts": len(seen.contacts),
        "skipped_no_email": sum(reason == "no_email" for reason in seen.skipped.values()),
    }


def _problems(result: Result, seen: Seen, expected: Expected) -> list[str]:
    """Say what is wrong, each in a sentence that says what was wanted."""
    wanted = {
        "accepted": result["posted"],
        "journaled": result["posted"],
        "applied": result["posted"],
        "waiting": 0,
        "dead_letters": 0,
        "lost": 0,
        "alerts": expected.alerts,
        "emails": expected.alerts,
        "members": expected.members,
        "crm_contacts": expected.contacts,
        "skipped_no_email": len(expected.skipped),
    }
    problems = [
        f"{name} is {result[name]} and must be {number}"
        for name, number in wanted.items()
        if result[name] != number
    ]
    skipped = {key.rpartition(":")[2] for key in seen.skipped}
    if skipped != expected.skipped:
        problems.append(f"skipped must be {sorted(expected.skipped)} and are {sorted(skipped)}")
    strangers = seen.contacts.keys() - seen.members
    if strangers:
        problems.append(f"the CRM has {len(strangers)} contacts who are no members")
    return problems


def _row(delivery: Posted, line: Mapping[str, Any] | None, seen: Seen) -> Row:
    answer = "accepted" if delivery.status == _ACCEPTED else f"refused: {delivery.status}"
    if line is None:
        places = [name for name, ids in seen.queues.items() if delivery.id and delivery.id in ids]
        where = f"in {', '.join(places)}" if places else "nowhere"
        return Row(delivery.topic, answer, where if delivery.id else "-", "-", "-", "-")
    customer = line.get("customer", "-")
    key = f"{line['shop']}:{customer}"
    # An effect's id is the event's id and the rule's.
    rules = [effect.removeprefix(f"{delivery.id}.") for effect in dict.fromkeys(line.get("effects", ()))]
    # A second look is asked of the API, and nobody is told.
    rules = [rule for rule in rules if not rule.startswith("recheck.")]
    if key in seen.contacts:
        crm = f"contact {seen.contacts[key]}"
    else:
        crm = f"skipped: {seen.skipped[key]}" if key in seen.skipped else "-"
    return Row(delivery.topic, answer, line["outcome"], customer, ", ".join(rules) or "-", crm)
