"""What a CRM does not take waits: tried again on a schedule, in virtual time, with the calls counted."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pytest
from relay.adapters.dynamodb.crm_state import DynamoSyncStates
from relay.adapters.dynamodb.scans import DynamoSyncStateScan, DynamoSyncStatusScan
from relay.crm.circuit_breaker import CircuitBreaker
from relay.crm.sync import CrmSync, SyncCounts
from relay.crm.waiting import WAITING_TOPIC, WaitingMembers, request_round, retry_change
from relay.errors import MisconfiguredError, TransientError
from relay.model.header import MessageHeader
from relay.model.messages import MemberChanged, load
from relay.ports.crm import CrmOutcome, RateLimit
from relay.ports.crm_state import CircuitRecord, SyncState, Waiting
from relay.ports.members import MemberRecord
from relay.queues.batch import Message

from tests.contract.crm.profiles import AT, SHOP, key_of, member
from tests.support.crm_fakes import (
    START,
    FakeCircuits,
    FakeClock,
    FakeCrm,
    FakeSyncStates,
    FakeSyncStateScan,
    change_message,
)
from tests.support.port_fakes import FakeContext, FakeMembers, FakeOutgoing

KEY = key_of(7001)
TICK = timedelta(minutes=15)
FULL = CrmOutcome(state="waiting", reason="storage_limit_exceeded")


@dataclass
class Stack:
    """A CRM with its function, its queue and the clock, in virtual time."""

    crm: FakeCrm = field(default_factory=FakeCrm)
    clock: FakeClock = field(default_factory=FakeClock)
    members: FakeMembers = field(default_factory=FakeMembers)
    sync_states: FakeSyncStates = field(default_factory=FakeSyncStates)
    circuits: FakeCircuits = field(default_factory=FakeCircuits)
    queue: FakeOutgoing = field(default_factory=FakeOutgoing)
    deferred: list[tuple[datetime, Message]] = field(default_factory=list)
    counts: SyncCounts = field(default_factory=SyncCounts)

    def __post_init__(self) -> None:
        """Make the scan over the same sync states."""
        self.scan = FakeSyncStateScan(self.sync_states, name="waiting")

    def add(self, *customers: int, **values: str) -> None:
        """Change these members' records."""
        for customer in customers:
            key = key_of(customer)
            version = self.members.records[key].version + 1 if key in self.members.records else 1
            changed = member(customer, AT + timedelta(seconds=version), **values)
            self.members.records[key] = MemberRecord(member=changed, version=version)

    def work(self, *messages: Message) -> dict[str, Exception | None]:
        """Handle these messages in one invocation; what is deferred comes back later."""
        sync = CrmSync(
            shop=SHOP,
            crm=self.crm,
            members=self.members,
            sync_states=self.sync_states,
            clock=self.clock,
            credential="SECRET",
            observe=lambda *_: None,
            breaker=CircuitBreaker(circuits=self.circuits, clock=self.clock),
            waiting=WaitingMembers(crm=self.crm, scan=self.scan, queue=self.queue, clock=self.clock),
            measure=self._measure,
        )
        errors = dict(sync.work(messages, FakeContext()))
        for message in messages:
            error = errors[message.id]
            if isinstance(error, TransientError):
                delay = timedelta(seconds=min(error.retry_after or 60, 900))
                self.deferred.append((self.clock.now + delay, message))
        return errors

    def change(self, *customers: int, notes: tuple[str, ...] = ()) -> dict[str, Exception | None]:
        """Handle a change of each of these members, all in one invocation."""
        messages = [change_message(f"m{self.clock.now}{n}", key_of(n), *notes) for n in customers]
        return self.work(*[replace(message, sent_at=self.clock.now) for message in messages])

    def until(self, end: timedelta) -> None:
        """Let the clock tick until this long after the start; handle what comes."""
        while self.clock.now < START + end:
            self.clock.forward(60)
            if (self.clock.now - START) % TICK == timedelta(0):
                request_round(self.queue, self.clock.now)
            due = [message for at, message in self.deferred if at <= self.clock.now]
            self.deferred = [pair for pair in self.deferred if pair[0] > self.clock.now]
            due += self._received()
            if due:
                self.work(*due)

    def state(self, customer: int = 7001) -> SyncState:
        """Return what is stored of a member."""
        return self.sync_states.states[key_of(customer)]

    def calls(self) -> list[int]:
        """Return how many members each call had."""
        return [len(call) for call in self.crm.calls]

    def _received(self) -> list[Message]:
        sent, self.queue.sent = self.queue.sent, []
        messages = [
            (each.delay, self._message(number, each.body, each.header)) for number, each in enumerate(sent)
        ]
        self.deferred += [
            (self.clock.now + timedelta(seconds=delay), message) for delay, message in messages if delay
        ]
        return [message for delay, message in messages if not delay]

    def _message(self, number: int, body: str, header: MessageHeader) -> Message:
        name = f"q{self.clock.now}{number}"
        return Message(id=name, body=body, receives=1, receipt="r", sent_at=self.clock.now, header=header)

    def _measure(self, counts: SyncCounts) -> None:
        self.counts.writes += counts.writes
        self.counts.not_taken += counts.not_taken
        self.counts.notes_dropped += counts.notes_dropped


