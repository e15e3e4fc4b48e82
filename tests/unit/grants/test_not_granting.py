"""Credits that are no longer called for, or never were, are not granted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from inveterate import GrantStatus
from relay.errors import PermanentError, TransientError
from relay.grants.granter import LATEST
from relay.model.member import Member
from relay.model.messages import GrantRequest, dump
from relay.ports.grants import GrantRecord
from relay.rules.measures import Measures
from relay.rules.segments import is_worth_credits
from relay.rules.settings import Retention, Rules, RuleSetting, Thresholds

from tests.support.grant_fakes import LEAVING, FakeGrantApi, grant
from tests.support.port_fakes import NOW, SHOP, FakeMembers
from tests.unit.grants.grants_setup import GrantSetup


def test_off_is_off() -> None:
    """It is off by default; a message that comes all the same costs no call. So does one whose rule is off."""
    for rules in (
        Rules(),
        Rules(retention=Retention(on=True), rules={"retention.credits": RuleSetting(on=False)}),
    ):
        setup = GrantSetup(members=FakeMembers(rules=rules))
        assert setup.work() is None
        assert (setup.said, setup.journaled) == ([("grant_ignored", "off")], [("ignored", "off")])
        assert (setup.api.reads, setup.api.given, setup.grants.asked) == (0, [], [])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({**LEAVING, "status": "ACTIVE"}, "active"),
        ({**LEAVING, "status": "CANCELLED"}, "cancelled"),
        ({**LEAVING, "anonymized": True}, "erased"),
        (None, "not_found"),
    ],
)
def test_who_is_not_about_to_leave_any_more(answer: Mapping[str, Any] | None, reason: str) -> None:
    """Resumed, ended, erased, or not a member: nothing is written down, nothing is given."""
    setup = GrantSetup(api=FakeGrantApi(answer=dict(answer) if answer else None))
    assert setup.work() is None
    assert setup.said == [("grant_ignored", reason)]
    assert setup.journaled == [("ignored", reason)]
    assert (setup.api.given, setup.grants.asked) == ([], [])


@pytest.mark.parametrize("status", ["WINDING_DOWN", "PAUSED", "", None, "PENDING"])
def test_a_status_that_does_not_say_it_grants_nothing(status: str | None) -> None:
    """A webhook is not signed: only a reading that itself says PENDING_CANCELLATION proves it."""
    setup = GrantSetup(api=FakeGrantApi(answer={**LEAVING, "status": status}))
    assert setup.work() is None
    assert setup.said == [("grant_ignored", "status_unknown")]
    assert setup.api.given == []


def test_a_member_is_granted_once_in_a_year() -> None:
    """Whatever dates of cancellation the events name; a year later again, under a key of its own."""
    setup = GrantSetup()
    setup.record(granted=True)
    assert setup.work() is None
    assert setup.work(replace(grant(), id="b.retention.credits", at=NOW + timedelta(days=1))) is None
    setup.now = NOW + timedelta(days=364)
    late = replace(grant(), id="c.retention.credits", at=setup.now)
    assert setup.work(late) is None
    assert [outcome for outcome, _ in setup.said] == ["granted", "already_granted", "already_granted"]
    setup.now = NOW + timedelta(days=366)
    setup.tell(setup.now, pending_cancel_at=setup.now + timedelta(days=20))
    setup.api.date = setup.now + timedelta(minutes=5)
    assert setup.work(replace(late, at=setup.now)) is None
    assert setup.said[-1] == ("granted", None)
    assert [given["key"] for given in setup.api.given] == [f"{grant().key}:2"]


def test_the_month_is_that_of_the_grant() -> None:
    """A backdated event takes nothing from the month that it claims."""
    setup = GrantSetup()
    assert setup.work(replace(grant(), at=NOW - timedelta(days=29))) is None
    assert setup.grants.months == {f"{NOW:%Y-%m}": 10}


def test_webhooks_make_nobody_worth_it() -> None:
    """Neither a fee that they name nor the programme's measures: the API's balance against the merchant's number."""
    rules = Rules(
        currency="USD",
        retention=Retention(on=True),
        measures=Measures(currency="USD", credits=Decimal(5), annual_fee={"USD": Decimal(5)}),
    )
    setup = GrantSetup(members=FakeMembers(rules=rules), is_worth_it=is_worth_credits)
    setup.tell(
        NOW - timedelta(minutes=11), fee_amount=Decimal(900), fee_currency="USD", credit_balance=Decimal(900)
    )
    assert setup.work() is None
    assert setup.said == [("grant_ignored", "not_high_value")]
    setup.members.rules = rules.model_copy(update={"thresholds": Thresholds(high_value_credits=Decimal(7))})
    assert setup.work() is None
    assert setup.said[-1] == ("granted", None)


