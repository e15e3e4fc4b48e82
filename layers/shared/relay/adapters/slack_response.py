"""Answers a person in Slack through the `response_url` of a click: a message that only this person sees.

The URL comes with a request, so it is called only where it is Slack's own, or where SLACK_URL says that Slack's API is.
Standard library only: `slack_actions` imports it at every cold start.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

from relay.adapters.aws.connection import Connections, ExchangeError

SECONDS: Final = 1.0
"""The longest that an answer takes: Slack waits three seconds for ours, all in all."""

_SLACK_HOSTS: Final = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
_OK: Final = 200


@dataclass(slots=True)
class SlackResponder:
    """Posts answers. `api` is SLACK_URL: a fake on this machine takes them in the clear."""

    api: str = ""
    seconds: float = SECONDS
    connections: Connections = field(default_factory=lambda: Connections(connect_seconds=SECONDS))

    def answer(self, response_url: str, text: str) -> bool:
        """Post a text that only the person sees; return whether Slack took it. Never raises."""
        address = self._address(response_url)
        if address is None:
            return False
        path = (address.path or "/") + (f"?{address.query}" if address.query else "")
        content = json.dumps({"response_type": "ephemeral", "replace_original": False, "text": text}).encode()
        headers = {"content-type": "application/json; charset=utf-8", "connection": "close"}
        try:
            reply = self.connections.exchange(
                address, path, headers, content, time.monotonic() + self.seconds
            )
        except ExchangeError:
            return False
        return reply.status == _OK

    def _address(self, response_url: str) -> SplitResult | None:
        """Return the URL in its parts where it may be called: over TLS to Slack's host, without a port or a user."""
        try:
            address, api = urlsplit(response_url), urlsplit(self.api)
        except ValueError:
            return None
        if not response_url.isascii() or any(char.isspace() for char in response_url):
            return None
        is_slacks = address.scheme == "https" and address.netloc in _SLACK_HOSTS
        is_configured = bool(api.netloc) and (address.scheme, address.netloc) == (api.scheme, api.netloc)
        return address if is_slacks or is_configured else None