def test_the_schedule() -> None:
    """A member is tried after 15 minutes, an hour, four hours, then daily; after two weeks it is refused, and named."""
    stack = Stack()
    stack.add(7001)
    stack.crm.outcomes[KEY] = FULL
    tries: list[timedelta] = []
    stack.crm.before = [lambda: tries.append(stack.clock.now - START)] * 100
    assert list(stack.change(7001).values()) == [None], "its message is acknowledged"
    stack.until(timedelta(days=20))
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    slack = TICK + timedelta(minutes=2)
    expected = [timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4)] + [timedelta(days=1)] * 14
    assert all(timedelta(0) <= gap - wait <= slack for gap, wait in zip(gaps, expected, strict=False)), gaps
    assert len(tries) in {17, 18}
    assert (stack.state().state, stack.state().reason) == ("refused", "storage_limit_exceeded")


def test_a_newer_change_is_tried_at_once() -> None:
    """A message without a change in it causes no call; a change does, and a success ends the wait."""
    stack = Stack()
    stack.add(7001)
    stack.crm.outcomes[KEY] = FULL
    stack.change(7001)
    stack.clock.forward(30)
    stack.change(7001)
    assert stack.calls() == [1]
    stack.add(7001, tier_name="Gold")
    stack.crm.outcomes.clear()
    stack.change(7001)
    assert stack.calls() == [1, 1]
    assert (stack.state().state, stack.state().waiting) == ("mirrored", None)


def test_a_fill_and_a_retry_try_at_once() -> None:
    """What waits is tried by a fill and by a retry; what was refused by a retry alone."""
    stack = Stack()
    stack.add(7001)
    for outcome, by_fill in ((FULL, True), (CrmOutcome(state="refused", reason="invalid_email"), False)):
        stack.sync_states.states.clear()
        stack.crm.calls.clear()
        stack.crm.outcomes[KEY] = outcome
        stack.change(7001)
        stack.work(change_message("fill", KEY, backfill=True))
        assert len(stack.crm.calls) == 1 + by_fill
        stack.work(replace(change_message("retry", KEY), body=retry_change(KEY).body))
        assert len(stack.crm.calls) == 2 + by_fill


def test_one_code_of_many_members_opens_the_circuit() -> None:
    """After two calls with one code the circuit opens; one member is tried every five minutes; then all arrive.

    No member is left behind, and the CRM is not asked for each member.
    """
    stack = Stack()
    customers = range(500)
    stack.add(*customers)
    stack.crm.outcomes = dict.fromkeys(map(key_of, customers), FULL)
    errors = stack.change(*customers)
    assert stack.calls() == [100, 100]
    assert (stack.circuits.record.state, stack.circuits.record.reason) == ("open", "storage_limit_exceeded")
    assert sum(error is not None for error in errors.values()) == 300, "the others wait in the queue"
    stack.until(timedelta(hours=2))
    probes = stack.calls()[2:]
    assert set(probes) == {1}
    assert 8 <= len(probes) <= 25, "one member every five minutes at most"
    stack.crm.outcomes.clear()
    before = len(stack.crm.calls)
    stack.until(timedelta(hours=3))
    assert stack.circuits.record.state == "closed"
    assert {stack.state(each).state for each in customers} == {"mirrored"}
    assert len(stack.crm.calls) - before < 20


