"""What people and timelines must be told of a history: incidents, notes and the figures of the digest.

From rules.md ("The rules", "Decisions that stand") with no settings: fewer than 30 members, so that none is of high
value, and three attempts where no tier says otherwise.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby

from tests.judge import bodies, values
from tests.judge.fold import (
    DEFAULT_ATTEMPTS,
    KEPT_MILESTONES,
    KEPT_PAYMENTS,
    QUIET_DAYS,
    is_one_off,
    more_attempts_since,
    part_of,
    pays_other_tier,
    same_trial,
    starts_cycle,
    statements,
)
from tests.judge.history import DAY, HOUR, History, Sent
from tests.judge.reading import Statement

LEVELS = ("info", "warning", "error", "critical")
# "Hard decline (expired, stolen, do-not-honour, no method)" (rules.md).
HARD = re.compile(r"expired|stolen|do not honou?r|no payment method", re.IGNORECASE)
# Two failures with one attempt number are one failed attempt within 36 h of each other (architecture.md).
SAME_ATTEMPT = 36 * HOUR
MOST_NUMBERED = 15


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """One thing that people are told: the incident, its level and the outcome.

    Outcomes: `opened` (or raised to the level), `final`, `recovered`, `lost`, `rejoined`, and `resolved` by any other end.
    """

    incident: str
    level: str
    outcome: str


@dataclass(slots=True)
class Cycle:
    """One dunning cycle: the failures that one incident is about, and how it ended."""

    member: str
    failures: list[Statement] = field(default_factory=list)
    end: str | None = None
    uncertain: bool = False
    # Thirty days without a failure closed its incident, which is said as any end is, by the clock's daily run.
    quiet: bool = False
    # How often a failure came after thirty quiet days: it opens the incident again.
    reopened: int = 0
    # Followed by the next cycle: how its incident ends is not written, but what was told of it is.
    followed: bool = False

    @property
    def final(self) -> bool:
        """Whether the platform said that the fee is lost."""
        return any(s.topic == bodies.FAILED for s in self.failures)

    @property
    def warned(self) -> bool:
        """Whether people were warned: the last but one attempt, a hard decline, or the final failure."""
        late = any((s.attempt or 1) >= DEFAULT_ATTEMPTS - 1 for s in self.failures)
        return late or self.surely_warned

    @property
    def surely_warned(self) -> bool:
        """Whether people were warned however many attempts the tier has."""
        hard = any(HARD.search(str(s.detail.get("errorMessage"))) for s in self.failures)
        return hard or self.final

    @property
    def unnumbered(self) -> bool:
        """Whether an attempt has no number: whether more follow is not known, nor written whether people are warned."""
        return any(s.topic == bodies.ATTEMPT and s.attempt is None for s in self.failures)


@dataclass(slots=True)
class Expected:
    """What a history tells when it is played in the order of events.

    `must` is what has to be told, `may` what is allowed on top, `ends` how many ends each incident can have; `open_incidents` stay open at the end, `quiet_incidents`
    are closed by thirty days without a failure once the clock's daily run comes to them, and `unsettled_finals` have a final
    failure that nothing settled. `notes` counts timeline events by (member, name), `more_notes` those that may come on top;
    of those in `late_notes` another order than that of events tells at least one, and this many at most, since what parts two
    requests may arrive after them; `crowded` members have more failures, payments, endings or joinings than a record keeps; `kpis` are the digest's figures over the whole history by name.
    """

    must: Counter[Told] = field(default_factory=Counter)
    may: Counter[Told] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    open_incidents: set[str] = field(default_factory=set)
    uncertain_incidents: set[str] = field(default_factory=set)
    quiet_incidents: set[str] = field(default_factory=set)
    unsettled_finals: set[str] = field(default_factory=set)
    notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    more_notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    late_notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    open_notes: set[tuple[str, str]] = field(default_factory=set)
    crowded: set[str] = field(default_factory=set)
    kpis: dict[str, Decimal] = field(default_factory=dict)
    open_kpis: set[str] = field(default_factory=set)


def dunning_key(history: History, member: str) -> str:
    """Return the key of a member's dunning incident (rules.md)."""
    return f"dun:{history.shop}:{member}"


