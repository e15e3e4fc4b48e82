"""A sender that delivers webhooks without pause, and notes what it was answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Condition, Thread
from typing import Any

import httpx

from tests.support.port_fakes import ROOT

_LONGEST = 120.0
_MOST = 5_000
"""Deliveries, whatever happens."""

_TRIES = 5
"""How often a delivery is sent whose answer is 503, as the platform sends it again."""


def deliveries() -> Iterator[bytes]:
    """Yield the documented samples in turn, as many as there may be: each is another event than all before it."""
    samples = [json.loads(path.read_bytes()) for path in sorted((ROOT / "events").glob("*.json"))]
    for number in range(_MOST):
        yield _later(samples[number % len(samples)], timedelta(seconds=number + 1))


def _later(delivery: dict[str, Any], by: timedelta) -> bytes:
    moved = {
        part: {
            name: _moved(value, by) if name in {"createdAt", "expiredAt", "triggerredAt"} else value
            for name, value in content.items()
        }
        for part, content in delivery.items()
    }
    return json.dumps(moved).encode()


def _moved(written: str, by: timedelta) -> str:
    return (datetime.fromisoformat(written) + by).isoformat(timespec="milliseconds")


@dataclass
class Traffic:
    """What was sent so far: `accepted` has the event ids of the answers 202, `refused` the other answers by label.

    `unavailable` counts the answers 503 after which a delivery was sent again. Whoever reads it has to say why they came.

    `label` says what the answers are counted under; `counts` has the number of answers under each.
    """

    post: Callable[[bytes], httpx.Response]
    label: str = ""
    accepted: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    unavailable: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    _bodies: Iterator[bytes] = field(default_factory=deliveries)
    _turn: Condition = field(default_factory=Condition)
    _under_way: int = 0
    _held: bool = False
    _ended: bool = False

    @contextmanager
    def flowing(self, senders: int) -> Iterator[None]:
        """Deliver by so many senders at once, each as soon as it has its answer, until the block ends."""
        threads = [Thread(target=self._send, daemon=True) for _ in range(senders)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            with self._turn:
                self._ended = True
                self._turn.notify_all()
            for thread in threads:
                thread.join(_LONGEST)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Await the answers under way, and deliver nothing until the block ends.

        The local AWS ends what a function is doing when the function changes. AWS lets it finish.
        """
        with self._turn:
            self._held = True
            assert self._turn.wait_for(lambda: not self._under_way, _LONGEST)
        try:
            yield
        finally:
            with self._turn:
                self._held = False
                self._turn.notify_all()

    def await_answers(self, count: int) -> None:
        """Wait for so many answers more under the present label."""
        with self._turn:
            goal = self.counts.get(self.label, 0) + count
            assert self._turn.wait_for(lambda: self.counts.get(self.label, 0) >= goal, _LONGEST)

    def _send(self) -> None:
        while self._may_send():
            label, body = self._taken()
            for _ in range(_TRIES):
                status, answer = self._answer(body)
                if status != httpx.codes.SERVICE_UNAVAILABLE:
                    break
                with self._turn:
                    self.unavailable += 1
            self._note(label, status, answer)

    def _answer(self, body: bytes) -> tuple[int, str]:
        try:
            reply = self.post(body)
        except httpx.HTTPError as error:
            return 0, type(error).__name__
        return reply.status_code, reply.text

    def _may_send(self) -> bool:
        with self._turn:
            self._turn.wait_for(lambda: not self._held or self._ended)
            self._under_way += not self._ended
            return not self._ended

    def _taken(self) -> tuple[str, bytes]:
        with self._turn:
            return self.label, next(self._bodies)

    def _note(self, label: str, status: int, answer: str) -> None:
        with self._turn:
            self._under_way -= 1
            self.counts[label] = self.counts.get(label, 0) + 1
            if status == httpx.codes.ACCEPTED:
                self.accepted.append(json.loads(answer)["id"])
            else:
                self.refused.append((label, f"{status} {answer}"))
            self._turn.notify_all()
