"""Sends notifications to PagerDuty, through its Events API v2: one key opens, escalates and resolves an incident.

PagerDuty adds a second trigger to the open incident, so a repeat does no harm: an event without a reply is
sent again, unmarked (https://developer.pagerduty.com/docs/events-api-v2-overview).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from relay.adapters.aws.ssm import Secret
from relay.adapters.http import http_client, http_errors, retry_after
from relay.alerts.render import pagerduty_event
from relay.errors import MisconfiguredError, NoReplyError, PermanentError, TransientError
from relay.ports.alerts import Notification

if TYPE_CHECKING:
    import httpx

_ACCEPTED: Final = 202
_INVALID: Final = 400
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_KEY: Final = re.compile(r"[A-Za-z0-9]{32}")
_PATH: Final = "/v2/enqueue"


@dataclass(frozen=True, slots=True)
class PagerDutyChannel:
    """The PagerDuty service of a routing key, which is the secret's value."""

    url: str
    secret: Secret
    shop: str
    client: httpx.Client = field(default_factory=http_client)
    name: str = "pagerduty"

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
        key = self.secret.value()
        # PagerDuty answers a wrong key as it answers an invalid event; the form of the key can be checked here.
        if not _KEY.fullmatch(key):
            self.secret.forget()
            raise MisconfiguredError("pagerduty: not a routing key", setting=self.secret.name)
        try:
            with http_errors(self.name, "PAGERDUTY_URL"):
                reply = self.client.post(self.url.rstrip("/") + _PATH, json={"routing_key": key, **event})
        except NoReplyError as error:
            raise TransientError(str(error)) from error
        self._raise_for_status(reply)

    def _raise_for_status(self, reply: httpx.Response) -> None:
        status = reply.status_code
        if status == _ACCEPTED:
            return
        if status == _TOO_MANY or status >= _SERVER_ERROR:
            raise TransientError(f"pagerduty: {status}", retry_after=retry_after(reply))
        if status == _INVALID:
            raise PermanentError("pagerduty_invalid_event")
        self.secret.forget()
        raise MisconfiguredError(f"pagerduty: {status}", setting="PAGERDUTY_URL")