def expect(history: History, sent: Iterable[Sent] | None = None) -> Expected:
    """Return what the history tells people, the CRM's timeline and the digest."""
    found = Expected()
    told = [next(same) for _, same in groupby(_by_identity(history, sent), key=lambda s: s.identity)]
    for member in sorted({s.member for s in told}):
        mine = sorted((s for s in told if s.member == member), key=lambda s: (s.order, s.identity))
        _incidents(history, mine, found, more_attempts_since(told))
        _debts(history, mine, found)
        _endings(history, mine, found)
        _notes(mine, found)
        _figures(mine, found)
        if _is_crowded(mine):
            found.crowded.add(member)
    return found


def _is_crowded(mine: list[Statement]) -> bool:
    """Tell whether a member has more of one kind than a record keeps: order-independence is exact within that alone."""
    kinds = Counter("joined" if s.topic in bodies.JOINED else s.topic for s in mine)
    failures = kinds[bodies.ATTEMPT] + kinds[bodies.FAILED]
    return (
        max(failures, kinds[bodies.SUCCEEDED]) > KEPT_PAYMENTS
        or max(kinds["joined"], kinds[bodies.CANCELLED]) > KEPT_MILESTONES
    )


def _by_identity(history: History, sent: Iterable[Sent] | None) -> list[Statement]:
    return sorted(statements(history, sent), key=lambda s: (s.identity, s.at))


def cycles(mine: list[Statement]) -> Iterator[Cycle]:
    """Return a member's dunning cycles in order; `mine` is sorted and holds each event once."""
    cycle: Cycle | None = None
    state, free, is_odd = "unknown", False, _names_another_tier(mine)
    for s in mine:
        if cycle and s.topic in {
            bodies.ATTEMPT,
            bodies.FAILED,
            bodies.SUCCEEDED,
            bodies.CANCELLED,
            *bodies.JOINED,
        }:
            cycle.quiet = cycle.quiet or s.ms - cycle.failures[-1].ms > QUIET_DAYS * DAY
            cycle.uncertain = cycle.uncertain or cycle.quiet
        if s.topic in {bodies.ATTEMPT, bodies.FAILED}:
            if state == "cancelled" and not is_odd:
                continue  # "a failure on a membership that has ended opens nothing"
            if cycle and starts_cycle(cycle.failures, s):
                cycle.end, cycle.followed = "superseded", True
                yield cycle
                cycle = None
            cycle = cycle or Cycle(s.member, uncertain=free or is_odd)
            cycle.reopened += bool(cycle.failures) and s.ms - cycle.failures[-1].ms > QUIET_DAYS * DAY
            cycle.failures.append(s)
            continue
        end = _end(s)
        if cycle and end == "recovered" and part_of(s, cycle.failures):
            continue  # a part recovers nothing
        if cycle and end == "recovered" and is_one_off(s):
            cycle.uncertain = True
        if cycle and end:
            cycle.end = end
            yield cycle
            cycle = None
        state, free = _membership(s, state, free=free)
    if cycle:
        yield cycle


def _names_another_tier(mine: list[Statement]) -> bool:
    """Tell whether an ending or a payment names another tier than the member's: what it means is looked up, and not played here."""
    has: str | None = None
    for s in mine:
        tier = values.identifier(s.payload.get("tierId"))
        if s.topic in bodies.JOINED or s.topic == bodies.CHANGED_TIER:
            has = tier
        left_other = s.topic == bodies.CANCELLED and tier and has and tier != has
        if left_other or (s.topic == bodies.SUCCEEDED and pays_other_tier(s, has)):
            return True
    return False


def _membership(s: Statement, state: str, *, free: bool) -> tuple[str, bool]:
    if s.topic == bodies.CANCELLED:
        return "cancelled", False
    if s.topic in bodies.JOINED:
        return "active", s.topic in {bodies.JOINED_FREE, bodies.JOINED_LIFETIME}
    # The kind of the new tier is a setting that the history does not have.
    return state, free or s.topic == bodies.CHANGED_TIER


