"""HTTP: two small loops that execute the steps of a call, one for `Client` and one for `AsyncClient`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import httpx

from inveterate._bounded_http import DEADLINE, BoundedBody, ReplyTooLargeError, bound_reads
from inveterate._error_mapping import http_date
from inveterate._errors import ClientClosedError
from inveterate._idempotency import Intents
from inveterate._pagination import AsyncPages, FetchPage, Pages
from inveterate._rate_limit import RateLimiter
from inveterate._retries import Retries
from inveterate._steps import HttpReply, RunBlocking, Send, SendFailure, SendOutcome, Sleep, Step, Steps

T = TypeVar("T")

KEY_HEADER: Final = "X-Inveterate-Api-Key"

_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_LEAVES: Final = "send_request_headers.started"


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
    """The checked settings of a client. `traces` is True where the transport reports when a request leaves."""

    address: str
    key: str = field(repr=False)
    timeout: httpx.Timeout
    max_reply_bytes: int
    retries: Retries
    intents: Intents
    rate_limiter: RateLimiter
    hooks: tuple[Hook, ...]
    traces: bool

    def __repr__(self) -> str:
        return f"<ClientConfig {self.address}>"

    def request(self, step: Send, trace: Callable[..., object]) -> httpx.Request:
        """Build the request from the address, the quoted path and query, the key and the body.

        Raises:
            ValueError: the body has a value without a JSON form.

        """
        content = step.call.content
        # The type is set here because libraries and proxies tend to drop the body of a DELETE. The only
        # encoding is gzip, since its decoded size can be limited while it is read.
        headers = {
            KEY_HEADER: self.key,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "inveterate-python",
        }
        if content is not None:
            headers["Content-Type"] = "application/json"
        limits = {
            name: step.within if limit is None else min(limit, step.within)
            for name, limit in self.timeout.as_dict().items()
        }
        return httpx.Request(
            step.call.method,
            self.address + step.call.target,
            headers=headers,
            content=content,
            extensions={"timeout": limits, "trace": trace},
        )

    def on_reply(
        self, step: Send, status: int, headers: httpx.Headers, content: bytes, began: float
    ) -> SendOutcome:
        """Return the reply as a step's outcome, and call the hooks."""
        took = time.monotonic() - began
        reply = HttpReply(status, headers, content, took, self.key, datetime.now(UTC))
        if self.hooks:
            self._call_hooks(
                RequestLog(
                    step.call.method,
                    step.call.template,
                    status,
                    took,
                    step.attempt,
                    request_id=reply.request_id,
                    date=http_date(headers.get("date", "")),
                )
            )
        return reply

    def on_failure(self, step: Send, error: Exception, began: float) -> SendOutcome:
        """Return the failure as a step's outcome, and call the hooks."""
        took = time.monotonic() - began
        if isinstance(error, httpx.RequestError):
            # Errors end up in logs and error trackers. The request of this one holds the key.
            error.request = httpx.Request(step.call.method, self.address + step.call.path)
        call, failure = step.call, type(error).__name__
        self._call_hooks(RequestLog(call.method, call.template, None, took, step.attempt, failure=failure))
        timed_out = isinstance(error, httpx.TimeoutException | TimeoutError)
        return SendFailure(
            error, step.progress.started, timed_out, took, isinstance(error, ReplyTooLargeError)
        )

    def mark_start(self, step: Send) -> None:
        """Record that the request leaves now, where the transport will not report it."""
        if not self.traces:
            step.progress.started = True

    def mark_never_sent(self, step: Send, error: Exception) -> None:
        """Take that back for the errors of a transport that are raised before a request leaves."""
        if not self.traces and isinstance(error, (*_NEVER_SENT, httpx.InvalidURL)):
            step.progress.started = False

    def _call_hooks(self, log: RequestLog) -> None:
        for hook in self.hooks:
            # An exception of a log line must not change the outcome of a request that moves money.
            with suppress(Exception):
                hook(log)


def _next_step(steps: Steps[T], outcome: Any, interruption: BaseException | None) -> Step:
    """Resume the steps with an outcome, or with the interruption of the step that they wait for."""
    return steps.send(outcome) if interruption is None else steps.throw(interruption)


class SyncTransport:
    """Executes steps one after the other, in the caller's thread."""

    def __init__(self, config: ClientConfig, http: httpx.Client) -> None:
        self.config, self.http = config, http
        self.retries, self.intents = config.retries, config.intents
        bound_reads(http)

    def run(self, steps: Steps[T]) -> T:
        """Execute the steps; return their result.

        An interruption, such as `KeyboardInterrupt`, is raised inside the steps, which may still yield
        steps that clean up: a grant that sent nothing releases its claim.

        Raises:
            ClientClosedError: the client is closed.

        """
        if self.http.is_closed:
            raise ClientClosedError("the client is closed")
        outcome: Any = None
        interruption: BaseException | None = None
        while True:
            try:
                step = _next_step(steps, outcome, interruption)
            except StopIteration as stop:
                result: T = stop.value
                return result
            outcome, interruption = None, None
            try:
                outcome = self._execute(step)
            except BaseException as error:  # noqa: BLE001 - raised again inside the steps
                interruption = error

    def pages(self, fetch: FetchPage[T], cursor: str | None) -> Pages[T]:
        """Return a list that fetches its pages with `fetch`."""
        return Pages(self.run, fetch, cursor)

    def _execute(self, step: Step) -> Any:
        if isinstance(step, Sleep):
            time.sleep(step.seconds)
            return None
        return self._send(step) if isinstance(step, Send) else step.action()

    def _send(self, step: Send) -> SendOutcome:
        if wait := self.config.rate_limiter.reserve():
            time.sleep(wait)
        began = time.monotonic()

        def trace(event: str, _: object) -> None:
            step.progress.started = step.progress.started or event.endswith(_LEAVES)

        request = self.config.request(step, trace)
        deadline = DEADLINE.set(began + step.within)
        try:
            self.config.mark_start(step)
            response = self.http.send(request, stream=True)
            try:
                body = BoundedBody(response, self.config.max_reply_bytes)
                for chunk in () if response.is_stream_consumed else response.iter_raw():
                    body.add(chunk)
                content = body.whole()
            finally:
                response.close()
        except Exception as error:  # noqa: BLE001 - any failure after sending is ambiguous
            self.config.mark_never_sent(step, error)
            return self.config.on_failure(step, error, began)
        finally:
            DEADLINE.reset(deadline)
        return self.config.on_reply(step, response.status_code, response.headers, content, began)