@pytest.mark.parametrize("status", ["ACTIVE", "active"])
def test_a_reading_too_close_to_the_event_is_taken_again(status: str) -> None:
    """The API's copy may be older than the webhook: neither granted nor given up."""
    setup = GrantSetup(api=FakeGrantApi(answer={**LEAVING, "status": status}))
    setup.tell(NOW - timedelta(seconds=60), pending_cancel_at=NOW + timedelta(days=20))
    answer = setup.work()
    assert isinstance(answer, TransientError)
    assert answer.retry_after == 120
    assert (setup.api.given, setup.journal.lines) == ([], [])
    setup.api.date = NOW + timedelta(minutes=3)
    assert setup.work() is None
    assert setup.said[0][0] == "grant_ignored"


def test_an_event_of_long_ago_is_no_incident() -> None:
    """A replay of last year's journal grants nothing, whatever records have expired."""
    setup = GrantSetup()
    assert setup.work(replace(grant(), at=NOW - LATEST - timedelta(seconds=1))) is None
    assert setup.said == [("grant_ignored", "late")]
    assert setup.work(replace(grant(), at=NOW - LATEST)) is None
    assert setup.said[1] == ("granted", None)


def test_an_answer_about_another_member() -> None:
    """Not this member's status: asked again."""
    setup = GrantSetup(api=FakeGrantApi(answer={**LEAVING, "customerId": "2"}))
    assert isinstance(setup.work(), TransientError)
    assert setup.api.given == []


def test_who_is_not_worth_it_any_more() -> None:
    """Asked of the member as just read, where the service says how."""
    seen: list[Member] = []

    def worth(member: Member, rules: Rules) -> bool:
        seen.append(member)
        return False

    setup = GrantSetup(is_worth_it=worth)
    assert setup.work() is None
    assert setup.said == [("grant_ignored", "not_high_value")]
    assert seen[0].value("credit_balance") == 7


@pytest.mark.parametrize("why", ["off", "resumed"])
def test_an_open_record_that_is_not_called_for_any_more(why: str) -> None:
    """Its ending is looked up, and nothing is sent again."""
    setup = GrantSetup()
    setup.record(by="another.event")
    setup.api.status = GrantStatus.ALREADY_GRANTED
    if why == "off":
        setup.members.rules = Rules()
    else:
        setup.api.answer = {**LEAVING, "status": "ACTIVE"}
    assert setup.work() is None
    assert [given["again"] for given in setup.api.given] == [False]
    assert setup.said == [("already_granted", None)]


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
def test_what_can_never_be_granted(asked: GrantRequest) -> None:
    """To the dead letters, at once."""
    setup = GrantSetup()
    body = dump(asked).replace('"amount":null', '"amount":"NaN"')
    assert isinstance(setup.work(body=body), PermanentError)
    assert (setup.api.reads, setup.api.given) == (0, [])


def test_another_members_key() -> None:
    """The key belongs to another member: a defect of a rule, so nothing is granted."""
    setup = GrantSetup()
    setup.grants.made[grant().key] = GrantRecord(customer_id="2", amount=Decimal(10), by="x", at=NOW)
    assert isinstance(setup.work(), PermanentError)
    assert setup.api.given == []
