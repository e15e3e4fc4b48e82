"""Remembers a membership's events in order: joined, moved, failed, paid, ended. From them it reads what no register can hold.

A register knows the newest value of a field. Which event came before another is known only once both have
arrived, so the record keeps them: each with its stamp, and with what the rules need of it. What is read:

* `Cycle`: the failures of one fee, and the milestone that closed it. `Cycle.outcome` says how: recovered by a
  payment, lost or ended with the membership, left behind by a joining, followed by the next cycle, or still open.
* `Pair`: two milestones that mean something together: `rejoinings` (an ending, and the joining after it),
  `recoveries` (the first failure of a cycle, and its payment), `losses` (the first failure, and the ending for it).
  `Pair.key` is the stamp number of the earlier one. A milestone that arrives late between the two leaves the key
  as it is: what is told by "pairs of the record after, less pairs before" is told once, whichever comes last.

An ending or a payment that names another tier than the member had is that tier's: it closes nothing here.

The record keeps the newest of each kind (`KEPT`), and one more, which tells that older ones are forgotten. That choice
looks at the set alone: every order and every repetition of events keeps the same. Within the bounds nothing that
was read once is read otherwise later; beyond them the oldest is forgotten, and never misread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal, TypeAlias

from relay.model.stamps import RANKS, Stamp, at_of, ordinal_of, rank_of

MilestoneKind: TypeAlias = Literal["joined", "moved", "failed", "paid", "ended"]
Outcome: TypeAlias = Literal["open", "recovered", "lost", "ended", "rejoined", "next"]

KEPT: Final[dict[MilestoneKind, int]] = {"joined": 40, "moved": 12, "failed": 12, "paid": 12, "ended": 40}
"""Milestones of each kind within which the record is exact; one more is kept (see above)."""

WITHOUT_A_FEE: Final = frozenset({"free", "lifetime"})
"""Kinds of tiers that bill nothing."""

FOUND: Final = "found"
"""The detail of what no event told and a reading of the API showed: a member who is back, or in another tier."""

SAME_ATTEMPT: Final = timedelta(hours=36)
"""Two failures of one member and attempt within this time are one, told by both topics."""

_CODES: Final = {
    "paid": "p",
    "free": "f",
    "trial": "t",
    "lifetime": "l",
    FOUND: "a",
    "voluntary": "v",
    "involuntary": "i",
    "merchant": "m",
    "unknown": "u",
}
"""The stored code of each detail."""

_NEXT_CYCLE: Final = timedelta(days=3)
_WORDS: Final = frozenset({"voluntary", "involuntary", "merchant"})
_FINAL_RANK: Final = RANKS["customer.payment_failed"]
_TEXT: Final = 40

Milestones: TypeAlias = tuple["Milestone", ...]
"""In the order of their stamps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """One event of the membership. `number` is its stamp's (time, rank, ordinal); 0 until `stamped` gives it.

    `detail` of a joining or a move is the tier's kind (paid, free, trial, lifetime; empty where it is unknown;
    `found` where a reading of the API showed it); of an ending, its kind (voluntary, involuntary, merchant), `unknown` for another
    word, empty where the event names none. `tier` is the tier entered, left or paid for, where the event names
    one. A failure and a payment have the amount; a payment has the `days` until the next one, where it names that.
    """

    kind: MilestoneKind
    number: int = 0
    detail: str = ""
    tier: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    days: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tier", tier_key(self.tier))
        object.__setattr__(self, "currency", tier_key(self.currency))

    @property
    def at(self) -> datetime:
        """The moment, to the millisecond (UTC)."""
        return at_of(self.number)

    @property
    def attempt(self) -> int | None:
        """The number of a failed attempt (15 at most), where the event has one."""
        return ordinal_of(self.number) or None

    @property
    def is_final(self) -> bool:
        """Whether a failure is the last one: all attempts have failed."""
        return self.kind == "failed" and rank_of(self.number) == _FINAL_RANK

    def stamped(self, stamp: Stamp) -> Milestone:
        """Return the milestone with the stamp of its event."""
        return replace(self, number=stamp.number)

    @property
    def order(self) -> tuple[int, str, str, str, str, str, int]:
        """The key that orders milestones: the stamp's number, then every field."""
        amount = "" if self.amount is None else str(self.amount)
        days = -1 if self.days is None else self.days
        return self.number, self.kind, self.detail, self.tier or "", amount, self.currency or "", days


@dataclass(frozen=True, slots=True)
class Pair:
    """Two milestones that mean something together."""

    earlier: Milestone
    later: Milestone

    @property
    def key(self) -> int:
        """The stamp number of the earlier milestone: what is told of the pair is told once for it."""
        return self.earlier.number


