"""Slack, through an incoming webhook: one channel, and a message is neither threaded nor changed later.

Slack knows no idempotency key. So a message that may have arrived is never repeated here: the occasion
remembers, and repeats it once, marked. Answers are plain text with a status (https://docs.slack.dev/
messaging/sending-messages-using-incoming-webhooks).
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from relay.adapters.secrets import Secret
from relay.errors import MisconfiguredError, PermanentError, TransientError, UnansweredError
from relay.messages import slack
from relay.ports import Announcement

if TYPE_CHECKING:
    import httpx

_TOO_MANY: Final = 429
_NEVER: Final = frozenset({400, 413, 422})
_SERVER_ERROR: Final = 500
_CODE: Final = re.compile(r"[a-z_]{1,40}")


@cache
def http_client() -> httpx.Client:
    """Return the one client of this environment: connect 2 s, read 8 s, no redirects.

    Connections are not kept: one that the server closes while the environment is frozen looks just like
    an answer that got lost, and costs a message marked as a repeat.
    """
    import httpx

    for chatty in ("httpx", "httpcore"):  # they log each request with its URL, which is the secret
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return httpx.Client(
        timeout=httpx.Timeout(8.0, connect=2.0),
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=False,
        headers={"User-Agent": "relay"},
    )


@dataclass(frozen=True, slots=True)
class SlackChannel:
    """The channel behind a webhook URL, which is the secret's value."""

    secret: Secret
    client: httpx.Client = field(default_factory=http_client)
    name: str = "slack"

    def announce(self, announcement: Announcement) -> None:
        """Post it.

        Raises:
            UnansweredError: it may have arrived.
            TransientError: not now.
            MisconfiguredError: the secret holds no URL of a channel that takes our messages.
            PermanentError: `slack_…`, never in this form.

        """
        import httpx

        payload = slack(announcement)
        try:
            reply = self.client.post(self._url(), json=payload)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise TransientError(f"slack: {type(error).__name__}") from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            # Their texts quote the URL, which is the secret.
            raise self._misconfigured("not a URL") from None
        except httpx.TransportError as error:
            raise UnansweredError(f"slack: {type(error).__name__}") from error
        self._judge(reply)

    def _url(self) -> str:
        url = self.secret.value()
        if not url.startswith(("https://", "http://")):
            raise self._misconfigured("not a URL")
        return url

    def _judge(self, reply: httpx.Response) -> None:
        if reply.is_success and reply.text.strip() == "ok":
            return
        status, code = reply.status_code, _code(reply)
        if status == _TOO_MANY:
            raise TransientError("slack: 429", retry_after=_seconds(reply.headers.get("Retry-After")))
        # A server error is an answer: it was not posted. Were it taken for "perhaps", an outage of an hour
        # would use up the one repeat.
        if status >= _SERVER_ERROR:
            raise TransientError(f"slack: {status}")
        if status in _NEVER:
            raise PermanentError(f"slack_{code}")
        raise self._misconfigured(f"{status} {code}")

    def _misconfigured(self, what: str) -> MisconfiguredError:
        """Read the URL anew next time: somebody may have mended it by then."""
        self.secret.forget()
        return MisconfiguredError(f"slack: {what}", setting=self.secret.name)


def _code(reply: httpx.Response) -> str:
    """Return Slack's word for it, never another text: a proxy's page could quote the message."""
    text = reply.text.strip()
    return text if _CODE.fullmatch(text) else "unexpected_answer"


def _seconds(header: str | None) -> float | None:
    """Read a Retry-After in seconds; one that makes no sense says nothing."""
    return float(header) if header and header.isascii() and header.isdigit() else None
