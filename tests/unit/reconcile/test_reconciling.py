"""The work of `reconcile`: look again, read once an hour, merge as dated facts, never undo what is newer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from inveterate import Member as ApiMember
from relay.batch import Message
from relay.chain import Change
from relay.changes import Doubt, dump
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.facts import Facts
from relay.fields import Value
from relay.member import Member, merge
from relay.platform.reconciling import NEEDED_MS, Reconciling
from relay.ports.api import Reading, Turn
from relay.ports.members import Record
from relay.rechecking import BALANCE_GAP, EVIDENCE, FUTURE, NO_EMAIL, reasons

from tests.fakes import NOW, SHOP, FakeContext, FakeJournal, FakeMembers, FakeTelemetry

KEY = f"{SHOP}:1"
HOUR = timedelta(hours=1)
ANNA = {"customerId": "1", "email": "Anna@Example.com", "status": "ACTIVE", "tierId": "t1", "credit": 7}


@dataclass
class FakeApi:
    """An API in memory; `failure` is raised, `answer` None knows nobody."""

    answer: dict[str, Any] | None = field(default_factory=lambda: dict(ANNA))
    date: datetime | None = NOW
    failure: Exception | None = None
    meanwhile: Callable[[], None] | None = None
    calls: int = 0

    def read(self, customer_id: str) -> Reading | None:
        self.calls += 1
        if self.failure:
            raise self.failure
        if self.meanwhile:
            self.meanwhile()
        if self.answer is None:
            return None
        return Reading(member=ApiMember.of(self.answer), date=self.date, seconds=2)


@dataclass
class FakeTurns:
    """Turns in memory, by the same rules."""

    turns: dict[str, Turn] = field(default_factory=dict)
    lost: bool = False

    def load(self, key: str) -> Turn:
        return self.turns.get(key, Turn())

    def claim(self, key: str, *, now: datetime, until: datetime) -> bool:
        free_at = self.load(key).free_at
        if self.lost or (free_at and free_at > now):
            return False
        self.turns[key] = Turn(read_at=self.load(key).read_at, free_at=until)
        return True

    def settle(self, key: str, read_at: datetime | None) -> None:
        known = self.load(key)
        self.turns[key] = replace(known, read_at=read_at) if read_at else replace(known, free_at=None)


@dataclass
class Bench:
    """Everything around the work, in memory."""

    members: FakeMembers = field(default_factory=FakeMembers)
    turns: FakeTurns = field(default_factory=FakeTurns)
    api: FakeApi = field(default_factory=FakeApi)
    journal: FakeJournal = field(default_factory=FakeJournal)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    now: datetime = NOW

    def tell(self, minute: float, change: Change | None = None, **values: Value) -> None:
        """Let an event tell something, so many minutes from the beginning."""
        record = self.members.load([KEY])[0][KEY]
        facts = Facts(
            event_id=f"{int(minute * 60) % 10**9:032x}",
            at=NOW + timedelta(minutes=minute),
            values=values,
            change=change,
        )
        self.members.records[KEY] = Record(member=merge(record.member, facts), version=record.version + 1)

    def work(self, reason: str, *, asked: datetime | None = None, member: str = KEY, ms: int = 60_000) -> Any:
        """Handle one message."""
        message = Message(
            id="m1",
            body=dump(Doubt(member=member, reason=reason)),
            attributes={},
            receives=1,
            receipt="r",
            first_received_at=asked or self.now,
            deferrals=0,
        )
        reconciling = Reconciling(
            shop=SHOP,
            members=self.members,
            turns=self.turns,
            api=self.api,
            journal=self.journal,
            clock=lambda: self.now,
            telemetry=self.telemetry,
            every=HOUR,
        )
        return reconciling.work([message], FakeContext(ms))["m1"]

    @property
    def member(self) -> Member:
        """Return the record."""
        return self.members.records[KEY].member

    @property
    def told(self) -> list[str]:
        """Return the outcomes."""
        return [outcome for outcome, _ in self.telemetry.outcomes]


@pytest.fixture
def bench() -> Bench:
    """Return a bench with a member of whom everything but the address is known."""
    bench = Bench()
    bench.tell(-60, tier_id="t1", tier_name="Gold", joined_at=NOW - HOUR)
    return bench


def test_a_missing_address_is_read(bench: Bench) -> None:
    """One reading, dated by its answer less its duration less two minutes; a change; a line in the journal."""
    assert bench.work(NO_EMAIL) is None
    register = bench.member.registers["email"]
    assert (register.value, register.at) == ("anna@example.com", NOW - timedelta(seconds=122))
    assert register.by.startswith("api-")
    assert bench.members.outboxes[-1].changed
    [line] = bench.journal.lines
    assert (line["id"], line["topic"], line["outcome"], line["reason"], line["customer"]) == (
        register.by, "relay.reconcile", "applied", "no_email", "1",
    )  # fmt: skip
    assert bench.told == ["reconciled"]
    assert "nna" not in str(bench.telemetry.outcomes)


def test_what_has_healed_costs_no_call(bench: Bench) -> None:
    """The doubt is looked at again first: the event that was missing has come."""
    bench.tell(-1, email="a@example.com")
    assert bench.work(NO_EMAIL) is None
    assert (bench.api.calls, bench.told) == (0, ["healed"])


def test_one_reading_per_member_and_hour(bench: Bench) -> None:
    """A doubt that comes within the hour waits for its end, and is then read."""
    bench.api.answer = {"customerId": "1"}
    bench.work(NO_EMAIL)
    bench.now += timedelta(minutes=20)
    error = bench.work(NO_EMAIL)
    assert isinstance(error, TransientError)
    assert error.retry_after == 40 * 60
    assert bench.api.calls == 1
    bench.now += timedelta(minutes=40)
    assert bench.work(NO_EMAIL) is None
    assert bench.api.calls == 2


def test_a_reading_answers_what_was_asked_before_it(bench: Bench) -> None:
    """Ten messages about one member without an address are one call, and not one an hour."""
    bench.api.answer = {"customerId": "1"}
    asked = bench.now - timedelta(minutes=10)
    assert [bench.work(NO_EMAIL, asked=asked) for _ in range(3)] == [None, None, None]
    assert (bench.api.calls, bench.told) == (1, ["reconciled", "answered", "answered"])


def test_somebody_else_is_reading(bench: Bench) -> None:
    """Two at once: one reads, the other waits."""
    bench.turns.lost = True
    assert isinstance(bench.work(NO_EMAIL), TransientError)
    assert bench.api.calls == 0


def test_an_event_from_the_future_is_always_asked_about(bench: Bench) -> None:
    """There is nothing in the record that could show whether it has healed."""
    bench.tell(-1, email="a@example.com")
    assert bench.work(FUTURE) is None
    assert bench.api.calls == 1


def test_a_reading_never_undoes_what_is_newer(bench: Bench) -> None:
    """An event of the last two minutes stands, field by field; the rest of the reading is taken."""
    bench.tell(-1, tier_id="t9", credit_balance=Decimal(3))
    bench.work(NO_EMAIL)
    assert (bench.member.text("tier_id"), bench.member.money("credit_balance")) == ("t9", Decimal(3))
    assert bench.member.text("email") == "anna@example.com"


def test_a_member_who_was_written_meanwhile(bench: Bench) -> None:
    """The reading is merged into what is there then, and not into what was read before."""
    bench.api.meanwhile = lambda: bench.tell(-0.5, first_name="Anna")
    assert bench.work(NO_EMAIL) is None
    assert (bench.member.text("first_name"), bench.member.text("email")) == ("Anna", "anna@example.com")


def test_a_hole_heals(bench: Bench) -> None:
    """The reading is an anchor: what was before it no longer matters."""
    bench.tell(-30, Change(Decimal(0), Decimal(5)), email="a@example.com", credit_balance=Decimal(5))
    bench.tell(-20, Change(Decimal(9), Decimal(3)), credit_balance=Decimal(3))
    assert bench.work(BALANCE_GAP) is None
    assert (reasons(bench.member), bench.member.money("credit_balance")) == (frozenset(), Decimal(7))


def test_a_contradiction_that_the_reading_is_too_old_for(bench: Bench) -> None:
    """What newer events still contradict is read again, an hour later."""
    bench.tell(-1, cancelled_at=NOW, seen_status="ACTIVE")
    error = bench.work(EVIDENCE)
    assert isinstance(error, TransientError)
    assert error.retry_after == HOUR.total_seconds()
    bench.now += HOUR
    bench.api.date = bench.now
    assert bench.work(EVIDENCE, asked=NOW) is None
    assert bench.member.status == "active"


@pytest.mark.parametrize(
    ("read", "status"),
    [("ACTIVE", "active"), ("PENDING_CANCELLATION", "pending_cancellation"), ("CANCELLED", "cancelled")],
)
@pytest.mark.parametrize("ended", [None, "cancelled_at", "pending_cancel_at"])
def test_the_status_that_was_read_holds(bench: Bench, read: str, status: str, ended: str | None) -> None:
    """Whatever the record said before; and nothing in it contradicts the reading any more."""
    if ended:
        bench.tell(-30, None, **{ended: NOW - HOUR / 2})
    bench.api.answer = {**ANNA, "status": read}
    bench.work(NO_EMAIL)
    assert (bench.member.status, reasons(bench.member)) == (status, frozenset())


def test_a_cancellation_found_by_reading_leaves_its_time_to_the_event(bench: Bench) -> None:
    """It is dated by the reading until the event comes, in either order; when it was, is the event's to say."""
    bench.api.answer = {**ANNA, "status": "CANCELLED"}
    bench.work(NO_EMAIL)
    assert (bench.member.status, bench.member.value("cancelled_at")) == ("cancelled", None)
    assert bench.member.ended_at == NOW - timedelta(seconds=122)
    bench.tell(-30, cancelled_at=NOW - HOUR / 2)
    assert bench.member.ended_at == NOW - HOUR / 2


