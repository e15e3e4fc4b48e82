"""The request and the reply of an API operation, before a switch decides the shape of the reply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sim.events import Event
from sim.simulator import Simulator
from sim.world import World

NO_BODY: Final = object()
"""Marks a request without a body, as opposed to the body `null`."""


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A request: path parameters, query, and the body as JSON."""

    sim: Simulator
    path: dict[str, str]
    query: dict[str, str]
    body: Any = NO_BODY

    @property
    def world(self) -> World:
        """The simulated world."""
        return self.sim.world


@dataclass(slots=True)
class ApiReply:
    """A reply: one record or rows under a name, a cursor, and a write that takes effect later.

    `half` is the part of the write that an injected failure leaves behind.
    """

    name: str = "result"
    record: dict[str, Any] | None = None
    rows: list[dict[str, Any]] | None = None
    cursor: tuple[str, Any] | None = None
    message: str = "Success"
    status: int = 200
    write: Callable[[], Iterator[Event]] | None = None
    half: Callable[[], Iterator[Event]] | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class ApiError(Exception):
    """The API refuses the request with this status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def accepted(
    write: Callable[[], Iterator[Event]],
    record: dict[str, Any] | None = None,
    *,
    name: str = "result",
    half: Callable[[], Iterator[Event]] | None = None,
) -> ApiReply:
    """Return a 201: the write is accepted and takes effect later. `half` as at `ApiReply`."""
    return ApiReply(name, record, message="Request forwarded", status=201, write=write, half=half)
