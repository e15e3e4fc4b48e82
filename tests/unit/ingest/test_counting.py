"""The fan-out keeps what is counted: each figure once, and none skipped over."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from relay.errors import TransientError
from relay.ingest.fanout import fan_out
from relay.model.effects import Kpi, Note
from relay.model.kpis import KpiEvent, Total
from relay.model.messages import EventEffects, MemberChanged, Outbox, load

from tests.support.port_fakes import NOW, FakeOutgoing, FakeTelemetry
from tests.support.scheduler_fakes import FakeKpiStore
from tests.unit.ingest.test_fanning import KEY, write

PAID = Kpi(rule="payment.received", name="payment", amount=Decimal("9.99"), currency="USD")
LATER = NOW + timedelta(minutes=40)


def outbox(*effects: Kpi | Note, event_id: str = "a" * 32, heard: bool = True) -> Outbox:
    event_effects = EventEffects(
        event_id=event_id, topic="customer.payment_succeeded", at=NOW, effects=effects
    )
    return Outbox(
        member=KEY,
        changed=False,
        events=(event_effects,) if effects else (),
        heard_at=NOW if heard else None,
    )


def fanned(figures: FakeKpiStore, *boxes: Outbox, changes: FakeOutgoing | None = None) -> str | None:
    writes = [write(number, box) for number, box in enumerate(boxes, start=1)]
    return fan_out(writes, changes or FakeOutgoing(), FakeOutgoing(), FakeTelemetry(), figures=figures)


def test_a_figure_is_kept_under_its_effect_dated_by_its_event() -> None:
    """Once, however often the stream hands its write out; and it tells nobody."""
    figures, changes = FakeKpiStore(), FakeOutgoing()
    assert fanned(figures, outbox(PAID), outbox(PAID), changes=changes) is None
    assert list(figures.kept.values()) == [
        KpiEvent(
            id=f"{'a' * 32}.payment.received.payment",
            at=NOW,
            member=KEY,
            name="payment",
            amount=Decimal("9.99"),
            currency="USD",
        )
    ]
    assert changes.sent == []


def test_one_rule_may_count_two_things() -> None:
    """They are two figures, of one event."""
    figures = FakeKpiStore()
    fanned(figures, outbox(Kpi(rule="join", name="joined"), Kpi(rule="join", name="rejoined")))
    assert sorted(figure.name for figure in figures.kept.values()) == ["joined", "rejoined"]


def test_figures_do_not_travel_with_changes() -> None:
    """Notes do."""
    changes = FakeOutgoing()
    fanned(FakeKpiStore(), outbox(PAID, Note(rule="r", name="Membership Joined")), changes=changes)
    [sent] = changes.sent
    [event_effects] = load(MemberChanged, sent.body).events
    assert [effect.kind for effect in event_effects.effects] == ["note"]


def test_a_figure_that_is_refused_is_handed_out_again() -> None:
    """Its write is named like one whose alert was refused."""
    figures = FakeKpiStore(refuse={f"{'b' * 32}.payment.received.payment"})
    boxes = [outbox(PAID, event_id=letter * 32) for letter in "abc"]
    assert fanned(figures, *boxes) == "2"
    assert len(figures.kept) == 2


def test_hours_in_which_webhooks_came_are_counted() -> None:
    """By write; what a reading of the API wrote is no webhook."""
    figures = FakeKpiStore()
    fanned(figures, outbox(), outbox(PAID), outbox(heard=False))
    fanned(figures, Outbox(member=KEY, changed=True, heard_at=LATER))
    assert figures.hours == {NOW: 3}


def test_a_count_that_failed_fails_nothing() -> None:
    """Nobody reads these hours to the unit."""
    figures = FakeKpiStore(failure=TransientError("down"))
    assert fanned(figures, outbox(PAID)) is None
    assert len(figures.kept) == 1


@pytest.mark.parametrize(
    ("told", "total"),
    [
        ([], Total()),
        ([(None, None)], Total(number=1)),
        (
            [("1", "USD"), ("2", "USD"), ("3", None)],
            Total(number=3, amounts={"USD": Decimal(3), "": Decimal(3)}),
        ),
    ],
)
def test_sums_are_by_currency(told: list[tuple[str | None, str | None]], total: Total) -> None:
    """No amount is added to one of another currency."""
    figures = [
        KpiEvent(
            id="",
            at=NOW,
            member=KEY,
            name="payment",
            amount=Decimal(amount) if amount else None,
            currency=currency,
        )
        for amount, currency in told
    ]
    assert Total.of(figures) == total
