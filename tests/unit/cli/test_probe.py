"""A probe of each topic is posted through the public URL, and counts as arrived only once the journal has it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from relay.topics import FOLDERS, PROBE_TOPIC
from relay_cli.deployment.probe import Prober

URL = "https://api.example.com/webhooks/the-key"


@dataclass
class FakeDoor:
    """Answers with these statuses in turn, then with 202; and a journal that takes what was accepted."""

    statuses: list[int] = field(default_factory=list)
    lost: frozenset[str] = frozenset()
    hidden: set[str] = field(default_factory=set)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    urls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    answer: Callable[[str], dict[str, Any]] = lambda probe_id: {"id": probe_id}
    _ids: Iterable[int] = field(default_factory=itertools.count)
    journal: list[str] = field(default_factory=list)

    def post(self, url: str, *, content: str, headers: dict[str, str], timeout: float) -> httpx.Response:
        """Take a probe."""
        assert timeout
        self.urls.append((url, headers))
        body = json.loads(content)
        self.bodies.append(body)
        if self.statuses and (status := self.statuses.pop(0)) != 202:
            if status == 0:
                raise httpx.ConnectError(f"no way to {url}")
            return httpx.Response(status)
        probe_id = f"probe-{next(iter(self._ids))}"
        topic = body["payload"]["topic"]
        if topic in self.hidden:
            self.hidden.remove(topic)
        elif topic not in self.lost:
            self.journal.append(probe_id)
        return httpx.Response(202, json=self.answer(probe_id))

    def prober(self, url: str = URL, **more: Any) -> Prober:
        """Return a prober at this door."""
        clock = more.pop("seconds", 0.05)
        return Prober(
            url,
            "acme.myshopify.com",
            self.read,
            clock,
            self.post,
            self.slept.append,
            **more,
        )

    def read(self, since: datetime) -> list[str]:
        """Return the journaled probes; a machine's clock may be ahead of AWS's by minutes."""
        assert (datetime.now(UTC) - since).total_seconds() > 600
        return self.journal


def nothing(*_: object, **__: object) -> None:
    """Report nothing."""


def test_every_topic_arrives() -> None:
    """One probe each, of the reserved topic, to the queue of its topic."""
    door = FakeDoor()
    result = door.prober().run(nothing)
    assert (result.complete, result.seen) == (True, set(FOLDERS))
    assert {body["metadata"]["topic"] for body in door.bodies} == {PROBE_TOPIC}
    assert {body["payload"]["topic"]: body["payload"]["queue"] for body in door.bodies} == dict(FOLDERS)


def test_what_is_accepted_and_never_journaled_is_missing() -> None:
    """A 202 alone is no arrival."""
    result = FakeDoor(lost=frozenset({"customer.cancelled"})).prober().run(nothing)
    assert (result.complete, result.missing) == (False, {"customer.cancelled"})
    assert "not in the journal: customer.cancelled" in result.sentence()


def test_a_message_that_its_queue_hides_is_not_waited_for() -> None:
    """A function that timed out at its cold start: after a minute that topic alone gets another probe, which arrives."""
    door = FakeDoor(hidden={"customer.cancelled"})
    result = door.prober(seconds=60).run(nothing)
    assert (result.complete, result.seen) == (True, set(FOLDERS))
    again = [body["payload"]["topic"] for body in door.bodies[len(FOLDERS) :]]
    assert again == ["customer.cancelled"]
    assert sum(door.slept) == 60


@pytest.mark.parametrize("status", [500, 503, 429, 401, 0])
def test_an_outage_of_seconds_is_sat_out(status: int) -> None:
    """A cold start, an environment with the settings before: the next round has its 202."""
    door = FakeDoor([status] * len(FOLDERS))
    assert door.prober().run(nothing).complete
    assert door.slept[0] == 2


@pytest.mark.parametrize("status", [500, 401, 0])
def test_what_stays_refused(status: int) -> None:
    """The reasons without the URL, whose end is the key; the rounds end after seconds, not minutes."""
    door = FakeDoor([status] * 1000)
    result = door.prober().run(nothing)
    assert (result.complete, set(result.refused)) == (False, set(FOLDERS))
    assert "the-key" not in result.sentence()
    assert sum(door.slept) <= 15


@pytest.mark.parametrize("answer", [{}, {"status": "ready"}, [], None])
def test_an_answer_that_is_not_the_receivers(answer: Any) -> None:
    """Another page with 202 is no arrival."""
    result = FakeDoor(answer=lambda _: answer).prober().run(nothing)
    assert not result.complete
    assert "not the receiver's" in result.sentence()


def test_no_topic_is_no_proof() -> None:
    """Nothing that was probed shows nothing."""
    assert not FakeDoor().prober().run(nothing, ()).complete


def test_a_token_goes_with_each_probe() -> None:
    """Where the stack demands one."""
    door = FakeDoor()
    door.prober(token="t").run(nothing)
    assert {body["token"] for body in door.bodies} == {"t"}


def test_a_name_below_localhost_is_this_machine() -> None:
    """The API is found by its Host header."""
    door = FakeDoor()
    door.prober("http://abc.execute-api.localhost:4566/webhooks/the-key").run(nothing)
    url, headers = door.urls[0]
    assert (url, headers["host"]) == (
        "http://127.0.0.1:4566/webhooks/the-key",
        "abc.execute-api.localhost:4566",
    )
