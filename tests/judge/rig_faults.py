"""AWS and the CRM's connection as the service under judgement sees them: in memory, and struck by the adversary.

A crash is a `BaseException` out of the call, so that nothing in the service can catch it. A batch call that is
throttled loses its last entry, or is refused whole; which of the two follows from the event and the call alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from relay.adapters.aws.client import NoAnswerError, RefusedCallError
from starlette.types import ASGIApp

from tests.judge.adversary import Adversary
from tests.support.aws.fake_aws import FakeAws

# Where a batch call names its entries.
ENTRIES = {
    "SendMessageBatch": "Entries",
    "DeleteMessageBatch": "Entries",
    "PublishBatch": "PublishBatchRequestEntries",
    "PutRecordBatch": "Records",
}
CODES = {"throttled": ("ThrottlingException", 400), "refused": ("AccessDeniedException", 400)}


class Crash(BaseException):
    """The environment of a function ends in the middle of a call."""


@dataclass(slots=True)
class StruckAws:
    """AWS for the service (`AwsCaller`): each call is carried out by the account, and may be struck.

    `event` is the event on which the service works; `sending` may change the body of a `SendMessage`, and
    `done` hears of each call that was carried out. A conflict is a real one where `rival` finds another function
    that has work: it runs before the write. Without one, a conditional write is refused.
    """

    account: FakeAws
    adversary: Adversary
    event: str = ""
    ends_at: float | None = None
    sending: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    rival: Callable[[], bool] = lambda: False
    done: Callable[[str, str, Mapping[str, Any]], None] = lambda _service, _operation, _body: None

    def call(
        self, service: str, operation: str, body: Mapping[str, Any], *, repeatable: bool = True
    ) -> dict[str, Any]:
        """Return the reply to a call, or end as the adversary wants."""
        if operation == "SendMessage" and self.sending is not None:
            body = self.sending(body)
        name = f"{service}.{operation}"
        match self.adversary.strike(self.event, name):
            case None:
                return self._carry_out(service, operation, body)
            case "crash_before":
                raise Crash(name)
            case "crash_after":
                self._carry_out(service, operation, body)
                raise Crash(name)
            case "lost_answer":
                return self._lose_answer(service, operation, body, repeatable=repeatable)
            case "conflict" if operation == "PutItem" and self.rival():
                return self._carry_out(service, operation, body)
            case "conflict" if "ConditionExpression" in body:
                raise RefusedCallError("ConditionalCheckFailedException", 400, {})
            case "conflict":
                raise RefusedCallError("InternalServerError", 500, {})
            case "throttled" if self._takes_parts(operation, body) and _odd(self.event, name):
                return self._carry_out_part(service, operation, body)
            case kind:
                raise RefusedCallError(*CODES[kind], {})

    def _carry_out(self, service: str, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        reply = self.account.call(service, operation, body)
        self.done(service, operation, body)
        return reply

    def _lose_answer(
        self, service: str, operation: str, body: Mapping[str, Any], *, repeatable: bool
    ) -> dict[str, Any]:
        """Carry the call out without an answer: the client tries again where it may, or has no time left to."""
        self._carry_out(service, operation, body)
        if not repeatable or _odd(self.event, f"{service}.{operation}"):
            raise NoAnswerError("timeout", sent=True)
        try:
            return self._carry_out(service, operation, body)
        except RefusedCallError as refusal:
            raise RefusedCallError(
                refusal.code, refusal.status, refusal.fields, after_lost_reply=True
            ) from None

    @staticmethod
    def _takes_parts(operation: str, body: Mapping[str, Any]) -> bool:
        return operation in ENTRIES or operation in {"BatchGetItem", "BatchWriteItem"}

    def _carry_out_part(self, service: str, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry the call out but for its last entry, which the reply names as failed."""
        if operation in ENTRIES:
            place = ENTRIES[operation]
            *taken, left = body[place]
            reply = self._carry_out(service, operation, {**body, place: taken}) if taken else {}
            if operation == "PutRecordBatch":
                failed = {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "slow down"}
                return {"FailedPutCount": 1, "RequestResponses": [*reply.get("RequestResponses", ()), failed]}
            entry = {"Id": left["Id"], "Code": "InternalError", "SenderFault": False}
            return {"Successful": reply.get("Successful", []), "Failed": [entry]}
        [(table, request)] = body["RequestItems"].items()
        asked = request["Keys"] if operation == "BatchGetItem" else request
        *taken, left = asked

        def some(items: list[Any]) -> Any:
            return {**request, "Keys": items} if operation == "BatchGetItem" else items

        part = {**body, "RequestItems": {table: some(taken)}}
        reply = self._carry_out(service, operation, part) if taken else {"Responses": {}}
        name = "UnprocessedKeys" if operation == "BatchGetItem" else "UnprocessedItems"
        return {**reply, name: {table: some([left])}}


def _odd(event: str, call: str) -> bool:
    return zlib.crc32(f"{event} {call}".encode()) % 2 == 1


@dataclass(slots=True)
class StruckTransport(httpx.BaseTransport):
    """The connection to a CRM that is called in process, struck like the calls to AWS."""

    target: str
    app: ASGIApp
    aws: StruckAws
    calls: list[tuple[str, int]] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the CRM's answer, or what the adversary puts in its place."""
        kind = self.aws.adversary.strike(self.aws.event, f"http.{self.target}")
        if kind == "crash_before":
            raise Crash(request.method)
        if kind == "timeout_before":
            raise httpx.ReadTimeout("no answer", request=request)
        if kind in {"http_429", "http_500"}:
            return httpx.Response(int(kind[5:]), headers={"Retry-After": "2"}, json={}, request=request)
        response = self._ask(request)
        self.calls.append((request.url.path, response.status_code))
        if kind == "crash_after":
            raise Crash(request.method)
        if kind == "timeout_after":
            raise httpx.ReadTimeout("no answer", request=request)
        return response

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _ask(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "path": request.url.path,
            "raw_path": request.url.raw_path,
            "query_string": request.url.query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": "https",
            "server": (request.url.host, 443),
            "client": ("relay", 1),
        }
        answer: dict[str, Any] = {"status": 500, "headers": [], "body": b""}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.update(status=message["status"], headers=message.get("headers", []))
            else:
                answer["body"] += message.get("body", b"")

        # A fake waits for nothing, so that its coroutine ends at the first step: no event loop is needed.
        running = self.app(scope, receive, send)
        try:
            running.send(None)  # type: ignore[attr-defined]
        except StopIteration:
            pass
        else:
            raise AssertionError("a fake CRM waits for something")
        return httpx.Response(
            answer["status"], headers=answer["headers"], content=answer["body"], request=request
        )
