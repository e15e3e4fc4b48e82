"""The only file that sees HTTP: two small loops that do what a conversation's steps say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import httpx

from inveterate._intents import Intents
from inveterate._pace import Pace
from inveterate._paging import AsyncPages, Pages, Turn
from inveterate._retries import Retries
from inveterate._steps import Answer, Conversation, Failure, Reply, Send, Sleep
from inveterate._verdicts import http_date

T = TypeVar("T")

KEY_HEADER: Final = "X-Inveterate-Api-Key"

_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it, for logs and metrics: no key, no body, no ids.

    `operation` is the path with `{}` for ids; `status` is None where there was no answer, and `failure`
    then names the cause. `seconds` are from sending to the end of the answer. `date` is the
    answer's own time, to the second: a record has no clock of its own, so this is as of when it holds.
    """

    method: str
    operation: str
    status: int | None
    seconds: float
    attempt: int
    request_id: str | None = None
    failure: str = ""
    date: datetime | None = None


Hook = Callable[[Exchange], object]


@dataclass(frozen=True)
class Terms:
    """What both clients are told once: where, as whom, how fast, how patiently, and who listens."""

    address: str
    key: str
    timeout: httpx.Timeout
    retries: Retries
    intents: Intents
    pace: Pace
    hooks: tuple[Hook, ...]

    def __repr__(self) -> str:
        return f"<Terms {self.address}>"

    def request(self, step: Send) -> httpx.Request:
        """Build the request: address, path and query as they are quoted already, key, body."""
        content = step.call.content
        # Written out, since a DELETE with a body is one that libraries and proxies like to drop.
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

    def answered(self, step: Send, response: httpx.Response, began: float) -> Answer:
        """Take in an answer, and tell the hooks."""
        took = time.monotonic() - began
        reply = Reply(response.status_code, response.headers, response.content, took, self.key)
        date = http_date(response.headers.get("date", ""))
        call = step.call
        self._tell(
            Exchange(
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

    def failed(self, step: Send, error: httpx.HTTPError | httpx.InvalidURL, began: float) -> Answer:
        """Take in that there was none, and tell the hooks."""
        took = time.monotonic() - began
        if isinstance(error, httpx.RequestError):
            # An error travels far: into logs, into error trackers. Its request holds the key.
            error.request = httpx.Request(step.call.method, self.address + step.call.path)
        call, failure = step.call, type(error).__name__
        self._tell(Exchange(call.method, call.template, None, took, step.attempt, failure=failure))
        sent = not isinstance(error, (*_NEVER_SENT, httpx.InvalidURL))
        return Failure(error, sent, isinstance(error, httpx.TimeoutException), took)

    def _tell(self, exchange: Exchange) -> None:
        for hook in self.hooks:
            # What a log line throws must not change what became of the money.
            with suppress(Exception):
                hook(exchange)


class SyncTalk:
    """Does the steps one after the other."""

    def __init__(self, terms: Terms, http: httpx.Client) -> None:
        self.terms, self.http = terms, http
        self.retries, self.intents = terms.retries, terms.intents

    def run(self, conversation: Conversation[T]) -> T:
        """Run it, and return what it returns."""
        answer: Any = None
        while True:
            try:
                step = conversation.send(answer)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(step, Send):
                answer = self._send(step)
            elif isinstance(step, Sleep):
                time.sleep(step.seconds)
            else:
                answer = step.action()

    def pages(self, turn: Turn[T], cursor: str | None) -> Pages[T]:
        """Make pages of it."""
        return Pages(self.run, turn, cursor)

    def _send(self, step: Send) -> Answer:
        if wait := self.terms.pace.reserve():
            time.sleep(wait)
        began = time.monotonic()
        try:
            response = self.http.send(self.terms.request(step))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self.terms.failed(step, error, began)
        return self.terms.answered(step, response, began)


class AsyncTalk:
    """Does the steps one after the other, and lets others work meanwhile."""

    def __init__(self, terms: Terms, http: httpx.AsyncClient) -> None:
        self.terms, self.http = terms, http
        self.retries, self.intents = terms.retries, terms.intents

    async def run(self, conversation: Conversation[T]) -> T:
        """Run it, and return what it returns."""
        answer: Any = None
        while True:
            try:
                step = conversation.send(answer)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(step, Send):
                answer = await self._send(step)
            elif isinstance(step, Sleep):
                await asyncio.sleep(step.seconds)
            else:
                answer = await asyncio.to_thread(step.action)

    def pages(self, turn: Turn[T], cursor: str | None) -> AsyncPages[T]:
        """Make pages of it."""
        return AsyncPages(self.run, turn, cursor)

    async def _send(self, step: Send) -> Answer:
        if wait := self.terms.pace.reserve():
            await asyncio.sleep(wait)
        began = time.monotonic()
        try:
            response = await self.http.send(self.terms.request(step))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self.terms.failed(step, error, began)
        return self.terms.answered(step, response, began)
