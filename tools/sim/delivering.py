"""Webhooks on their way: each subscriber gets each of its events, again and again until it says yes, with what goes wrong on top."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, Self

import httpx

from sim.delivery import Attempt, Delivery, receipt_in
from sim.events import Event
from sim.reach import reachable
from sim.sending import Subscription, body_of, headers_of, sent_name
from sim.switches import seconds
from sim.world import World

BURST: Final = 160
PATIENCE: Final = 10.0
"""Seconds that a receiver has to answer."""
IDLE: Final = 0.15
"""Seconds without anything new after which what is held back to be overtaken goes out anyway."""
LONGEST_DELAY: Final = 5.0
_OK: Final = range(200, 300)


class Deliveries:
    """All deliveries: lanes that keep a member's events in order, what is held back, and what became of each."""

    def __init__(
        self,
        world: World,
        transport: httpx.AsyncBaseTransport | None = None,
        lanes: int = 8,
        keep: int = 20_000,
        at_once: int = 200,
    ) -> None:
        self.world = world
        self.records: dict[int, Delivery] = {}
        self.counts: Counter[str] = Counter()
        self.open = 0
        self.watchers: set[asyncio.Queue[dict[str, Any]]] = set()
        self._keep = keep
        self._at_once = asyncio.Semaphore(at_once)
        self._transport = transport
        self._lane_count = lanes
        self._lanes: list[asyncio.Queue[Delivery]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._loose: set[asyncio.Task[None]] = set()
        self._held: list[tuple[int, Delivery]] = []
        self._gathering: list[Delivery] | None = None
        self._closed = asyncio.Event()
        self._serial = 0
        self._answers = 0
        self.forgotten = 0
        self._stirred = 0.0
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        # The semaphore is what limits: waiting for a connection would count as the receiver's slowness.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=40)
        self._client = httpx.AsyncClient(
            transport=self._transport, timeout=PATIENCE, limits=limits, trust_env=False
        )
        self._lanes = [asyncio.Queue() for _ in range(self._lane_count)]
        self._tasks = [asyncio.create_task(self._work(lane)) for lane in self._lanes]
        self._tasks.append(asyncio.create_task(self._release_when_idle()))
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._tasks, *self._loose]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    # what goes in

    def dispatch(self, event: Event, subscriptions: Iterable[Subscription]) -> None:
        """Send an event to whoever subscribed to it; what nobody will hear is noted in the truth."""
        heard = False
        for to in subscriptions:
            if to.wants(event):
                heard = self._add(event, to) or heard
        if event.topic and not heard:
            self.world.truth.unheard.add(event.ordinal)

    def _add(self, event: Event, to: Subscription) -> bool:
        self._serial += 1
        v1 = to.topic is None
        topic = (event.v1 if v1 else sent_name(event.topic or "", self.world.switches)) or ""
        delivery = Delivery(self._serial, event, to, topic)
        self.records[delivery.id] = delivery
        self.counts["events"] += 1
        self._forget()
        if self._strikes("drop", delivery):
            self._became(delivery, "dropped")
            return False
        self.open += 1
        self._stirred = time.monotonic()
        self._route(delivery)
        if self._strikes("duplicate", delivery):
            self._add_copy(delivery)
        self._show(delivery)
        return True

    def _add_copy(self, delivery: Delivery) -> None:
        self._serial += 1
        copy = Delivery(
            self._serial, delivery.event, delivery.to, delivery.topic, faults=["duplicate"], is_copy=True
        )
        self.records[copy.id] = copy
        self.open += 1
        self._queue(copy)

    def _route(self, delivery: Delivery) -> None:
        """Queue it, hold it back, or let it gather for a burst."""
        if self._gathering is None and self._strikes("burst", delivery):
            self._gathering = []
        if self._gathering is not None:
            self._gathering.append(delivery)
            if len(self._gathering) >= BURST:
                self._burst()
        elif chance := self._strikes("reorder", delivery):
            self._held.append((self._serial + chance.randint(1, 20), delivery))
        elif chance := self._strikes("delay", delivery):
            self._later(chance.uniform(0.2, LONGEST_DELAY), delivery)
        else:
            self._queue(delivery)
        for place, (until, held) in reversed(list(enumerate(self._held))):
            if until <= self._serial:
                del self._held[place]
                self._queue(held)

    def _strikes(self, fault: str, delivery: Delivery, about: object = "") -> random.Random | None:
        chance = self.world.faults.chance(fault, f"{delivery.event.ordinal}/{delivery.to.topic}/{about}")
        if chance is not None:
            delivery.faults.append(fault)
            self.counts[fault] += 1
        return chance

    # on the way

    def _queue(self, delivery: Delivery) -> None:
        self._lanes[int(delivery.event.member_id or 0) % self._lane_count].put_nowait(delivery)

    def _later(self, wait: float, delivery: Delivery) -> None:
        asyncio.get_running_loop().call_later(wait, self._queue, delivery)

    def _burst(self) -> None:
        gathered, self._gathering = self._gathering or [], None
        for delivery in gathered:
            self._let_loose(delivery)

    def _let_loose(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._deliver(delivery))
        self._loose.add(task)
        task.add_done_callback(self._loose.discard)

    async def _release_when_idle(self) -> None:
        while True:
            await asyncio.sleep(IDLE / 2)
            if time.monotonic() - self._stirred > IDLE:
                held, self._held = self._held, []
                for _, delivery in held:
                    self._queue(delivery)
                if self._gathering:
                    self._burst()

    async def _work(self, lane: asyncio.Queue[Delivery]) -> None:
        while True:
            await self._deliver(await lane.get())

    async def _deliver(self, delivery: Delivery) -> None:
        number = len(delivery.attempts)
        if not number and not delivery.is_copy:
            await self._mischief(delivery)
        body = body_of(
            self.world.shop,
            self.world.switches,
            delivery.event,
            attempt=number,
            now=self.world.now,
            to=delivery.to,
        )
        attempt = await self._post(delivery.to, delivery.to.callback_url, body)
        waits = seconds(self.world.switches["retry_schedule"])
        if number < len(waits) and attempt.status and self._strikes("lost_ack", delivery, number):
            attempt.status, attempt.error = 0, "answer lost"
        delivery.attempts.append(attempt)
        self.counts["sent"] += 1
        if self._accepted(attempt.status):
            delivery.receipt = attempt.receipt
            self._became(delivery, "delivered", closes=True)
        elif number < len(waits):
            self._became(delivery, "retrying")
            self._later(waits[number], delivery)
        else:
            if not delivery.is_copy:
                self.world.truth.unheard.add(delivery.event.ordinal)
            self._became(delivery, "failed", closes=True)

    def _accepted(self, status: int) -> bool:
        reading = self.world.switches["accepted_statuses"]
        if reading == "any":
            return status > 0
        return status in _OK if reading == "2xx" else status == 200  # noqa: PLR2004 - the status itself

    async def _mischief(self, delivery: Delivery) -> None:
        """Send what comes before a delivery and is not it: a forgery, a wrong key, an unknown topic."""
        event, to, url = delivery.event, delivery.to, delivery.to.callback_url
        true = json.loads(
            body_of(self.world.shop, self.world.switches, event, attempt=0, now=self.world.now, to=to)
        )
        if chance := self._strikes("tamper", delivery):
            true["metadata"]["shopDomain"] = "somebody-else.myshopify.com"
            other = json.dumps(true).encode()
            forged = other if chance.random() < 0.5 else other[: len(other) // 2]  # noqa: PLR2004 - either kind
            delivery.strays.append(("tamper", await self._post(to, url, forged)))
            true["metadata"]["shopDomain"] = self.world.shop.domain
        if self._strikes("wrong_key", delivery):
            wrong = f"{url[:-8]}00000000"
            delivery.strays.append(("wrong_key", await self._post(to, wrong, json.dumps(true).encode())))
        if self._strikes("unknown_topic", delivery):
            true["metadata"]["topic"] = "customer.something.new"
            delivery.strays.append(("unknown_topic", await self._post(to, url, json.dumps(true).encode())))

    async def _post(self, to: Subscription, url: str, body: bytes) -> Attempt:
        if self._client is None:
            raise RuntimeError("deliveries are made inside `async with`")
        address, host = reachable(url)
        headers = headers_of(self.world.switches, to) | ({"Host": host} if host else {})
        async with self._at_once:
            began = time.perf_counter()
            try:
                reply = await self._client.post(address, content=body, headers=headers)
            except httpx.HTTPError as error:
                return Attempt(0, (time.perf_counter() - began) * 1000, type(error).__name__)
        self._answers += 1
        return Attempt(
            reply.status_code,
            (time.perf_counter() - began) * 1000,
            answered=reply.status_code,
            place=self._answers,
            receipt=receipt_in(reply.content),
        )

    # what became of it

    def _became(self, delivery: Delivery, state: str, *, closes: bool = False) -> None:
        delivery.state = state
        if closes:
            self.open -= 1
            self._closed.set()
        if state != "retrying":
            self.counts[state] += 1
        else:
            self.counts["retries"] += 1
        self._show(delivery)

    def _show(self, delivery: Delivery) -> None:
        self._tell_watchers(delivery.shown)

    def dismiss(self) -> None:
        """Tell all who watch that this is the end: a delivery of which nothing is said."""
        self._tell_watchers(dict)

    def _tell_watchers(self, what: Callable[[], dict[str, Any]]) -> None:
        for watcher in self.watchers:
            if watcher.full():
                watcher.get_nowait()
            watcher.put_nowait(what())

    def _forget(self) -> None:
        while len(self.records) > self._keep:
            del self.records[next(iter(self.records))]
            self.forgotten += 1

    async def drained(self, within: float, most: int = 0) -> bool:
        """Wait until at most `most` are on their way, for `within` seconds; tell whether that came about."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.open > most:
                    self._closed.clear()
                    await self._closed.wait()
        return self.open <= most
