"""Whose fault the answers of Slack and PagerDuty are, by their codes (`adapters/fault_table.py`).

`member` is this message here, `definition` the earlier thread or its channel: what is wrong with those alone is no fault
of the settings, and the message is posted anew to the channel that is set. A code that is in no table is "not now":
no alarm blames credentials that may be right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from relay.adapters.fault_table import Fault, FaultTable

SLACK_SECRET: Final = "SlackSecret"  # noqa: S105 - the name of a parameter # nosec B105
SLACK_CHANNEL: Final = "SlackChannel"
SLACK_URL: Final = "SlackUrl"
PAGERDUTY_SECRET: Final = "PagerDutySecret"  # noqa: S105 - the name of a parameter # nosec B105
PAGERDUTY_URL: Final = "PagerDutyUrl"

_POST: Final = "https://docs.slack.dev/reference/methods/chat.postMessage"
_UPDATE: Final = "https://docs.slack.dev/reference/methods/chat.update"
_HOOKS: Final = "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"

_LATER: Final = (
    "accesslimited",
    # Administrators have suspended posting; a workspace moves to an organisation: neither says that a token is wrong.
    "ekm_access_denied",
    "external_channel_migrating",
    "fatal_error",
    "internal_error",
    "message_limit_exceeded",
    "org_login_required",
    "rate_limited",
    "ratelimited",
    "request_timeout",
    "rollup_error",
    "service_unavailable",
    "team_added_to_org",
)
_CREDENTIALS: Final = (
    "access_denied",
    "account_inactive",
    "enterprise_is_restricted",
    "invalid_auth",
    "missing_scope",
    "not_allowed_token_type",
    "not_authed",
    "team_access_not_granted",
    "token_expired",
    "token_revoked",
    "two_factor_setup_required",
)
_CHANNEL: Final = (
    "channel_is_limited_access",
    "channel_not_found",
    "is_archived",
    "is_inactive",
    "messages_tab_disabled",
    # Slack's words: "make sure your app is a member of the conversation".
    "no_permission",
    "not_in_channel",
    "restricted_action",
    "restricted_action_non_threadable_channel",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
)
_MESSAGE: Final = (
    "invalid_arguments",
    "invalid_array_arg",
    "invalid_attachments",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_json",
    "invalid_payload",
    "markdown_text_conflict",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "too_many_attachments",
)
_THREAD: Final = (
    "block_mismatch",
    "cannot_reply_to_message",
    "cant_broadcast_message",
    "cant_update_message",
    "edit_window_closed",
    "message_not_found",
    "restricted_action_thread_locked",
    "streaming_state_conflict",
    "team_not_found",
    "thread_not_found",
    "update_failed",
)

SLACK: Final[FaultTable] = {
    **dict.fromkeys(_LATER, Fault("later", _POST)),
    **dict.fromkeys(_CREDENTIALS, Fault("setting", _POST, SLACK_SECRET)),
    **dict.fromkeys(_CHANNEL, Fault("setting", _POST, SLACK_CHANNEL)),
    **dict.fromkeys(_MESSAGE, Fault("member", _POST)),
    **dict.fromkeys(_THREAD, Fault("definition", _UPDATE)),
    "method_deprecated": Fault("setting", _POST, SLACK_URL),
    "deprecated_endpoint": Fault("setting", _POST, SLACK_URL),
    "unknown_method": Fault("setting", _POST, SLACK_URL),
}
"""By the error codes of Slack's API."""

_HOOK: Final = (
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "invalid_token",
    "no_active_hooks",
    "no_service",
    "no_service_id",
    "no_team",
    "posting_to_general_channel_denied",
    "team_disabled",
    "user_not_found",
)

SLACK_HOOK: Final[FaultTable] = {
    # A webhook's URL holds its channel, so that another URL mends it. Slack answers it in plain words.
    **{
        code: replace(fault, setting=SLACK_SECRET) if fault.setting == SLACK_CHANNEL else fault
        for code, fault in SLACK.items()
    },
    **dict.fromkeys(_HOOK, Fault("setting", _HOOKS, SLACK_SECRET)),
    "http_301": Fault("setting", _HOOKS, SLACK_SECRET),
    "http_302": Fault("setting", _HOOKS, SLACK_SECRET),
    "http_307": Fault("setting", _HOOKS, SLACK_SECRET),
    "http_308": Fault("setting", _HOOKS, SLACK_SECRET),
    "http_413": Fault("member", _HOOKS),
}
"""By the plain words with which an incoming webhook answers."""

_EVENTS: Final = "https://developer.pagerduty.com/docs/events-api-v2-overview#response-codes--retry-logic"

PAGERDUTY: Final[FaultTable] = {
    "invalid_routing_key": Fault(
        "setting", "https://github.com/robusta-dev/robusta/issues/571", PAGERDUTY_SECRET
    ),
    "http_401": Fault("setting", _EVENTS, PAGERDUTY_SECRET),
    "http_403": Fault("setting", _EVENTS, PAGERDUTY_SECRET),
    # A 403 in place of a 429, by its body.
    "throttle_exceeded": Fault("later", "https://github.com/dropbox/pygerduty/pull/25"),
    "invalid_event": Fault("member", _EVENTS),
    "http_413": Fault("member", _EVENTS),
    "http_301": Fault("setting", _EVENTS, PAGERDUTY_URL),
    "http_302": Fault("setting", _EVENTS, PAGERDUTY_URL),
    "http_404": Fault("setting", _EVENTS, PAGERDUTY_URL),
    "http_405": Fault("setting", _EVENTS, PAGERDUTY_URL),
    "http_410": Fault("setting", _EVENTS, PAGERDUTY_URL),
    "http_429": Fault("later", _EVENTS),
    "edge": Fault("later", _EVENTS),
}
"""By what an answer of the Events API says, else by its status."""
