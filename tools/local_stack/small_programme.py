"""A few members with a few days behind them, so that a kept run of the samples has something to look at.

The documented samples are posted to the callback URL directly: the simulated platform does not know their members.
So its console would show no member, no delivery and nothing of the CRM.
"""

from __future__ import annotations

from typing import Any, Final

from local_stack.environment import LocalEnvironment
from local_stack.observer import Observer
from local_stack.progress import ReportProgress
from local_stack.samples import wait_until_idle

_MEMBERS: Final = 12
_JOIN_DAYS: Final = 2
_PAID_TIER: Final = "Gold"
_MAX_WAIT: Final = 60


def play_small_programme(
    environment: LocalEnvironment, observer: Observer, progress: ReportProgress
) -> dict[str, Any]:
    """Subscribe the topics, let members join and one payment fail twice; return the simulator's state.

    The second failure leaves one attempt, which is the first that Relay alerts of by its default settings.

    Raises:
        LocalStackError: the simulator refuses.

    """
    sim = environment.sim
    progress(f"a small programme for the console: {_MEMBERS} members over {_JOIN_DAYS} days")
    sim.subscribe(environment.callback_by_name)
    sim.post("populate", {"members": _MEMBERS, "over_days": _JOIN_DAYS})
    sim.post("advance", {"days": _JOIN_DAYS})
    joined = sim.post(
        "join", {"tier_id": sim.tiers()[_PAID_TIER], "first_name": "Grace", "last_name": "Hansen"}
    )
    sim.post("advance", {"hours": 1})
    sim.post("fail_payment", {"customer_id": joined["customer_id"], "attempts": 2})
    sim.post("advance", {"days": 1})
    state = sim.post("wait_until_idle", {"seconds": _MAX_WAIT})
    wait_until_idle(observer.idle)
    return state
