"""The work of `grants`: only once, only what fits, and never a guess."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from inveterate import GrantStatus
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.grants.granter import ASK_AGAIN, FOR_ROOM, NEEDED_MS

from tests.support.grant_fakes import KEY, FakeGivingApi, FakePromises, grant
from tests.support.port_fakes import FakeJournal
from tests.unit.grants.bench import Bench


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
