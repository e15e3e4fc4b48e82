"""The fan-out stores what is counted: each KPI once, and none skipped."""

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
from tests.unit.ingest.test_fanout import KEY, write

PAID = Kpi(rule="payment.received", name="payment", amount=Decimal("9.99"), currency="USD")
LATER = NOW + timedelta(minutes=40)


def outbox(*effects: Kpi | Note, event_id: str = "a" * 32, webhook: bool = True) -> Outbox:
    event_effects = EventEffects(
        event_id=event_id, topic="customer.payment_succeeded", at=NOW, effects=effects
    )
    return Outbox(
        member=KEY,
        changed=False,
        events=(event_effects,) if effects else (),
        newest_webhook_at=NOW if webhook else None,
    )


def fan_out_to(kpis: FakeKpiStore, *boxes: Outbox, changes: FakeOutgoing | None = None) -> str | None:
    writes = [write(number, box) for number, box in enumerate(boxes, start=1)]
    return fan_out(writes, changes or FakeOutgoing(), FakeOutgoing(), FakeTelemetry(), kpis=kpis)


def test_a_kpi_is_stored_by_its_effect_at_the_time_of_its_event() -> None:
    """Once, however often the stream hands its write out; no message is sent."""
    store, changes = FakeKpiStore(), FakeOutgoing()
    assert fan_out_to(store, outbox(PAID), outbox(PAID), changes=changes) is None
    assert list(store.kept.values()) == [
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
    """They are two KPI events of one event."""
    store = FakeKpiStore()
    fan_out_to(store, outbox(Kpi(rule="join", name="joined"), Kpi(rule="join", name="rejoined")))
    assert sorted(event.name for event in store.kept.values()) == ["joined", "rejoined"]


def test_kpis_do_not_travel_with_changes() -> None:
    """Notes do."""
    changes = FakeOutgoing()
    fan_out_to(FakeKpiStore(), outbox(PAID, Note(rule="r", name="Membership Joined")), changes=changes)
    [sent] = changes.sent
    [event_effects] = load(MemberChanged, sent.body).events
    assert [effect.kind for effect in event_effects.effects] == ["note"]


def test_a_kpi_that_is_refused_is_handed_out_again() -> None:
    """Its write is named like one whose alert was refused."""
    store = FakeKpiStore(refuse={f"{'b' * 32}.payment.received.payment"})
    boxes = [outbox(PAID, event_id=letter * 32) for letter in "abc"]
    assert fan_out_to(store, *boxes) == "2"
    assert len(store.kept) == 2


def test_hours_in_which_webhooks_came_are_counted() -> None:
    """By write; what a reading of the API wrote is no webhook."""
    store = FakeKpiStore()
    fan_out_to(store, outbox(), outbox(PAID), outbox(webhook=False))
    fan_out_to(store, Outbox(member=KEY, changed=True, newest_webhook_at=LATER))
    assert store.hours == {NOW: 3}


def test_a_count_that_failed_fails_nothing() -> None:
    """The counts of hours need not be exact."""
    store = FakeKpiStore(failure=TransientError("down"))
    assert fan_out_to(store, outbox(PAID)) is None
    assert len(store.kept) == 1


@pytest.mark.parametrize(
    ("amounts", "total"),
    [
        ([], Total()),
        ([(None, None)], Total(number=1)),
        (
            [("1", "USD"), ("2", "USD"), ("3", None)],
            Total(number=3, amounts={"USD": Decimal(3), "": Decimal(3)}),
        ),
    ],
)
def test_sums_are_by_currency(amounts: list[tuple[str | None, str | None]], total: Total) -> None:
    """No amount is added to one of another currency."""
    events = [
        KpiEvent(
            id="",
            at=NOW,
            member=KEY,
            name="payment",
            amount=Decimal(amount) if amount else None,
            currency=currency,
        )
        for amount, currency in amounts
    ]
    assert Total.of(events) == total