def _end(s: Statement) -> str | None:
    if s.topic == bodies.CANCELLED:
        return "lost"
    if s.topic in bodies.JOINED:
        return "rejoined"
    return "recovered" if s.topic == bodies.SUCCEEDED and _is_fee(s) else None


def _money(s: Statement) -> tuple[Decimal | None, str | None]:
    code = values.currency(s.detail.get("currency"))
    return values.amount(s.detail.get("amount"), code), code


def _is_fee(s: Statement) -> bool:
    money = values.amount(s.detail.get("amount"), values.currency(s.detail.get("currency")))
    return money is None or money > 0


def _incidents(history: History, mine: list[Statement], found: Expected, more_attempts: int | None) -> None:
    for cycle in cycles(mine):
        if more_attempts is not None and cycle.failures[-1].ms > more_attempts and not cycle.surely_warned:
            cycle.uncertain = True  # the last but one attempt may be a later one by then
        key = dunning_key(history, cycle.member)
        goes_on = cycle.end is None or cycle.uncertain
        if goes_on and history.end - cycle.failures[-1].ms > QUIET_DAYS * DAY:
            cycle.uncertain = cycle.quiet = True
        opened, final = Told(key, "warning", "opened"), Told(key, "warning", "final")
        told = [opened] if cycle.warned else []
        told += [final] * cycle.final
        if cycle.end in {"recovered", "lost", "rejoined"} and cycle.warned:
            told.append(Told(key, "warning", cycle.end))
        (found.may if cycle.uncertain else found.must).update(told)
        _allow(cycle, key, found)
        if cycle.uncertain or cycle.followed:
            found.uncertain_incidents.add(key)
        if cycle.final and not cycle.uncertain and (cycle.end is None or cycle.followed):
            found.unsettled_finals.add(key)
        if cycle.end is None:
            found.open_incidents.add(key)
        else:
            found.open_incidents.discard(key)


def _allow(cycle: Cycle, key: str, found: Expected) -> None:
    """Add what may be told of a cycle and need not be."""
    # Each beginning has one end; what opens the incident again after thirty quiet days has its own.
    found.ends[key] += 1 + cycle.reopened
    opened = Told(key, "warning", "opened")
    # An incident that only the digest has (level info) may be named, and its end too.
    found.may[Told(key, "info", "opened")] += 1
    for end in ("recovered", "lost", "rejoined"):
        found.may[Told(key, "info", end)] += 1
        if cycle.uncertain or cycle.followed or not cycle.warned:
            found.may[Told(key, "warning", end)] += 1
    if cycle.quiet:
        found.quiet_incidents.add(key)
        found.unsettled_finals.discard(key)
        found.may[opened] += cycle.reopened
        # The end of a cycle that was no message is that of the one before it, which may have been one.
        for level in ("info", "warning"):
            found.may[Told(key, level, "resolved")] += 1 + cycle.reopened
    if cycle.unnumbered and not cycle.warned:
        found.may[opened] += 1


def _debts(history: History, mine: list[Statement], found: Expected) -> None:
    """A balance that falls below zero is an error, one incident per member and day (rules.md)."""
    for s in mine:
        if s.topic not in {bodies.CREDITS, bodies.EXPIRED}:
            continue
        new = values.amount(s.payload.get("newBalance"), None)
        previous = values.amount(s.payload.get("previousBalance"), None)
        if new is None or new >= 0:
            continue
        key = f"cred:{history.shop}:{s.member}:{values.iso(s.ms)[:10]}"
        told = Told(key, "error", "opened")
        found.may[Told(key, "error", "resolved")] = 1
        if s.topic == bodies.EXPIRED or previous is None or previous < 0 or history.zone != "UTC":
            found.may[told] += 1
        else:
            found.must[told] = 1
            found.uncertain_incidents.add(key)  # when the incident of a debt ends is not written


