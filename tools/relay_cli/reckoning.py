"""What became of a month: every accepted webhook accounted for, people told once, the CRM equal to the truth.

Pure, as `judging`: what the platform sent and knows, and what was seen of Relay, come in as values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay_cli.comparing import Compared, compare
from relay_cli.counting import Matters, doubles
from relay_cli.judging import DEAD, Result, Seen, Verdict, telling_lines

UNCLAIMED: Final = "unclaimed"
_ACCEPTED: Final = 202
_TRUE: Final = frozenset({"delivery", "copy"})
"""Requests that carry what happened; all others are made to look like them."""

_NAMED: Final = 20
"""Of each kind of problem so many are named; the number says how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the platform did: every request it made, how it counts, what is true, and how matters are grouped."""

    requests: Sequence[Mapping[str, Any]] = ()
    forgotten: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    truth: Sequence[Mapping[str, Any]] = ()
    matters: Matters = field(default_factory=dict)

    @property
    def accepted(self) -> list[Mapping[str, Any]]:
        """The requests that were answered with 202, in the order of the answers."""
        found = [request for request in self.requests if request["status"] == _ACCEPTED]
        return sorted(found, key=lambda request: int(request["place"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """What is seen of Relay and of those whom it tells; `reasons` say why something was set aside, by event id."""

    seen: Seen
    contacts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    messages: Sequence[str] = ()
    mails: Sequence[str] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    ticks_failed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reckoning:
    """The verdict, and what it rests on."""

    verdict: Verdict
    compared: Compared
    doubled: tuple[str, ...]
    set_aside: Mapping[str, int]


def reckon(sent: Sent, got: Got, *, all_faults: bool) -> Reckoning:
    """Judge a month. With all faults some things are set aside for a named reason, and some never arrive."""
    compared = compare(sent.truth, got.contacts)
    doubled = (*doubles(got.messages, sent.matters), *doubles(got.mails, sent.matters))
    lines = telling_lines(got.seen.journal)
    ids = {str(request["receipt"]) for request in sent.accepted}
    lost = sorted(id_ for id_ in ids if id_ not in lines and not (all_faults and got.reasons.get(id_)))
    result = _result(sent, got, lines, ids) | {
        "lost": len(lost),
        "mirror_mismatches": len(compared.differences),
        "unheard": len(compared.unheard),
        "double_alerts": len(doubled),
    }
    problems = [
        *(
            f"{name} is {result[name]} and must be 0"
            for name in _zeros(all_faults=all_faults)
            if result[name]
        ),
        *(f"lost: {id_}" for id_ in lost[:_NAMED]),
        *(f"told twice: {text}" for text in doubled[:_NAMED]),
        *(f"the CRM differs: {difference}" for difference in compared.differences[:_NAMED]),
        *_others(sent, got, ids),
    ]
    aside = Counter(reason for id_, reason in got.reasons.items() if id_ in ids and id_ not in lines)
    return Reckoning(Verdict((), result, tuple(problems)), compared, doubled, aside)


def _zeros(*, all_faults: bool) -> tuple[str, ...]:
    always = ("lost", "double_alerts", "mirror_mismatches", "waiting")
    return (
        always
        if all_faults
        else (*always, "dead_letters", "unclaimed", "dropped_by_sim", "given_up", "unheard")
    )


def _others(sent: Sent, got: Got, ids: set[str]) -> Iterator[str]:
    if sent.forgotten:
        yield f"the simulator no longer knows {sent.forgotten} deliveries"
    if not ids:
        yield "nothing was accepted"
    if not sent.truth:
        yield "the simulator knows of no member"
    yield from (f"the clock failed at {failed}" for failed in got.ticks_failed[:_NAMED])


def _result(sent: Sent, got: Got, lines: Mapping[str, Mapping[str, Any]], ids: set[str]) -> Result:
    ours = [lines[id_] for id_ in ids & lines.keys()]
    waiting = sum(len(held) for name, held in got.seen.queues.items() if name not in {DEAD, UNCLAIMED})
    strays = sum(request["kind"] not in _TRUE for request in sent.requests)
    return {
        "events": len({request["event"] for request in sent.requests}),
        "sent": len(sent.requests) - strays,
        "strays": strays,
        "duplicates": _duplicates(sent.accepted),
        "reordered": _reordered(sent.accepted),
        "dropped_by_sim": sent.counts.get("dropped", 0),
        "given_up": sent.counts.get("failed", 0),
        "posted": len(sent.requests),
        "accepted": len(sent.accepted),
        "applied": sum(line["outcome"] == "applied" for line in ours),
        "stale": sum(line["outcome"] == "stale" for line in ours),
        "journaled": len(ours),
        "waiting": waiting,
        "dead_letters": len(got.seen.queues.get(DEAD, ())),
        "unclaimed": len(got.seen.queues.get(UNCLAIMED, ())),
        "alerts": len(got.messages),
        "emails": len(got.mails),
        "members": len(got.seen.members),
        "crm_contacts": len(got.contacts),
        "skipped_no_email": sum(reason == "no_email" for reason in got.seen.skipped.values()),
    }


def _duplicates(accepted: Sequence[Mapping[str, Any]]) -> int:
    """Count what was accepted again: copies, and retries whose first answer was lost."""
    told = [request["event"] for request in accepted if request["kind"] in _TRUE]
    return len(told) - len(set(told))


def _reordered(accepted: Sequence[Mapping[str, Any]]) -> int:
    """Count the events that were first accepted after a later one of the same member."""
    newest: dict[str, int] = {}
    seen: set[int] = set()
    overtaken = 0
    for request in accepted:
        event, member = int(request["event"]), str(request["customer_id"])
        if request["kind"] not in _TRUE or event in seen:
            continue
        seen.add(event)
        overtaken += event < newest.get(member, -1)
        newest[member] = max(event, newest.get(member, -1))
    return overtaken
