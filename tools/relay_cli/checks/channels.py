"""Checks of the alert channels: the confirmed e-mail subscription, Slack and PagerDuty. None of them sends a message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from relay_cli.checks.line import CheckLine, ok
from relay_cli.email_subscriptions import EmailSubscriptions, email_subscriptions
from relay_cli.platform import read_parameter
from relay_cli.stack import Stack

if TYPE_CHECKING:
    import httpx

EMAIL: Final = "e-mail"
SLACK: Final = "Slack"
PAGERDUTY: Final = "PagerDuty"

_TIMEOUT: Final = 10.0
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429
_EMPTY_REFUSED: Final = frozenset({400, 422})
_SCOPE: Final = "chat:write"


def check_email(stack: Stack) -> Iterator[CheckLine]:
    """Yield whether an address gets alerts."""
    address = stack.parameters.get("AlertEmail", "")
    yield email_line(email_subscriptions(stack, address), has_address=bool(address))


def email_line(found: EmailSubscriptions, *, has_address: bool) -> CheckLine:
    """Return the line for the subscriptions to the e-mail topic. It repeats no address."""
    confirm = "follow the link in the mail that AWS sent to it; it is valid for three days"
    if has_address and not found.address_listed:
        return CheckLine(
            EMAIL,
            "bad",
            "the address in AlertEmail is not subscribed: it unsubscribed, or its confirmation lapsed",
            "subscribe it again: `aws sns subscribe --protocol email --topic-arn` with the output EmailTopic",
        )
    if has_address and not found.address_confirmed:
        return CheckLine(EMAIL, "bad", "the address in AlertEmail is not confirmed: it gets nothing", confirm)
    if not found.confirmed:
        return CheckLine(
            EMAIL,
            "bad" if found.pending else "warning",
            "no address gets alerts and alarms by e-mail",
            confirm if found.pending else "deploy with AlertEmail: it is the channel when all others fail",
        )
    if found.pending:
        return CheckLine(
            EMAIL, "warning", f"{found.confirmed} confirmed, {found.pending} not confirmed", confirm
        )
    return ok(EMAIL, f"{found.confirmed} subscription{'s' if found.confirmed > 1 else ''} confirmed")


def check_slack(stack: Stack) -> Iterator[CheckLine]:
    """Yield whether Slack takes the token or the webhook's URL; nothing where Slack is not configured."""
    name = stack.parameters.get("SlackSecret")
    if not name:
        return
    value = read_parameter(stack, name).strip()
    import httpx

    # The operator's machine may stand behind a proxy, which Lambda does not.
    with httpx.Client(follow_redirects=False, timeout=_TIMEOUT) as client:
        if value.startswith("xoxb-"):
            yield _token_line(client, stack, value)
        elif value.startswith(("https://", "http://")):
            yield _hook_line(client, value)
        else:
            yield CheckLine(
                SLACK,
                "bad",
                "the secret holds neither a bot's token (xoxb-…) nor the URL of an incoming webhook",
                f"store one of them in {name}",
            )


def _token_line(client: httpx.Client, stack: Stack, token: str) -> CheckLine:
    import httpx

    if not stack.parameters.get("SlackChannel"):
        return CheckLine(
            SLACK, "bad", "a bot's token needs the channel it posts to", "deploy with SlackChannel"
        )
    url = f"{stack.parameters['SlackUrl']}/auth.test"
    try:
        reply = client.post(url, headers={"Authorization": f"Bearer {token}"})
        answer = reply.json() if reply.is_success else {}
    except (httpx.HTTPError, ValueError) as error:
        return _unreachable(SLACK, type(error).__name__)
    return token_line(reply.status_code, answer, reply.headers.get("x-oauth-scopes"))


def token_line(status: int, answer: Any, scopes: str | None) -> CheckLine:
    """Return the line for Slack's answer to `auth.test`; its header lists the token's scopes."""
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        return _unreachable(SLACK, f"HTTP {status}")
    if not isinstance(answer, dict) or answer.get("ok") is not True:
        return CheckLine(
            SLACK,
            "bad",
            "Slack refuses the bot's token",
            "store the token of an installed app in SlackSecret",
        )
    if scopes is not None and _SCOPE not in {scope.strip() for scope in scopes.split(",")}:
        return CheckLine(
            SLACK,
            "bad",
            f"the bot's token lacks the scope {_SCOPE}",
            "add it at Slack and install the app again",
        )
    return ok(SLACK, "Slack takes the token; `relay test-alert slack` tries the channel")


def _hook_line(client: httpx.Client, url: str) -> CheckLine:
    import httpx

    try:
        # An empty message: a webhook that exists refuses it, so no person sees anything.
        reply = client.post(url, json={})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # The error's text may hold the URL, and the URL is the secret.
        return _unreachable(SLACK, type(error).__name__)
    return hook_line(reply.status_code)


def hook_line(status: int) -> CheckLine:
    """Return the line for the status with which an incoming webhook answers an empty message."""
    if status in _EMPTY_REFUSED:
        return ok(SLACK, "the incoming webhook exists; `relay test-alert slack` tries it")
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        return _unreachable(SLACK, f"HTTP {status}")
    return CheckLine(
        SLACK,
        "bad",
        f"Slack does not know the incoming webhook, or has closed it (HTTP {status})",
        "make a new one at Slack and store its URL in SlackSecret",
    )


def check_pagerduty(stack: Stack) -> Iterator[CheckLine]:
    """Yield whether the routing key has its form; nothing where PagerDuty is not configured."""
    name = stack.parameters.get("PagerDutySecret")
    if not name:
        return
    yield pagerduty_line(read_parameter(stack, name).strip())


def pagerduty_line(key: str) -> CheckLine:
    """Return the line for a routing key. PagerDuty has no call that tries one without an event."""
    length = 32
    if len(key) == length and key.isascii() and key.isalnum():
        return ok(PAGERDUTY, "the routing key has its form; `relay test-alert pagerduty` tries it")
    return CheckLine(
        PAGERDUTY,
        "bad",
        "the secret is no routing key of 32 letters and digits",
        "store the integration key of an Events API v2 integration in PagerDutySecret",
    )


def _unreachable(name: str, reason: str) -> CheckLine:
    return CheckLine(
        name, "unknown", f"{name} does not answer ({reason})", "run the command again in a minute"
    )
