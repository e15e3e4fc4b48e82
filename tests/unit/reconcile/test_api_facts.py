"""What is read is merged as dated facts, and undoes nothing that is newer."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from relay.errors import TransientError
from relay.model.consistency import BALANCE_GAP, EVIDENCE, NO_EMAIL, UNDATED, inconsistencies

from tests.support.port_fakes import NOW
from tests.unit.reconcile.reconcile_setup import ANNA, HOUR, ReconcileSetup


def test_a_reading_never_undoes_what_is_newer(setup: ReconcileSetup) -> None:
    """An event of the last two minutes stands, field by field; the rest of the reading is taken."""
    setup.tell(-1, tier_id="t9", credit_balance=Decimal(3))
    setup.work(NO_EMAIL)
    assert (setup.member.text("tier_id"), setup.member.money("credit_balance")) == ("t9", Decimal(3))
    assert setup.member.text("email") == "anna@example.com"


def test_a_member_who_was_written_meanwhile(setup: ReconcileSetup) -> None:
    """The reading is merged into what is there then, and not into what was read before."""
    setup.api.meanwhile = lambda: setup.tell(-0.5, first_name="Anna")
    assert setup.work(NO_EMAIL) is None
    assert (setup.member.text("first_name"), setup.member.text("email")) == ("Anna", "anna@example.com")


def test_a_hole_heals(setup: ReconcileSetup) -> None:
    """The reading is an anchor: earlier changes no longer count."""
    setup.tell(-30, (Decimal(0), Decimal(5)), email="a@example.com", credit_balance=Decimal(5))
    setup.tell(-20, (Decimal(9), Decimal(3)), credit_balance=Decimal(3))
    assert setup.work(BALANCE_GAP) is None
    assert (inconsistencies(setup.member), setup.member.money("credit_balance")) == (frozenset(), Decimal(7))


def test_a_contradiction_that_the_reading_is_too_old_for(setup: ReconcileSetup) -> None:
    """What newer events still contradict is read again, an hour later."""
    setup.tell(-1, cancelled_at=NOW, seen_status="ACTIVE")
    error = setup.work(EVIDENCE)
    assert isinstance(error, TransientError)
    assert error.retry_after == HOUR.total_seconds()
    setup.now += HOUR
    setup.api.date = setup.now
    assert setup.work(EVIDENCE, asked=NOW) is None
    assert setup.member.status == "active"


@pytest.mark.parametrize(
    ("read", "status"),
    [("ACTIVE", "active"), ("PENDING_CANCELLATION", "pending_cancellation"), ("CANCELLED", "cancelled")],
)
@pytest.mark.parametrize("ended", [None, "cancelled_at", "pending_cancel_at"])
def test_the_status_that_was_read_holds(
    setup: ReconcileSetup, read: str, status: str, ended: str | None
) -> None:
    """Whatever the record said before; and nothing in it contradicts the reading any more."""
    if ended:
        setup.tell(-30, None, **{ended: NOW - HOUR / 2})
    setup.api.answer = {**ANNA, "status": read}
    setup.work(NO_EMAIL)
    assert (setup.member.status, inconsistencies(setup.member)) == (status, frozenset())


def test_a_cancellation_found_by_reading_leaves_its_time_to_the_event(setup: ReconcileSetup) -> None:
    """It is dated by the reading until the event comes, in either order; when it was, is the event's to say."""
    setup.api.answer = {**ANNA, "status": "CANCELLED"}
    setup.work(NO_EMAIL)
    assert (setup.member.status, setup.member.value("cancelled_at")) == ("cancelled", None)
    assert setup.member.ended_at == NOW - timedelta(seconds=122)
    setup.tell(-30, cancelled_at=NOW - HOUR / 2)
    assert setup.member.ended_at == NOW - HOUR / 2


def test_who_was_erased_stays_erased(setup: ReconcileSetup) -> None:
    """No reading brings the profile back."""
    setup.tell(-30, erased_at=NOW - HOUR / 2)
    setup.work(UNDATED)
    assert (setup.member.value("email"), setup.member.is_erased) == (None, True)


@pytest.mark.parametrize(
    ("answer", "name"),
    [({"tierId": "t1"}, "Gold"), ({"tierId": "t2"}, None), ({"tierId": "t2", "tierName": "Blue"}, "Blue")],
)
def test_a_tiers_name_comes_with_its_id_or_not_at_all(
    setup: ReconcileSetup, answer: dict[str, Any], name: str | None
) -> None:
    """The name of another tier would be worse than none."""
    setup.api.answer = {"customerId": "1", **answer}
    setup.work(NO_EMAIL)
    assert setup.member.value("tier_name") == name


def test_an_answer_without_a_date(setup: ReconcileSetup) -> None:
    """Our own clock stands in."""
    setup.api.date = None
    setup.work(NO_EMAIL)
    assert setup.member.registers["email"].at == NOW - timedelta(seconds=122)
