"""The verdict on a played scenario: no accepted webhook is lost, no alert is sent twice, the CRM equals the truth.

Pure: what the platform did and what was observed of Relay come in as values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from local_stack.crm_diff import CrmDiff, compare_crm
from local_stack.duplicates import IncidentsByMoment, duplicate_messages
from local_stack.observation import DEAD_LETTERS, UNCLAIMED, Observation, decisive_lines

Result: TypeAlias = dict[str, int | float]
"""The numbers of a run by name, as the RESULT line prints them."""

_GENUINE: Final = frozenset({"delivery", "copy"})
"""The kinds of request that carry a real event; all other kinds are forged."""

FAULT: Final = "fault_"
"""What the name of a fault begins with in the result: how often it struck."""

_MAX_NAMED: Final = 20
"""Problems of one kind that are listed; the result has the whole number."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The numbers of a run, and a sentence for each that is not as it must be: none when all went well."""

    result: Result
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformActivity:
    """What the platform did: its requests, its counts, the true state of the members, and its incidents.

    `struck` counts how often each injected fault struck; `forgotten` is the number of requests that the simulator no longer lists.
    """

    requests: Sequence[Mapping[str, Any]] = ()
    forgotten: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    struck: Mapping[str, int] = field(default_factory=dict)
    truth: Sequence[Mapping[str, Any]] = ()
    incidents: IncidentsByMoment = field(default_factory=dict)

    @property
    def accepted(self) -> list[Mapping[str, Any]]:
        """The requests that Relay answered with 202, in the order of the answers."""
        accepted = [request for request in self.requests if request["status"] == HTTPStatus.ACCEPTED]
        return sorted(accepted, key=lambda request: int(request["place"]))


@dataclass(frozen=True, slots=True)
class OlderMembers:
    """How many members are older than the subscriptions, how many of them reached the CRM, and what people were sent."""

    expected: int
    in_crm: int
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOutput:
    """What Relay did. `reasons` say by event id why a message was set aside; `failed_ticks` name failed clock ticks."""

    observed: Observation
    contacts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    slack: Sequence[str] = ()
    emails: Sequence[str] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    failed_ticks: Sequence[str] = ()
    older: OlderMembers | None = None


@dataclass(frozen=True, slots=True)
class ScenarioVerdict(Verdict):
    """A verdict with what it rests on. `set_aside` counts set-aside events by reason."""

    crm: CrmDiff
    duplicates: tuple[str, ...]
    set_aside: Mapping[str, int]


def judge_scenario(platform: PlatformActivity, relay: RelayOutput, *, all_faults: bool) -> ScenarioVerdict:
    """Return the verdict.

    With all faults, forged requests may be set aside for a named reason, and some events never arrive.
    """
    crm = compare_crm(platform.truth, relay.contacts)
    duplicates = (
        *duplicate_messages(relay.slack, platform.incidents),
        *duplicate_messages(relay.emails, platform.incidents),
    )
    lines = decisive_lines(relay.observed.journal)
    ids = {str(request["receipt"]) for request in platform.accepted}
    lost = sorted(id_ for id_ in ids if id_ not in lines and not (all_faults and relay.reasons.get(id_)))
    result = _result(platform, relay, lines, ids) | {
        "lost": len(lost),
        "mirror_mismatches": len(crm.differences),
        "unheard": len(crm.unheard),
        "double_alerts": len(duplicates),
    }
    problems = [
        *(
            f"{name} is {result[name]} and must be 0"
            for name in _must_be_zero(all_faults=all_faults)
            if result[name]
        ),
        *(f"lost: {id_}" for id_ in lost[:_MAX_NAMED]),
        *(f"sent twice: {text}" for text in duplicates[:_MAX_NAMED]),
        *(f"the CRM differs: {difference}" for difference in crm.differences[:_MAX_NAMED]),
        *_other_problems(platform, relay, ids),
        *_genuine_dead_letters(platform, relay),
    ]
    set_aside = Counter(reason for id_, reason in relay.reasons.items() if id_ in ids and id_ not in lines)
    return ScenarioVerdict(result, tuple(problems), crm, duplicates, set_aside)


