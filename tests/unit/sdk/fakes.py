"""A platform that answers from a script and remembers what it was asked: the one fake of these tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import httpx
from inveterate import NO_RETRIES, AsyncClient, Client, Retries

KEY = "k-sEcReT/0123456789"

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]

URL, NAME = "https://example.com/hook", "relay"
"""A subscription's."""


class Script:
    """Answers each request with the next of its answers, and the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, or fail as the network would."""
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    @property
    def methods(self) -> list[str]:
        """What was asked, in order."""
        return [request.method for request in self.requests]

    @property
    def bodies(self) -> list[Any]:
        """What was sent, in order, without the requests that had no body."""
        return [json.loads(request.content) for request in self.requests if request.content]

    def client(self, **settings: Any) -> Client:
        """Make a client that talks to it, without retries unless told otherwise."""
        settings.setdefault("retries", NO_RETRIES)
        return Client(KEY, transport=httpx.MockTransport(self), **settings)

    def async_client(self, **settings: Any) -> AsyncClient:
        """Make the same for asyncio."""
        settings.setdefault("retries", NO_RETRIES)
        return AsyncClient(KEY, transport=httpx.MockTransport(self), **settings)


def ok(data: object, status: int = 200, **top: object) -> httpx.Response:
    """Make a reply in the documented envelope."""
    return httpx.Response(status, json={"message": "ok", "data": data, **top})


def pages(*rows: Iterable[Any], cursors: Iterable[Any], name: str = "lastCustomerId") -> list[httpx.Response]:
    """Make pages of members, each with its cursor."""
    return [
        ok({"members": [{"customerId": str(each)} for each in page], name: cursor})
        for page, cursor in zip(rows, cursors, strict=True)
    ]


QUICK = Retries(first=0.0001, longest=0.001)
"""The usual patience, in a hurry."""
