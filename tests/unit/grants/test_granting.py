"""The work of `grants`: only what is still called for, only once, only what fits, and never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from inveterate import GrantStatus
from relay.batch import Message
from relay.changes import Grant, dump
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.facts import Facts
from relay.fields import Value
from relay.member import Member, merge
from relay.platform.granting import ASK_AGAIN, FOR_ROOM, NEEDED_MS, Granting
from relay.platform.still_leaving import LATEST
from relay.ports.granting import Promise
from relay.ports.members import Record
from relay.rules import Retention, Rule, Rules

from tests.fakes import NOW, SHOP, FakeContext, FakeJournal, FakeMembers, FakeTelemetry
from tests.fakes_grants import ASKED, KEY, LEAVING, FakeGivingApi, FakePromises, grant

ON = Rules(retention=Retention(on=True))


@dataclass
class Bench:
    """Everything around the work, in memory; a member who asked to leave ten minutes ago."""

    members: FakeMembers = field(default_factory=lambda: FakeMembers(rules=ON))
    promises: FakePromises = field(default_factory=FakePromises)
    api: FakeGivingApi = field(default_factory=FakeGivingApi)
    journal: FakeJournal = field(default_factory=FakeJournal)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    now: datetime = NOW
    worth: Any = None

    def __post_init__(self) -> None:
        self.tell(ASKED, pending_cancel_at=NOW + timedelta(days=20))

    def tell(self, at: datetime, **values: Value) -> None:
        """Let an event tell something of the member."""
        record = self.members.load([KEY])[0][KEY]
        told = merge(record.member, Facts(event_id="b" * 32, at=at, values=values))
        self.members.records[KEY] = Record(member=told, version=1)

    def work(
        self, asked: Grant | None = None, *, body: str = "", waited: float = 600, ms: int = 120_000
    ) -> Exception | None:
        """Handle one message."""
        message = Message(
            id="m1",
            body=body or dump(asked or grant()),
            attributes={},
            receives=1,
            receipt="r",
            first_received_at=self.now - timedelta(seconds=waited),
            deferrals=0,
        )
        granting = Granting(
            shop=SHOP,
            members=self.members,
            promises=self.promises,
            api=self.api,
            journal=self.journal,
            clock=lambda: self.now,
            telemetry=self.telemetry,
            worth=self.worth,
        )
        return granting.work([message], FakeContext(ms))["m1"]

    def promise(self, *, granted: bool = False, amount: int = 10, by: str | None = None) -> None:
        """Let it be promised already."""
        self.promises.made[grant().key] = Promise(
            customer_id="1", amount=Decimal(amount), by=by or grant().id, granted=granted
        )

    @property
    def said(self) -> list[tuple[str, object]]:
        """What was told: outcomes with their reasons."""
        return [(outcome, about["reason"]) for outcome, about in self.telemetry.outcomes]

    @property
    def journaled(self) -> list[tuple[Any, Any]]:
        """What was journaled: outcomes with their reasons."""
        return [(line["outcome"], line.get("reason")) for line in self.journal.lines]


def test_a_grant_that_goes_well() -> None:
    """Given once, under its key, counted in the month of its event, journaled and told without a value of the member."""
    bench = Bench()
    assert bench.work() is None
    assert bench.api.given == [
        {
            "to": "1",
            "amount": 10,
            "key": f"{KEY}:2025-08-01",
            "note": "Relay retention.credits",
            "again": True,
        }
    ]
    [allowance] = bench.promises.asked
    assert allowance
    assert allowance.month == "2025-07"
    assert allowance.ceiling == 500
    assert bench.said == [("granted", None)]
    [line] = bench.journal.lines
    assert (line["id"], line["topic"], line["outcome"]) == (grant().id, "relay.grant", "applied")
    assert (line["customer"], line["body"]["key"]) == ("1", grant().key)
    assert line["body"]["amount"] == 10


def test_off_is_off() -> None:
    """It is off by default; a message that comes all the same costs no call. So does one whose rule is off."""
    for rules in (
        Rules(),
        Rules(retention=Retention(on=True), rules={"retention.credits": Rule(on=False)}),
    ):
        bench = Bench(members=FakeMembers(rules=rules))
        assert bench.work() is None
        assert (bench.said, bench.journaled) == ([("grant_ignored", "off")], [("ignored", "off")])
        assert (bench.api.reads, bench.api.given, bench.promises.asked) == (0, [], [])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({**LEAVING, "status": "ACTIVE"}, "active"),
        ({**LEAVING, "status": "CANCELLED"}, "cancelled"),
        ({**LEAVING, "anonymized": True}, "erased"),
        (None, "gone"),
    ],
)
def test_who_is_not_about_to_leave_any_more(answer: Mapping[str, Any] | None, reason: str) -> None:
    """Resumed, ended, erased, or not a member: nothing is promised, nothing is given."""
    bench = Bench(api=FakeGivingApi(answer=dict(answer) if answer else None))
    assert bench.work() is None
    assert bench.said == [("grant_ignored", reason)]
    assert bench.journaled == [("ignored", reason)]
    assert (bench.api.given, bench.promises.asked) == ([], [])


def test_a_status_that_nobody_documented_proves_nothing() -> None:
    """The event said so, and the API does not contradict it."""
    bench = Bench(api=FakeGivingApi(answer={**LEAVING, "status": "WINDING_DOWN"}))
    assert bench.work() is None
    assert bench.said == [("granted", None)]


@pytest.mark.parametrize("status", ["ACTIVE", "active"])
def test_a_reading_too_close_to_the_event_is_taken_again(status: str) -> None:
    """The API's copy may be older than the webhook: neither granted nor given up."""
    bench = Bench(api=FakeGivingApi(answer={**LEAVING, "status": status}))
    bench.tell(NOW - timedelta(seconds=60), pending_cancel_at=NOW + timedelta(days=20))
    answer = bench.work()
    assert isinstance(answer, TransientError)
    assert answer.retry_after == 120
    assert (bench.api.given, bench.journal.lines) == ([], [])
    bench.api.date = NOW + timedelta(minutes=3)
    assert bench.work() is None
    assert bench.said[0][0] == "grant_ignored"


