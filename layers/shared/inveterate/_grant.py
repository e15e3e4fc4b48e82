"""Credits given at most once: claim, mark, post; when in doubt look, and never guess.

    claim ── new ──────────────► post ── 2xx ───────────► granted
      │                           ├──── refused ────────► the error, and the key is free again
      │                           └──── nobody knows ──► look ── found ──► granted
      ├── granted ─► already_granted                       └── not found ─► unknown
      └── open ────► look ── found ──► already_granted
                      └── not found ── may we? ── no ──► unknown
                                          └── yes ─────► post

"May we" needs all of: the whole ledger was read; it has shown one of our notes (so that ours would show);
the claim is old enough for a slow write to have arrived, and for whoever made it to have sent it or died; and
nobody else was quicker.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any, Final

from inveterate._call import Call
from inveterate._errors import (
    AmbiguousWriteError,
    ConflictError,
    ConnectionFailedError,
    InveterateError,
    RateLimitError,
    StatusError,
)
from inveterate._ids import CustomerId
from inveterate._intents import Claim, ClaimState, Intent, Intents
from inveterate._paging import read_all
from inveterate._replies import Page, Receipt
from inveterate._retries import Retries, converse
from inveterate._steps import Conversation, Do, Sleep
from inveterate.models.members import CreditEntry

LOOKS: Final = (0.5, 1.5, 3.0, 5.0)
"""Pauses before each reading of the ledger, in seconds: v1 speaks of "a few seconds" until an entry shows."""

SETTLED_AFTER: Final = 600.0
"""Seconds after which a request that left no entry is taken for lost, where notes show at all."""

_MOST_PAGES: Final = 200
_MARK: Final = re.compile(r"#grant-[0-9a-f]{20}\b")


class GrantStatus(StrEnum):
    """What is known of a grant."""

    GRANTED = "granted"
    """This call did it: the platform accepted, or the ledger shows the entry."""
    ALREADY_GRANTED = "already_granted"
    """An earlier call did."""
    UNKNOWN = "unknown"
    """Nobody knows, and it was not tried again. Ask later with the same key, or let a person look."""


@dataclass(frozen=True, slots=True)
class GrantResult:
    """What became of a grant.

    `mark` is what the entry's note holds. `entry` is the ledger's entry where it was read. `cause` is
    what made the outcome uncertain, where something did.
    """

    status: GrantStatus
    mark: str
    entry: CreditEntry | None = None
    cause: InveterateError | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at the ledger gave: our entry, whether any note of ours shows, whether all was read."""

    entry: CreditEntry | None = None
    shows_notes: bool = False
    whole: bool = False


def mark_of(key: str) -> str:
    """Return the mark of a key: a hash, since a note is seen by people and a key may say too much."""
    return f"#grant-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:20]}"


def intent_for(key: str, customer_id: CustomerId, amount: Decimal) -> Intent:
    """Check what is to be granted.

    Raises:
        ValueError: when the amount is not above 0, or the key is empty.

    """
    if amount <= 0:
        raise ValueError("a grant is above 0")
    if not key.strip():
        raise ValueError("a grant needs a key")
    return Intent(key, customer_id, amount)


@dataclass(frozen=True)
class Grant:
    """One grant under way: the drawing above, step by step."""

    intent: Intent
    store: Intents
    note: str
    looks: Sequence[float]
    settled_after: float
    retries: Retries
    post: Callable[..., Call[Receipt]]
    read: Callable[..., Call[Page[CreditEntry]]]

    @property
    def mark(self) -> str:
        """What the entry's note will hold."""
        return mark_of(self.intent.key)

    def result(
        self, status: GrantStatus, seen: Seen | None = None, cause: InveterateError | None = None
    ) -> GrantResult:
        """Say what became of it."""
        return GrantResult(status, self.mark, seen.entry if seen else None, cause)

    def run(self) -> Conversation[GrantResult]:
        """Grant it, or find out why not."""
        claim: Claim = yield Do(partial(self.store.claim, self.intent))
        if claim.intent != self.intent:
            raise ValueError("this key was used for another grant")
        if claim.state is ClaimState.GRANTED:
            return self.result(GrantStatus.ALREADY_GRANTED)
        if claim.state is ClaimState.OPEN:
            seen = yield from self.look()
            if seen.entry is not None:
                yield Do(partial(self.store.settle, claim))
                return self.result(GrantStatus.ALREADY_GRANTED, seen)
            if not self.may_post_again(claim, seen) or not (yield Do(partial(self.store.renew, claim))):
                return self.result(GrantStatus.UNKNOWN, seen)
            claim = Claim(ClaimState.OPEN, self.intent, claim.attempt + 1)
        return (yield from self.send(claim))

    def may_post_again(self, claim: Claim, seen: Seen) -> bool:
        """Tell whether the ledger proves that the earlier request was lost."""
        return seen.whole and seen.shows_notes and claim.age >= self.settled_after

    def send(self, claim: Claim) -> Conversation[GrantResult]:
        """Post, and find out what became of it."""
        # The mark comes first: whatever cuts notes short cuts the end.
        note = f"{self.mark} {self.note}".strip()
        call = self.post(self.intent.customer_id, self.intent.amount, note=note)
        try:
            yield from converse(call, self.retries)
        except (AmbiguousWriteError, ConflictError, RateLimitError) as doubt:
            # A conflict counts as doubt: it may be with our own earlier request. So does a 429: the platform
            # documents none, and one from behind its gateway may come after half of the work.
            seen = yield from self.look()
            if seen.entry is None:
                return self.result(GrantStatus.UNKNOWN, seen, doubt)
            yield Do(partial(self.store.settle, claim))
            return self.result(GrantStatus.GRANTED, seen, doubt)
        except (StatusError, ConnectionFailedError):
            # A key with an earlier, doubtful attempt stays claimed: whoever comes next has to look first.
            if claim.attempt == 1:
                yield Do(partial(self.store.release, claim))
            raise
        yield Do(partial(self.store.settle, claim))
        return self.result(GrantStatus.GRANTED)

    def look(self) -> Conversation[Seen]:
        """Read the ledger after each pause until our entry is there; return what the last reading gave."""
        seen = Seen()
        for pause in self.looks:
            yield Sleep(pause)
            seen = yield from self.glance()
            if seen.entry is not None:
                break
        return seen

    def glance(self) -> Conversation[Seen]:
        """Read the whole ledger once."""
        try:
            entries, whole = yield from read_all(self.turn, _MOST_PAGES)
        except InveterateError:
            return Seen()  # a ledger that cannot be read proves nothing either way
        notes = [(entry, mark) for entry in entries for mark in marks(entry.raw)]
        ours = next((entry for entry, mark in notes if mark == self.mark), None)
        return Seen(ours, bool(notes), whole)

    def turn(self, cursor: str | None) -> Conversation[Page[CreditEntry]]:
        """Read one page of the ledger."""
        return converse(self.read(self.intent.customer_id, cursor=cursor), self.retries)


def marks(raw: Mapping[str, Any]) -> Iterator[str]:
    """Find our marks in an entry, in whichever text: the name of the note's field is undocumented."""
    for value in raw.values():
        if isinstance(value, str):
            yield from _MARK.findall(value)
