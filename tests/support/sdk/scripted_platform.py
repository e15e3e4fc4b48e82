"""A fake platform for the SDK's tests: it replies from a script and records the requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import httpx
from inveterate import NO_RETRIES, AsyncClient, Client, Retries

KEY = "k-sEcReT/0123456789"

ScriptedAnswer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]

MERCHANT = httpx.Response(200, json={"message": "ok", "data": {"merchantId": "m"}})
BAD_KEY = httpx.Response(400, json={"message": "Bad request"})
"""The two documented replies to a read of the merchant."""

URL, NAME = "https://example.com/hook", "relay"
"""The URL and the name of a subscription."""


class Script:
    """Replies to each request with the next of its answers, and repeats the last one.

    Reads of the merchant, which check the key, get `merchant` and are recorded in `checks`; with None they
    are requests like any other.
    """

    def __init__(self, *answers: ScriptedAnswer, merchant: ScriptedAnswer | None = MERCHANT) -> None:
        self.answers = list(answers)
        self.merchant = merchant
        self.requests: list[httpx.Request] = []
        self.checks: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Reply to a request, or raise the scripted network error."""
        if self.merchant is not None and request.url.path in {"/v2.0/admin/merchant", "/merchant"}:
            self.checks.append(request)
            return self._reply(self.merchant, request)
        self.requests.append(request)
        return self._reply(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0], request)

    @staticmethod
    def _reply(answer: ScriptedAnswer, request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        reply = answer if isinstance(answer, httpx.Response) else answer(request)
        # A copy: a response belongs to the client that read it.
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    @property
    def methods(self) -> list[str]:
        """The methods of the requests, in order."""
        return [request.method for request in self.requests]

    @property
    def bodies(self) -> list[Any]:
        """The bodies of the requests that have one, in order."""
        return [json.loads(request.content) for request in self.requests if request.content]

    def client(self, **settings: Any) -> Client:
        """Return a client of this platform, by default without retries."""
        settings.setdefault("retries", NO_RETRIES)
        return Client(KEY, transport=httpx.MockTransport(self), **settings)

    def async_client(self, **settings: Any) -> AsyncClient:
        """Return an asyncio client of this platform, by default without retries."""
        settings.setdefault("retries", NO_RETRIES)
        return AsyncClient(KEY, transport=httpx.MockTransport(self), **settings)


def ok(data: object, status: int = 200, **top: object) -> httpx.Response:
    """Return a reply in the documented envelope."""
    return httpx.Response(status, json={"message": "ok", "data": data, **top})


def pages(*rows: Iterable[Any], cursors: Iterable[Any], name: str = "lastCustomerId") -> list[httpx.Response]:
    """Return pages of members, each with its cursor."""
    return [
        ok({"members": [{"customerId": str(each)} for each in page], name: cursor})
        for page, cursor in zip(rows, cursors, strict=True)
    ]


QUICK = Retries(base_delay=0.0001, max_delay=0.001)
"""The default retry policy with short delays."""
