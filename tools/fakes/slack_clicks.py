"""Clicks on the buttons of the fake Slack's messages: signed requests to the app's interactivity URL, and its answers.

Below `/_standin`, tests set the app and click:

* `PUT /_standin/app {"url", "signing_secret", "host", "team", "enterprise"}`: where clicks go and who signs them; `host`
  is sent as the header of that name, `team` and `enterprise` are ids (no team: an organisation's app);
* `POST /_standin/clicks {"ts", "action_id", "user", "age", "signing_secret"}`: a click on a message's button. `age` are
  the seconds since Slack signed it, another secret makes it a forged one. The reply has the app's `status` and `seconds`;
* `GET /_standin/answers`: `{"answers": […]}`, what the app posted to a click's `response_url`.

Slack waits three seconds for the app (https://docs.slack.dev/interactivity/handling-user-interaction).
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

_PATIENCE: Final = 30.0
"""Seconds. Slack gives up after three; a caller compares `seconds`, since a local function starts slowly."""

_counter = itertools.count(1)


@dataclass(slots=True)
class ClickedApp:
    """The app behind the buttons, and the answers to its `response_url`s."""

    url: str = ""
    signing_secret: str = ""
    host: str = ""
    team: str = "T0RELAY"
    enterprise: str = ""
    answers: list[Any] = field(default_factory=list)


def routes(app: ClickedApp, messages: Sequence[Mapping[str, Any]]) -> Sequence[Route]:
    """Return the routes for clicks on these messages."""

    async def set_app(request: Request) -> Response:
        for name, value in (await request.json()).items():
            setattr(app, name, value)
        return Response(status_code=204)

    async def click(request: Request) -> Response:
        asked = await request.json()
        message = next((one for one in messages if one.get("ts") == asked["ts"]), None)
        button = _button(message or {}, asked["action_id"])
        if message is None or button is None:
            return PlainTextResponse("no such button", 404)
        payload = _payload(app, message, button, asked.get("user", "kim"), str(request.base_url))
        return JSONResponse(await _post(app, payload, asked))

    async def answer(request: Request) -> Response:
        app.answers.append(await request.json())
        return PlainTextResponse("ok")

    async def list_answers(_request: Request) -> Response:
        return JSONResponse({"answers": app.answers})

    return [
        Route("/_standin/app", set_app, methods=["PUT"]),
        Route("/_standin/clicks", click, methods=["POST"]),
        Route("/_standin/answers", list_answers, methods=["GET"]),
        Route("/actions/{team}/{click}/{token}", answer, methods=["POST"]),
    ]


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return Slack's signature of a body."""
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


def _button(message: Mapping[str, Any], action_id: str) -> Mapping[str, Any] | None:
    elements = (
        element
        for block in message.get("payload", {}).get("blocks", [])
        if block["type"] == "actions"
        for element in block["elements"]
    )
    return next((element for element in elements if element["action_id"] == action_id), None)


def _payload(
    app: ClickedApp, message: Mapping[str, Any], button: Mapping[str, Any], user: str, base_url: str
) -> dict[str, Any]:
    number = next(_counter)
    return {
        "type": "block_actions",
        "team": {"id": app.team, "domain": "acme"} if app.team else None,
        "enterprise": {"id": app.enterprise, "name": "Acme"} if app.enterprise else None,
        "is_enterprise_install": not app.team,
        "user": {"id": f"U0{user.upper()}", "username": user, "name": user, "team_id": app.team},
        "channel": {"id": message["channel"], "name": "members"},
        "container": {
            "type": "message",
            "message_ts": message["ts"],
            "channel_id": message["channel"],
            "is_ephemeral": False,
        },
        "message": {"ts": message["ts"], **message["payload"]},
        "response_url": f"{base_url}actions/{app.team or app.enterprise}/{number}/made-up",
        "actions": [
            {
                "type": "button",
                "block_id": "b1",
                "action_ts": f"{time.time():.6f}",
                **{name: button[name] for name in ("action_id", "text", "value", "url") if name in button},
            }
        ],
    }


async def _post(app: ClickedApp, payload: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    body = urlencode({"payload": json.dumps(payload)}).encode()
    timestamp = str(int(time.time() - asked.get("age", 0)))
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": signature(asked.get("signing_secret", app.signing_secret), timestamp, body),
        **({"host": app.host} if app.host else {}),
    }
    began = time.monotonic()
    async with httpx.AsyncClient(trust_env=False, timeout=_PATIENCE) as client:
        reply = await client.post(app.url, content=body, headers=headers)
    return {"status": reply.status_code, "seconds": time.monotonic() - began}
