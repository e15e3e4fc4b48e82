"""The Web API of the fake Slack, as far as a bot needs it for threads: `chat.postMessage` and `chat.update`.

It answers 200 with `ok`, and an error with Slack's `error` code; too many requests get a 429 with Retry-After. The
workspace keeps these messages with those of the webhook: `path` is the method, with `channel`, `ts`, `thread_ts` and
the payload. `chat.update` changes a message and increments its `updates`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fakes.block_kit import validation_error

TOKEN: Final = "xoxb-0-stand-in"  # noqa: S105 - the only bot of this fake
CHANNELS: Final = {"C0RELAY": "#members"}
"""The channels of the bot, by id; a request may name a channel by its id or its name."""

CLOSED_CHANNELS: Final = {"C0OTHER": "not_in_channel", "C0OLD": "is_archived"}
"""Channels that exist and refuse every message, with the error code."""

_FAILED: Final = 500
_counter = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackFault:
    """A fault of the next `times` messages: a refusal, a late answer, or an error code (`body`) of the Web API."""

    status: int | None = None
    times: int = 1
    retry_after: int | None = None
    hang: float = 0.0
    body: str | None = None


@dataclass(slots=True)
class SlackWorkspace:
    """The messages accepted by the webhook and the Web API, oldest first, and the pending faults in order."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    faults: list[SlackFault] = field(default_factory=list)


def routes(workspace: SlackWorkspace) -> Sequence[Route]:
    """Return the routes of the API; it keeps its messages in the workspace."""

    async def post_message(request: Request) -> Response:
        return await _answer(workspace, request, _post)

    async def update(request: Request) -> Response:
        return await _answer(workspace, request, _update)

    return [
        Route("/api/chat.postMessage", post_message, methods=["POST"]),
        Route("/api/chat.update", update, methods=["POST"]),
    ]


async def _answer(workspace: SlackWorkspace, request: Request, method: Any) -> Response:
    fault: SlackFault | None = workspace.faults.pop(0) if workspace.faults else None
    if fault and (fault.status is not None or fault.body is not None):
        await asyncio.sleep(fault.hang)
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        codes = {429: "ratelimited", 503: "service_unavailable"}
        error = fault.body or codes.get(fault.status or 200, "internal_error")
        return JSONResponse({"ok": False, "error": error}, fault.status or 200, headers=headers)
    answer = _refusal(request) or _checked(await request.body(), lambda body: method(workspace, body))
    if fault:
        await asyncio.sleep(fault.hang)
    return JSONResponse(answer)


def _refusal(request: Request) -> dict[str, Any] | None:
    given = request.headers.get("authorization", "")
    if given == f"Bearer {TOKEN}":
        return None
    return {"ok": False, "error": "invalid_auth" if given.startswith("Bearer ") else "not_authed"}


def _checked(raw: bytes, method: Any) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {"ok": False, "error": "invalid_json"}
    if refused := validation_error(body):
        return {"ok": False, "error": refused}
    channel = _channel(str(body.get("channel", "")))
    if channel in CLOSED_CHANNELS:
        return {"ok": False, "error": CLOSED_CHANNELS[channel]}
    if channel not in CHANNELS:
        return {"ok": False, "error": "channel_not_found"}
    answer: dict[str, Any] = method({**body, "channel": channel})
    return answer


def _channel(named: str) -> str:
    by_name = {name: known for known, name in CHANNELS.items()}
    return by_name.get(f"#{named.removeprefix('#')}", named)


def _post(workspace: SlackWorkspace, body: dict[str, Any]) -> dict[str, Any]:
    thread = body.get("thread_ts")
    if thread is not None and _message(workspace, body["channel"], thread) is None:
        return {"ok": False, "error": "thread_not_found"}
    now = datetime.now(UTC)
    ts = f"{int(now.timestamp())}.{next(_counter):06d}"
    workspace.messages.append(
        {
            "path": "chat.postMessage",
            "at": now.isoformat(),
            "channel": body["channel"],
            "ts": ts,
            "thread_ts": thread,
            "updates": 0,
            "payload": _payload(body),
        }
    )
    return {"ok": True, "channel": body["channel"], "ts": ts, "message": _payload(body)}


def _update(workspace: SlackWorkspace, body: dict[str, Any]) -> dict[str, Any]:
    found = _message(workspace, body["channel"], body.get("ts"))
    if found is None:
        return {"ok": False, "error": "message_not_found"}
    found["payload"] = _payload(body)
    found["updates"] += 1
    return {"ok": True, "channel": body["channel"], "ts": body["ts"], "text": body["text"]}


def _message(workspace: SlackWorkspace, channel: str, ts: Any) -> dict[str, Any] | None:
    return next(
        (one for one in workspace.messages if one.get("channel") == channel and one.get("ts") == ts), None
    )


def _payload(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in {"channel", "ts", "thread_ts"}}