@dataclass(frozen=True, slots=True)
class Cycle:
    """The failures of one fee in their order, both topics, and the milestone that closed it; None while it is open."""

    failures: tuple[Milestone, ...]
    end: Milestone | None = None

    @property
    def outcome(self) -> Outcome:
        """How it ended. An ending that names no source, or an unknown one, is a loss: a fee was open."""
        if self.end is None:
            return "open"
        match self.end.kind:
            case "paid":
                return "recovered"
            case "ended":
                return "ended" if self.end.detail in {"voluntary", "merchant"} else "lost"
            case "failed":
                return "next"
            case _:
                return "rejoined"

    @property
    def is_final(self) -> bool:
        """Whether the final failure is known."""
        return any(failure.is_final for failure in self.failures)

    @property
    def attempts(self) -> int:
        """How many attempts have failed: the highest number, or the count of failures that have none; at least one."""
        unnumbered = sum(1 for each in self.failures if each.attempt is None and not each.is_final)
        return max(1, unnumbered, *(each.attempt or 0 for each in self.failures))

    def counterpart(self, failure: Milestone) -> Milestone | None:
        """Return the milestone by which the other topic tells the same failed attempt as this one; None without one."""
        return next((each for each in self.failures if _is_same_attempt(each, failure)), None)


def _is_same_attempt(one: Milestone, other: Milestone) -> bool:
    """Return whether two failures are one attempt, told by both topics: a final one without a number is the last attempt."""
    same_number = one.attempt == other.attempt or None in {one.attempt, other.attempt}
    return one.is_final != other.is_final and same_number and abs(one.at - other.at) <= SAME_ATTEMPT


@dataclass(frozen=True, slots=True)
class History:
    """What a record's milestones say together."""

    cycles: tuple[Cycle, ...] = ()
    rejoinings: tuple[Pair, ...] = ()
    foreign: frozenset[Milestone] = frozenset()
    """Endings and payments of a tier that the member did not have."""

    @property
    def recoveries(self) -> tuple[Pair, ...]:
        """The first failure and the payment of each cycle that was recovered, the latest last."""
        return self._pairs("recovered")

    @property
    def losses(self) -> tuple[Pair, ...]:
        """The first failure and the ending of each cycle that was lost, the latest last."""
        return self._pairs("lost")

    def failure_paid_in_part(self, number: int) -> Milestone | None:
        """Return the failure of whose fee the payment with this stamp number was a part; None where it was the whole."""
        for cycle in self.cycles:
            if number <= cycle.failures[0].number or (cycle.end and number >= cycle.end.number):
                continue
            before = [each for each in cycle.failures if each.number < number]
            return before[-1] if before[-1].amount is not None else None
        return None

    def _pairs(self, outcome: Outcome) -> tuple[Pair, ...]:
        closed = (cycle for cycle in self.cycles if cycle.outcome == outcome)
        return tuple(Pair(cycle.failures[0], cycle.end) for cycle in closed if cycle.end)


