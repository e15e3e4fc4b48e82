"""Delivery of webhooks: each subscriber gets each of its events, with retries until it accepts, and with injected faults."""

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

from sim.ambiguities import seconds
from sim.callback_guard import resolve_callback
from sim.delivery import Delivery, DeliveryAttempt, receipt_of
from sim.events import Event
from sim.webhooks import Subscription, webhook_body, webhook_headers, wire_topic
from sim.world import World

BURST_SIZE: Final = 160
RESPONSE_TIMEOUT: Final = 10.0
"""Seconds in which a receiver must answer."""
IDLE_SECONDS: Final = 0.15
"""Seconds without a new event after which the deliveries held back for a fault are sent anyway."""
MAX_DELAY: Final = 5.0
_OK: Final = range(200, 300)


class WebhookDispatcher:
    """Sends deliveries in lanes that keep the events of a member in order, and records the result of each."""

    def __init__(
        self,
        world: World,
        transport: httpx.AsyncBaseTransport | None = None,
        lanes: int = 8,
        max_records: int = 20_000,
        max_concurrent: int = 200,
    ) -> None:
        self.world = world
        self.records: dict[int, Delivery] = {}
        self.counts: Counter[str] = Counter()
        self.open = 0
        self.watchers: set[asyncio.Queue[dict[str, Any]]] = set()
        self._max_records = max_records
        self._slots = asyncio.Semaphore(max_concurrent)
        self._transport = transport
        self._lane_count = lanes
        self._lanes: list[asyncio.Queue[Delivery]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._unordered_tasks: set[asyncio.Task[None]] = set()
        self._held_back: list[tuple[int, Delivery]] = []
        self._burst_buffer: list[Delivery] | None = None
        self._closed = asyncio.Event()
        self._serial = 0
        self._answers = 0
        self.forgotten = 0
        self._last_activity = 0.0
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        # The semaphore is the only limit: a wait for a connection would count as slowness of the receiver.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=40)
        self._client = httpx.AsyncClient(
            transport=self._transport, timeout=RESPONSE_TIMEOUT, limits=limits, trust_env=False
        )
        self._lanes = [asyncio.Queue() for _ in range(self._lane_count)]
        self._tasks = [asyncio.create_task(self._work(lane)) for lane in self._lanes]
        self._tasks.append(asyncio.create_task(self._release_held_back()))
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._tasks, *self._unordered_tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    # enqueueing

    def dispatch(self, event: Event, subscriptions: Iterable[Subscription]) -> None:
        """Send an event to its subscribers; record it as undelivered if there is none."""
        delivered = False
        for to in subscriptions:
            if to.wants(event):
                delivered = self._add(event, to) or delivered
        if event.topic and not delivered:
            self.world.expected_state.undelivered.add(event.ordinal)

    def _add(self, event: Event, to: Subscription) -> bool:
        self._serial += 1
        v1 = to.topic is None
        topic = (event.v1 if v1 else wire_topic(event.topic or "", self.world.switches)) or ""
        delivery = Delivery(self._serial, event, to, topic)
        self.records[delivery.id] = delivery
        self.counts["events"] += 1
        self._drop_old_records()
        if self._draw_fault("drop", delivery):
            self._set_state(delivery, "dropped")
            return False
        self.open += 1
        self._last_activity = time.monotonic()
        self._route(delivery)
        if self._draw_fault("duplicate", delivery):
            self._add_copy(delivery, "duplicate")
        self._notify_watchers(delivery)
        return True

    def _add_copy(self, delivery: Delivery, fault: str) -> None:
        self._serial += 1
        copy = Delivery(
            self._serial,
            delivery.event,
            delivery.to,
            delivery.topic,
            faults=[fault],
            is_copy=True,
            is_changed=fault == "changed_retry",
        )
        self.records[copy.id] = copy
        self.open += 1
        self._queue(copy)

    def _route(self, delivery: Delivery) -> None:
        """Queue the delivery, hold it back for a fault, or collect it for a burst."""
        if self._burst_buffer is None and self._draw_fault("burst", delivery):
            self._burst_buffer = []
        if self._burst_buffer is not None:
            self._burst_buffer.append(delivery)
            if len(self._burst_buffer) >= BURST_SIZE:
                self._send_burst()
        elif chance := self._draw_fault("reorder", delivery):
            self._held_back.append((self._serial + chance.randint(1, 20), delivery))
        elif chance := self._draw_fault("delay", delivery):
            self._later(chance.uniform(0.2, MAX_DELAY), delivery)
        else:
            self._queue(delivery)
        for place, (until, held) in reversed(list(enumerate(self._held_back))):
            if until <= self._serial:
                del self._held_back[place]
                self._queue(held)

    def _draw_fault(self, fault: str, delivery: Delivery, about: object = "") -> random.Random | None:
        chance = self.world.faults.draw(fault, f"{delivery.event.ordinal}/{delivery.to.topic}/{about}")
        if chance is not None:
            delivery.faults.append(fault)
            self.counts[fault] += 1
            self.world.faults.struck[fault] += 1
        return chance

    # sending

    def _queue(self, delivery: Delivery) -> None:
        self._lanes[int(delivery.event.member_id or 0) % self._lane_count].put_nowait(delivery)

    def _later(self, wait: float, delivery: Delivery) -> None:
        asyncio.get_running_loop().call_later(wait, self._queue, delivery)

    def _send_burst(self) -> None:
        batch, self._burst_buffer = self._burst_buffer or [], None
        for delivery in batch:
            self._start(delivery)

    def _start(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._deliver(delivery))
        self._unordered_tasks.add(task)
        task.add_done_callback(self._unordered_tasks.discard)

    async def _release_held_back(self) -> None:
        while True:
            await asyncio.sleep(IDLE_SECONDS / 2)
            if time.monotonic() - self._last_activity > IDLE_SECONDS:
                held, self._held_back = self._held_back, []
                for _, delivery in held:
                    self._queue(delivery)
                if self._burst_buffer:
                    self._send_burst()

    async def _work(self, lane: asyncio.Queue[Delivery]) -> None:
        while True:
            await self._deliver(await lane.get())

    async def _deliver(self, delivery: Delivery) -> None:
        number = len(delivery.attempts)
        if not number and not delivery.is_copy:
            await self._send_injected_requests(delivery)
        body = webhook_body(
            self.world.shop,
            self.world.switches,
            delivery.event,
            attempt=number + delivery.is_changed,
            now=self.world.now,
            to=delivery.to,
            changed=delivery.is_changed,
        )
        attempt = await self._post(delivery.to, delivery.to.callback_url, body)
        waits = seconds(self.world.switches["retry_schedule"])
        if number < len(waits) and attempt.status and self._draw_fault("lost_ack", delivery, number):
            attempt.status, attempt.error = 0, "answer lost"
        delivery.attempts.append(attempt)
        self.counts["sent"] += 1
        if self._accepted(attempt.status):
            delivery.receipt = attempt.receipt
            self._retry_changed(delivery)
            self._set_state(delivery, "delivered", closes=True)
        elif number < len(waits):
            self._set_state(delivery, "retrying")
            self._later(waits[number], delivery)
        else:
            if not delivery.is_copy:
                self.world.expected_state.undelivered.add(delivery.event.ordinal)
            self._set_state(delivery, "failed", closes=True)

    def _retry_changed(self, delivery: Delivery) -> None:
        """Send a received event again as a changed retry, if that is drawn.

        Not one whose own clock is wrong: a renewed time of triggering would be the only time that it has.
        """
        if delivery.is_copy or "wrong_clock" in delivery.event.faults:
            return
        if self._draw_fault("changed_retry", delivery):
            self._add_copy(delivery, "changed_retry")

    def _accepted(self, status: int) -> bool:
        choice = self.world.switches["accepted_statuses"]
        if choice == "any":
            return status > 0
        return status in _OK if choice == "2xx" else status == 200  # noqa: PLR2004 - the status itself

    async def _send_injected_requests(self, delivery: Delivery) -> None:
        """Send the injected requests before a delivery: a forged body, a wrong key, an unknown topic."""
        event, to, url = delivery.event, delivery.to, delivery.to.callback_url
        body = json.loads(
            webhook_body(self.world.shop, self.world.switches, event, attempt=0, now=self.world.now, to=to)
        )
        if chance := self._draw_fault("tamper", delivery):
            body["metadata"]["shopDomain"] = "another-shop.myshopify.com"
            whole = json.dumps(body).encode()
            forged = whole if chance.random() < 0.5 else whole[: len(whole) // 2]  # noqa: PLR2004 - either kind
            delivery.injected_requests.append(("tamper", await self._post(to, url, forged)))
            body["metadata"]["shopDomain"] = self.world.shop.domain
        if self._draw_fault("wrong_key", delivery):
            wrong = f"{url[:-8]}00000000"
            delivery.injected_requests.append(
                ("wrong_key", await self._post(to, wrong, json.dumps(body).encode()))
            )
        if self._draw_fault("unknown_topic", delivery):
            body["metadata"]["topic"] = "customer.something.new"
            delivery.injected_requests.append(
                ("unknown_topic", await self._post(to, url, json.dumps(body).encode()))
            )

    async def _post(self, to: Subscription, url: str, body: bytes) -> DeliveryAttempt:
        if self._client is None:
            raise RuntimeError("use the dispatcher inside `async with`")
        address, host = resolve_callback(url)
        headers = webhook_headers(self.world.switches, to) | ({"Host": host} if host else {})
        async with self._slots:
            began = time.perf_counter()
            try:
                reply = await self._client.post(address, content=body, headers=headers)
            except httpx.HTTPError as error:
                return DeliveryAttempt(0, (time.perf_counter() - began) * 1000, type(error).__name__)
        self._answers += 1
        return DeliveryAttempt(
            reply.status_code,
            (time.perf_counter() - began) * 1000,
            real_status=reply.status_code,
            answer_order=self._answers,
            receipt=receipt_of(reply.content),
        )

    # results

    def _set_state(self, delivery: Delivery, state: str, *, closes: bool = False) -> None:
        delivery.state = state
        if closes:
            self.open -= 1
            self._closed.set()
        if state != "retrying":
            self.counts[state] += 1
        else:
            self.counts["retries"] += 1
        self._notify_watchers(delivery)

    def _notify_watchers(self, delivery: Delivery) -> None:
        self._push(delivery.as_dict)

    def close_streams(self) -> None:
        """End the event streams: an empty delivery is the end marker."""
        self._push(dict)

    def _push(self, describe: Callable[[], dict[str, Any]]) -> None:
        for watcher in self.watchers:
            if watcher.full():
                watcher.get_nowait()
            watcher.put_nowait(describe())

    def _drop_old_records(self) -> None:
        while len(self.records) > self._max_records:
            del self.records[next(iter(self.records))]
            self.forgotten += 1

    async def wait_until_drained(self, within: float, most: int = 0) -> bool:
        """Wait at most `within` seconds until at most `most` deliveries are pending; return whether that happened."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.open > most:
                    self._closed.clear()
                    await self._closed.wait()
        return self.open <= most