def test_the_closing_queues_all_that_wait() -> None:
    """One member that gets through closes the circuit, and those that wait are tried at once, not a day later."""
    stack = Stack(circuits=FakeCircuits(CircuitRecord(state="open", until=START, reason="x", by_code=True)))
    stack.add(7001, *range(50))
    tried, later = START - timedelta(hours=1), START + timedelta(hours=23)
    for number in range(50):
        waiting = Waiting(since=START - timedelta(days=2), tries=5, tried=tried, next_try=later, digest="d")
        stack.sync_states.states[key_of(number)] = SyncState(state="waiting", reason="x", waiting=waiting)
    stack.change(7001)
    assert stack.circuits.record.state == "closed"
    stack.until(timedelta(minutes=10))
    assert {stack.state(number).state for number in range(50)} == {"mirrored"}
    assert stack.calls() == [1, 50]


def test_an_outage_during_the_wait_forgets_no_member() -> None:
    """A circuit that one code has opened stays that through an outage, and its closing still queues all that wait."""
    stack = Stack()
    customers = range(300)
    stack.add(*customers)
    stack.crm.outcomes = dict.fromkeys(map(key_of, customers), FULL)
    stack.change(*customers)
    stack.until(timedelta(hours=8))
    for fault in (TransientError("503"), MisconfiguredError("403", setting="SECRET")):
        stack.crm.check_error = fault
        stack.until(stack.clock.now - START + timedelta(minutes=30))
    record = stack.circuits.record
    assert (record.by_code, record.reason) == (True, "storage_limit_exceeded")
    stack.crm.check_error = None
    stack.crm.outcomes.clear()
    stack.until(stack.clock.now - START + timedelta(minutes=30))
    assert {stack.state(each).state for each in customers} == {"mirrored"}


def test_faults_of_members_open_nothing() -> None:
    """Nine members of a call, or ten of thirty, are no fault of the provider."""
    for number, size in ((9, 9), (10, 30)):
        stack = Stack()
        for start in (0, 1000, 2000):
            customers = range(start, start + size)
            stack.add(*customers)
            stack.crm.outcomes |= dict.fromkeys(map(key_of, list(customers)[:number]), FULL)
            stack.change(*customers)
        assert stack.circuits.record.state == "closed"


def test_one_member_in_a_call() -> None:
    """Where a call holds one member, ten members of the last twenty calls with one code open the circuit."""
    stack = Stack(crm=FakeCrm(batch_size=1, members_per_call=1))
    customers = range(40)
    stack.add(*customers)
    stack.crm.outcomes = dict.fromkeys(map(key_of, range(0, 40, 2)), FULL)
    stack.change(*customers)
    assert stack.circuits.record.state == "open"
    assert len(stack.crm.calls) == 19
    single = Stack(crm=FakeCrm(batch_size=1, members_per_call=1))
    single.add(7001)
    single.crm.outcomes[KEY] = FULL
    for number in range(30):
        single.add(7001, tier_name=f"tier {number}")
        single.change(7001)
    assert single.circuits.record.state == "closed", "one member is not the provider"


