"""Checks a member's record that may be wrong again, and reads the API if the record still contradicts itself.

1. The record is read again: most inconsistencies come from events that were late, and have arrived since. Those
   cost no call.
2. One reading per member and hour (`ReadThrottle`). A request that was sent before the last reading is answered
   by that reading, unless the record still contradicts itself; then it waits for the next.
3. The reading is merged as dated facts (`api_facts.py`), so it never undoes a newer event, and its write reaches
   the CRMs like any other.

That the API knows no such member changes nothing here but where a webhook has said that the member was erased
(`erasure.py`): the full run decides whether a member is gone, and not merely absent for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from relay.errors import NotDueError, TransientError
from relay.ingest.reducer import differs
from relay.model import journal
from relay.model.consistency import ERASURE, NO_EMAIL, NOT_IN_THE_RECORD, inconsistencies
from relay.model.facts import Facts
from relay.model.member import Member, merge
from relay.model.messages import RECHECK_TOPIC, Outbox, RecheckRequest, load
from relay.model.metrics import Outcome
from relay.ports.inveterate import MemberApi, MemberReading, ReadThrottle
from relay.ports.members import MemberRecord, MemberStore
from relay.ports.messaging import Journal
from relay.ports.optimistic import retry_conflicts
from relay.ports.runtime import Clock, Telemetry
from relay.queues.batch import Context, Message, Results, for_each_message
from relay.queues.requests import RecheckQueue, customer_of, expect_topic
from relay.reconcile.api_facts import TOPIC, facts_of, facts_of_absence
from relay.reconcile.findings import events_of

NEEDED_MS: Final = 25_000
"""One reading with its two attempts, and the writes, take at most this long."""

DELAYS: Final = 6
"""A member is read again after so many delays of a request: after an hour, where a request waits ten minutes."""

RENEWED_AFTER: Final = timedelta(days=2)
"""A question about an erasure waits for its answer without an age limit: at this age a new message takes its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """The work of `reconcile`. After a reading a member is not read again for `every`; `requests` is its own queue.

    Where `full_run_stands_in`, all members are being read, and single ones wait for that.
    """

    shop: str
    members: MemberStore
    throttle: ReadThrottle
    api: MemberApi
    journal: Journal
    clock: Clock
    telemetry: Telemetry
    every: timedelta
    requests: RecheckQueue
    full_run_stands_in: Callable[[], bool] = lambda: False

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Recheck the members that these messages name, one after the other."""
        return for_each_message(messages, context, NEEDED_MS, self._recheck)

    def _recheck(self, message: Message) -> None:
        expect_topic(message, RECHECK_TOPIC)
        request = self._parse(message.body)
        try:
            self._check(request, message)
        except TransientError:
            old = self.clock() - message.waiting_since >= RENEWED_AFTER
            if request.reason != ERASURE or not old:
                raise
            [refusal] = self.requests.ask([request])
            if refusal:
                raise refusal from None
            self._log("asked_again", request)

    def _check(self, request: RecheckRequest, message: Message) -> None:
        record = self._load(request.member)
        if request.reason not in NOT_IN_THE_RECORD | inconsistencies(record.member):
            self._log("already_consistent", request)
            return
        state, now = self.throttle.load(request.member), self.clock()
        read = [each for each in (state.read_at, record.member.moment("read_at")) if each]
        answered = bool(read) and max(read) >= message.received_at
        if answered and request.reason in NOT_IN_THE_RECORD | {NO_EMAIL}:
            self._log("already_read", request)
            return
        if state.next_read_at and state.next_read_at > now:
            wait = (state.next_read_at - now).total_seconds()
            raise NotDueError("the member was read a short while ago", retry_after=wait)
        if self.full_run_stands_in():
            raise NotDueError("a full run reads all members", retry_after=self.every.total_seconds())
        if not self.throttle.claim(request.member, now=now, until=now + self.every):
            raise NotDueError("the member is being read", retry_after=self.every.total_seconds())
        self._reconcile(request, record)

    def _parse(self, body: str) -> RecheckRequest:
        request = load(RecheckRequest, body)
        customer_of(request.member, self.shop)
        return request

    def _load(self, key: str) -> MemberRecord:
        records, _ = self.members.load([key])
        return records[key]

    def _reconcile(self, request: RecheckRequest, record: MemberRecord) -> None:
        began = self.clock()
        try:
            reading = self.api.read(record.member.customer_id)
            event_id = self._merge(request, record, reading) if reading or request.reason == ERASURE else None
        except Exception:
            # The claim is for calls that were answered: a refusal must not make the next attempt wait an hour.
            self.throttle.release(request.member)
            raise
        self.throttle.mark_read(request.member, began)
        self._log("reconciled" if event_id else "not_found", request, event_id)
        still_shown = inconsistencies(self._load(request.member).member) - {NO_EMAIL} if event_id else ()
        if request.reason in still_shown:
            raise NotDueError("newer events contradict the reading", retry_after=self.every.total_seconds())

    def _merge(self, request: RecheckRequest, record: MemberRecord, reading: MemberReading | None) -> str:
        """Journal what was read, and merge it; return the reading's id.

        In this order: what changed a record is then surely in the journal. The other way round, a crash
        in between would leave a repaired record without any explanation.
        """
        date = (reading.date if reading else None) or self.clock()
        facts = _facts(reading, date, record.member)
        line = journal.reading_line(
            facts.event_id,
            topic=TOPIC,
            shop=self.shop,
            received_at=self.clock(),
            customer=record.member.customer_id,
            at=facts.at,
            reason=request.reason,
            body=reading.member.raw if reading else None,
        )
        lines = [line]
        if merge(record.member, facts).is_erased:
            lines = [journal.without_body(line), *self._erasure_lines(facts, record.member.customer_id)]
        for refusal in self.journal.write(lines):
            if refusal:
                raise refusal
        self._save(record, reading, date)
        return facts.event_id

    def _erasure_lines(self, facts: Facts, customer: str) -> Iterator[dict[str, Any]]:
        """Yield the line of an erasure that the API has confirmed: with it the journal alone can erase again."""
        erased_at = facts.values.get("erased_at")
        if isinstance(erased_at, datetime):
            yield journal.action_line(
                "erased",
                f"{facts.event_id}.erased",
                topic=TOPIC,
                shop=self.shop,
                outcome="applied",
                received_at=self.clock(),
                customer=customer,
                at=erased_at,
                body={"by": "api"},
            )

    def _save(self, record: MemberRecord, reading: MemberReading | None, date: datetime) -> None:
        _, rules = self.members.load(())

        def write(known: MemberRecord) -> None:
            before = known.member
            facts = _facts(reading, date, before)
            after = merge(before, facts)
            outbox = Outbox(
                member=after.key,
                changed=differs(before, after),
                events=events_of(before, after, facts, rules),
            )
            self.members.save(replace(known, member=after), outbox)

        retry_conflicts(record, write, lambda: self._load(record.member.key), what="the member")

    def _log(self, outcome: Outcome, request: RecheckRequest, event_id: str | None = None) -> None:
        self.telemetry.outcome(
            outcome, event_id=event_id, topic=TOPIC, member=request.member, reason=request.reason
        )


def _facts(reading: MemberReading | None, date: datetime, record: Member) -> Facts:
    return facts_of(reading, date, record) if reading else facts_of_absence(date, record)
