"""Grants credits at most once: claim the key, mark the note, post; when the outcome is in doubt, read the ledger.

    claim ── new ──────────────► post ── 2xx ───────────► granted
      │                           ├──── not sent ───────► the error, and the key is free again
      │                           ├──── refused ────────► read ── found ──► granted
      │                           │                        └── not found ─► the error, and the key is free again
      │                           └──── no outcome ─────► read ── found ──► granted
      ├── granted ─► already_granted                       └── not found ─► unknown
      └── open ────► read ── found ──► already_granted
                      └── not found ── may post again? ── no ──► unknown
                                          └────────────── yes ─► post

A second post needs all of: the whole ledger was read; it has shown one of our notes (so that ours would
show); the claim is old enough for a slow write to have arrived, and for the claiming process to have sent
it or ended; and no other process renewed the claim first. A refused key is free again only after
the whole ledger was read without our entry: a gateway can refuse after half of the work.
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
    BadKeyError,
    ConflictError,
    InveterateError,
    RateLimitError,
    StatusError,
)
from inveterate._idempotency import Claim, ClaimState, Intent, Intents
from inveterate._ids import CustomerId
from inveterate._pagination import read_all
from inveterate._replies import Page, Receipt
from inveterate._retries import Retries, request_steps
from inveterate._steps import Progress, RunBlocking, Sleep, Steps
from inveterate.models.members import CreditEntry

LOOKS: Final = (0.5, 1.5, 3.0, 5.0)
"""Delays before each reading of the ledger, in seconds: v1 speaks of "a few seconds" until an entry shows."""

SETTLED_AFTER: Final = 600.0
"""Age in seconds at which a request without an entry counts as lost, where the ledger shows notes at all."""

MIN_SETTLED_AFTER: Final = 60.0
"""A process may hang, and a write may take, longer than anything below: twice the default deadline of a call."""

_MAX_PAGES: Final = 200
_MARK: Final = re.compile(r"#grant-[0-9a-f]{20}\b")


class GrantStatus(StrEnum):
    """Outcome of a grant."""

    GRANTED = "granted"
    """This call granted it: the platform accepted, or the ledger shows the entry."""
    ALREADY_GRANTED = "already_granted"
    """An earlier call granted it."""
    UNKNOWN = "unknown"
    """The outcome is not known, and nothing was sent again. Ask later with the same key, or check by hand."""


@dataclass(frozen=True, slots=True)
class GrantResult:
    """The result of a grant.

    `mark` is the text that marks the entry's note. `entry` is the ledger's entry where it was read.
    `cause` is the error that made the outcome uncertain, where there was one.
    """

    status: GrantStatus
    mark: str
    entry: CreditEntry | None = None
    cause: InveterateError | None = None


@dataclass(frozen=True, slots=True)
class LedgerLookup:
    """Result of reading the ledger: our entry, and what the reading proves without one."""

    entry: CreditEntry | None = None
    shows_notes: bool = False
    whole: bool = False
    key_refused: bool = False


def mark_of(key: str) -> str:
    """Return the mark of a key: a hash, since people see notes and a key may hold private data."""
    return f"#grant-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:20]}"


def intent_for(key: str, customer_id: CustomerId, amount: Decimal) -> Intent:
    """Return the intent of a grant.

    Raises:
        ValueError: when the amount is not above 0, or the key is empty.

    """
    if amount <= 0:
        raise ValueError("a grant is above 0")
    if not key.strip():
        raise ValueError("a grant needs a key")
    return Intent(key, customer_id, amount)


def checked_settled_after(seconds: float) -> float:
    """Return an age at which an open claim counts as lost.

    Raises:
        ValueError: when it is below 60 s: a slow request of another process would be granted a second time.

    """
    if not seconds >= MIN_SETTLED_AFTER:
        raise ValueError(f"settled_after is at least {MIN_SETTLED_AFTER:.0f} seconds")
    return seconds


@dataclass(frozen=True)
class CreditGrant:
    """One grant in progress: the steps of the diagram above."""

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
        """The text that marks the entry's note."""
        return mark_of(self.intent.key)

    def result(
        self, status: GrantStatus, lookup: LedgerLookup | None = None, cause: InveterateError | None = None
    ) -> GrantResult:
        """Return the result of the grant."""
        return GrantResult(status, self.mark, lookup.entry if lookup else None, cause)

    def run(self) -> Steps[GrantResult]:
        """Grant the credits, or find out whether they are granted."""
        claim: Claim = yield RunBlocking(partial(self.store.claim, self.intent))
        if claim.intent != self.intent:
            raise ValueError("this key was used for another grant")
        if claim.state is ClaimState.GRANTED:
            return self.result(GrantStatus.ALREADY_GRANTED)
        if claim.state is ClaimState.OPEN:
            lookup = yield from self.find_entry()
            if lookup.entry is not None:
                yield RunBlocking(partial(self.store.mark_granted, claim))
                return self.result(GrantStatus.ALREADY_GRANTED, lookup)
            if not self.may_post_again(claim, lookup) or not (
                yield RunBlocking(partial(self.store.renew, claim))
            ):
                return self.result(GrantStatus.UNKNOWN, lookup)
            claim = Claim(ClaimState.OPEN, self.intent, claim.attempt + 1)
        return (yield from self.send(claim))

    def may_post_again(self, claim: Claim, lookup: LedgerLookup) -> bool:
        """Return whether the ledger proves that the earlier request was lost."""
        return lookup.whole and lookup.shows_notes and claim.age >= self.settled_after

    def send(self, claim: Claim) -> Steps[GrantResult]:
        """Post the credits; where the reply leaves the outcome unknown, search the ledger for the entry."""
        # The mark comes first: systems that shorten a note cut its end.
        note = f"{self.mark} {self.note}".strip()
        call = self.post(self.intent.customer_id, self.intent.amount, note=note)
        progress = Progress()
        try:
            yield from request_steps(call, self.retries, progress)
        except (AmbiguousWriteError, ConflictError, RateLimitError) as ambiguity:
            # A conflict leaves the outcome unknown: it may be with our own earlier request. So does a 429: the platform
            # documents none, and one from behind its gateway may come after half of the work.
            lookup = yield from self.find_entry()
            if lookup.entry is None:
                return self.result(GrantStatus.UNKNOWN, lookup, ambiguity)
            yield RunBlocking(partial(self.store.mark_granted, claim))
            return self.result(GrantStatus.GRANTED, lookup, ambiguity)
        except StatusError as refusal:
            lookup = yield from self.find_entry()
            if lookup.entry is not None:
                yield RunBlocking(partial(self.store.mark_granted, claim))
                return self.result(GrantStatus.GRANTED, lookup, refusal)
            # The platform documents that a 4xx did nothing, and the whole ledger agrees. A bad key cannot read
            # the ledger either: the platform refuses it before any work.
            if lookup.whole or (isinstance(refusal, BadKeyError) and lookup.key_refused):
                yield from self.release(claim)
            raise
        except GeneratorExit:
            raise
        except BaseException:
            # Not sent: no connection, or an interruption in between. Otherwise the claim stays.
            if not progress.started:
                yield from self.release(claim)
            raise
        yield RunBlocking(partial(self.store.mark_granted, claim))
        return self.result(GrantStatus.GRANTED)

    def release(self, claim: Claim) -> Steps[None]:
        """Free the key, unless an earlier attempt is in doubt: then the next call has to read the ledger."""
        if claim.attempt == 1:
            yield RunBlocking(partial(self.store.release, claim))

    def find_entry(self) -> Steps[LedgerLookup]:
        """Read the ledger after each delay until it has our entry; return the last lookup."""
        lookup = LedgerLookup()
        for delay in self.looks:
            yield Sleep(delay)
            lookup = yield from self.read_ledger_once()
            if lookup.entry is not None:
                break
        return lookup

    def read_ledger_once(self) -> Steps[LedgerLookup]:
        """Read the whole ledger once."""
        try:
            entries, whole = yield from read_all(self.fetch_page, _MAX_PAGES)
        except InveterateError as error:
            # A ledger that cannot be read proves nothing.
            return LedgerLookup(key_refused=isinstance(error, BadKeyError))
        notes = [(entry, mark) for entry in entries for mark in find_marks(entry.raw)]
        ours = next((entry for entry, mark in notes if mark == self.mark), None)
        return LedgerLookup(ours, bool(notes), whole)

    def fetch_page(self, cursor: str | None) -> Steps[Page[CreditEntry]]:
        """Read one page of the ledger."""
        return request_steps(self.read(self.intent.customer_id, cursor=cursor), self.retries)


def find_marks(raw: Mapping[str, Any]) -> Iterator[str]:
    """Find our marks in any text of an entry: the name and the place of the note are undocumented."""
    for value in raw.values():
        if isinstance(value, str):
            yield from _MARK.findall(value)
        elif isinstance(value, dict):
            yield from find_marks(value)
