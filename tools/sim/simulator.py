"""One running simulator: the world, the subscriptions and the dispatcher. It runs one command at a time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Self

import httpx

from sim import behaviour_engine, programme
from sim.dispatcher import WebhookDispatcher
from sim.errors import AheadOfTimeError, SimError
from sim.events import Event
from sim.programme import WorldSettings
from sim.webhooks import Subscription
from sim.world import World

TICK: Final = timedelta(seconds=1)
"""Virtual time advances by this much with each command, so that no two commands share a time."""
MAX_PENDING: Final = 2_000
MAX_WAIT: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """The settings of a simulator. An API write takes effect after `write_delay` real seconds.

    `lanes` is the number of parallel delivery lanes, `max_concurrent` the limit of parallel requests including bursts,
    `max_records` the number of deliveries kept. `api_timeout` is the duration in seconds of an API request that gets no
    answer. With `remote_callbacks` a callback URL may be on another machine.
    """

    world: WorldSettings = field(default_factory=WorldSettings)
    api_key: str = field(default_factory=lambda: f"sim_{secrets.token_hex(16)}", repr=False)
    switches: dict[str, str] = field(default_factory=dict)
    faults: dict[str, float] = field(default_factory=dict)
    behaviour: dict[str, float] = field(default_factory=dict)
    write_delay: float = 0.2
    api_timeout: float = 35.0
    lanes: int = 8
    max_records: int = 20_000
    max_concurrent: int = 200
    remote_callbacks: bool = False
    transport: httpx.AsyncBaseTransport | None = field(default=None, repr=False)


class Simulator:
    """Use it inside `async with`; the web application does."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.api_key = settings.api_key
        self.subscriptions: dict[str, Subscription] = {}
        self.requests = 0
        self._lock = asyncio.Lock()
        self._writes: list[Callable[[], Iterator[Event]]] = []
        self._timers: set[asyncio.Task[None]] = set()
        self.world = self._create_world(settings.world)
        self.dispatcher = self._new_dispatcher()

    def _create_world(self, settings: WorldSettings) -> World:
        world = programme.create_world(settings)
        for name, value in self.settings.switches.items():
            world.switches.set(name, value)
        world.faults.set(self.settings.faults)
        if self.settings.behaviour:
            behaviour_engine.set_behaviour(world, self.settings.behaviour)
        return world

    def _new_dispatcher(self) -> WebhookDispatcher:
        given = self.settings
        return WebhookDispatcher(
            self.world, given.transport, given.lanes, given.max_records, given.max_concurrent
        )

    async def __aenter__(self) -> Self:
        await self.dispatcher.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*self._timers, return_exceptions=True)
        await self.dispatcher.__aexit__()

    async def reset(self, settings: WorldSettings) -> None:
        """Start a new history; subscriptions and pending deliveries are deleted."""
        async with self._lock:
            await self.__aexit__()
            self._timers.clear()
            self._writes.clear()
            self.subscriptions.clear()
            watchers = self.dispatcher.watchers
            self.world = self._create_world(settings)
            self.dispatcher = self._new_dispatcher()
            self.dispatcher.watchers = watchers
            await self.dispatcher.__aenter__()

    async def run_command(self, command: Callable[[], Iterator[Event]]) -> list[Event]:
        """Run a command, one virtual second after the last one, and send its events.

        Raises:
            SimError: the command is refused.

        """
        async with self._lock:
            await self._apply()
            await self._send(self._tick())
            return await self._send(command(), keep=True)

    async def advance(self, span: timedelta) -> int:
        """Advance virtual time; return the number of events.

        Raises:
            AheadOfTimeError: that would pass the real time; nothing has changed.

        """
        async with self._lock:
            await self._apply()
            before = self.world.ordinal
            await self._send(programme.advance(self.world, span))
            return self.world.ordinal - before

    def write_later(self, write: Callable[[], Iterator[Event]]) -> None:
        """Apply a write after `write_delay`, as a 201 of the platform means; a later refusal is not reported."""
        self._writes.append(write)
        timer = asyncio.create_task(self._apply_later())
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)

    async def _apply_later(self) -> None:
        await asyncio.sleep(self.settings.write_delay)
        async with self._lock:
            if self._writes:
                await self._apply_one(self._writes.pop(0))

    async def _apply(self) -> None:
        while self._writes:
            await self._apply_one(self._writes.pop(0))

    async def _apply_one(self, write: Callable[[], Iterator[Event]]) -> None:
        await self._send(self._tick())
        try:
            await self._send(write())
        except SimError:
            return  # documented: an accepted write may fail

    def _tick(self) -> Iterator[Event]:
        try:
            yield from programme.advance(self.world, TICK)
        except AheadOfTimeError:
            return  # virtual time has reached the real time

    async def _send(self, events: Iterator[Event], *, keep: bool = False) -> list[Event]:
        kept = []
        for number, event in enumerate(events):
            self.dispatcher.dispatch(event, self.subscriptions.values())
            if keep:
                kept.append(event)
            if number % 50 == 49:  # noqa: PLR2004 - let other tasks run now and then
                await asyncio.sleep(0)
            if self.dispatcher.open > MAX_PENDING:
                await self.dispatcher.wait_until_drained(MAX_WAIT, MAX_PENDING)
        return kept
