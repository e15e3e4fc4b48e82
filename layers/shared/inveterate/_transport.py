"""HTTP: two small loops that execute the steps of a call, one for `Client` and one for `AsyncClient`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import httpx

from inveterate._error_mapping import http_date
from inveterate._idempotency import Intents
from inveterate._pagination import AsyncPages, FetchPage, Pages
from inveterate._rate_limit import RateLimiter
from inveterate._retries import Retries
from inveterate._steps import HttpReply, Send, SendFailure, SendOutcome, Sleep, Steps

T = TypeVar("T")

KEY_HEADER: Final = "X-Inveterate-Api-Key"

_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class RequestLog:
    """One request and its outcome, for logs and metrics: no key, no body, no ids.

    `operation` is the path with `{}` for ids; `status` is None where there was no reply, and `failure`
    then names the cause. `seconds` are from sending to the end of the reply. `date` is the reply's own
    time, to the second: records have no clock of their own, so a record is as of this time.
    """

    method: str
    operation: str
    status: int | None
    seconds: float
    attempt: int
    request_id: str | None = None
    failure: str = ""
    date: datetime | None = None


Hook = Callable[[RequestLog], object]


@dataclass(frozen=True)
class ClientConfig:
    """The checked settings of a client: address, key, timeouts, retries, intents, rate limit and hooks."""

    address: str
    key: str
    timeout: httpx.Timeout
    retries: Retries
    intents: Intents
    rate_limiter: RateLimiter
    hooks: tuple[Hook, ...]

    def __repr__(self) -> str:
        return f"<ClientConfig {self.address}>"

    def request(self, step: Send) -> httpx.Request:
        """Build the request from the address, the quoted path and query, the key and the body."""
        content = step.call.content
        # The type is set here because libraries and proxies tend to drop the body of a DELETE.
        headers = {KEY_HEADER: self.key, "Accept": "application/json", "User-Agent": "inveterate-python"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        limits = self.timeout.as_dict()
        if step.within is not None:
            limits = {name: min(limit or step.within, step.within) for name, limit in limits.items()}
        return httpx.Request(
            step.call.method,
            self.address + step.call.target,
            headers=headers,
            content=content,
            extensions={"timeout": limits},
        )

    def on_reply(self, step: Send, response: httpx.Response, began: float) -> SendOutcome:
        """Return the reply as a step's outcome, and call the hooks."""
        took = time.monotonic() - began
        reply = HttpReply(response.status_code, response.headers, response.content, took, self.key)
        date = http_date(response.headers.get("date", ""))
        call = step.call
        self._call_hooks(
            RequestLog(
                call.method,
                call.template,
                reply.status,
                took,
                step.attempt,
                request_id=reply.request_id,
                date=date,
            )
        )
        return reply

    def on_failure(self, step: Send, error: httpx.HTTPError | httpx.InvalidURL, began: float) -> SendOutcome:
        """Return the failure as a step's outcome, and call the hooks."""
        took = time.monotonic() - began
        if isinstance(error, httpx.RequestError):
            # Errors end up in logs and error trackers. The request of this one holds the key.
            error.request = httpx.Request(step.call.method, self.address + step.call.path)
        call, failure = step.call, type(error).__name__
        self._call_hooks(RequestLog(call.method, call.template, None, took, step.attempt, failure=failure))
        sent = not isinstance(error, (*_NEVER_SENT, httpx.InvalidURL))
        return SendFailure(error, sent, isinstance(error, httpx.TimeoutException), took)

    def _call_hooks(self, log: RequestLog) -> None:
        for hook in self.hooks:
            # An exception of a log line must not change the outcome of a request that moves money.
            with suppress(Exception):
                hook(log)


class SyncTransport:
    """Executes steps one after the other, in the caller's thread."""

    def __init__(self, config: ClientConfig, http: httpx.Client) -> None:
        self.config, self.http = config, http
        self.retries, self.intents = config.retries, config.intents

    def run(self, steps: Steps[T]) -> T:
        """Execute the steps; return their result."""
        outcome: Any = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(step, Send):
                outcome = self._send(step)
            elif isinstance(step, Sleep):
                time.sleep(step.seconds)
            else:
                outcome = step.action()

    def pages(self, fetch: FetchPage[T], cursor: str | None) -> Pages[T]:
        """Return a list that fetches its pages with `fetch`."""
        return Pages(self.run, fetch, cursor)

    def _send(self, step: Send) -> SendOutcome:
        if wait := self.config.rate_limiter.reserve():
            time.sleep(wait)
        began = time.monotonic()
        try:
            response = self.http.send(self.config.request(step))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self.config.on_failure(step, error, began)
        return self.config.on_reply(step, response, began)


class AsyncTransport:
    """Executes steps one after the other, without blocking the event loop."""

    def __init__(self, config: ClientConfig, http: httpx.AsyncClient) -> None:
        self.config, self.http = config, http
        self.retries, self.intents = config.retries, config.intents

    async def run(self, steps: Steps[T]) -> T:
        """Execute the steps; return their result."""
        outcome: Any = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(step, Send):
                outcome = await self._send(step)
            elif isinstance(step, Sleep):
                await asyncio.sleep(step.seconds)
            else:
                outcome = await asyncio.to_thread(step.action)

    def pages(self, fetch: FetchPage[T], cursor: str | None) -> AsyncPages[T]:
        """Return a list that fetches its pages with `fetch`."""
        return AsyncPages(self.run, fetch, cursor)

    async def _send(self, step: Send) -> SendOutcome:
        if wait := self.config.rate_limiter.reserve():
            await asyncio.sleep(wait)
        began = time.monotonic()
        try:
            response = await self.http.send(self.config.request(step))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self.config.on_failure(step, error, began)
        return self.config.on_reply(step, response, began)