def test_the_api_knows_nobody(bench: Bench) -> None:
    """Nothing changes: whether somebody is gone is for the full run to say. The question is answered."""
    before, bench.api.answer = bench.member, None
    assert bench.work(NO_EMAIL) is None
    assert (bench.member, bench.told, bench.journal.lines) == (before, ["gone"], [])


@pytest.mark.parametrize(
    "failure", [MisconfiguredError("no", setting="/relay/inveterate"), TransientError("no"), KeyError("bug")]
)
def test_a_call_that_failed_gives_its_turn_back(bench: Bench, failure: Exception) -> None:
    """The next attempt must not have to wait an hour."""
    bench.api.failure = failure
    assert bench.work(NO_EMAIL) is failure
    bench.api.failure = None
    assert bench.work(NO_EMAIL) is None


def test_a_journal_that_is_down(bench: Bench) -> None:
    """What cannot be journaled changes nothing, and comes again."""
    bench.journal.failure = TransientError("no")
    assert isinstance(bench.work(NO_EMAIL), TransientError)
    assert bench.member.value("email") is None


def test_who_was_erased_stays_erased(bench: Bench) -> None:
    """No reading brings the profile back."""
    bench.tell(-30, anonymized=True, email=None)
    bench.work(FUTURE)
    assert (bench.member.value("email"), bench.member.value("anonymized")) == (None, True)


@pytest.mark.parametrize(
    ("answer", "name"),
    [({"tierId": "t1"}, "Gold"), ({"tierId": "t2"}, None), ({"tierId": "t2", "tierName": "Blue"}, "Blue")],
)
def test_a_tiers_name_comes_with_its_id_or_not_at_all(
    bench: Bench, answer: dict[str, Any], name: str | None
) -> None:
    """The name of another tier would be worse than none."""
    bench.api.answer = {"customerId": "1", **answer}
    bench.work(NO_EMAIL)
    assert bench.member.value("tier_name") == name


def test_an_answer_without_a_date(bench: Bench) -> None:
    """Our own clock stands in."""
    bench.api.date = None
    bench.work(NO_EMAIL)
    assert bench.member.registers["email"].at == NOW - timedelta(seconds=122)


def test_another_shops_member(bench: Bench) -> None:
    """Such a message can never work."""
    assert isinstance(bench.work(NO_EMAIL, member="other.myshopify.com:1"), PermanentError)


def test_nothing_is_begun_without_time(bench: Bench) -> None:
    """It is put off, and spends no receives."""
    assert isinstance(bench.work(NO_EMAIL, ms=NEEDED_MS - 1), TransientError)
    assert bench.api.calls == 0
