"""A member whose record may be wrong is looked at again, and read from the API if the doubt still stands.

1. The record is read again: most doubts are events that were late, and have come since. Those cost nothing.
2. One reading per member and hour (`ReadThrottle`). A message that was sent before the last reading has its answer
   in that reading, unless the record still contradicts itself; then it waits for the next.
3. The reading is merged as dated facts (`reading.py`), so it never undoes a newer event, and its write tells
   the mirrors like any other.

That the API knows no such member changes nothing here: whether somebody is gone, and not merely not there
for a moment, is for the full run to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from relay.errors import ConflictError, TransientError
from relay.ingest.reducer import differs
from relay.model import journal
from relay.model.consistency import BALANCE_GAP, EVIDENCE, FROM_THE_FUTURE, inconsistencies
from relay.model.facts import Facts
from relay.model.member import Member, merge
from relay.model.messages import EventEffects, Outbox, RecheckRequest, load
from relay.ports.inveterate import MemberApi, MemberReading, ReadThrottle
from relay.ports.members import MemberRecord, MemberStore
from relay.ports.messaging import Journal
from relay.ports.runtime import Clock, Telemetry
from relay.queues.batch import Context, Message, Results, for_each_message
from relay.queues.requests import customer_of
from relay.reconcile.api_facts import TOPIC, facts_of
from relay.reconcile.findings import found

NEEDED_MS: Final = 25_000
"""One reading with its two attempts, and the writes, take no longer."""

DELAYS: Final = 6
"""A member is read again after so many delays of a doubt: an hour of ten minutes each."""

_WRITES: Final = 5
_SHOWN_BY_THE_RECORD: Final = frozenset({BALANCE_GAP, EVIDENCE})


def _happenings(before: Member, after: Member, facts: Facts) -> tuple[EventEffects, ...]:
    effects = tuple(found(before, after))
    if not effects or facts.at is None:
        return ()
    return (EventEffects(event_id=facts.event_id, topic=TOPIC, at=facts.at, effects=effects),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """The work of `reconcile`. `every` is how long a member is left alone after a reading."""

    shop: str
    members: MemberStore
    turns: ReadThrottle
    api: MemberApi
    journal: Journal
    clock: Clock
    telemetry: Telemetry
    every: timedelta

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Look at the members that these messages name, one after the other."""
        return for_each_message(messages, context, NEEDED_MS, self._look)

    def _look(self, message: Message) -> None:
        doubt = self._read(message.body)
        record = self._record(doubt.member)
        if doubt.reason != FROM_THE_FUTURE and doubt.reason not in inconsistencies(record.member):
            self._tell("healed", doubt)
            return
        turn, now = self.turns.load(doubt.member), self.clock()
        answered = turn.read_at is not None and turn.read_at >= message.received_at
        if answered and doubt.reason not in _SHOWN_BY_THE_RECORD:
            self._tell("answered", doubt)
            return
        if turn.free_at and turn.free_at > now:
            wait = (turn.free_at - now).total_seconds()
            raise TransientError("the member was read a short while ago", retry_after=wait)
        if not self.turns.claim(doubt.member, now=now, until=now + self.every):
            raise TransientError("the member is being read", retry_after=self.every.total_seconds())
        self._reconcile(doubt, record)

    def _read(self, body: str) -> RecheckRequest:
        doubt = load(RecheckRequest, body)
        customer_of(doubt.member, self.shop)
        return doubt

    def _record(self, key: str) -> MemberRecord:
        records, _ = self.members.load([key])
        return records[key]

    def _reconcile(self, doubt: RecheckRequest, record: MemberRecord) -> None:
        began = self.clock()
        try:
            reading = self.api.read(record.member.customer_id)
            event_id = self._take(doubt, record, reading) if reading else None
        except Exception:
            # The turn is for calls that were answered: a refusal must not make the next attempt wait an hour.
            self.turns.settle(doubt.member, None)
            raise
        self.turns.settle(doubt.member, began)
        self._tell("reconciled" if event_id else "gone", doubt, event_id)
        if event_id and doubt.reason in _SHOWN_BY_THE_RECORD & inconsistencies(
            self._record(doubt.member).member
        ):
            raise TransientError(
                "newer events contradict the reading", retry_after=self.every.total_seconds()
            )

    def _take(self, doubt: RecheckRequest, record: MemberRecord, reading: MemberReading) -> str:
        """Journal what was read, and merge it; return the reading's id.

        In this order: what changed a record is then surely in the journal. The other way round, a crash
        in between would leave a healed record that nobody can explain.
        """
        date = reading.date or self.clock()
        facts = facts_of(reading, date, record.member)
        line = journal.reading_line(
            facts.event_id,
            topic=TOPIC,
            shop=self.shop,
            received_at=self.clock(),
            customer=record.member.customer_id,
            at=facts.at,
            reason=doubt.reason,
            body=reading.member.raw,
        )
        [refusal] = self.journal.write([line])
        if refusal:
            raise refusal
        self._save(record, reading, date)
        return facts.event_id

    def _save(self, record: MemberRecord, reading: MemberReading, date: datetime) -> None:
        for _ in range(_WRITES):
            after = merge(record.member, facts_of(reading, date, record.member))
            outbox = Outbox(
                member=after.key,
                changed=differs(record.member, after),
                events=_happenings(record.member, after, facts_of(reading, date, record.member)),
            )
            try:
                self.members.save(replace(record, member=after), outbox)
            except ConflictError:
                record = self._record(after.key)
            else:
                return
        raise TransientError("the member is written to by too many at once")

    def _tell(self, outcome: str, doubt: RecheckRequest, event_id: str | None = None) -> None:
        self.telemetry.outcome(
            outcome, event_id=event_id, topic=TOPIC, member=doubt.member, reason=doubt.reason
        )
