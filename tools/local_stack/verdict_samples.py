"""The verdict on the documented samples: the outcome of each event, and every number that is not as expected.

Pure: the deliveries and the observation come in as values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from local_stack.observation import DEAD_LETTERS, Observation, decisive_lines, no_contact, rules_of
from local_stack.verdict import Result, Verdict


@dataclass(frozen=True, slots=True)
class PostedSample:
    """One delivery: the topic, the answer's HTTP status, and its event id, empty for a refused one."""

    topic: str
    status: int
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedCounts:
    """What the posted events must lead to; `skipped` are the customer ids without a contact in the CRM."""

    alerts: int
    members: int
    contacts: int
    skipped: frozenset[str]


DOCUMENTED: Final = ExpectedCounts(alerts=3, members=8, contacts=7, skipped=frozenset({"8921477710119"}))
"""The 15 documented samples lead to three messages: a payment lost for good, a payment lost of a membership that is
then cancelled, and how that one ended. No member is of high value until the programme's measures are known. One of the 8 members has
no e-mail address."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """What one event led to, as the table's cells."""

    topic: str
    answer: str
    outcome: str
    member: str
    rules: str
    crm: str


@dataclass(frozen=True, slots=True)
class SamplesVerdict(Verdict):
    """A verdict with one row for each event."""

    rows: tuple[EventRow, ...]


def judge_samples(
    posted: Sequence[PostedSample], observed: Observation, expected: ExpectedCounts = DOCUMENTED
) -> SamplesVerdict:
    """Return the verdict on what was posted and observed."""
    lines = decisive_lines(observed.journal)
    result = _result(posted, observed, lines)
    rows = tuple(_row(sample, lines.get(sample.id), observed) for sample in posted)
    return SamplesVerdict(result, tuple(_problems(result, observed, expected)), rows)


def _result(
    posted: Sequence[PostedSample], observed: Observation, lines: Mapping[str, Mapping[str, Any]]
) -> Result:
    accepted = [sample.id for sample in posted if sample.status == HTTPStatus.ACCEPTED]
    queued = {event_id for ids in observed.queues.values() for event_id in ids}
    journaled = [lines[event_id] for event_id in set(accepted) & lines.keys()]
    return {
        "posted": len(posted),
        "accepted": len(accepted),
        "applied": sum(line["outcome"] == "applied" for line in journaled),
        "stale": sum(line["outcome"] == "stale" for line in journaled),
        "journaled": len(journaled),
        "waiting": observed.waiting(),
        "dead_letters": len(observed.queues.get(DEAD_LETTERS, ())),
        "lost": sum(event_id not in lines and event_id not in queued for event_id in accepted),
        "alerts": observed.openings,
        "emails": observed.emails,
        "members": len(observed.members),
        "crm_contacts": len(observed.contacts),
        "skipped_no_email": sum(reason == "no_email" for reason in observed.skipped.values()),
    }


def _problems(result: Result, observed: Observation, expected: ExpectedCounts) -> list[str]:
    """Return a sentence for each number that differs from the expected one."""
    required = {
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
        for name, number in required.items()
        if result[name] != number
    ]
    skipped = {key.rpartition(":")[2] for key in observed.skipped}
    if skipped != expected.skipped:
        problems.append(f"skipped must be {sorted(expected.skipped)} and are {sorted(skipped)}")
    strangers = observed.contacts.keys() - observed.members
    if strangers:
        problems.append(f"the CRM has {len(strangers)} contacts that are not members")
    return problems


def _row(sample: PostedSample, line: Mapping[str, Any] | None, observed: Observation) -> EventRow:
    answer = "accepted" if sample.status == HTTPStatus.ACCEPTED else f"refused: {sample.status}"
    if line is None:
        return EventRow(sample.topic, answer, _place(sample, observed), "-", "-", "-")
    customer = line.get("customer", "-")
    key = f"{line['shop']}:{customer}"
    # A recheck asks the API and sends nothing.
    rules = [rule for rule in rules_of(line) if not rule.startswith("recheck.")]
    if key in observed.contacts:
        crm = f"contact {observed.contacts[key]}"
    else:
        crm = no_contact(observed.skipped[key]) if key in observed.skipped else "-"
    return EventRow(sample.topic, answer, line["outcome"], customer, ", ".join(rules) or "-", crm)


def _place(sample: PostedSample, observed: Observation) -> str:
    """Return where an event without a journal line is."""
    if not sample.id:
        return "-"
    queues = [name for name, ids in observed.queues.items() if sample.id in ids]
    return f"in {', '.join(queues)}" if queues else "nowhere"
