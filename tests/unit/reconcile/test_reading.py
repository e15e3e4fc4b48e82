"""What is read is merged as dated facts, and undoes nothing that is newer."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from relay.errors import TransientError
from relay.model.consistency import BALANCE_GAP, EVIDENCE, FROM_THE_FUTURE, NO_EMAIL, inconsistencies

from tests.support.port_fakes import NOW
from tests.unit.reconcile.reconciler import ANNA, HOUR, Bench


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
    bench.tell(-30, (Decimal(0), Decimal(5)), email="a@example.com", credit_balance=Decimal(5))
    bench.tell(-20, (Decimal(9), Decimal(3)), credit_balance=Decimal(3))
    assert bench.work(BALANCE_GAP) is None
    assert (inconsistencies(bench.member), bench.member.money("credit_balance")) == (frozenset(), Decimal(7))


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
    assert (bench.member.status, inconsistencies(bench.member)) == (status, frozenset())


def test_a_cancellation_found_by_reading_leaves_its_time_to_the_event(bench: Bench) -> None:
    """It is dated by the reading until the event comes, in either order; when it was, is the event's to say."""
    bench.api.answer = {**ANNA, "status": "CANCELLED"}
    bench.work(NO_EMAIL)
    assert (bench.member.status, bench.member.value("cancelled_at")) == ("cancelled", None)
    assert bench.member.ended_at == NOW - timedelta(seconds=122)
    bench.tell(-30, cancelled_at=NOW - HOUR / 2)
    assert bench.member.ended_at == NOW - HOUR / 2


def test_who_was_erased_stays_erased(bench: Bench) -> None:
    """No reading brings the profile back."""
    bench.tell(-30, anonymized=True, email=None)
    bench.work(FROM_THE_FUTURE)
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