def test_an_event_of_long_ago_is_no_occasion() -> None:
    """A replay of last year's journal gives nobody anything, whatever has been forgotten."""
    bench = Bench()
    assert bench.work(replace(grant(), at=NOW - LATEST - timedelta(seconds=1))) is None
    assert bench.said == [("grant_ignored", "late")]
    assert bench.work(replace(grant(), at=NOW - LATEST)) is None
    assert bench.said[1] == ("granted", None)


def test_an_answer_about_somebody_else() -> None:
    """Not this member's status: asked again."""
    bench = Bench(api=FakeGivingApi(answer={**LEAVING, "customerId": "2"}))
    assert isinstance(bench.work(), TransientError)
    assert bench.api.given == []


def test_who_is_not_worth_it_any_more() -> None:
    """Asked of the member as just read, where the service says how."""
    seen: list[Member] = []

    def worth(member: Member, rules: Rules) -> bool:
        seen.append(member)
        return False

    bench = Bench(worth=worth)
    assert bench.work() is None
    assert bench.said == [("grant_ignored", "not_high_value")]
    assert seen[0].value("credit_balance") == 7


def test_what_was_granted_costs_nothing() -> None:
    """A redelivery of the same event, or another event under the same key: no call, and no second grant."""
    bench = Bench()
    bench.promise(granted=True)
    assert bench.work() is None
    assert bench.work(grant(event_id="c" * 32)) is None
    assert [outcome for outcome, _ in bench.said] == ["granted", "already_granted"]
    assert [outcome for outcome, _ in bench.journaled] == ["applied", "repeat"]
    assert (bench.api.reads, bench.api.given) == (0, [])


def test_a_promise_stands_whatever_is_asked_for_later() -> None:
    """Somebody raised the amount in between: the first is looked for, under no new allowance."""
    bench = Bench()
    bench.promise()
    bench.api.status = GrantStatus.ALREADY_GRANTED
    assert bench.work(grant(amount=25)) is None
    assert [(given["amount"], given["again"]) for given in bench.api.given] == [(10, True)]
    assert bench.promises.asked == [None]
    assert bench.said == [("granted", None)]


@pytest.mark.parametrize("why", ["off", "resumed"])
def test_an_open_promise_that_is_not_called_for_any_more(why: str) -> None:
    """What became of it is looked up, and nothing is sent again."""
    bench = Bench()
    bench.promise(by="another.event")
    bench.api.status = GrantStatus.ALREADY_GRANTED
    if why == "off":
        bench.members.rules = Rules()
    else:
        bench.api.answer = {**LEAVING, "status": "ACTIVE"}
    assert bench.work() is None
    assert [given["again"] for given in bench.api.given] == [False]
    assert bench.said == [("already_granted", None)]