def tier_key(text: str | None) -> str | None:
    """Return a tier's id in the form in which milestones keep it: short, and without their separators.

    A long one ends in its hash: cut alone, it would be that of another tier that begins alike.
    """
    plain = (text or "").replace(";", "_").replace("|", "_").strip()
    if len(plain) <= _TEXT:
        return plain or None
    mark = sha256(plain.encode("utf-8", "replace")).hexdigest()[: _TEXT // 2]
    return plain[: _TEXT - len(mark)] + mark


def add(milestones: Milestones, milestone: Milestone) -> Milestones:
    """Return the milestones with one more, the newest of each kind.

    Two endings of one tier in one millisecond are one end with two words: a repeat with another body, whose id the record
    no longer remembers, would count as an end of its own.
    """
    every = _one_word_each(_in_order({*milestones, milestone}))
    kept: list[Milestone] = []
    for kind, most in KEPT.items():
        kept += [each for each in every if each.kind == kind][-most - 1 :]
    return tuple(_in_order(kept))


def _one_word_each(milestones: Sequence[Milestone]) -> list[Milestone]:
    """Return the milestones with one ending for each moment and tier, the one with a documented word where there is one."""
    endings = [each for each in milestones if each.kind == "ended"]
    endings.sort(
        key=lambda each: each.detail in _WORDS
    )  # stable: of two such words the one that is last in order
    stands = {(each.number, each.tier): each for each in endings}
    return [each for each in milestones if each.kind != "ended" or stands[each.number, each.tier] == each]


def is_part(paid: Milestone, failure: Milestone) -> bool:
    """Return whether a payment is less than the fee that is open, as far as both amounts are known and comparable."""
    if paid.amount is None or failure.amount is None:
        return False
    comparable = paid.currency == failure.currency or None in {paid.currency, failure.currency}
    return comparable and paid.amount < failure.amount


@lru_cache(maxsize=256)
def read(milestones: Milestones) -> History:
    """Return what the milestones say together."""
    foreign = frozenset(each for each in milestones if _is_foreign(each, milestones))
    own = [each for each in milestones if each not in foreign]
    known_from = _known_from(milestones, "failed", "paid", "ended", "joined")
    cycles = [cycle for cycle in _cycles(own) if cycle.end is None or cycle.failures[0].number > known_from]
    known_from = _known_from(milestones, "ended", "joined")
    rejoinings = [pair for pair in _rejoinings(own) if pair.key > known_from]
    return History(tuple(cycles), tuple(rejoinings), foreign)


def _is_foreign(one: Milestone, milestones: Milestones) -> bool:
    if (
        one.kind not in {"ended", "paid"}
        or one.tier is None
        or one.number <= _known_from(milestones, "joined", "moved")
    ):
        return False
    return {None, one.tier}.isdisjoint(_tiers_at(milestones, one.number) or {None})


def tier_at(milestones: Milestones, number: int) -> str | None:
    """Return the tier entered last up to a stamp's number; None where none was, or the event did not name it."""
    tiers = _tiers_at(milestones, number)
    return tiers[-1] if tiers else None


def _tiers_at(milestones: Milestones, number: int) -> list[str | None]:
    """Return the tier entered last up to a stamp's number; all of them where several were entered at one stamp."""
    entered = [each for each in milestones if each.kind in {"joined", "moved"} and each.number <= number]
    return [each.tier for each in entered if each.number == entered[-1].number]


def newest_number(milestones: Iterable[Milestone]) -> int:
    """Return the stamp number of the newest of these milestones; -1 where there is none."""
    return max((each.number for each in milestones), default=-1)


def _known_from(milestones: Milestones, *kinds: MilestoneKind) -> int:
    """Return the number of the milestone up to which older ones of these kinds may be forgotten; -1 where none is."""
    by_kind = ([each for each in milestones if each.kind == kind] for kind in kinds)
    full = (known[0].number for known, kind in zip(by_kind, kinds, strict=True) if len(known) > KEPT[kind])
    return max(full, default=-1)


def _cycles(milestones: Sequence[Milestone]) -> Iterator[Cycle]:
    """Yield the cycles in order. A failure on a membership that has ended opens none."""
    failures: list[Milestone] = []
    has_ended = False
    for each in milestones:
        if each.kind == "failed":
            if failures and _starts_cycle(failures, each):
                yield Cycle(tuple(failures), each)
                failures = []
            if not has_ended:
                failures.append(each)
            continue
        has_begun = each.kind == "joined" or each.detail in WITHOUT_A_FEE
        has_ended = each.kind == "ended" or (has_ended and not has_begun)
        if failures and _closes(each, failures[-1]):
            yield Cycle(tuple(failures), each)
            failures = []
    if failures:
        yield Cycle(tuple(failures))


def _starts_cycle(failures: Sequence[Milestone], one: Milestone) -> bool:
    """Return whether a failure is of the next fee: attempt 1 after a higher or final one, or three days after a final one."""
    finals = [each for each in failures if each.is_final]
    is_higher = any((each.attempt or 0) > 1 and each.at < one.at for each in failures)
    is_renewed = one.attempt == 1 and (is_higher or any(each.at < one.at for each in finals))
    return is_renewed or any(one.at - each.at > _NEXT_CYCLE for each in finals)


def _closes(one: Milestone, failure: Milestone) -> bool:
    """Return whether a milestone closes the cycle whose newest failure this is. A move between paid tiers does not."""
    match one.kind:
        case "paid":
            return not is_part(one, failure)
        case "joined":
            return one.detail != FOUND
        case "moved":
            return one.detail in WITHOUT_A_FEE
        case _:
            return True


def _rejoinings(milestones: Iterable[Milestone]) -> Iterator[Pair]:
    """Yield each joining after an ending, with the first ending since the joining before."""
    ended: Milestone | None = None
    for each in milestones:
        if each.kind == "ended":
            ended = ended or each
        elif each.kind == "joined" and each.detail != FOUND:
            if ended:
                yield Pair(ended, each)
            ended = None


def encode(milestones: Milestones) -> str:
    """Return the text that the table stores: for each, the number less the one before in hex, its code, and what it holds."""
    parts, before = [], 0
    for each in milestones:
        amount = "" if each.amount is None else str(each.amount)
        code = each.kind[0] + _CODES.get(each.detail, "")
        days = "" if each.days is None else f"{each.days:x}"
        fields = (f"{each.number - before:x}", code, each.tier or "", amount, each.currency or "", days)
        parts.append("|".join(fields).rstrip("|"))
        before = each.number
    return ";".join(parts)


def decode(stored: str) -> Milestones:
    """Return the milestones that `encode` was given."""
    kinds: dict[str, MilestoneKind] = {kind[0]: kind for kind in KEPT}
    details = {code: detail for detail, code in _CODES.items()}
    found: list[Milestone] = []
    number = 0
    for part in stored.split(";") if stored else ():
        since, code, tier, amount, currency, days, *_ = *part.split("|"), "", "", "", ""
        number += int(since, 16)
        found.append(
            Milestone(
                kind=kinds[code[0]],
                number=number,
                detail=details.get(code[1:], ""),
                tier=tier or None,
                amount=Decimal(amount) if amount else None,
                currency=currency or None,
                days=int(days, 16) if days else None,
            )
        )
    return tuple(found)


def _in_order(milestones: Iterable[Milestone]) -> list[Milestone]:
    return sorted(milestones, key=lambda each: each.order)
