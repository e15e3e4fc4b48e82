"""Scenarios of the simulator: each plays to its end, and an invalid one is refused."""

from __future__ import annotations

import pytest
from sim import player
from sim.errors import NotFoundError, RefusedError
from sim.events import TOPICS

from tests.functional.sim.sim_server import FakeReceiver, running_simulator


@pytest.mark.parametrize("name", player.names())
def test_scenarios_play(name: str) -> None:
    """Each scenario plays to its end over HTTP, and its topics were sent."""
    receiver = FakeReceiver()
    with running_simulator(receiver, api_timeout=0.01) as client:
        client.subscribe(*TOPICS)
        with player.over_http(str(client.http.base_url)) as (post, tiers):
            played = list(player.play(player.load(name), post, tiers))
        assert played[-1].reply["drained"]
        topics = {
            "joining": {
                "customer.joined.paid_tier",
                "customer.joined.free_tier",
                "customer.joined.free_trial",
                "customer.joined.lifetime_tier",
            },
            "dunning_lost": {"customer.payment_failed", "customer.cancelled"},
            "dunning_recovered": {
                "customer_billing.attempt.failed",
                "customer.payment_methods.updated",
                "customer.payment_succeeded",
            },
            "cancelling": {"customer.pending_cancellation", "customer.cancelled"},
            "month": set(TOPICS) - {"customer.credits.expired"},
            "monthly_credit_drop": {"customer.credits.updated", "customer.credits.expired"},
            "bad_day": {"customer.ordered"},
        }[name]
        sent = {one.topic for one in client.sim.dispatcher.records.values()}
        assert topics <= sent


def test_a_scenario_with_an_unknown_step_is_refused() -> None:
    """A misspelt step is found before anything is played."""
    with pytest.raises(RefusedError):
        player.read("mine", {"steps": [{"jion": {}}]})
    with pytest.raises(NotFoundError):
        player.load("no_such")
