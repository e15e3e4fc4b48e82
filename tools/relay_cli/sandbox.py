"""The simulated platform as a run uses it: a real server, its API with our SDK, its own interface, what it knows."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from inveterate import Client, InveterateError
from inveterate.webhooks.topics import TOPICS

from relay_cli.failing import CliError
from relay_cli.nearby import get, post

AT_ONCE: Final = 4
"""Requests under way at once, bursts included: each more costs the local AWS a cold start of the receiver."""

_NAME: Final = "relay"
_PATIENCE: Final = 300.0


@dataclass(slots=True)
class Source:
    """What the console asks about the pipeline: nothing is known until `ask` is set, when the stack is there."""

    ask: Callable[[], dict[str, Any]] | None = None

    def __call__(self) -> dict[str, Any]:
        """Answer as `sim.pages.Pipeline` describes."""
        return self.ask() if self.ask else {"events": {}, "mismatches": []}


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A simulator that runs, under `url`."""

    url: str
    api_key: str = field(repr=False)
    pipeline: Source = field(default_factory=Source)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Let something happen.

        Raises:
            CliError: with the simulator's reason.

        """
        reply = post(f"{self.url}/_sim/{path}", json=dict(body), timeout=_PATIENCE)
        found: dict[str, Any] = reply.json()
        if reply.is_error:
            raise CliError(f"the simulator refuses {path}: {found.get('error', reply.status_code)}")
        return found

    def get(self, path: str) -> dict[str, Any]:
        """Read something that the simulator tells of itself."""
        reply = get(f"{self.url}/_sim/{path}", timeout=_PATIENCE)
        found: dict[str, Any] = reply.raise_for_status().json()
        return found

    def tiers(self) -> dict[str, str]:
        """Return the tiers' ids by their names."""
        return {tier["name"]: tier["id"] for tier in self.get("tiers")["tiers"]}

    def subscribe(self, callback: str) -> None:
        """Subscribe every topic to a callback URL, as a merchant would with our SDK.

        Raises:
            CliError: when the platform refuses.

        """
        try:
            with Client(self.api_key, base_url=self.url) as client:
                done = client.webhook_subscriptions.ensure(TOPICS, callback, _NAME)
        except InveterateError as error:
            raise CliError(f"the topics could not be subscribed: {error}") from error
        if done.failed:
            raise CliError(f"these topics could not be subscribed: {', '.join(done.failed)}")
        self.post("advance", {"minutes": 1})  # a write takes effect a moment later: this waits for it


@contextmanager
def sandbox(shop: str, *, seed: int = 0, members: int = 0) -> Iterator[Sandbox]:
    """Serve a simulator for as long as it is needed; `members` have been there since before its history."""
    from sim.programme import WorldSettings
    from sim.server import running_simulator
    from sim.simulator import SimulatorSettings

    source = Source()
    world = WorldSettings(seed=seed, members=members, shop_domain=shop)
    settings = SimulatorSettings(
        world=world,
        api_key=f"sim_{secrets.token_hex(16)}",
        max_concurrent=AT_ONCE,
        max_records=1_000_000,
        # A function that waits for an answer gives up after 8 seconds: nobody needs the platform's 35.
        api_timeout=10.0,
    )
    with running_simulator(settings, source) as (url, _):
        yield Sandbox(url, settings.api_key, source)
