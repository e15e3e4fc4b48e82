"""The simulated platform of a local run: a real server, called through the SDK and its own control interface."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from inveterate import Client, InveterateError
from inveterate.webhooks.topics import TOPICS

from local_stack.errors import LocalStackError
from local_stack.local_http import get, post

MAX_CONCURRENT_REQUESTS: Final = 4
"""Webhooks in flight at once, bursts included. Each more costs the local AWS a cold start of the receiver."""

SUBSCRIPTION_NAME: Final = "relay relay-local"
"""As `relay subscriptions` names those of the local stack: under another name it would subscribe every topic once more."""

_TIMEOUT: Final = 300.0


@dataclass(slots=True)
class ConsoleFeedSlot:
    """What the simulator's console shows of Relay: nothing until `feed` is set, after the deployment."""

    feed: Callable[[], dict[str, Any]] | None = None

    def __call__(self) -> dict[str, Any]:
        """Return the feed's answer (`ConsoleFeed`), or an empty one."""
        return self.feed() if self.feed else {"events": {}, "mismatches": []}


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A simulator that serves at `url`."""

    url: str
    api_key: str = field(repr=False)
    console: ConsoleFeedSlot = field(default_factory=ConsoleFeedSlot)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a control command.

        Raises:
            LocalStackError: the simulator refuses; the text has its reason.

        """
        reply = post(f"{self.url}/_sim/{path}", json=dict(body), timeout=_TIMEOUT)
        answer: dict[str, Any] = reply.json()
        if reply.is_error:
            raise LocalStackError(f"the simulator refuses {path}: {answer.get('error', reply.status_code)}")
        return answer

    def get(self, path: str) -> dict[str, Any]:
        """Return what the control interface has at `path`."""
        reply = get(f"{self.url}/_sim/{path}", timeout=_TIMEOUT)
        answer: dict[str, Any] = reply.raise_for_status().json()
        return answer

    @contextmanager
    def clock_moves(self) -> Iterator[None]:
        """Let its clock move a minute every two seconds inside the `with` block, for a command that waits for it."""
        stopped = threading.Event()

        def move() -> None:
            while not stopped.wait(2):
                self.post("advance", {"minutes": 1})

        thread = threading.Thread(target=move, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join(_TIMEOUT)

    def tiers(self) -> dict[str, str]:
        """Return the tiers' ids by name."""
        return {tier["name"]: tier["id"] for tier in self.get("tiers")["tiers"]}

    def subscribe(self, callback: str) -> None:
        """Subscribe every topic to a callback URL through the SDK, as a merchant does.

        Raises:
            LocalStackError: the platform refuses.

        """
        try:
            with Client(self.api_key, base_url=self.url) as client:
                done = client.webhook_subscriptions.ensure(TOPICS, callback, SUBSCRIPTION_NAME)
        except InveterateError as error:
            raise LocalStackError(f"the topics could not be subscribed: {error}") from error
        if done.failed:
            raise LocalStackError(f"these topics could not be subscribed: {', '.join(done.failed)}")
        # A subscription takes effect a moment after it is written.
        self.post("advance", {"minutes": 1})


@contextmanager
def running_simulator(shop: str, *, seed: int = 0, members: int = 0) -> Iterator[RunningSimulator]:
    """Serve a simulator inside the `with` block; `members` exist before its history begins."""
    from sim.programme import WorldSettings
    from sim.server import running_simulator as serve_simulator
    from sim.simulator import SimulatorSettings

    console = ConsoleFeedSlot()
    world = WorldSettings(seed=seed, members=members, shop_domain=shop)
    settings = SimulatorSettings(
        world=world,
        api_key=f"sim_{secrets.token_hex(16)}",
        max_concurrent=MAX_CONCURRENT_REQUESTS,
        max_records=1_000_000,
        # Relay's functions give up on an answer after 8 s, so the platform's own 35 s show nothing more.
        api_timeout=10.0,
    )
    with serve_simulator(settings, console) as (url, _):
        yield RunningSimulator(url, settings.api_key, console)
