"""Sends notifications to PagerDuty, through its Events API v2: one key opens, escalates and resolves an incident.

PagerDuty adds a second trigger to the open incident, so a repeat does no harm: an event without a reply is
sent again, unmarked (https://developer.pagerduty.com/docs/events-api-v2-overview).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from relay.adapters.aws.ssm import Secret
from relay.adapters.channels.faults import PAGERDUTY, PAGERDUTY_SECRET, PAGERDUTY_URL
from relay.adapters.fault_table import fault_of
from relay.adapters.http import http_client, http_errors, read_object, retry_after
from relay.alerts.render import pagerduty_event
from relay.alerts.render.content import content_of
from relay.errors import MisconfiguredError, NoReplyError, PermanentError, TransientError
from relay.ports.alerts import Notification

if TYPE_CHECKING:
    import httpx

_ACCEPTED: Final = 202
_INVALID: Final = 400
_FORBIDDEN: Final = 403
_SERVER_ERROR: Final = 500
_WITH_ANY_BODY: Final = frozenset({401, 410, 413, 429})
"""Statuses that mean the same whatever the body is."""

_ABOUT_THE_KEY: Final = re.compile(r"(routing|service|integration)[ _-]?key", re.IGNORECASE)
_KEY: Final = re.compile(r"[A-Za-z0-9]{32}")
_PATH: Final = "/v2/enqueue"


@dataclass(frozen=True, slots=True)
class PagerDutyChannel:
    """The PagerDuty service of a routing key, which is the secret's value. `runbook` is the address of what to do."""

    url: str
    secret: Secret
    shop: str
    client: httpx.Client = field(default_factory=http_client)
    name: str = "pagerduty"
    runbook: str = ""

    def send(self, notification: Notification) -> None:
        """Send a notification.

        Raises:
            TransientError: not now, or it is unknown whether it arrived.
            MisconfiguredError: the secret holds no routing key, or the URL is not that of the API.
            PermanentError: `pagerduty_invalid_event`, never in this form.

        """
        event = pagerduty_event(notification, self.shop)
        if event is None:
            return
        if event["event_action"] == "trigger":
            event |= self._links(notification)
        key = self.secret.value()
        # A key of another form is told without a call.
        if not _KEY.fullmatch(key):
            self.secret.forget()
            raise MisconfiguredError("pagerduty: not a routing key", setting=PAGERDUTY_SECRET)
        try:
            with http_errors(self.name, PAGERDUTY_URL):
                reply = self.client.post(self.url.rstrip("/") + _PATH, json={"routing_key": key, **event})
        except NoReplyError as error:
            raise TransientError(str(error)) from error
        self._raise_for_status(reply)

    def _raise_for_status(self, reply: httpx.Response) -> None:
        status = reply.status_code
        if status == _ACCEPTED:
            return
        if status >= _SERVER_ERROR:
            raise TransientError(f"pagerduty: {status}", retry_after=retry_after(reply))
        fault = fault_of(PAGERDUTY, [_code(reply)])
        match fault.blames:
            case "member":
                raise PermanentError("pagerduty_invalid_event")
            case "setting":
                self.secret.forget()
                raise MisconfiguredError(f"pagerduty: {_code(reply)}", setting=fault.setting)
            case _:
                raise TransientError(f"pagerduty: {status}", retry_after=retry_after(reply))

    def _links(self, notification: Notification) -> dict[str, Any]:
        """Return what leads from an incident to the member or shop in Shopify, and to what to do."""
        store = f"https://admin.shopify.com/store/{self.shop.partition('.')[0]}"
        member = content_of(notification).link
        links = [{"href": member or store, "text": "Open in Shopify"}]
        links += [{"href": self.runbook, "text": "Runbook"}] if self.runbook else []
        return {"client_url": store, "links": links}


def _code(reply: httpx.Response) -> str:
    """Return what an answer says, as `PAGERDUTY` has it; an answer without PagerDuty's own body is an edge's."""
    body, status = read_object(reply), reply.status_code
    if not {"status", "message", "errors", "error"} & body.keys():
        known = reply.is_redirect or status in _WITH_ANY_BODY
        return f"http_{status}" if known else "edge"
    if status == _FORBIDDEN and "throttle" in str(body.get("status", "")).lower():
        return "throttle_exceeded"
    if status != _INVALID:
        return f"http_{status}"
    # The text is looked at and never repeated: it may quote the event.
    texts = [body.get("message"), body.get("error"), body.get("errors")]
    return "invalid_routing_key" if _ABOUT_THE_KEY.search(str(texts)) else "invalid_event"