def _endings(history: History, mine: list[Statement], found: Expected) -> None:
    """An ending for failed payments without an earlier warning is a warning of its own, and the return resolves it (rules.md)."""
    for s in mine:
        source = s.detail.get("cancellationSource")
        if s.topic == bodies.CANCELLED and (source == "FAILURE" or not isinstance(source, str)):
            key = f"cancelled:{history.shop}:{s.member}:{values.iso(s.ms)[:10]}"
            for level, outcome in (("warning", "opened"), ("warning", "resolved"), ("info", "resolved")):
                found.may[Told(key, level, outcome)] = 1


def _notes(mine: list[Statement], found: Expected) -> None:
    member, ended = mine[0].member, False
    left: Statement | None = None
    moved: int | None = None
    again = {s.identity for s in mine if _entered_again(mine, s)}
    _requests(mine, found)
    _failures(mine, found)
    for s in mine:
        if s.topic in bodies.JOINED:
            # Only a paid joining is said to have an event in the timeline.
            paid = s.topic == bodies.JOINED_PAID
            (found.notes if paid else found.more_notes)[member, "Membership Joined"] += (
                s.identity not in again
            )
            found.notes[member, "Membership Joined"] += 0
            found.notes[member, "Membership Rejoined"] += ended
            ended, left = False, None
        elif s.topic == bodies.CHANGED_TIER:
            # Within an hour the last move wins, and a move back drops both.
            near = moved is not None and s.ms - moved <= HOUR
            found.notes[member, "Membership Tier Changed"] += s.identity not in again
            found.open_notes |= {(member, "Membership Tier Changed")} if near else set()
            moved = s.ms
        elif s.topic == bodies.CANCELLED:
            found.notes[member, "Membership Cancelled"] += not _same_ending(left, s)
            ended, left = True, s
        elif s.topic in _NOTES:
            found.notes[member, _NOTES[s.topic]] += 1
    ends = [cycle for cycle in cycles(mine) if cycle.end == "recovered"]
    found.notes[member, "Membership Payment Recovered"] += len(ends)
    if any(cycle.uncertain for cycle in cycles(mine)):
        found.open_notes.add((member, "Membership Payment Recovered"))
    if _names_another_tier(mine):
        found.open_notes |= {
            (member, f"Membership {name}") for name in ("Rejoined", "Payment Recovered", "Payment Failed")
        }


def _entered_again(mine: list[Statement], s: Statement) -> bool:
    """Tell whether a joining or a move is told again, at another time: `join:{m}:{c}:{tier}` holds for 24 h (rules.md).

    Nothing else of the membership came between: no other tier, no end, and before a joining no failed fee.
    """
    tier = values.identifier(s.payload.get("tierId"))
    if tier is None or s.topic not in {*bodies.JOINED, bodies.CHANGED_TIER}:
        return False
    parting = {*bodies.JOINED, bodies.CANCELLED, bodies.CHANGED_TIER}
    parting |= {bodies.ATTEMPT, bodies.FAILED} if s.topic in bodies.JOINED else set()
    earlier = [other for other in mine[: mine.index(s)] if other.topic in parting]
    if not earlier or earlier[-1].topic != s.topic or s.ms - earlier[-1].ms > DAY:
        return False
    return values.identifier(earlier[-1].payload.get("tierId")) == tier


def _failures(mine: list[Statement], found: Expected) -> None:
    """Each failed attempt is noted once, whichever topic tells it and however often."""
    about, ended = (mine[0].member, "Membership Payment Failed"), False
    numbered, unsettled = list[Statement](), list[Statement]()
    for s in mine:
        if s.topic in {*bodies.JOINED, bodies.CANCELLED} or (s.topic == bodies.SUCCEEDED and _is_fee(s)):
            unsettled = []
            ended = s.topic == bodies.CANCELLED or (ended and s.topic == bodies.SUCCEEDED)
        is_failure = s.topic in {bodies.ATTEMPT, bodies.FAILED}
        if not is_failure or _same_attempt(numbered, s) or _told_again(unsettled, s):
            continue
        found.notes[about] += 1
        numbered.append(s)
        unsettled.append(s)
        if ended or _told_again(numbered[:-1], s):
            # Whether a failure after the ending is noted in the timeline is not written; and what settles the fee between
            # two attempts of one number may arrive after both.
            found.open_notes.add(about)


