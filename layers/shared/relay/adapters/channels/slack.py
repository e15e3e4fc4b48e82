"""Sends notifications to Slack. A bot keeps one thread per incident and updates its first message; a webhook only posts.

The secret is one or the other: the URL of an incoming webhook (`https://…`), or a bot's token (`xoxb-…`,
scope `chat:write`), which posts to the channel in SLACK_CHANNEL. Slack has no idempotency key. So a message that
may have arrived is never repeated here: the incident records it, and the notifier repeats it once, marked.
A webhook answers in plain text with a status, the API with 200 and `ok` (https://docs.slack.dev/messaging/
sending-messages-using-incoming-webhooks, https://docs.slack.dev/reference/methods/chat.postMessage).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from relay.adapters.aws.ssm import Secret
from relay.adapters.http import http_client, http_errors, retry_after
from relay.alerts.render import slack_first_message, slack_message
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.ports.alerts import Notification

if TYPE_CHECKING:
    import httpx

_TOO_MANY: Final = 429
_INVALID_STATUS: Final = frozenset({400, 413, 422})
_SERVER_ERROR: Final = 500
_CODE: Final = re.compile(r"[a-z_]{1,40}")
_BOT: Final = "xoxb-"

_TRANSIENT: Final = frozenset(
    {
        "accesslimited",
        "fatal_error",
        "internal_error",
        "rate_limited",
        "ratelimited",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
    }
)
_WRONG_CHANNEL: Final = frozenset(
    {
        "channel_not_found",
        "is_archived",
        "not_in_channel",
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
    }
)
_INVALID_MESSAGE: Final = frozenset(
    {
        "invalid_arguments",
        "invalid_array_arg",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_json",
        "markdown_text_conflict",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "too_many_attachments",
    }
)
_GONE: Final = frozenset(
    {"cant_update_message", "edit_window_closed", "message_not_found", "thread_not_found"}
)
"""The first message was deleted, or cannot be changed any more. The notification is then posted by itself."""


class _GoneError(Exception):
    """The first message of the thread is gone."""


@dataclass(frozen=True, slots=True)
class SlackChannel:
    """The Slack channel of a webhook URL or a bot's token, whichever the secret is.

    `stack` is set where clicks on buttons are taken: a bot's messages then have buttons, which name it.
    """

    secret: Secret
    client: httpx.Client = field(default_factory=http_client)
    api: str = "https://slack.com/api"
    channel: str = ""
    stack: str = ""
    name: str = "slack"

    def send(self, notification: Notification) -> str | None:
        """Post a notification; a bot returns the reference of its thread, `{channel}/{ts}`.

        Raises:
            NoReplyError: it may have arrived.
            TransientError: not now.
            MisconfiguredError: the secret holds neither URL nor token, or there is no such channel.
            PermanentError: `slack_…`, never in this form.

        """
        value = self.secret.value()
        if value.startswith(_BOT):
            return self._post_in_thread(notification, value)
        if not value.startswith(("https://", "http://")):
            raise self._misconfigured("neither a URL nor a bot's token")
        try:
            with http_errors(self.name, self.secret.name):
                reply = self.client.post(value, json=slack_message(notification))
        except MisconfiguredError:
            self.secret.forget()
            raise
        self._raise_for_reply(reply)
        return None

    def _post_in_thread(self, notification: Notification, token: str) -> str:
        """Update the first message, then post a reply below it; or begin a thread.

        In this order: changing a message twice does no harm, posting one twice does.
        """
        payload = slack_message(notification, self.stack)
        channel, _, ts = (notification.thread_ref or "").partition("/")
        if ts:
            try:
                if first := slack_first_message(notification, self.stack):
                    self._call(token, "chat.update", {**first, "channel": channel, "ts": ts})
                # An escalation is for the whole channel, not only for the followers of the thread.
                broadcast = notification.kind == "escalated"
                reply = {**payload, "channel": channel, "thread_ts": ts, "reply_broadcast": broadcast}
                self._call(token, "chat.postMessage", reply)
            except _GoneError:
                pass
            else:
                return f"{channel}/{ts}"
        if not self.channel:
            raise MisconfiguredError("slack: no channel", setting="SLACK_CHANNEL")
        try:
            posted = self._call(token, "chat.postMessage", {**payload, "channel": self.channel})
        except _GoneError:
            raise PermanentError("slack_unexpected_answer") from None
        return f"{posted.get('channel', self.channel)}/{posted['ts']}"

    def _call(self, token: str, method: str, body: dict[str, Any]) -> dict[str, Any]:
        with http_errors(self.name, "SLACK_URL"):
            reply = self.client.post(
                f"{self.api}/{method}", json=body, headers={"Authorization": f"Bearer {token}"}
            )
        if reply.status_code == _TOO_MANY:
            raise TransientError("slack: 429", retry_after=retry_after(reply))
        if reply.status_code >= _SERVER_ERROR:
            raise TransientError(f"slack: {reply.status_code}")
        answer = _json(reply)
        if answer.get("ok") is True and isinstance(answer.get("ts"), str):
            return answer
        raise self._refusal(_code(str(answer.get("error", ""))), reply)

    def _refusal(self, code: str, reply: httpx.Response) -> Exception:
        if code in _GONE:
            return _GoneError(code)
        if code in _TRANSIENT:
            return TransientError(f"slack: {code}", retry_after=retry_after(reply))
        if code in _INVALID_MESSAGE:
            return PermanentError(f"slack_{code}")
        if code in _WRONG_CHANNEL:
            return MisconfiguredError(f"slack: {code}", setting="SLACK_CHANNEL")
        return self._misconfigured(f"{reply.status_code} {code}")

    def _raise_for_reply(self, reply: httpx.Response) -> None:
        if reply.is_success and reply.text.strip() == "ok":
            return
        status, code = reply.status_code, _code(reply.text.strip())
        if status == _TOO_MANY:
            raise TransientError("slack: 429", retry_after=retry_after(reply))
        # After a server error the message was not posted. Treated as unconfirmed, an outage of an hour would use up
        # the one repeat.
        if status >= _SERVER_ERROR:
            raise TransientError(f"slack: {status}")
        if status in _INVALID_STATUS:
            raise PermanentError(f"slack_{code}")
        raise self._misconfigured(f"{status} {code}")

    def _misconfigured(self, what: str) -> MisconfiguredError:
        """Return the error, and forget the secret: the next send reads what an operator has corrected."""
        self.secret.forget()
        return MisconfiguredError(f"slack: {what}", setting=self.secret.name)


def _code(text: str) -> str:
    """Return Slack's error code, never another text: a proxy's page could quote the message."""
    return text if _CODE.fullmatch(text) else "unexpected_answer"


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        answer = reply.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
