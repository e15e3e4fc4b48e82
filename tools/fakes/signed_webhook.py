"""A fake receiver of signed webhooks on localhost: it accepts signed, recent messages and fails on request.

A merchant writes such a receiver after Relay's documentation: it checks the signature before it reads the body,
ignores a message that is older than five minutes or a repeat, and never replaces the newer state of a member by an
older one. Tests and tools control the fake itself below `/_standin`:

* `GET /_standin/members`: the newest state of each member, by key; `GET /_standin/events`: the events, in order;
* `GET /_standin/requests`: `[{"id", "type", "status"}, …]`, oldest first;
* `POST /_standin/faults`: faults of the next requests (`fault_queue.py`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fakes.fault_queue import Fault, FaultQueue, respond

_TOLERANCE: Final = 300
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class _WebhookError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class FakeWebhookReceiver:
    """The fake server: `app()` is its application; it receives messages at `/hook`, signed with one of the `secrets`."""

    secrets: tuple[str, ...]
    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: FaultQueue = field(default_factory=FaultQueue)
    _seen_ids: set[str] = field(default_factory=set)
    _newest: dict[str, str] = field(default_factory=dict)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/hook", self._hook, methods=["POST"]),
                Route("/_standin/members", self._list_members, methods=["GET"]),
                Route("/_standin/events", self._list_events, methods=["GET"]),
                Route("/_standin/requests", self._list_requests, methods=["GET"]),
                Route("/_standin/faults", self.faults.add, methods=["POST"]),
            ]
        )

    async def _hook(self, request: Request) -> Response:
        entry: dict[str, Any] = {"id": request.headers.get("webhook-id"), "type": None}
        self.requests.append(entry)
        response = await self._answer(request, entry)
        entry["status"] = response.status_code
        return response

    async def _answer(self, request: Request, entry: dict[str, Any]) -> Response:
        body = await request.body()

        def process() -> Response:
            try:
                id_ = self._verify(request, body)
                message = _message(body)
                entry["type"] = message["type"]
                if id_ not in self._seen_ids:
                    self._apply(id_, message)
                    self._seen_ids.add(id_)
            except _WebhookError as refused:
                return JSONResponse({"error": str(refused)}, refused.status)
            return Response(status_code=204)

        fault = self.faults.next(request.url.path)
        return await respond(fault, process, _refuse, Response(status_code=204))

    def _verify(self, request: Request, body: bytes) -> str:
        """Return the id of a message with a valid signature and a recent timestamp."""
        id_, sent_at = (request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp"))
        if not id_ or "." in id_ or not sent_at.isdigit() or abs(time.time() - int(sent_at)) > _TOLERANCE:
            raise _WebhookError(400, "no id, or a timestamp out of range")
        content = f"{id_}.{sent_at}.".encode() + body
        expected = [hmac.digest(_key(secret), content, hashlib.sha256) for secret in self.secrets]
        for signature in request.headers.get("webhook-signature", "").split():
            version, _, text = signature.partition(",")
            if version == "v1" and any(hmac.compare_digest(_decoded(text), each) for each in expected):
                return id_
        raise _WebhookError(401, "no valid signature")

    def _apply(self, id_: str, message: dict[str, Any]) -> None:
        kind, data, at = message["type"], message["data"], str(message["timestamp"])
        if kind == "member.event":
            self.events.append(data)
            self.event_ids.append(id_)
        elif kind in {"member.removed", "member.erased"}:
            self.members.pop(data["key"], None)
        elif kind == "member.updated":
            email = data.get("email")
            if email is not None and not _EMAIL.fullmatch(email):
                raise _WebhookError(422, "invalid e-mail address")
            if at >= self._newest.get(data["key"], ""):
                # `backfill` describes the message, not the member.
                self.members[data["key"]] = {name: data[name] for name in data if name != "backfill"}
                self._newest[data["key"]] = at

    async def _list_members(self, _: Request) -> Response:
        return JSONResponse(self.members)

    async def _list_events(self, _: Request) -> Response:
        return JSONResponse(self.events)

    async def _list_requests(self, _: Request) -> Response:
        return JSONResponse(self.requests)


def _refuse(fault: Fault) -> Response:
    return JSONResponse({"error": "requested fault"}, fault.status or 500, headers=fault.headers())


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
        shaped = isinstance(message["type"], str) and isinstance(message["data"]["key"], str)
    except (ValueError, TypeError, KeyError):
        shaped = False
    if not shaped:
        raise _WebhookError(400, "invalid message")
    parsed: dict[str, Any] = message
    return parsed


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