def _requests(mine: list[Statement], found: Expected) -> None:
    """The same request with another date is the same matter: it is said once."""
    asked, about = False, (mine[0].member, PENDING)
    for s in mine:
        if s.topic == bodies.PENDING:
            found.notes[about] += not asked
            found.late_notes[about] += 1
            asked = True
        elif s.topic in {bodies.CANCELLED, *bodies.JOINED}:
            asked = False


PENDING = "Membership Cancellation Pending"
_NOTES = {
    bodies.CREDITS: "Store Credit Changed",
    bodies.EXPIRED: "Store Credit Expired",
}


def _same_ending(left: Statement | None, s: Statement) -> bool:
    """Tell whether the same end was told by another source: it "counts once and is said once". Two tiers have two ends."""
    if left is None or s.ms - left.ms > SAME_ATTEMPT:
        return False
    tiers = {values.identifier(one.payload.get("tierId")) for one in (left, s)} - {None}
    return len(tiers) < 2


def _same_attempt(earlier: list[Statement], s: Statement) -> bool:
    """Tell whether a failure of the other topic has told this attempt already, or another final failure has."""
    return any(
        (other.topic != s.topic or s.topic == bodies.FAILED)
        and (other.attempt == s.attempt or None in {other.attempt, s.attempt})
        and abs(other.ms - s.ms) <= SAME_ATTEMPT
        for other in earlier
    )


def _told_again(unsettled: list[Statement], s: Statement) -> bool:
    """Tell whether an attempt of a fee that nothing has settled since was told already, at another time: by its number (15 and above are one)."""
    return any(
        (s.topic, s.attempt) == (other.topic, other.attempt)
        and s.attempt is not None
        and s.attempt < MOST_NUMBERED
        and s.ms - other.ms <= SAME_ATTEMPT
        for other in unsettled
    )


def _add(found: Expected, name: str, value: Decimal | int = 1) -> None:
    found.kpis[name] = found.kpis.get(name, Decimal(0)) + value


def _figures(mine: list[Statement], found: Expected) -> None:
    failing = list[Statement]()
    entered: Statement | None = None
    for s in mine:
        if s.topic in {bodies.ATTEMPT, bodies.FAILED}:
            failing.append(s)
        elif s.topic in bodies.JOINED:
            trial = entered if entered and entered.topic == bodies.JOINED_TRIAL else None
            _add(found, "joins", 0 if same_trial(trial, s) or _entered_again(mine, s) else 1)
            entered = s
        elif s.topic == bodies.CANCELLED:
            left = entered if entered and entered.topic == bodies.CANCELLED else None
            _add(found, "cancellations", 0 if _same_ending(left, s) else 1)
            entered = s
        elif s.topic == bodies.SUCCEEDED and _is_fee(s):
            _payment(s, found, whole=not is_one_off(s) and not part_of(s, failing[-1:]))
        elif s.topic == bodies.EXPIRED:
            lost = values.amount(s.payload.get("amount"), None)
            _add(found, "expired", lost or 0)
            found.open_kpis |= {"expired"} if lost is None else set()
    failures = found.notes[mine[0].member, "Membership Payment Failed"]
    if failures:
        _add(found, "failed_attempts", failures)
    if (mine[0].member, "Membership Payment Failed") in found.open_notes:
        found.open_kpis.add("failed_attempts")


def _payment(s: Statement, found: Expected, *, whole: bool) -> None:
    code = values.currency(s.detail.get("currency"))
    money = values.amount(s.detail.get("amount"), code)
    _add(found, "payments")
    if money is not None and code is not None:
        _add(found, f"paid:{code}", money)
    if not whole:
        # Whether the figures have what is no whole fee is not written.
        found.open_kpis |= {"payments", f"paid:{code}"}