@pytest.mark.parametrize(
    ("limits", "per_call", "most"),
    [
        ((), 100, 1000),
        ((RateLimit(calls=560, seconds=60),), 1, 840),
        ((RateLimit(calls=90, seconds=10),), 100, 1000),
    ],
)
def test_a_round_is_small(limits: tuple[RateLimit, ...], per_call: int, most: int) -> None:
    """At most a thousand members a tick and a tenth of the rate; the oldest first, spread over the tick."""
    stack = Stack(crm=FakeCrm(rate_limits=limits, members_per_call=per_call))
    for number in range(2_500):
        since = START - timedelta(days=1) + timedelta(seconds=number)
        waiting = Waiting(
            since=since, tries=1, tried=since, next_try=START - timedelta(seconds=1), digest="d"
        )
        stack.sync_states.states[key_of(number)] = SyncState(state="waiting", reason="x", waiting=waiting)
    members = WaitingMembers(crm=stack.crm, scan=stack.scan, queue=stack.queue, clock=stack.clock)
    members.mark(START - timedelta(seconds=1))
    assert members.round() == most
    names = [load(MemberChanged, each.body).member for each in stack.queue.sent]
    assert names == [key_of(number) for number in range(most)]
    if limits:
        seconds = [each.delay for each in stack.queue.sent]
        allowed = limits[0].calls / limits[0].seconds * 0.1
        for begin in range(0, 840, 60):
            calls = sum(begin <= each < begin + 60 for each in seconds) / per_call
            assert calls <= allowed * 60 + 1
    stack.clock.forward(900)
    members.round()
    again = [load(MemberChanged, each.body).member for each in stack.queue.sent]
    assert len(set(again)) == len(again), "what is in the queue is not queued again"


def test_the_table_is_read_only_while_members_wait() -> None:
    """Without a waiting member the table is read once a day, not at every tick."""
    stack = Stack()
    stack.until(timedelta(days=3))
    assert stack.scan.scans <= 4


def test_notes_of_a_waiting_member() -> None:
    """They wait with it and follow it; after a day they are dropped, and counted."""
    stack = Stack()
    stack.add(7001, 7002)
    stack.crm.outcomes = {KEY: FULL, key_of(7002): FULL}
    stack.change(7001, 7002, notes=("joined",))
    stack.until(timedelta(hours=3))
    del stack.crm.outcomes[KEY]
    stack.until(timedelta(hours=20))
    assert len(stack.crm.recorded) == 1
    stack.until(timedelta(days=3))
    assert len(stack.crm.recorded) == 1
    assert stack.counts.notes_dropped == 1
    assert not stack.deferred


def test_notes_look_again_soon_and_then_seldom() -> None:
    """After a minute at first, then after as long as they have waited, at most a quarter of an hour."""
    stack = Stack()
    stack.add(7001)
    stack.crm.outcomes[KEY] = FULL
    message = replace(change_message("m", KEY, "joined"), sent_at=START)
    waits = []
    for minutes in (0, 2, 10, 60):
        stack.clock.now = START + timedelta(minutes=minutes)
        error = stack.work(message)["m"]
        assert isinstance(error, TransientError)
        waits.append(error.retry_after)
    assert waits == [60, 120, 600, 900]


def test_a_note_that_waits_by_itself() -> None:
    """A note that a CRM does not take for a lasting reason waits for a day, and is dropped."""
    stack = Stack()
    stack.add(7001)
    messages = change_message("m", KEY, "joined")
    stack.crm.note_outcomes = {"m.joined": CrmOutcome(state="waiting", reason="event_not_defined")}
    assert isinstance(stack.work(messages)["m"], TransientError)
    stack.until(timedelta(days=2))
    assert (stack.counts.notes_dropped, stack.deferred) == (1, [])


def test_what_is_counted() -> None:
    """The alarm compares the members that wait or are refused with all that were written."""
    stack = Stack()
    stack.add(1, 2, 3)
    stack.crm.outcomes = {key_of(1): FULL, key_of(2): CrmOutcome(state="refused", reason="invalid_email")}
    stack.change(1, 2, 3)
    assert (stack.counts.writes, stack.counts.not_taken) == (3, 2)


