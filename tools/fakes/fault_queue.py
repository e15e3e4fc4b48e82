"""FaultQueue on request, shared by the fake CRMs: a queue of faults, each for the next requests to a path."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault of the next `times` requests whose path contains `path`; the first `after` of them succeed.

    * `status`, with `code`, `retry_after` and, at HubSpot, `policy`: the request is refused and changes nothing;
    * `record_code`: the request succeeds, and every record in it is refused with this code (and `record_message`);
    * `body`: with `status`, the answer is this page, as an edge before the provider sends it;
    * `hang`: the request is processed and answered after that many seconds, even if the client has given up;
    * `silent`: the answer is a success without any record, and nothing is changed;
    * `apply_then_drop`: the request is processed, and the connection breaks in the middle of the answer.
    """

    status: int | None = None
    times: int = 1
    after: int = 0
    path: str = ""
    code: str | None = None
    policy: str | None = None
    retry_after: float | None = None
    record_code: str | None = None
    record_message: str = ""
    body: str | None = None
    hang: float = 0.0
    silent: bool = False
    apply_then_drop: bool = False

    def headers(self) -> dict[str, str]:
        """Return the Retry-After header of a refusal, if the fault has one."""
        return {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}


@dataclass(slots=True)
class FaultQueue:
    """The pending faults, in order."""

    waiting: list[Fault] = field(default_factory=list)

    def append(self, fault: Fault) -> None:
        """Append a fault to the queue."""
        self.waiting.append(fault)

    def next(self, path: str) -> Fault:
        """Return the fault of a request to this path; a `Fault()` without any effect if there is none."""
        for fault in self.waiting:
            if fault.path in path and fault.after > 0:
                fault.after -= 1
            elif fault.path in path:
                fault.times -= 1
                if fault.times <= 0:
                    self.waiting.remove(fault)
                return fault
        return Fault()

    async def add(self, request: Request) -> Response:
        """Answer `POST /_standin/faults`."""
        self.append(Fault(**await json_object(request)))
        return JSONResponse({"faults": len(self.waiting)})

    async def heal(self, _: Request) -> Response:
        """Answer `POST /_standin/heal`: no fault is left."""
        self.waiting.clear()
        return JSONResponse({"faults": 0})


async def respond(
    fault: Fault, process: Callable[[], Response], refuse: Callable[[Fault], Response], silent: Response
) -> Response:
    """Return the normal answer of `process`, or what the fault requires: a late, refused, empty or truncated answer."""
    if fault.hang:
        await asyncio.sleep(fault.hang)
    if fault.status and fault.body is not None:
        return Response(fault.body, fault.status, media_type="text/html")
    if fault.status:
        return refuse(fault)
    if fault.silent:
        return silent
    answer = process()
    applied = answer.status_code < HTTPStatus.BAD_REQUEST
    return _TruncatedResponse() if fault.apply_then_drop and applied else answer


class _TruncatedResponse(Response):
    """An answer whose connection breaks before the body is complete."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send the headers, then break the connection."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999")]})
        raise ConnectionResetError


async def json_object(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body of a request; an empty one if the body is anything else."""
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
