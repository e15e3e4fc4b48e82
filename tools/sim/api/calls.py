"""A request to the API as an operation sees it, and the answer as it is meant: its shape is a matter of switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sim.events import Event
from sim.simulator import Simulator
from sim.world import World

NO_BODY: Final = object()
"""Stands for no body at all, which is not the same as one that says null."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked: parts of the path, the query, the body as JSON."""

    sim: Simulator
    path: dict[str, str]
    query: dict[str, str]
    body: Any = NO_BODY

    @property
    def world(self) -> World:
        """The world it is about."""
        return self.sim.world


@dataclass(slots=True)
class Answer:
    """What is answered: one record or rows under a name, a cursor, and a write that takes effect a moment later."""

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
    """The request is refused with this status."""

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
) -> Answer:
    """Answer 201: handed on, which is not done. `half` is what a failure in the middle would leave behind."""
    return Answer(name, record, message="Request forwarded", status=201, write=write, half=half)
