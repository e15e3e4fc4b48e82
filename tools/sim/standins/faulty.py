"""Faults on demand, shared by stand-ins: what becomes of the next requests instead of the usual."""

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
    """What becomes of the next `times` requests whose path contains `path`, the first `after` of them left alone.

    * `status`, with `code`, `retry_after` and, at HubSpot, `policy`: refused so, nothing is done;
    * `record_code`: every record of the request is refused with this word, within a success;
    * `hang`: it is done, and answered, only after that many seconds, whether or not anybody waits;
    * `silent`: a success that names nobody, nothing is done;
    * `apply_then_drop`: it is done, and the connection breaks before the answer is whole.
    """

    status: int | None = None
    times: int = 1
    after: int = 0
    path: str = ""
    code: str | None = None
    policy: str | None = None
    retry_after: float | None = None
    record_code: str | None = None
    hang: float = 0.0
    silent: bool = False
    apply_then_drop: bool = False

    def headers(self) -> dict[str, str]:
        """Return what a refusal says of when to come again."""
        return {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}


@dataclass(slots=True)
class Faults:
    """The faults that are still to come, in order."""

    waiting: list[Fault] = field(default_factory=list)

    def append(self, fault: Fault) -> None:
        """Put a fault after those that wait."""
        self.waiting.append(fault)

    def next(self, path: str) -> Fault:
        """Return the fault of a request to this path; one without any effect where there is none."""
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
        self.append(Fault(**await body_of(request)))
        return JSONResponse({"faults": len(self.waiting)})


async def struck(
    fault: Fault, usual: Callable[[], Response], refusal: Callable[[Fault], Response], silent: Response
) -> Response:
    """Return the usual answer, or what a fault makes of it: a late one, a refusal, nothing said, half an answer."""
    if fault.hang:
        await asyncio.sleep(fault.hang)
    if fault.status:
        return refusal(fault)
    if fault.silent:
        return silent
    answer = usual()
    done = answer.status_code < HTTPStatus.BAD_REQUEST
    return _Broken() if fault.apply_then_drop and done else answer


class _Broken(Response):
    """An answer that is cut off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Begin an answer and break off."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999")]})
        raise ConnectionResetError


async def body_of(request: Request) -> dict[str, Any]:
    """Return a request's JSON object; an empty one where it is none."""
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
