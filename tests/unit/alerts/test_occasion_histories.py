"""What a matter remembers, and what is told of any history in any order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from relay.alerts.classification import classify
from relay.alerts.pending import OWED_KEPT, mark
from relay.alerts.transitions import TOLD_KEPT, apply
from relay.model.effects import Level
from relay.model.incident import ChannelDelivery, DeliveryState
from relay.model.messages import AlertMessage

from tests.support.incident_builders import alert_message
from tests.unit.alerts.matters import CHANNELS, CLOSE, NEW, OPEN, after, owed


def test_ids_are_remembered_whatever_their_time_says() -> None:
    """An event without a time of its own is dated by its receipt: its repeat opens nothing after the end."""
    incident = after(OPEN, alert_message("joined", minute=12), CLOSE, alert_message("stale", minute=19))
    for repeat in ("e1", "joined", "stale"):
        assert classify(incident, alert_message(repeat, minute=500)) == "known"


def test_memory_is_bounded() -> None:
    """Neither ids nor what waits for a channel that is down can outgrow the item."""
    flapping = [
        alert_message(f"e{number}", minute=number, action="close" if number % 2 else "open")
        for number in range(200)
    ]
    incident = after(*flapping)
    assert len(incident.told) == TOLD_KEPT
    assert len(incident.owed) == OWED_KEPT
    assert owed(incident)[-2:] == ["opening e198", "closing e199"]
    assert owed(incident)[0].startswith("opening")


def test_repeats_change_nothing_when_their_ids_are_forgotten() -> None:
    """Times and levels alone swallow a repeat, at any point of a matter."""
    story = [OPEN, alert_message("e4", minute=14, level=Level.ERROR), CLOSE, alert_message("e5", minute=30)]
    for length in range(1, len(story) + 1):
        incident = replace(after(*story[:length]), told=())
        for repeat in story[:length]:
            assert apply(incident, repeat, CHANNELS).owed == incident.owed


def test_an_open_matter_is_remembered_for_longer() -> None:
    """A matter that waits a year for its end is not forgotten before it."""
    assert after(OPEN).kept_for.days > 366
    assert 36 < after(OPEN, CLOSE).kept_for.days < 60


alert_messages = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["open", "close"]), st.sampled_from(Level)),
    max_size=10,
)


def history_of(facts: list[tuple[int, str, Level]]) -> list[AlertMessage]:
    return [
        alert_message(
            f"e{number}", minute=minute, action="close" if action == "close" else "open", level=level
        )
        for number, (minute, action, level) in enumerate(facts)
    ]


def newest(history: Sequence[AlertMessage], action: str) -> float:
    return max((told.at.timestamp() for told in history if told.alert.action == action), default=0)


@settings(max_examples=300, deadline=None)
@given(facts=alert_messages, seed=st.randoms(use_true_random=False))
def test_any_order_any_number_of_times(facts: list[tuple[int, str, Level]], seed: random.Random) -> None:
    """It ends open exactly if the newest fact says so; no level is told twice, and no end without a beginning."""
    history = history_of(facts)
    arrivals = history + seed.choices(history, k=len(history)) if history else []
    seed.shuffle(arrivals)
    incident, heard = NEW, list[tuple[str, Level]]()
    for told in arrivals:
        incident = apply(incident, told, CHANNELS)
        if own := incident.owed_by(told.event_id):
            heard.append((own.kind, told.alert.level))
            for channel in CHANNELS:
                incident = mark(incident, told.event_id, channel, ChannelDelivery(state=DeliveryState.SENT))
    assert incident.open == (newest(history, "open") > newest(history, "close"))
    assert incident.owed == ()
    last = None
    for kind, level in heard:
        if kind == "closing":
            assert last is not None
            last = None
        else:
            assert (kind == "opening") == (last is None)
            assert last is None or level > last
            last = level
    assert (last is not None) == incident.open


@settings(max_examples=200, deadline=None)
@given(facts=alert_messages)
def test_in_documented_order_exactly_what_happened_is_told(facts: list[tuple[int, str, Level]]) -> None:
    """Sorted by time, each opening, each rise and each end is told, and nothing else."""
    history = sorted(history_of(facts), key=lambda told: (told.at, told.alert.action == "open"))
    expected, level, closed = list[str](), None, None
    for told in history:
        if told.alert.action == "close":
            expected += [f"closing {told.event_id}"] if level is not None else []
            level, closed = None, told.at
        elif told.at != closed and (level is None or told.alert.level > level):
            expected.append(f"{'opening' if level is None else 'rise'} {told.event_id}")
            level = told.alert.level
    assert owed(after(*history)) == expected
