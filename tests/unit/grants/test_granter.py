"""The work of `grants`: only once, only what fits, and never a guess."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from inveterate import GrantStatus
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.grants.granter import NEEDED_MS, RETRY_UNKNOWN_AFTER, WAIT_FOR_BUDGET

from tests.support.grant_fakes import KEY, FakeGrantApi, FakeGrantStore, grant
from tests.support.port_fakes import FakeJournal
from tests.unit.grants.grants_setup import GrantSetup


def test_a_grant_that_goes_well() -> None:
    """Given once, under its key, counted in the month of its event, journaled and logged without a value of the member."""
    setup = GrantSetup()
    assert setup.work() is None
    assert setup.api.given == [
        {
            "to": "1",
            "amount": 10,
            "key": f"{KEY}:2025-08-01",
            "note": "Relay retention.credits",
            "again": True,
        }
    ]
    [budget] = setup.grants.asked
    assert budget
    assert budget.month == "2025-07"
    assert budget.ceiling == 500
    assert setup.said == [("granted", None)]
    [line] = setup.journal.lines
    assert (line["id"], line["topic"], line["outcome"]) == (grant().id, "relay.grant", "applied")
    assert (line["customer"], line["body"]["grant"]) == ("1", grant().key)
    assert line["body"]["amount"] == 10


def test_what_was_granted_costs_nothing() -> None:
    """A redelivery of the same event, or another event under the same key: no call, and no second grant."""
    setup = GrantSetup()
    setup.record(granted=True)
    assert setup.work() is None
    assert setup.work(grant(event_id="c" * 32)) is None
    assert [outcome for outcome, _ in setup.said] == ["granted", "already_granted"]
    assert [outcome for outcome, _ in setup.journaled] == ["applied", "repeat"]
    assert (setup.api.reads, setup.api.given) == (0, [])


def test_a_record_stands_whatever_is_asked_for_later() -> None:
    """The amount was raised in between: the first grant is looked for, under no new budget."""
    setup = GrantSetup()
    setup.record()
    setup.api.status = GrantStatus.ALREADY_GRANTED
    assert setup.work(grant(amount=25)) is None
    assert [(given["amount"], given["again"]) for given in setup.api.given] == [(10, True)]
    assert setup.grants.asked == [None]
    assert setup.said == [("granted", None)]


def test_unknown_is_asked_again_and_said() -> None:
    """Counted each time, journaled when it is known; the record stands."""
    setup = GrantSetup(api=FakeGrantApi(status=GrantStatus.UNKNOWN))
    answer = setup.work()
    assert isinstance(answer, TransientError)
    assert answer.retry_after == RETRY_UNKNOWN_AFTER
    assert (setup.said, setup.journal.lines) == ([("grant_unknown", None)], [])
    assert setup.grants.load(grant().key) is not None
    setup.api.status = GrantStatus.ALREADY_GRANTED
    assert setup.work() is None
    assert [given["again"] for given in setup.api.given] == [True, True]
    assert setup.journaled == [("applied", None)]


def test_what_does_not_fit_waits_for_room_and_then_gives_up() -> None:
    """Another's grant may be refused and make room; after an hour it is said and done. No call is spent on it."""
    setup = GrantSetup()
    setup.grants.months["2025-07"] = Decimal("490.01")
    answer = setup.work()
    assert isinstance(answer, TransientError)
    assert (answer.retry_after, setup.api.reads) == (900, 0)
    setup.grants.months["2025-07"] = Decimal(490)
    assert setup.work() is None
    setup.grants.months["2025-07"] = Decimal(500)
    assert setup.work(grant(key="another"), waited=WAIT_FOR_BUDGET.total_seconds()) is None
    assert setup.said == [("granted", None), ("grant_over_budget", "budget")]
    assert setup.journaled == [("applied", None), ("ignored", "budget")]


def test_the_room_may_go_between_the_look_and_the_claim() -> None:
    """The claim decides."""
    setup = GrantSetup()

    def fill() -> None:
        setup.grants.months["2025-07"] = Decimal(495)

    setup.api.meanwhile = fill
    assert isinstance(setup.work(), TransientError)
    assert setup.api.given == []


def test_a_record_that_goes_in_between() -> None:
    """It was open when it was read and is gone now: nothing is granted without one; it begins anew."""
    setup = GrantSetup()
    setup.record()
    setup.api.meanwhile = setup.grants.made.clear
    answer = setup.work()
    assert isinstance(answer, TransientError)
    assert setup.api.given == []


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
    """The batch decides what follows from it."""
    assert GrantSetup(api=FakeGrantApi(failure=failure)).work() is failure


def test_what_is_not_journaled_is_not_done() -> None:
    """It comes again, finds the record, and is journaled then."""
    setup = GrantSetup(journal=FakeJournal(failure=TransientError("down")))
    assert isinstance(setup.work(), TransientError)
    assert setup.telemetry.outcomes == []


def test_no_message_is_begun_without_time() -> None:
    """It is deferred and not returned: it spends no receive."""
    setup = GrantSetup()
    answer = setup.work(ms=NEEDED_MS - 1)
    assert isinstance(answer, TransientError)
    assert (answer.retry_after, setup.api.reads) == (1, 0)


def test_one_grants_trouble_is_not_anothers() -> None:
    """Each message has an answer of its own."""
    setup = GrantSetup(grants=FakeGrantStore(failure=TransientError("table")))
    assert isinstance(setup.work(), TransientError)
    setup.grants.failure = None
    assert setup.work() is None


def test_the_month_is_the_events_in_utc() -> None:
    """An event of the last evening of June in New York is one of July."""
    setup = GrantSetup()
    late = datetime.fromisoformat("2025-06-30T21:00:00-04:00")
    assert setup.work(replace(grant(), at=late)) is None
    [budget] = setup.grants.asked
    assert budget
    assert budget.month == "2025-07"
