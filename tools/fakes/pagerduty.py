"""A fake PagerDuty Events API v2: it validates events as PagerDuty does, keeps incidents, and fails on request.

An event with the key of an open incident joins it; a resolve closes it; after that the key opens a new incident.
Tests and tools control the fake itself below `/_standin`:

* `GET /_standin/incidents`: `{"incidents": [{"dedup_key", "open", "severity", "summary", "events"}, …]}`;
* `GET /_standin/messages`: `{"messages": [event, …]}`, the accepted events, oldest first;
* `DELETE /_standin/messages`: delete them, the incidents and the faults;
* `POST /_standin/faults {"status", "times", "retry_after", "hang"}`: a fault of the next `times` events
  (default 1). With `hang` alone they are accepted, and the answer comes that many seconds late.
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
"""The routing key of the one integration."""

_ACTIONS: Final = frozenset({"trigger", "acknowledge", "resolve"})
_SEVERITIES: Final = frozenset({"critical", "error", "warning", "info"})
_SUMMARY: Final = 1_024
_KEY: Final = 255
_SIZE: Final = 512 * 1_024
_KEY_FORM: Final = re.compile(r"[A-Za-z0-9]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyFault:
    """A fault of the next `times` events: a refusal, or an answer that is `hang` seconds late."""

    status: int | None = None
    times: int = 1
    retry_after: int | None = None
    hang: float = 0.0


@dataclass(slots=True)
class PagerDutyIncident:
    """One incident; `events` counts the events that joined it."""

    dedup_key: str
    severity: str
    summary: str
    open: bool = True
    events: int = 1


@dataclass(slots=True)
class FakePagerDuty:
    """The fake server: `app` is its application, `incidents` its data, `messages` the accepted events."""

    incidents: list[PagerDutyIncident] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    faults: list[PagerDutyFault] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/v2/enqueue", self._enqueue, methods=["POST"]),
                Route("/_standin/incidents", self._list_incidents, methods=["GET"]),
                Route("/_standin/messages", self._list_messages, methods=["GET"]),
                Route("/_standin/messages", self._delete_messages, methods=["DELETE"]),
                Route("/_standin/faults", self._add_fault, methods=["POST"]),
            ]
        )

    async def _enqueue(self, request: Request) -> Response:
        fault = self.faults.pop(0) if self.faults else PagerDutyFault()
        if fault.status is not None:
            await asyncio.sleep(fault.hang)
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            return JSONResponse({"status": "throttle exceeded"}, fault.status, headers=headers)
        raw = await request.body()
        try:
            event = json.loads(raw)
        except ValueError:
            event = None
        errors = validation_errors(event, len(raw))
        if errors:
            invalid = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
            return JSONResponse(invalid, 400)
        self._apply(event)
        await asyncio.sleep(fault.hang)
        answer = {
            "status": "success",
            "message": "Event processed",
            "dedup_key": event.get("dedup_key", ""),
        }
        return JSONResponse(answer, 202)

    def _apply(self, event: dict[str, Any]) -> None:
        self.messages.append({name: value for name, value in event.items() if name != "routing_key"})
        key = event.get("dedup_key") or f"unkeyed-{len(self.messages)}"
        open_one = next((one for one in self.incidents if one.dedup_key == key and one.open), None)
        match event["event_action"]:
            case "trigger" if open_one:
                open_one.events += 1
            case "trigger":
                payload = event["payload"]
                self.incidents.append(PagerDutyIncident(key, payload["severity"], payload["summary"]))
            case "resolve" if open_one:
                open_one.open = False

    async def _list_incidents(self, _request: Request) -> Response:
        fields = ("dedup_key", "open", "severity", "summary", "events")
        return JSONResponse(
            {"incidents": [{name: getattr(one, name) for name in fields} for one in self.incidents]}
        )

    async def _list_messages(self, _request: Request) -> Response:
        return JSONResponse({"messages": self.messages})

    async def _delete_messages(self, _request: Request) -> Response:
        self.messages.clear()
        self.incidents.clear()
        self.faults.clear()
        return Response(status_code=204)

    async def _add_fault(self, request: Request) -> Response:
        try:
            fault = PagerDutyFault(**await request.json())
        except (TypeError, ValueError) as error:
            return JSONResponse({"errors": [f"invalid fault: {error}"]}, 422)
        self.faults += [fault] * fault.times
        return Response(status_code=204)


def validation_errors(event: Any, size: int) -> list[str]:
    """Return PagerDuty's error messages for an event; an empty list if PagerDuty accepts it."""
    if not isinstance(event, dict) or size > _SIZE:
        return ["event is not an object, or too large"]
    errors = []
    key = event.get("routing_key")
    if not isinstance(key, str) or not _KEY_FORM.fullmatch(key):
        errors.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    elif key != ROUTING_KEY:
        errors.append("'routing_key' is unknown")
    if event.get("event_action") not in _ACTIONS:
        errors.append("'event_action' is missing or invalid")
    dedup = event.get("dedup_key", "")
    if not isinstance(dedup, str) or len(dedup) > _KEY:
        errors.append("'dedup_key' is too long")
    if event.get("event_action") == "trigger":
        errors += _payload_errors(event.get("payload"))
    elif not dedup:
        errors.append("'dedup_key' is missing or blank")
    return errors


def _payload_errors(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing"]
    errors = [
        f"'payload.{name}' is missing or blank"
        for name in ("summary", "source", "severity")
        if not isinstance(payload.get(name), str) or not payload[name].strip()
    ]
    if len(str(payload.get("summary", ""))) > _SUMMARY:
        errors.append("'payload.summary' is too long (maximum is 1024 characters)")
    if payload.get("severity") not in _SEVERITIES:
        errors.append("'payload.severity' is invalid (must be one of 'critical', 'warning', 'error', 'info')")
    try:
        datetime.fromisoformat(payload.get("timestamp", "2000-01-01T00:00:00+00:00"))
    except (TypeError, ValueError):
        errors.append("'payload.timestamp' is no ISO 8601 time")
    return errors
