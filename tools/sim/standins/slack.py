"""Slack: checks a message as Slack does, keeps it, and fails when it is told to.

There is one incoming webhook (`HOOK`), and the two methods of the Web API that a bot needs to keep threads
(`slack_api.py`). Answers are Slack's: a webhook's 200 `ok`, else plain text with a status. What one can ask
of the stand-in itself is below `/_standin`:

* `GET /_standin/messages`: `{"messages": [{"path", "at", "payload"}, …]}`, what was taken, oldest first;
* `DELETE /_standin/messages`: forget them, and the faults;
* `POST /_standin/faults {"status", "times", "retry_after", "hang", "body"}`: what becomes of the next `times`
  messages (default 1). With a status they are not taken. With `hang` alone they are taken, and the answer
  comes that many seconds late: who waits for less cannot know whether they were. The API answers 200 with
  `body` as its error where the fault has one and no status.
* `POST /_standin/chances {"seed", "fails", "hangs", "most", "seconds"}`: what goes wrong by chance
  (`chances.py`). What hangs is not taken: the request never got through.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sim.standins import chances, slack_api
from sim.standins.block_kit import problem
from sim.standins.chances import Chances
from sim.standins.slack_workspace import Fault, Workspace

HOOK: Final = "/services/T0RELAY/B0RELAY/stand-in"
"""The one webhook that exists: post to this path."""

_MEANINGS: Final = {403: "invalid_token", 404: "no_service", 410: "channel_is_archived", 500: "rollup_error"}


@dataclass(slots=True)
class SlackStandIn(Workspace):
    """The stand-in: `app` is to be served, `messages` is what it took."""

    chances: Chances = field(default_factory=Chances)

    @property
    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/services/{team}/{bot}/{token}", self._hook, methods=["POST"]),
                *slack_api.routes(self),
                Route("/_standin/messages", self._taken, methods=["GET"]),
                Route("/_standin/messages", self._forget, methods=["DELETE"]),
                Route("/_standin/faults", self._fail, methods=["POST"]),
                chances.route(lambda: self.chances, lambda given: setattr(self, "chances", given)),
            ]
        )

    async def _hook(self, request: Request) -> Response:
        if request.url.path != HOOK:
            return PlainTextResponse("no_service", 404)
        fault = self.faults.pop(0) if self.faults else Fault()
        match self.chances.draw():
            case "fails":
                fault = Fault(status=503)
            case "hangs":
                fault = Fault(status=504, hang=self.chances.seconds)
        if fault.status is not None:
            await asyncio.sleep(fault.hang)
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            text = fault.body if fault.body is not None else _MEANINGS.get(fault.status, "")
            return PlainTextResponse(text, fault.status, headers=headers)
        payload, refusal = await _payload(request)
        if refusal:
            return PlainTextResponse(refusal, 400)
        self.messages.append(
            {"path": request.url.path, "at": datetime.now(UTC).isoformat(), "payload": payload}
        )
        await asyncio.sleep(fault.hang)
        return PlainTextResponse("ok")

    async def _taken(self, _request: Request) -> Response:
        return JSONResponse({"messages": self.messages})

    async def _forget(self, _request: Request) -> Response:
        self.messages.clear()
        self.faults.clear()
        return Response(status_code=204)

    async def _fail(self, request: Request) -> Response:
        try:
            fault = Fault(**await request.json())
        except (TypeError, ValueError) as error:
            return PlainTextResponse(f"not a fault: {error}", 422)
        self.faults += [fault] * fault.times
        return Response(status_code=204)


async def _payload(request: Request) -> tuple[Any, str | None]:
    """Return the message and why it is refused, None where it is not."""
    try:
        payload = json.loads(await request.body())
    except ValueError:
        return None, "invalid_payload"
    return payload, problem(payload)
