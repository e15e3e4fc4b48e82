"""What an incident remembers, and what is sent of any history in any order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relay.alerts.pending import MAX_PENDING, record_delivery
from relay.alerts.transitions import MAX_SEEN_EVENTS, apply, classify
from relay.model.effects import Level
from relay.model.incident import ChannelDelivery, DeliveryState
from relay.model.messages import AlertMessage

from tests.support.incident_builders import (
    CHANNELS,
    EMPTY_INCIDENT,
    OPEN,
    RESOLVE,
    alert_message,
    incident_after,
    pending_for,
)

pytestmark = pytest.mark.slow


def test_seen_event_ids_absorb_repeats_with_another_time() -> None:
    """An event without a time of its own is dated by its receipt: its repeat opens nothing after the resolution."""
    incident = incident_after(
        OPEN, alert_message("absorbed", minute=12), RESOLVE, alert_message("stale", minute=19)
    )
    for repeat in ("e1", "absorbed", "stale"):
        assert classify(incident, alert_message(repeat, minute=500)) == "seen"


def test_memory_is_bounded() -> None:
    """Neither ids nor notifications for a channel that is down can outgrow the item."""
    flapping = [
        alert_message(f"e{number}", minute=number, action="resolve" if number % 2 else "open")
        for number in range(200)
    ]
    incident = incident_after(*flapping)
    assert len(incident.seen_event_ids) == MAX_SEEN_EVENTS
    assert len(incident.pending) == MAX_PENDING
    assert pending_for(incident)[-2:] == ["opened e198", "resolved e199"]
    assert pending_for(incident)[0].startswith("opened")


def test_repeats_change_nothing_when_their_ids_are_no_longer_kept() -> None:
    """Times and levels alone absorb a repeat, at any point of an incident."""
    history = [
        OPEN,
        alert_message("e4", minute=14, level=Level.ERROR),
        RESOLVE,
        alert_message("e5", minute=30),
    ]
    for length in range(1, len(history) + 1):
        incident = replace(incident_after(*history[:length]), seen_event_ids=())
        for repeat in history[:length]:
            assert apply(incident, repeat, CHANNELS).pending == incident.pending


def test_an_active_incident_is_kept_for_longer() -> None:
    """An incident that is resolved after a year is kept until then."""
    assert incident_after(OPEN).retention.days > 366
    assert 36 < incident_after(OPEN, RESOLVE).retention.days < 60


histories = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["open", "resolve"]), st.sampled_from(Level)),
    max_size=10,
)


def history_of(steps: list[tuple[int, str, Level]]) -> list[AlertMessage]:
    return [
        alert_message(
            f"e{number}", minute=minute, action="resolve" if action == "resolve" else "open", level=level
        )
        for number, (minute, action, level) in enumerate(steps)
    ]


def newest(history: Sequence[AlertMessage], action: str) -> float:
    return max((message.at.timestamp() for message in history if message.alert.action == action), default=0)


@settings(max_examples=300, deadline=None)
@given(steps=histories, seed=st.randoms(use_true_random=False))
def test_any_order_any_number_of_times(steps: list[tuple[int, str, Level]], seed: random.Random) -> None:
    """It ends active exactly if the newest event opens; no level is sent twice, and no resolution without an opening."""
    history = history_of(steps)
    arrivals = history + seed.choices(history, k=len(history)) if history else []
    seed.shuffle(arrivals)
    incident, sent = EMPTY_INCIDENT, list[tuple[str, Level]]()
    for message in arrivals:
        incident = apply(incident, message, CHANNELS)
        if own := incident.pending_for(message.event_id):
            sent.append((own.kind, message.alert.level))
            for channel in CHANNELS:
                delivery = ChannelDelivery(state=DeliveryState.SENT)
                incident = record_delivery(incident, message.event_id, channel, delivery)
    assert incident.active == (newest(history, "open") > newest(history, "resolve"))
    assert incident.pending == ()
    last = None
    for kind, level in sent:
        if kind == "resolved":
            assert last is not None
            last = None
        else:
            assert (kind == "opened") == (last is None)
            assert last is None or level > last
            last = level
    assert (last is not None) == incident.active


@settings(max_examples=200, deadline=None)
@given(steps=histories)
def test_in_documented_order_exactly_what_happened_is_sent(steps: list[tuple[int, str, Level]]) -> None:
    """Sorted by time, each opening, escalation and resolution is sent, and nothing else."""
    history = sorted(history_of(steps), key=lambda message: (message.at, message.alert.action == "open"))
    expected, level, resolved_at = list[str](), None, None
    for message in history:
        if message.alert.action == "resolve":
            expected += [f"resolved {message.event_id}"] if level is not None else []
            level, resolved_at = None, message.at
        elif message.at != resolved_at and (level is None or message.alert.level > level):
            expected.append(f"{'opened' if level is None else 'escalated'} {message.event_id}")
            level = message.alert.level
    assert pending_for(incident_after(*history)) == expected
