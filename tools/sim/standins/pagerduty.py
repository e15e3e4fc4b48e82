"""PagerDuty's Events API v2: checks an event as PagerDuty does, keeps incidents, and fails when it is told to.

An event of a key that is open joins its incident; a resolve closes it; a key that was resolved opens a new
one. What one can ask of the stand-in itself is below `/_standin`:

* `GET /_standin/incidents`: `{"incidents": [{"dedup_key", "open", "severity", "summary", "events"}, …]}`;
* `GET /_standin/messages`: `{"messages": [event, …]}`, what was accepted, oldest first;
* `DELETE /_standin/messages`: forget them, and the faults;
* `POST /_standin/faults {"status", "times", "retry_after", "hang"}`: what becomes of the next `times` events
  (default 1). With `hang` alone they are taken, and the answer comes that many seconds late.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ROUTING_KEY: Final = "R" * 32
"""The one integration that exists."""

_ACTIONS: Final = frozenset({"trigger", "acknowledge", "resolve"})
_SEVERITIES: Final = frozenset({"critical", "error", "warning", "info"})
_SUMMARY: Final = 1_024
_KEY: Final = 255
_SIZE: Final = 512 * 1_024
_KEY_FORM: Final = re.compile(r"[A-Za-z0-9]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of an event instead of the usual."""

    status: int | None = None
    times: int = 1
    retry_after: int | None = None
    hang: float = 0.0


@dataclass(slots=True)
class Incident:
    """One incident, and how many events joined it."""

    dedup_key: str
    severity: str
    summary: str
    open: bool = True
    events: int = 1


@dataclass(slots=True)
class PagerDutyStandIn:
    """The stand-in: `app` is to be served, `incidents` is what there is."""

    incidents: list[Incident] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/v2/enqueue", self._enqueue, methods=["POST"]),
                Route("/_standin/incidents", self._listed, methods=["GET"]),
                Route("/_standin/messages", self._taken, methods=["GET"]),
                Route("/_standin/messages", self._forget, methods=["DELETE"]),
                Route("/_standin/faults", self._fail, methods=["POST"]),
            ]
        )

    async def _enqueue(self, request: Request) -> Response:
        fault = self.faults.pop(0) if self.faults else Fault()
        if fault.status is not None:
            await asyncio.sleep(fault.hang)
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            return JSONResponse({"status": "throttle exceeded"}, fault.status, headers=headers)
        raw = await request.body()
        try:
            event = json.loads(raw)
        except ValueError:
            event = None
        errors = problems(event, len(raw))
        if errors:
            invalid = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
            return JSONResponse(invalid, 400)
        self._take(event)
        await asyncio.sleep(fault.hang)
        answer = {
            "status": "success",
            "message": "Event processed",
            "dedup_key": event.get("dedup_key", ""),
        }
        return JSONResponse(answer, 202)

    def _take(self, event: dict[str, Any]) -> None:
        self.messages.append({name: value for name, value in event.items() if name != "routing_key"})
        key = event.get("dedup_key") or f"unkeyed-{len(self.messages)}"
        open_one = next((one for one in self.incidents if one.dedup_key == key and one.open), None)
        match event["event_action"]:
            case "trigger" if open_one:
                open_one.events += 1
            case "trigger":
                said = event["payload"]
                self.incidents.append(Incident(key, said["severity"], said["summary"]))
            case "resolve" if open_one:
                open_one.open = False

    async def _listed(self, _request: Request) -> Response:
        fields = ("dedup_key", "open", "severity", "summary", "events")
        return JSONResponse(
            {"incidents": [{name: getattr(one, name) for name in fields} for one in self.incidents]}
        )

    async def _taken(self, _request: Request) -> Response:
        return JSONResponse({"messages": self.messages})

    async def _forget(self, _request: Request) -> Response:
        self.messages.clear()
        self.incidents.clear()
        self.faults.clear()
        return Response(status_code=204)

    async def _fail(self, request: Request) -> Response:
        try:
            fault = Fault(**await request.json())
        except (TypeError, ValueError) as error:
            return JSONResponse({"errors": [f"not a fault: {error}"]}, 422)
        self.faults += [fault] * fault.times
        return Response(status_code=204)


def problems(event: Any, size: int) -> list[str]:
    """Return what PagerDuty would say against an event; nothing where it would take it."""
    if not isinstance(event, dict) or size > _SIZE:
        return ["event is not an object, or too large"]
    said = []
    key = event.get("routing_key")
    if not isinstance(key, str) or not _KEY_FORM.fullmatch(key):
        said.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    elif key != ROUTING_KEY:
        said.append("'routing_key' is unknown")
    if event.get("event_action") not in _ACTIONS:
        said.append("'event_action' is missing or invalid")
    dedup = event.get("dedup_key", "")
    if not isinstance(dedup, str) or len(dedup) > _KEY:
        said.append("'dedup_key' is too long")
    if event.get("event_action") == "trigger":
        said += _payload_problems(event.get("payload"))
    elif not dedup:
        said.append("'dedup_key' is missing or blank")
    return said


def _payload_problems(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing"]
    said = [
        f"'payload.{name}' is missing or blank"
        for name in ("summary", "source", "severity")
        if not isinstance(payload.get(name), str) or not payload[name].strip()
    ]
    if len(str(payload.get("summary", ""))) > _SUMMARY:
        said.append("'payload.summary' is too long (maximum is 1024 characters)")
    if payload.get("severity") not in _SEVERITIES:
        said.append("'payload.severity' is invalid (must be one of 'critical', 'warning', 'error', 'info')")
    try:
        datetime.fromisoformat(payload.get("timestamp", "2000-01-01T00:00:00+00:00"))
    except (TypeError, ValueError):
        said.append("'payload.timestamp' is no ISO 8601 time")
    return said
