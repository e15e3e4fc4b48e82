"""Lists dead letters, redrives them to where they came from, drops them, and journals them before they expire.

SQS's own redrive cannot be used: it knows no source for a message that was sent by our hand, and it moves all of a
queue or nothing. A letter that goes back here has a new age and new counts, so it does not die of its first failure.
Each letter is sent before it is deleted: after a crash between the two it arrives twice, which changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final, Protocol

from inveterate.webhooks.base import UnreadableEventError, read_json

from relay.errors import RelayError
from relay.model.journal import JournalAction, JournalOutcome, action_line, event_line, without_body
from relay.ports.messaging import Journal, MessageSender, OutgoingMessage
from relay.ports.runtime import Clock
from relay.queues.batch import Message
from relay.recovery.letters import (
    STREAM,
    Letter,
    LetterCounts,
    LetterFilter,
    LetterGroup,
    as_new,
    read_letter,
)

MOST_REDRIVES: Final = 3
"""A letter that came back this often will come back again: the cause is not mended."""

DEFAULT_RATE: Final = 20.0
"""Letters a second: a queue of thousands must not starve what arrives meanwhile."""

ARCHIVED_AFTER: Final = timedelta(days=10)
"""The queue keeps a letter for 14 days from its first receipt; four days are left for a clock that stands still."""

_GRANTS: Final = "grants"
_JOINED: Final = "customer.joined."
_EMPTY_REPLIES: Final = 2
"""A queue is read to its end when it has had nothing new this often: one empty reply proves nothing in SQS."""


class LetterQueue(Protocol):
    """The queue of dead letters."""

    def receive(self) -> Sequence[Message]:
        """Return a few messages, hidden from other readers for a while; none when empty."""
        ...

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages."""
        ...

    def release(self, receipts: Sequence[str]) -> None:
        """Show messages to other readers again."""
        ...


