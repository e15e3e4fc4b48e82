"""A receiver of signed webhooks on localhost: it believes what is signed and new, keeps it, and fails when told to.

It is what a merchant would write after Relay's documentation: the signature is checked before anything is
read, a message that is older than five minutes or was had before changes nothing, and a member's older
state never takes the place of a newer one. What one can ask of the stand-in itself is below `/_standin`:

* `GET /_standin/members`: by key, what was last told of each; `GET /_standin/events`: the moments, in order;
* `GET /_standin/requests`: `[{"id", "type", "status"}, …]`, oldest first;
* `POST /_standin/faults`: what becomes of the next requests (`faulty.py`).
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

from sim.standins.faulty import Fault, Faults, struck

_TOLERANCE: Final = 300
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class SignedWebhookStandIn:
    """The stand-in: `app()` is to be served; messages come to `/hook`, signed with one of the `secrets`."""

    secrets: tuple[str, ...]
    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    _had: set[str] = field(default_factory=set)
    _newest: dict[str, str] = field(default_factory=dict)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/hook", self._hook, methods=["POST"]),
                Route("/_standin/members", self._tell_members, methods=["GET"]),
                Route("/_standin/events", self._tell_events, methods=["GET"]),
                Route("/_standin/requests", self._tell_requests, methods=["GET"]),
                Route("/_standin/faults", self.faults.add, methods=["POST"]),
            ]
        )

    async def _hook(self, request: Request) -> Response:
        noted: dict[str, Any] = {"id": request.headers.get("webhook-id"), "type": None}
        self.requests.append(noted)
        response = await self._answer(request, noted)
        noted["status"] = response.status_code
        return response

    async def _answer(self, request: Request, noted: dict[str, Any]) -> Response:
        body = await request.body()

        def usual() -> Response:
            try:
                id_ = self._verify(request, body)
                message = _message(body)
                noted["type"] = message["type"]
                if id_ not in self._had:
                    self._take(message)
                    self._had.add(id_)
            except _RefusedError as refused:
                return JSONResponse({"error": str(refused)}, refused.status)
            return Response(status_code=204)

        fault = self.faults.next(request.url.path)
        return await struck(fault, usual, _told_to, Response(status_code=204))

    def _verify(self, request: Request, body: bytes) -> str:
        """Return the id of a message that is signed and new."""
        id_, sent_at = (request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp"))
        if not id_ or "." in id_ or not sent_at.isdigit() or abs(time.time() - int(sent_at)) > _TOLERANCE:
            raise _RefusedError(400, "no id, or too old")
        content = f"{id_}.{sent_at}.".encode() + body
        expected = [hmac.digest(_key(secret), content, hashlib.sha256) for secret in self.secrets]
        for signature in request.headers.get("webhook-signature", "").split():
            version, _, text = signature.partition(",")
            if version == "v1" and any(hmac.compare_digest(_decoded(text), each) for each in expected):
                return id_
        raise _RefusedError(401, "not signed by a secret of ours")

    def _take(self, message: dict[str, Any]) -> None:
        kind, data, at = message["type"], message["data"], str(message["timestamp"])
        if kind == "member.event":
            self.events.append(data)
        elif kind == "member.removed":
            self.members.pop(data["key"], None)
        elif kind == "member.updated":
            email = data.get("email")
            if email is not None and not _EMAIL.fullmatch(email):
                raise _RefusedError(422, "no e-mail address")
            if at >= self._newest.get(data["key"], ""):
                # Whether it is of a back-fill is said of the message, not of the member.
                self.members[data["key"]] = {name: data[name] for name in data if name != "backfill"}
                self._newest[data["key"]] = at

    async def _tell_members(self, _: Request) -> Response:
        return JSONResponse(self.members)

    async def _tell_events(self, _: Request) -> Response:
        return JSONResponse(self.events)

    async def _tell_requests(self, _: Request) -> Response:
        return JSONResponse(self.requests)


def app(*secrets: str) -> Starlette:
    """Return a new stand-in's application."""
    return SignedWebhookStandIn(secrets).app()


def _told_to(fault: Fault) -> Response:
    return JSONResponse({"error": "told to fail"}, fault.status or 500, headers=fault.headers())


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
        shaped = isinstance(message["type"], str) and isinstance(message["data"]["key"], str)
    except (ValueError, TypeError, KeyError):
        shaped = False
    if not shaped:
        raise _RefusedError(400, "no message")
    told: dict[str, Any] = message
    return told


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
