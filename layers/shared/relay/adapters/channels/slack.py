"""Sends notifications to Slack. A bot keeps one thread per incident and updates its first message; a webhook only posts.

The secret is one or the other: the URL of an incoming webhook (`https://…`), or a bot's token (`xoxb-…`,
scope `chat:write`), which posts to the channel in SLACK_CHANNEL. Slack has no idempotency key. So a message that
may have arrived is never repeated here: the incident records it, and the notifier repeats it once, marked.
A webhook answers in plain text with a status, the API with 200 and `ok` (https://docs.slack.dev/messaging/
sending-messages-using-incoming-webhooks, https://docs.slack.dev/reference/methods/chat.postMessage).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from relay.adapters.aws.ssm import Secret
from relay.adapters.channels.faults import SLACK, SLACK_CHANNEL, SLACK_HOOK, SLACK_SECRET, SLACK_URL
from relay.adapters.fault_table import UNKNOWN, Fault, fault_of
from relay.adapters.http import http_client, http_errors, retry_after
from relay.alerts.render import slack_first_message, slack_message
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.ports.alerts import Notification

if TYPE_CHECKING:
    import httpx

_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_CODE: Final = re.compile(r"[a-z_]{1,40}")
_BOT: Final = "xoxb-"
_UNEXPECTED: Final = "unexpected_answer"
_FEWEST_BLOCKS: Final = 2
"""The heading and the last one, the buttons or the context; the others go, the last first."""

_MOST_BYTES: Final = 13_000
"""Slack refuses blocks above some 13,200 characters of JSON in all, which it does not document
(https://github.com/slackapi/bolt-js/issues/2509)."""


class _GoneError(Exception):
    """The earlier thread, or its channel, cannot be used: the notification is posted by itself to the channel that is set."""


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
            with http_errors(self.name, SLACK_SECRET):
                reply = self.client.post(value, json=within_limit(slack_message(notification)))
        except MisconfiguredError:
            self.secret.forget()
            raise
        self._raise_for_reply(reply)
        return None

    def _post_in_thread(self, notification: Notification, token: str) -> str | None:
        """Update the first message, then post a reply below it; or begin a thread.

        In this order: changing a message twice does no harm, posting one twice does.
        """
        payload = within_limit(slack_message(notification, self.stack))
        channel, _, ts = (notification.thread_ref or "").partition("/")
        if ts:
            try:
                if first := slack_first_message(notification, self.stack):
                    first = within_limit(first)
                    self._call(token, "chat.update", {**first, "channel": channel, "ts": ts}, in_thread=True)
                # An escalation is for the whole channel, not only for the followers of the thread.
                broadcast = notification.kind == "escalated"
                reply = {**payload, "channel": channel, "thread_ts": ts, "reply_broadcast": broadcast}
                self._call(token, "chat.postMessage", reply, in_thread=True)
            except _GoneError:
                pass
            else:
                return f"{channel}/{ts}"
        if not self.channel:
            raise MisconfiguredError("slack: no channel", setting=SLACK_CHANNEL)
        posted = self._call(token, "chat.postMessage", {**payload, "channel": self.channel})
        # Without its `ts` a message that was posted begins no thread; to post it again would be a repeat.
        return f"{posted.get('channel') or self.channel}/{ts}" if (ts := _text(posted.get("ts"))) else None

    def _call(
        self, token: str, method: str, body: dict[str, Any], *, in_thread: bool = False
    ) -> dict[str, Any]:
        with http_errors(self.name, SLACK_URL):
            reply = self.client.post(
                f"{self.api}/{method}", json=body, headers={"Authorization": f"Bearer {token}"}
            )
        if reply.status_code == _TOO_MANY:
            raise TransientError("slack: 429", retry_after=retry_after(reply))
        if reply.status_code >= _SERVER_ERROR:
            raise TransientError(f"slack: {reply.status_code}")
        answer = _json(reply)
        if answer.get("ok") is True:
            return answer
        code = _code(str(answer.get("error", "")))
        fault = fault_of(SLACK, [code])
        about_thread = fault.blames == "definition" or fault.setting == SLACK_CHANNEL
        if in_thread and (about_thread or (fault is UNKNOWN and code != _UNEXPECTED)):
            raise _GoneError(code)
        raise self._error(fault, code, reply)

    def _raise_for_reply(self, reply: httpx.Response) -> None:
        """Raise what the answer of an incoming webhook means: plain words with a status."""
        if reply.is_success and reply.text.strip() == "ok":
            return
        status, code = reply.status_code, _code(reply.text.strip())
        if status == _TOO_MANY:
            raise TransientError("slack: 429", retry_after=retry_after(reply))
        # After a server error the message was not posted. Treated as unconfirmed, an outage of an hour would use up
        # the one repeat.
        if status >= _SERVER_ERROR:
            raise TransientError(f"slack: {status}")
        raise self._error(fault_of(SLACK_HOOK, [code, f"http_{status}"]), code, reply)

    def _error(self, fault: Fault, code: str, reply: httpx.Response) -> Exception:
        """Return what a refusal means; where it blames the secret, forget it: the next send reads what was corrected."""
        match fault.blames:
            case "setting":
                if fault.setting == SLACK_SECRET:
                    self.secret.forget()
                return MisconfiguredError(f"slack: {code}", setting=fault.setting)
            case "member":
                return PermanentError(f"slack_{code}")
            case _:
                return TransientError(f"slack: {code}", retry_after=retry_after(reply))

    def _misconfigured(self, what: str) -> MisconfiguredError:
        self.secret.forget()
        return MisconfiguredError(f"slack: {what}", setting=SLACK_SECRET)


def within_limit(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message with as many of its blocks as Slack takes, counted as JSON; the last one stays."""
    blocks = list(payload["blocks"])
    while len(blocks) > _FEWEST_BLOCKS and _size(blocks) > _MOST_BYTES:
        del blocks[-_FEWEST_BLOCKS]
    return {**payload, "blocks": blocks}


def _size(blocks: Sequence[Mapping[str, Any]]) -> int:
    """Return the bytes of the blocks in the longer of JSON's two spellings: quotes and backslashes count twice."""
    return len(json.dumps(blocks).encode())


def _code(text: str) -> str:
    """Return Slack's error code, never another text: a proxy's page could quote the message."""
    return text if _CODE.fullmatch(text) else _UNEXPECTED


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        answer = reply.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
