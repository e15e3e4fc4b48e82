"""Scenarios of the simulator: each that there is plays to its end, and a wrong one is refused."""

from __future__ import annotations

import pytest
from sim import player
from sim.errors import NotThereError, RefusedError
from sim.events import TOPICS

from tests.functional.sim.running import Receiver, running


@pytest.mark.parametrize("name", player.names())
def test_scenarios_play(name: str) -> None:
    """Each scenario plays to its end over HTTP, and what it promises has happened."""
    receiver = Receiver()
    with running(receiver, api_patience=0.01) as client:
        client.subscribe(*TOPICS)
        with player.over_http(str(client.http.base_url)) as (post, tiers):
            played = list(player.play(player.load(name), post, tiers))
        assert played[-1].reply["drained"]
        promised = {
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
        sent = {one.topic for one in client.sim.deliveries.records.values()}
        assert promised <= sent


def test_a_scenario_with_an_unknown_step_is_refused() -> None:
    """A misspelt step is found before anything is played."""
    with pytest.raises(RefusedError):
        player.read("mine", {"steps": [{"jion": {}}]})
    with pytest.raises(NotThereError):
        player.load("no_such")