def test_the_table(mirrors_table: str) -> None:
    """The table keeps since when a member waits, over tries and failures, and finds those that wait."""
    sync_states = DynamoSyncStates(mirrors_table, "fake")
    scan = DynamoSyncStateScan(mirrors_table, "fake")
    stack = Stack(sync_states=sync_states)  # type: ignore[arg-type]  # the real table
    stack.scan = scan  # type: ignore[assignment]  # likewise
    stack.add(7001, 7002)
    stack.crm.outcomes[KEY] = FULL
    stack.change(7001, 7002)
    [(key, first)] = scan.waiting()
    assert (key, first.reason) == (KEY, "storage_limit_exceeded")
    assert first.waiting is not None
    assert first.waiting.next_try == START + timedelta(minutes=15)
    until = START + timedelta(hours=1)
    scan.postpone([KEY, key_of(7002)], START, until)
    [(_, postponed)] = scan.waiting()
    assert postponed.waiting is not None
    assert (postponed.waiting.next_try, postponed.waiting.since) == (until, START)
    stack.clock.forward(3600)
    stack.work(replace(change_message("retry", KEY), body=retry_change(KEY).body))
    [(_, second)] = scan.waiting()
    assert second.waiting is not None
    assert (second.waiting.since, second.waiting.tries) == (START, 2)
    stack.crm.outcomes.clear()
    stack.work(replace(change_message("again", KEY), body=retry_change(KEY).body))
    assert scan.waiting() == []
    assert sync_states.load([KEY])[KEY].waiting is None


def test_the_table_keeps_who_is_waited_for(mirrors_table: str) -> None:
    """It says whose address a member waits for, until it waits for something else; a try without a result stays findable."""
    sync_states = DynamoSyncStates(mirrors_table, "fake")
    scan = DynamoSyncStateScan(mirrors_table, "fake")
    stack = Stack(sync_states=sync_states)  # type: ignore[arg-type]  # the real table
    stack.scan = scan  # type: ignore[assignment]  # likewise
    stack.add(7001)
    held = CrmOutcome(state="waiting", reason="email_held_by_member", holder=key_of(7002))
    busy = CrmOutcome(state="retry", reason="http_503", member_only=True)
    for outcome, holder in ((held, key_of(7002)), (busy, key_of(7002)), (FULL, "")):
        stack.crm.outcomes[KEY] = outcome
        stack.work(replace(change_message("retry", KEY), body=retry_change(KEY).body))
        [(key, state)] = scan.waiting()
        assert (key, state.state) == (KEY, outcome.state)
        assert state.waiting is not None
        assert state.waiting.holder == holder


def test_a_try_without_a_result_has_its_message() -> None:
    """It is taken for lost a day after it was due, and not queued a second time before."""
    stack = Stack()
    waiting = Waiting(since=START, tries=1, tried=START, next_try=START, digest="d")
    stack.sync_states.states[KEY] = SyncState(state="retry", reason="http_503", waiting=waiting)
    stack.add(7001)
    stack.until(timedelta(hours=23))
    assert stack.calls() == []
    stack.until(timedelta(hours=25))
    assert stack.calls() == [1]
    assert stack.state().state == "mirrored"


def test_the_end_of_the_apis_version_is_kept(mirrors_table: str) -> None:
    """Each round keeps it with the progress, where the daily run finds it, and forgets it with a newer version."""
    scan = DynamoSyncStateScan(mirrors_table, "fake")
    stack = Stack()
    stack.scan = scan  # type: ignore[assignment]  # the real table
    for ends in (date(2027, 9, 1), None):
        stack.crm.version_ends = ends
        stack.until(stack.clock.now - START + TICK)
        assert scan.load_run("waiting")["version_ends"] == (ends.isoformat() if ends else "")
        assert scan.load_run("waiting")["read"], "the schedule's own progress stays"
        found = dict(DynamoSyncStatusScan(mirrors_table).page().items)
        assert found == ({"fake": "api_ends_2027-09-01"} if ends else {})


def test_a_request_that_was_overtaken() -> None:
    """Requests pile up while the circuit is open: an old one is done without a look at the table."""
    stack = Stack()
    old = replace(
        change_message("old", KEY),
        header=MessageHeader(topic=WAITING_TOPIC),
        body='{"at": "2026-11-22T09:00:00Z", "everyone": false}',
    )
    assert stack.work(old) == {"old": None}
    assert stack.scan.scans == 0