class AsyncTransport:
    """Executes steps one after the other, without blocking the event loop.

    Connections belong to an event loop, so each loop has a pool of its own. It is closed when the loop
    ends, or by `aclose`. A pool over a `transport` of the caller is shared.
    """

    def __init__(
        self,
        config: ClientConfig,
        connect: Callable[[], httpx.AsyncClient],
        shared: httpx.AsyncClient | None = None,
    ) -> None:
        self.config = config
        self.retries, self.intents = config.retries, config.intents
        self.is_closed = False
        self._connect, self._shared = connect, shared
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[httpx.AsyncClient, None]] = (
            WeakKeyDictionary()
        )
        self._https: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()
        self._lock = Lock()

    async def run(self, steps: Steps[T]) -> T:
        """Execute the steps; return their result.

        A cancellation is raised inside the steps, which may still yield steps that clean up. A step that
        runs in a thread cannot be cancelled: the cancellation is raised at the step that follows it.

        Raises:
            ClientClosedError: the client is closed.

        """
        if self.is_closed:
            raise ClientClosedError("the client is closed")
        outcome: Any = None
        interruption: BaseException | None = None
        pending: asyncio.CancelledError | None = None
        while True:
            try:
                step = _next_step(steps, outcome, interruption)
            except StopIteration as stop:
                result: T = stop.value
                if pending is not None:
                    raise pending from None
                return result
            outcome, interruption = None, None
            if pending is not None and not isinstance(step, RunBlocking):
                interruption, pending = pending, None
                continue
            try:
                if isinstance(step, RunBlocking):
                    outcome, cancelled = await _run_blocking(step.action)
                    pending = pending or cancelled
                elif isinstance(step, Sleep):
                    await asyncio.sleep(step.seconds)
                else:
                    outcome = await self._send(step)
            except BaseException as error:  # noqa: BLE001 - raised again inside the steps
                interruption = error

    def pages(self, fetch: FetchPage[T], cursor: str | None) -> AsyncPages[T]:
        """Return a list that fetches its pages with `fetch`."""
        return AsyncPages(self.run, fetch, cursor)

    async def aclose(self) -> None:
        """Close the connections of this event loop, and ask the other loops to close theirs."""
        self.is_closed = True
        if self._shared is not None:
            await self._shared.aclose()
        here = asyncio.get_running_loop()
        with self._lock:
            pools = list(self._pools.items())
            self._pools.clear()
        for loop, pool in pools:
            if loop is here:
                await pool.aclose()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(pool.aclose(), loop)

    async def _http(self) -> httpx.AsyncClient:
        """Return the HTTP client of this event loop."""
        if self._shared is not None:
            return self._shared
        loop = asyncio.get_running_loop()
        with self._lock:
            http = self._https.get(loop)
            if http is not None and not http.is_closed:
                return http
            http = self._connect()
            pool = _lifetime(http)
            self._https[loop], self._pools[loop] = http, pool
        # The loop closes a started generator when it ends, and with it the connections.
        await anext(pool)
        return http

    async def _send(self, step: Send) -> SendOutcome:
        if wait := self.config.rate_limiter.reserve():
            await asyncio.sleep(wait)
        began = time.monotonic()

        async def trace(event: str, _: object) -> None:
            step.progress.started = step.progress.started or event.endswith(_LEAVES)

        request = self.config.request(step, trace)
        try:
            http = await self._http()
            self.config.mark_start(step)
            async with asyncio.timeout(step.within):
                response = await http.send(request, stream=True)
                try:
                    body = BoundedBody(response, self.config.max_reply_bytes)
                    if not response.is_stream_consumed:
                        async for chunk in response.aiter_raw():
                            body.add(chunk)
                    content = body.whole()
                finally:
                    await response.aclose()
        except Exception as error:  # noqa: BLE001 - any failure after sending is ambiguous
            self.config.mark_never_sent(step, error)
            return self.config.on_failure(step, error, began)
        return self.config.on_reply(step, response.status_code, response.headers, content, began)


async def _lifetime(http: httpx.AsyncClient) -> AsyncGenerator[httpx.AsyncClient, None]:
    """Hold an HTTP client until the generator is closed, then close it."""
    try:
        yield http
    finally:
        await http.aclose()


async def _run_blocking(action: Callable[[], T]) -> tuple[T, asyncio.CancelledError | None]:
    """Run a function in a thread to its end; return its result, and the cancellation that came meanwhile."""
    task = asyncio.ensure_future(asyncio.to_thread(action))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001 - `result` raises it again
            break
    return task.result(), cancelled