def test_unknown_is_asked_again_and_said() -> None:
    """Counted each time, journaled when it is known; the promise stands."""
    bench = Bench(api=FakeGivingApi(status=GrantStatus.UNKNOWN))
    answer = bench.work()
    assert isinstance(answer, TransientError)
    assert answer.retry_after == ASK_AGAIN
    assert (bench.said, bench.journal.lines) == ([("grant_unknown", None)], [])
    assert bench.promises.load(grant().key) is not None
    bench.api.status = GrantStatus.ALREADY_GRANTED
    assert bench.work() is None
    assert [given["again"] for given in bench.api.given] == [True, True]
    assert bench.journaled == [("applied", None)]


def test_what_does_not_fit_waits_for_room_and_then_gives_up() -> None:
    """Another's grant may be refused and make room; after an hour it is said and done. No call is spent on it."""
    bench = Bench()
    bench.promises.months["2025-07"] = Decimal("490.01")
    answer = bench.work()
    assert isinstance(answer, TransientError)
    assert (answer.retry_after, bench.api.reads) == (900, 0)
    bench.promises.months["2025-07"] = Decimal(490)
    assert bench.work() is None
    bench.promises.months["2025-07"] = Decimal(500)
    assert bench.work(grant(key="another"), waited=FOR_ROOM.total_seconds()) is None
    assert bench.said == [("granted", None), ("grant_ceiling", "ceiling")]
    assert bench.journaled == [("applied", None), ("ignored", "ceiling")]


def test_the_room_may_go_between_the_look_and_the_claim() -> None:
    """The claim decides."""
    bench = Bench()

    def fill() -> None:
        bench.promises.months["2025-07"] = Decimal(495)

    bench.api.meanwhile = fill
    assert isinstance(bench.work(), TransientError)
    assert bench.api.given == []


def test_a_promise_that_goes_in_between() -> None:
    """It was open when it was read and is gone now: nothing is granted without one; it begins anew."""
    bench = Bench()
    bench.promise()
    bench.api.meanwhile = bench.promises.made.clear
    answer = bench.work()
    assert isinstance(answer, TransientError)
    assert bench.api.given == []


@pytest.mark.parametrize(
    "failure",
    [
        TransientError("down"),
        MisconfiguredError("key", setting="s"),
        PermanentError("grant_refused"),
        RuntimeError("bug"),
    ],
)
def test_what_the_api_raises_is_the_answer(failure: Exception) -> None:
    """What follows from it is the batch's matter."""
    assert Bench(api=FakeGivingApi(failure=failure)).work() is failure


def test_what_is_not_journaled_is_not_done() -> None:
    """It comes again, finds the promise, and is journaled then."""
    bench = Bench(journal=FakeJournal(failure=TransientError("down")))
    assert isinstance(bench.work(), TransientError)
    assert bench.telemetry.outcomes == []


@pytest.mark.parametrize(
    "asked",
    [
        grant(amount=0),
        grant(amount=-5),
        grant(amount=Decimal("NaN")),
        grant(key=" "),
        replace(grant(), member="other.myshopify.com:1"),
        replace(grant(), member=f"{SHOP}:"),
    ],
)
def test_what_can_never_be_granted(asked: Grant) -> None:
    """To the dead letters, at once."""
    bench = Bench()
    body = dump(asked).replace('"amount":null', '"amount":"NaN"')
    assert isinstance(bench.work(body=body), PermanentError)
    assert (bench.api.reads, bench.api.given) == (0, [])


def test_another_members_key() -> None:
    """The key is promised to somebody else: a defect of a rule, and nobody gets anything."""
    bench = Bench()
    bench.promises.made[grant().key] = Promise(customer_id="2", amount=Decimal(10), by="x")
    assert isinstance(bench.work(), PermanentError)
    assert bench.api.given == []


def test_no_message_is_begun_without_time() -> None:
    """Put off, and not handed back: it spends no receive."""
    bench = Bench()
    answer = bench.work(ms=NEEDED_MS - 1)
    assert isinstance(answer, TransientError)
    assert (answer.retry_after, bench.api.reads) == (1, 0)


def test_one_grants_trouble_is_not_anothers() -> None:
    """Each message has an answer of its own."""
    bench = Bench(promises=FakePromises(failure=TransientError("table")))
    assert isinstance(bench.work(), TransientError)
    bench.promises.failure = None
    assert bench.work() is None


def test_the_month_is_the_events_in_utc() -> None:
    """An event of the last evening of June in New York is one of July."""
    bench = Bench()
    late = datetime.fromisoformat("2025-06-30T21:00:00-04:00")
    assert bench.work(replace(grant(), at=late)) is None
    [allowance] = bench.promises.asked
    assert allowance
    assert allowance.month == "2025-07"
