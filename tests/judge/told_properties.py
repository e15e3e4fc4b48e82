"""What must hold of the alerts of every play: each is told once, in order, and ends as it began."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.judge import bodies
from tests.judge.case import Case, Violation
from tests.judge.fold import statements
from tests.judge.history import History, Sent
from tests.judge.messages import LEVELS, Told, expect


def told_at_most_once(case: Case) -> Iterator[Violation]:
    """Each (incident, level, outcome) is told at most as often as the order of events would tell it."""
    allowed = case.expected.must + case.expected.may
    begun = Counter(told.incident for told in case.observed.told if told.outcome == "opened")
    ended = Counter(told.incident for told in case.observed.told if told.outcome in _ENDS)
    quiet = Counter(told.incident for told in case.observed.told if told.outcome == "resolved")
    for told, times in Counter(case.observed.told).items():
        most = allowed[told]
        if told.incident.partition(":")[0] not in _OF_MEMBERS:
            most = max(most, 1)
        if times > most and not case.in_order:
            # What is sent cannot be taken back: a still later arrival may deny it.
            most = _told_by_arrivals(case, told)
            if told.outcome in _ENDS:
                most = max(most + case.observed.premature[told.outcome], begun[told.incident])
            else:
                # What was said to be over too early is opened again.
                denied = case.observed.premature.total() + quiet[told.incident]
                most += min(denied, ended[told.incident])
        if times > most:
            yield Violation("told_at_most_once", _name(told), f"{times} times, at most {most}")


# The incidents of single members (rules.md, "Key"); every other one is of the programme or of Relay itself.
_OF_MEMBERS = frozenset({"dun", "cred", "join", "trial", "tier", "cancel", "cancelled", "exp", "renew"})


def one_end_for_each_beginning(case: Case) -> Iterator[Violation]:
    """A fee that failed ends in one way: no incident has more ends than fees, but for those that a later arrival denied."""
    ended = Counter(
        told.incident
        for told in case.observed.told
        if told.incident.startswith("dun:") and told.outcome in _ENDS
    )
    for key, times in sorted(ended.items()):
        most = case.expected.ends[key]
        if times > most and not case.in_order:
            most = _ends_by_arrivals(case, key) + case.observed.premature.total()
        if times > most:
            yield Violation("one_end_for_each_beginning", key, f"{times} ends, at most {most}")


def _ends_by_arrivals(case: Case, key: str) -> int:
    """Return how many ends an incident can have had, as the fees behind it became known one by one."""
    return max(
        sum(max(after - before, 0) for before, after in pairwise([0, *ends]))
        for ends in ([expect(case.history, known).ends[key] for known in order] for order in _orders(case))
    )


def _told_by_arrivals(case: Case, told: Told) -> int:
    """Return how often something is told by one who hears of the events in the order of arrival, and knows their times.

    Each arrival may tell what the order of the events that are known by then tells, and that of those before did not.
    """
    most = 0
    for order in _orders(case):
        times = [0]
        for known in order:
            expected = expect(case.history, known)
            times.append(expected.must[told] + expected.may[told])
        most = max(most, sum(max(after - before, 0) for before, after in pairwise(times)))
    return most


def _orders(case: Case) -> Iterator[list[list[Sent]]]:
    """Yield the prefixes of the orders in which the arrivals may have been handled.

    What was in the queues together may have been handled in any order; the judge looks at both directions.
    """
    arrivals = case.observed.plan.arrivals
    yield list(_prefixes(case.history, arrivals))
    groups = case.observed.groups or list(range(len(arrivals)))
    backwards = sorted(range(len(arrivals)), key=lambda n: (groups[n], -n))
    if backwards != sorted(backwards):
        yield list(_prefixes(case.history, [arrivals[n] for n in backwards]))


def _prefixes(history: History, arrivals: Sequence[tuple[str, int]]) -> Iterator[list[Sent]]:
    """Yield what has arrived after each arrival."""
    by_pair = {(sent.event, sent.number): sent for sent in history.sent()}
    known: dict[tuple[str, int], Sent] = {}
    for pair in arrivals:
        known[pair] = by_pair[pair]
        yield list(known.values())


def told_in_order(case: Case) -> Iterator[Violation]:
    """Where the events come as they happened, everything that must be told is told.

    What two crashes around two calls of a channel leave unconfirmed is a dead letter: it is not sent a third time.
    """
    if not case.in_order:
        return
    observed, unconfirmed = Counter(case.observed.told), _unconfirmed(case)
    for told, times in case.expected.must.items():
        if observed[told] < times and told.incident.rpartition(":")[2] not in unconfirmed:
            yield Violation("told_in_order", _name(told), f"{observed[told]} times instead of {times}")


def _unconfirmed(case: Case) -> set[str]:
    """Return the members of events with an alert that is a dead letter because it was unconfirmed twice."""
    members = {event.name: event.member for event in case.history.events}
    by_id = {event_id: members[name] for (name, _), event_id in case.observed.ids.items() if name in members}
    lines = (line for line in case.observed.logs if '"unconfirmed: ' in line)
    return {member for line in lines for event_id, member in by_id.items() if event_id in line}


def final_failure_is_said(case: Case) -> Iterator[Violation]:
    """A final failure is said in every order, unless something newer that closes the incident came before it."""
    observed = Counter(case.observed.told)
    for told in sorted(case.expected.must):
        if told.outcome == "final" and not observed[told] and _must_say_final(case, told):
            yield Violation("final_failure_is_said", _name(told), "not said")


def _must_say_final(case: Case, told: Told) -> bool:
    prefixes = list(_prefixes(case.history, case.observed.plan.arrivals))
    arrived = statements(case.history, prefixes[-1])
    mine = {
        s.identity for s in arrived if told.incident.endswith(f":{s.member}") and s.topic == bodies.FAILED
    }
    # Where a member has several cycles, an order may make one of them.
    if len(mine) != 1:
        return False
    # What was in the queues together may have been handled in any order: what counts is what was known after it.
    groups = case.observed.groups or range(len(prefixes))
    last_of_group = {group: n for n, group in enumerate(groups)}
    known = (expect(case.history, prefixes[n]) for n in last_of_group.values())
    return any(told.incident in expected.unsettled_finals for expected in known)


# Thirty days without a failure are an end as well, and are said as that.
_ENDS = frozenset({"recovered", "lost", "rejoined", "resolved"})


def ends_what_begins(case: Case) -> Iterator[Violation]:
    """No dunning incident that people were told of stays without its end."""
    steps: dict[str, list[bool]] = {}  # for each incident its beginnings (False) and its ends (True)
    for told in case.observed.told:
        is_loud = LEVELS.index(told.level) >= LEVELS.index("warning")
        if (
            told.incident.startswith("dun:")
            and is_loud
            and (told.outcome == "opened" or told.outcome in _ENDS)
        ):
            steps.setdefault(told.incident, []).append(told.outcome in _ENDS)
    for key, ends in steps.items():
        before = ends[:-1] if key in case.expected.open_incidents and not ends[-1] else ends
        if not before or before[-1]:
            continue  # a member has at most one open incident: its end is the end of those before it
        begun, ended = before.count(False), before.count(True)
        if key not in case.expected.uncertain_incidents and ended < begun:
            yield Violation("ends_what_begins", key, f"begun {begun} times, ended {ended} times")


def incident_state(case: Case) -> Iterator[Violation]:
    """A dunning incident is open at the end exactly when the events leave it open."""
    for key in sorted(case.observed.open_incidents | case.expected.open_incidents):
        if not key.startswith("dun:") or key in case.expected.uncertain_incidents:
            continue
        wanted = key in case.expected.open_incidents
        if wanted != (key in case.observed.open_incidents):
            yield Violation("incident_state", key, "closed" if wanted else "open")


def _name(told: Told) -> str:
    return f"{told.incident} {told.level} {told.outcome}"
