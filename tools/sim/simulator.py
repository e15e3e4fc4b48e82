"""One running simulator: the world, its subscribers, and the deliveries under way. One thing happens at a time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Self

import httpx

from sim import programme
from sim.delivering import Deliveries
from sim.errors import AheadOfTimeError, SimError
from sim.events import Event
from sim.programme import Beginning
from sim.sending import Subscription
from sim.world import World

TICK: Final = timedelta(seconds=1)
"""By so much the clock moves with everything that is done from outside: no two such things share a moment."""
MOST_ON_THE_WAY: Final = 2_000
LONGEST_WAIT: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a simulator is set up. `settle` is how many real seconds pass before a write takes effect.

    `lanes` is how many members' deliveries are made side by side, `at_once` how many requests at most, bursts
    included, and `keep` how many deliveries are remembered.
    """

    beginning: Beginning = field(default_factory=Beginning)
    api_key: str = field(default_factory=lambda: f"sim_{secrets.token_hex(16)}", repr=False)
    switches: dict[str, str] = field(default_factory=dict)
    faults: dict[str, float] = field(default_factory=dict)
    habits: dict[str, float] = field(default_factory=dict)
    settle: float = 0.2
    api_patience: float = 35.0
    lanes: int = 8
    keep: int = 20_000
    at_once: int = 200
    anywhere: bool = False
    transport: httpx.AsyncBaseTransport | None = field(default=None, repr=False)


class Simulator:
    """Use it inside `async with`; the web application does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.api_key = settings.api_key
        self.subscriptions: dict[str, Subscription] = {}
        self.requests = 0
        self._lock = asyncio.Lock()
        self._writes: list[Callable[[], Iterator[Event]]] = []
        self._timers: set[asyncio.Task[None]] = set()
        self.world = self._begin(settings.beginning)
        self.deliveries = self._deliveries()

    def _begin(self, beginning: Beginning) -> World:
        world = programme.begin(beginning)
        for name, value in self.settings.switches.items():
            world.switches.set(name, value)
        world.faults.set(self.settings.faults)
        programme.live_by(world, self.settings.habits)
        return world

    def _deliveries(self) -> Deliveries:
        given = self.settings
        return Deliveries(self.world, given.transport, given.lanes, given.keep, given.at_once)

    async def __aenter__(self) -> Self:
        await self.deliveries.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*self._timers, return_exceptions=True)
        await self.deliveries.__aexit__()

    async def reset(self, beginning: Beginning) -> None:
        """Begin another history; subscriptions and what is on its way are gone."""
        async with self._lock:
            await self.__aexit__()
            self._timers.clear()
            self._writes.clear()
            self.subscriptions.clear()
            watchers = self.deliveries.watchers
            self.world = self._begin(beginning)
            self.deliveries = self._deliveries()
            self.deliveries.watchers = watchers
            await self.deliveries.__aenter__()

    async def do(self, happening: Callable[[], Iterator[Event]]) -> list[Event]:
        """Let something happen, a second after the last thing, and send what it causes.

        Raises:
            SimError: when it is refused.

        """
        async with self._lock:
            await self._apply()
            await self._send(self._tick())
            return await self._send(happening(), keep=True)

    async def advance(self, span: timedelta) -> int:
        """Turn the clock; return how many events that caused.

        Raises:
            AheadOfTimeError: when that would pass the wall clock; then nothing has happened.

        """
        async with self._lock:
            await self._apply()
            before = self.world.ordinal
            await self._send(programme.advance(self.world, span))
            return self.world.ordinal - before

    def later(self, write: Callable[[], Iterator[Event]]) -> None:
        """Do a write a moment from now, as the platform's 201 means; if it is refused then, nobody is told."""
        self._writes.append(write)
        timer = asyncio.create_task(self._apply_later())
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)

    async def _apply_later(self) -> None:
        await asyncio.sleep(self.settings.settle)
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
            return  # as documented: accepted is not done

    def _tick(self) -> Iterator[Event]:
        try:
            yield from programme.advance(self.world, TICK)
        except AheadOfTimeError:
            return  # at the wall clock's heels time stands still

    async def _send(self, events: Iterator[Event], *, keep: bool = False) -> list[Event]:
        kept = []
        for number, event in enumerate(events):
            self.deliveries.dispatch(event, self.subscriptions.values())
            if keep:
                kept.append(event)
            if number % 50 == 49:  # noqa: PLR2004 - now and then others have their turn
                await asyncio.sleep(0)
            if self.deliveries.open > MOST_ON_THE_WAY:
                await self.deliveries.drained(LONGEST_WAIT, MOST_ON_THE_WAY)
        return kept
