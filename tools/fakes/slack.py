"""A fake Slack on localhost: it validates a message as Slack does, keeps it, and fails on request.

It has one incoming webhook (`HOOK`), the two methods of the Web API that a bot needs for threads (`slack_api.py`), and
clicks on buttons (`slack_clicks.py`). The webhook answers as Slack does: 200 `ok`, else plain text with a status. Tests and tools
control the fake itself below `/_standin`:

* `GET /_standin/messages`: `{"messages": [{"path", "at", "payload"}, …]}`, the accepted messages, oldest first;
* `DELETE /_standin/messages`: delete them, and the pending faults;
* `POST /_standin/faults {"status", "times", "retry_after", "hang", "body"}`: a fault of the next `times`
  messages (default 1). With a status they are refused. With `hang` alone they are accepted, and the answer
  comes that many seconds late: a client that gives up earlier cannot know. With `body` and no status the Web
  API answers 200 with `body` as its error code.
* `POST /_standin/fault_rates {"seed", "fails", "hangs", "most", "seconds"}`: random faults
  (`fault_rates.py`). A request that hangs is not accepted: it never arrived.
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

from fakes import fault_rates, slack_api, slack_clicks
from fakes.block_kit import validation_error
from fakes.fault_rates import FaultRates
from fakes.slack_api import SlackFault, SlackWorkspace
from fakes.slack_clicks import ClickedApp

HOOK: Final = "/services/T0RELAY/B0RELAY/stand-in"
"""The path of the one incoming webhook."""

_ERROR_TEXTS: Final = {
    403: "invalid_token",
    404: "no_service",
    410: "channel_is_archived",
    500: "rollup_error",
}


@dataclass(slots=True)
class FakeSlack(SlackWorkspace):
    """The fake server: `app` is its application, `messages` the accepted messages."""

    fault_rates: FaultRates = field(default_factory=FaultRates)
    clicked_app: ClickedApp = field(default_factory=ClickedApp)

    @property
    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/services/{team}/{bot}/{token}", self._hook, methods=["POST"]),
                *slack_api.routes(self),
                *slack_clicks.routes(self.clicked_app, self.messages),
                Route("/_standin/messages", self._list_messages, methods=["GET"]),
                Route("/_standin/messages", self._delete_messages, methods=["DELETE"]),
                Route("/_standin/faults", self._add_fault, methods=["POST"]),
                fault_rates.route(
                    lambda: self.fault_rates, lambda given: setattr(self, "fault_rates", given)
                ),
            ]
        )

    async def _hook(self, request: Request) -> Response:
        if request.url.path != HOOK:
            return PlainTextResponse("no_service", 404)
        fault = self.faults.pop(0) if self.faults else SlackFault()
        match self.fault_rates.draw():
            case "fails":
                fault = SlackFault(status=503)
            case "hangs":
                fault = SlackFault(status=504, hang=self.fault_rates.seconds)
        if fault.status is not None:
            await asyncio.sleep(fault.hang)
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            text = fault.body if fault.body is not None else _ERROR_TEXTS.get(fault.status, "")
            return PlainTextResponse(text, fault.status, headers=headers)
        payload, refusal = await _payload(request)
        if refusal:
            return PlainTextResponse(refusal, 400)
        self.messages.append(
            {"path": request.url.path, "at": datetime.now(UTC).isoformat(), "payload": payload}
        )
        await asyncio.sleep(fault.hang)
        return PlainTextResponse("ok")

    async def _list_messages(self, _request: Request) -> Response:
        return JSONResponse({"messages": self.messages})

    async def _delete_messages(self, _request: Request) -> Response:
        self.messages.clear()
        self.faults.clear()
        return Response(status_code=204)

    async def _add_fault(self, request: Request) -> Response:
        try:
            fault = SlackFault(**await request.json())
        except (TypeError, ValueError) as error:
            return PlainTextResponse(f"invalid fault: {error}", 422)
        self.faults += [fault] * fault.times
        return Response(status_code=204)


async def _payload(request: Request) -> tuple[Any, str | None]:
    """Return the message and the error code of its refusal, None if it is accepted."""
    try:
        payload = json.loads(await request.body())
    except ValueError:
        return None, "invalid_payload"
    return payload, validation_error(payload)