def _must_be_zero(*, all_faults: bool) -> tuple[str, ...]:
    always = ("lost", "double_alerts", "mirror_mismatches", "waiting")
    if all_faults:
        return always
    return (*always, "dead_letters", "unclaimed", "dropped_by_sim", "given_up", "unheard")


def _genuine_dead_letters(platform: PlatformActivity, relay: RelayOutput) -> Iterator[str]:
    """Yield a sentence where an event of the platform became a dead letter: with all faults only forged ones may."""
    genuine = {str(one["receipt"]): one for one in platform.accepted if one["kind"] in _GENUINE}
    dead = sorted(set(relay.observed.queues.get(DEAD_LETTERS, ())) & genuine.keys())
    if dead:
        yield f"{len(dead)} dead letters are events of the platform and must be 0"
    yield from (f"dead: {id_} {genuine[id_]['topic']}" for id_ in dead[:_MAX_NAMED])


def _other_problems(platform: PlatformActivity, relay: RelayOutput, ids: set[str]) -> Iterator[str]:
    if platform.forgotten:
        yield f"the simulator no longer lists {platform.forgotten} deliveries"
    if not ids:
        yield "no webhook was accepted"
    if not platform.truth:
        yield "the simulator has no members"
    if (older := relay.older) and older.in_crm != older.expected:
        yield f"{older.in_crm} of {older.expected} members older than the subscriptions are in the CRM"
    if relay.older and relay.older.messages:
        yield f"the import sent {relay.older.messages} messages to people and must send none"
    yield from (f"the clock failed at {tick}" for tick in relay.failed_ticks[:_MAX_NAMED])


def _result(
    platform: PlatformActivity, relay: RelayOutput, lines: Mapping[str, Mapping[str, Any]], ids: set[str]
) -> Result:
    observed = relay.observed
    journaled = [lines[id_] for id_ in ids & lines.keys()]
    waiting = sum(
        len(held) for name, held in observed.queues.items() if name not in {DEAD_LETTERS, UNCLAIMED}
    )
    forged = sum(request["kind"] not in _GENUINE for request in platform.requests)
    return {
        "events": len({request["event"] for request in platform.requests}),
        "sent": len(platform.requests) - forged,
        "strays": forged,
        "duplicates": _duplicates(platform.accepted),
        "reordered": _reordered(platform.accepted),
        "dropped_by_sim": platform.counts.get("dropped", 0),
        "given_up": platform.counts.get("failed", 0),
        "posted": len(platform.requests),
        "accepted": len(platform.accepted),
        "applied": sum(line["outcome"] == "applied" for line in journaled),
        "stale": sum(line["outcome"] == "stale" for line in journaled),
        "journaled": len(journaled),
        "waiting": waiting,
        "dead_letters": len(observed.queues.get(DEAD_LETTERS, ())),
        "unclaimed": len(observed.queues.get(UNCLAIMED, ())),
        "alerts": len(relay.slack),
        "emails": len(relay.emails),
        "members": len(observed.members),
        "crm_contacts": len(relay.contacts),
        "older_in_crm": relay.older.in_crm if relay.older else 0,
        "skipped_no_email": sum(reason == "no_email" for reason in observed.skipped.values()),
        **{f"{FAULT}{name}": count for name, count in platform.struck.items()},
    }


def _duplicates(accepted: Sequence[Mapping[str, Any]]) -> int:
    """Return how often an event was accepted again: copies, and retries after a lost answer."""
    events = [request["event"] for request in accepted if request["kind"] in _GENUINE]
    return len(events) - len(set(events))


def _reordered(accepted: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of events first accepted after a later event of the same member."""
    newest: dict[str, int] = {}
    seen: set[int] = set()
    overtaken = 0
    for request in accepted:
        event, member = int(request["event"]), str(request["customer_id"])
        if request["kind"] not in _GENUINE or event in seen:
            continue
        seen.add(event)
        overtaken += event < newest.get(member, -1)
        newest[member] = max(event, newest.get(member, -1))
    return overtaken
