"""An invocation dies, or two work on the same incident: people get one message."""

from __future__ import annotations

import pytest
from relay.alerts.delivery import CLAIM_DURATION, CLAIM_RETRY_SECONDS
from relay.errors import TransientError

from tests.support.in_memory_notifier import Crash, FakeChannel, InMemoryNotifier, error_of, notifier_with
from tests.support.incident_builders import ESCALATE, INCIDENT_KEY, OPEN, RESOLVE, alert_message
from tests.support.port_fakes import FakeContext, World, queued, sample


@pytest.mark.parametrize("save", range(7))
def test_a_crash_before_any_save(save: int) -> None:
    """Both channels end with the message once, or once more marked as a repeat."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    notifier = notifier_with(email, slack)
    notifier.incidents.before_save = [*[None] * save, Crash()]
    if save < 6:
        with pytest.raises(Crash):
            notifier.receive(OPEN)
    else:
        assert notifier.receive(OPEN) == {"e1": None}
    notifier.clock.advance(CLAIM_DURATION.total_seconds())
    assert notifier.receive(OPEN, receives=2) == {"e1": None}
    # Saves: 0 admitted, 1 applied, 2 email claimed, 3 email sent, 4 slack claimed, 5 slack sent.
    assert email.sent == ["opened WARNING"] + ["opened WARNING again"] * (save == 3)
    assert slack.sent == ["opened WARNING"] + ["opened WARNING again"] * (save == 5)


@pytest.mark.parametrize("late", [True, False])
def test_a_crash_while_sending(late: bool) -> None:  # noqa: FBT001 - parametrised
    """Between the claim and its record it is unknown whether the message arrived: it is repeated once, marked."""
    slack = FakeChannel("slack", [Crash()], fails_late=late)
    notifier = notifier_with(slack)
    with pytest.raises(Crash):
        notifier.receive(OPEN)
    notifier.clock.advance(CLAIM_DURATION.total_seconds())
    assert notifier.receive(OPEN, receives=2) == {"e1": None}
    assert slack.sent == ["opened WARNING"] * late + ["opened WARNING again"]


def test_a_delivery_that_another_invocation_claimed_is_left_alone() -> None:
    """Until the claim expires its holder may be alive: the message is deferred, and looks again within ten seconds."""
    slack = FakeChannel("slack", [Crash()])
    notifier = notifier_with(slack)
    with pytest.raises(Crash):
        notifier.receive(OPEN)
    notifier.clock.advance(20)
    results = notifier.receive(OPEN, receives=2)["e1"]
    assert isinstance(results, TransientError)
    assert results.retry_after == CLAIM_RETRY_SECONDS
    assert slack.calls == 1


def test_a_resolution_behind_a_claim_comes_within_ten_seconds() -> None:
    """Two invocations share an incident: the copy of the second one comes back before ten seconds are over."""
    slack = FakeChannel("slack", [Crash()])
    notifier = notifier_with(slack)
    with pytest.raises(Crash):
        notifier.receive(OPEN)
    error = notifier.receive(RESOLVE)["e2"]
    assert isinstance(error, TransientError)
    world = World()
    for _ in range(50):
        world.batch().run(
            {"Records": [queued(sample("customer.cancelled"))]}, FakeContext(), lambda *_: {"m1": error}
        )
    assert all(copy.delay < 10 for copy in world.source.sent)
    assert len(world.source.sent) == 50


@pytest.mark.parametrize("save", range(5))
def test_two_invocations_with_one_incident(save: int) -> None:
    """The second comes in before any save of the first: both end well, and no message is sent twice."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    notifier = notifier_with(email, slack)
    results: list[Exception | None] = []
    notifier.incidents.before_save = [
        *[None] * save,
        lambda: results.extend(notifier.receive(ESCALATE).values()),
    ]
    results += notifier.receive(OPEN).values()
    for message in (OPEN, ESCALATE):
        notifier.clock.advance(CLAIM_DURATION.total_seconds())
        assert notifier.receive(message, deferrals=1) == {message.event_id: None}
    for channel in (email, slack):
        assert channel.sent in (["opened WARNING", "escalated ERROR"], ["opened ERROR"])
    assert all(error is None or isinstance(error, TransientError) for error in results)


def test_too_many_conflicts_defer_the_message() -> None:
    """After some attempts the message is deferred."""
    notifier = notifier_with(FakeChannel())
    notifier.incidents.before_save = [lambda: write_between(notifier)] * 50
    assert error_of(notifier.receive(OPEN)["e1"]) == (
        "TransientError",
        "table incidents: other invocations wrote first at each of 5 attempts",
    )


def write_between(notifier: InMemoryNotifier) -> None:
    rest, notifier.incidents.before_save = notifier.incidents.before_save, []
    notifier.incidents.save(notifier.incidents.load(INCIDENT_KEY))
    notifier.incidents.before_save = rest


def test_an_error_of_the_table_affects_one_message() -> None:
    """An error around one incident is that message's result; the rest of the batch is sent."""
    email = FakeChannel()
    notifier = notifier_with(email)
    notifier.incidents.before_save = [TransientError("table incidents")]
    other = alert_message("e9", minute=30, incident_key="dun:other")
    assert notifier.receive(OPEN, other)["e9"] is None
    assert email.sent == ["opened WARNING"]