@dataclass(slots=True)
class Held:
    """Letters that a command has received and that are hidden from other readers until it ends."""

    queue: LetterQueue
    stack: str
    _receipts: dict[str, str] = field(default_factory=dict)
    _deleted: set[str] = field(default_factory=set)

    def batches(self) -> Iterator[list[Letter]]:
        """Yield every letter of the queue once, a few at a time."""
        empty = 0
        while empty < _EMPTY_REPLIES:
            received = self.queue.receive()
            known = self._receipts.keys() | self._deleted
            new = list({message.id: message for message in received if message.id not in known}.values())
            self._receipts |= {
                message.id: message.receipt for message in received if message.id not in self._deleted
            }
            empty = 0 if new else empty + 1
            if new:
                yield [read_letter(message, self.stack) for message in new]

    def delete(self, letters: Sequence[Letter]) -> None:
        """Delete letters from the queue."""
        self.queue.delete([letter.message for letter in letters])
        for letter in letters:
            self._receipts.pop(letter.message.id, None)
            self._deleted.add(letter.message.id)

    def release(self) -> None:
        """Show what is left to other readers again."""
        self.queue.release(list(self._receipts.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveOptions:
    """What a redrive may do. `limit` is the number of letters, None for all; `rate` is letters a second."""

    limit: int | None = None
    rate: float = DEFAULT_RATE
    with_grants: bool = False
    force: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class LetterResult:
    """What a command did: letters that were `done` or `failed`, those `skipped` by reason, and all chosen by group."""

    done: int = 0
    failed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    counts: LetterCounts = field(default_factory=LetterCounts)

    @property
    def groups(self) -> list[LetterGroup]:
        """The letters that were chosen, by source, topic and reason."""
        return self.counts.groups()


@dataclass(slots=True)
class Archived:
    """What a look at all letters did: how many of ten days were journaled, and how many of erased members were dropped.

    `is_whole` is false where there was no time for all of them.
    """

    archived: int = 0
    erased: int = 0
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterBox:
    """The dead letters, or what is unclaimed, of one stack. `by` names the person for the journal.

    `report` is told how many letters are done, for people who wait. `outcome` is that of a webhook's line in the journal.
    `erased` returns those of these customers that are erased: the journal keeps no body of theirs.
    """

    stack: str
    shop: str
    queue: LetterQueue
    journal: Journal
    clock: Clock
    by: str = "relay"
    report: Callable[[int], None] = lambda _done: None
    outcome: JournalOutcome = "dead"
    erased: Callable[[Collection[str]], AbstractSet[str]] = lambda _customers: frozenset()

    @contextmanager
    def held(self) -> Iterator[Held]:
        """Hold letters; what is not deleted is shown again at the end."""
        held = Held(self.queue, self.stack)
        try:
            yield held
        finally:
            held.release()

    def find(self, chosen: LetterFilter, limit: int | None = None) -> tuple[list[Letter], list[LetterGroup]]:
        """Return the chosen letters, at most `limit`, the oldest first, and the groups of all that are chosen."""
        found: list[Letter] = []
        counts = LetterCounts()
        with self.held() as held:
            for batch in held.batches():
                for letter in filter(chosen.matches, batch):
                    counts.add(letter)
                    found.append(letter)
                found.sort(key=lambda letter: (letter.message.received_at, letter.id))
                del found[limit if limit is not None else len(found) :]
                self.report(len(found))
        return found, counts.groups()

    def drop(self, chosen: LetterFilter, *, limit: int | None = None, dry_run: bool = False) -> LetterResult:
        """Delete the chosen letters. What each carries is in the journal first."""
        result = LetterResult()
        with self.held() as held:
            for batch in self._chosen(held, chosen, limit, result):
                if dry_run:
                    continue
                journaled = [letter for letter in batch if self._keep_content(letter, "dropped") is None]
                held.delete(journaled)
                result.done += len(journaled)
                result.failed += len(batch) - len(journaled)
                self.report(result.done)
        return result

    def archive(self, now: datetime, *, has_time: Callable[[], bool] = lambda: True) -> Archived:
        """Journal what each letter of ten days and more carries, and drop the webhooks of erased members at any age.

        The archived letters stay until they expire. Letters that there is no time for are left for the next day.

        Raises:
            Exception: the journal does not take a line.

        """
        done = Archived()
        with self.held() as held:
            for batch in held.batches():
                gone = self._drop_erased(batch, held)
                done.erased += len(gone)
                for letter in batch:
                    if letter.id in gone or now - letter.message.sent_at < ARCHIVED_AFTER:
                        continue
                    if refusal := self._keep_content(letter, "archived"):
                        raise refusal
                    done.archived += 1
                if not has_time():
                    done.is_whole = False
                    break
        return done

    def _drop_erased(self, batch: Sequence[Letter], held: Held) -> AbstractSet[str]:
        """Drop the webhooks of erased members; return the ids of the letters. A message of our own has no personal data."""
        webhooks = [
            letter
            for letter in batch
            # A joining ends the erasure: redriven, it makes the person a member again.
            if letter.customer and not (letter.header.topic or "").startswith(_JOINED) and letter.delivery()
        ]
        erased = self.erased({letter.customer for letter in webhooks if letter.customer})
        theirs = [letter for letter in webhooks if letter.customer in erased]
        kept = [letter for letter in theirs if self._keep_content(letter, "dropped") is None]
        if kept:
            held.delete(kept)
        return {letter.id for letter in kept}

    def _keep_content(self, letter: Letter, action: JournalAction) -> Exception | None:
        """Journal what a letter carries and what is done with it; return the journal's refusal.

        The content of a webhook is a line of its own, by the rules for secrets that every line of an event follows. Of an erased
        member's webhook the journal gets what it was, and not what it said.
        """
        delivery, lines = letter.delivery(), list[dict[str, Any]]()
        content = None if delivery else letter.content(reveal=True)
        if delivery:
            is_erased = bool(letter.customer and letter.customer in self.erased({letter.customer}))
            line = event_line(
                delivery,
                shop=self.shop,
                outcome=self.outcome,
                customer=letter.customer,
                body={} if is_erased else _json_or_none(delivery.body),
                reason=letter.reason,
            )
            lines.append(without_body(line) if is_erased else line)
        lines.append(self.action_line(action, letter, content=content))
        return next((refusal for refusal in self.journal.write(lines) if refusal is not None), None)

    def action_line(self, action: JournalAction, letter: Letter, **about: object) -> dict[str, Any]:
        """Return the journal's line of what a person did with a letter."""
        return action_line(
            action,
            letter.id,
            topic=letter.topic,
            shop=self.shop,
            outcome="applied",
            received_at=letter.message.received_at,
            customer=letter.customer,
            at=self.clock(),
            reason=letter.reason,
            body={"by": self.by, "source": letter.source, **about},
        )

    def _chosen(
        self,
        held: Held,
        chosen: LetterFilter,
        limit: int | None,
        result: LetterResult,
        refusal_of: Callable[[Letter], str | None] = lambda _letter: None,
    ) -> Iterator[list[Letter]]:
        """Yield the letters to work on, at most `limit`, and count those that are refused by reason."""
        left = limit
        for batch in held.batches():
            found: list[Letter] = []
            for letter in filter(chosen.matches, batch):
                if refusal := refusal_of(letter):
                    result.skipped[refusal] += 1
                elif left is None or len(found) < left:
                    result.counts.add(letter)
                    found.append(letter)
            if found:
                yield found
            if left is not None:
                left -= len(found)
                if left <= 0:
                    return


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters(LetterBox):
    """The dead letters of one stack.

    `queue_named` returns a queue by its name, None where the stack has none. `fan_out_again` sends once more what the
    writes of such a window of time had to send, and returns how many members that were of.
    """

    queue_named: Callable[[str], MessageSender | None]
    sleep: Callable[[float], None]
    fan_out_again: Callable[[tuple[datetime, datetime]], int]

    def redrive(self, chosen: LetterFilter, options: RedriveOptions) -> LetterResult:
        """Send the chosen letters to the queues they came from and delete them here, each once."""
        result, refusal_of = LetterResult(), partial(_refusal, options, self.clock())
        with self.held() as held:
            for batch in self._chosen(held, chosen, options.limit, result, refusal_of):
                if options.dry_run:
                    continue
                began = self.clock()
                self._redrive(batch, held, result, force=options.force)
                self.report(result.done)
                pause = len(batch) / options.rate - (self.clock() - began).total_seconds()
                self.sleep(max(pause, 0.0))
        return result

    def _redrive(self, batch: Sequence[Letter], held: Held, result: LetterResult, *, force: bool) -> None:
        now = self.clock()
        gone: list[Letter] = []
        for source, group in groupby(
            sorted(batch, key=lambda one: one.source or ""), key=lambda one: one.source
        ):
            letters = list(group)
            if source == STREAM:
                gone += self._fan_out(letters, result, force=force)
            else:
                gone += self._send(source, letters, now, result)
        if not gone:
            return
        held.delete(gone)
        result.done += len(gone)
        # The letters are in their queues: what the journal does not take now is missing there as a note alone.
        self.journal.write(
            [self.action_line("redriven", letter, redrives=letter.header.redrives + 1) for letter in gone]
        )

    def _send(
        self, source: str | None, letters: Sequence[Letter], now: datetime, result: LetterResult
    ) -> list[Letter]:
        """Send letters of one source; return those that were taken."""
        queue = self.queue_named(source) if source else None
        if queue is None:
            result.skipped["no_queue"] += len(letters)
            return []
        refusals = queue.send(
            [OutgoingMessage(body=letter.message.body, header=as_new(letter, now)) for letter in letters]
        )
        taken = [letter for letter, refusal in zip(letters, refusals, strict=True) if refusal is None]
        result.failed += len(letters) - len(taken)
        return taken

    def _fan_out(self, letters: Sequence[Letter], result: LetterResult, *, force: bool) -> list[Letter]:
        """Send what the writes behind letters of the stream had to send; return the letters that are done.

        Where the journal knows no write of the time, it may not have them yet: the letter stays, unless it is forced.
        """
        done: list[Letter] = []
        for letter in letters:
            try:
                members = self.fan_out_again(letter.window) if letter.window else 0
            except RelayError:
                result.failed += 1
                continue
            if members or force:
                done.append(letter)
            else:
                result.skipped["not_in_journal"] += 1
        return done


def _refusal(options: RedriveOptions, began: datetime, letter: Letter) -> str | None:
    """Return why a letter is left where it is; None where it may go back. `began` is when the command did.

    A letter that this command has sent may be given up again while the queue is read. Sent anew, it would use up all its
    redrives within one command.
    """
    sent_at = letter.header.since if letter.header.redrives else None
    # A header has milliseconds.
    if sent_at is not None and sent_at >= began.replace(microsecond=began.microsecond // 1000 * 1000):
        return "came_back"
    if letter.source == _GRANTS and not options.with_grants:
        return "grants"
    if letter.header.redrives >= MOST_REDRIVES and not options.force:
        return "redriven_often"
    return None


def _json_or_none(body: bytes) -> object:
    try:
        return read_json(body)
    except UnreadableEventError:
        return None
