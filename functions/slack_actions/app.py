"""slack_actions: takes a click on a button in Slack, and queues what the person wants for the notifier.

Slack shows an error after three seconds, a cold start included. So nothing heavy is imported here, and every call has
its share of the time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from relay.adapters.aws.client import AwsClient, aws_errors
from relay.adapters.aws.connection import Connections
from relay.adapters.aws.ssm import Secret
from relay.adapters.slack_response import SlackResponder
from relay.alerts.slack_requests import (
    Clicks,
    RefusedClickError,
    form_of,
    freshness_refusal,
    is_signed,
    is_ssl_check,
    read_clicks,
    secrets_in,
)
from relay.errors import PermanentError, TransientError
from relay.ingest.http_request import request_body, request_header
from relay.model.header import MessageHeader
from relay.model.incident_action import INCIDENT_ACTION_TOPIC, IncidentAction
from relay.wiring.slack_settings import SlackActionSettings

SECRET_SECONDS: Final = 0.8
QUEUE_SECONDS: Final = 1.5
"""Seconds after the begin by which the secret was read and the queue has answered. The answer to the person takes one
more at most, and the cold start what is left of Slack's three."""

TRY_AGAIN: Final = "Relay could not take this just now. Nothing has changed: please click again in a minute."
OTHER_STACK: Final = "This button belongs to another stack of Relay ({}). Nothing has changed here."


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer one request of the HTTP API (payload format 2.0): 200, 401 for what is not Slack's, 503 where nothing can be said."""
    begin = time.monotonic()
    body = request_body(event)
    form = form_of(body)
    if is_ssl_check(form):
        return _answer(200)
    try:
        settings = _settings()
        if refusal := _refusal(event, body, begin):
            return _refused(401, refusal)
        clicks = read_clicks(form, stack=settings.stack, team=settings.team, at=_sent_at(event))
    except RefusedClickError as error:
        return _refused(400 if error.reason == "unreadable" else 401, error.reason)
    except (PermanentError, TransientError) as error:
        # Without the secret no one can be told through a URL that the request brings.
        _log("click_not_verified", reason=str(error))
        return _answer(503)
    return _queue(settings, clicks, begin)


def _refusal(event: Mapping[str, Any], body: bytes, begin: float) -> str | None:
    """Return why a request is not Slack's; None where it is. A secret that was kept is read again before it refuses."""
    timestamp = request_header(event, "x-slack-request-timestamp")
    signature = request_header(event, "x-slack-signature")
    if refusal := freshness_refusal(timestamp, signature, datetime.now(UTC)):
        return refusal
    secret = _secret()
    secret.aws.ends_at = begin + SECRET_SECONDS
    was_kept = secret.is_kept
    if is_signed(secrets_in(secret.value()), timestamp, signature, body):
        return None
    if was_kept and is_signed(secrets_in(secret.renewed()), timestamp, signature, body):
        return None
    return "bad_signature"


def _sent_at(event: Mapping[str, Any]) -> datetime:
    """Return when Slack signed the request: a fresh timestamp has passed `freshness_refusal`."""
    return datetime.fromtimestamp(int(request_header(event, "x-slack-request-timestamp")), UTC)


def _queue(settings: SlackActionSettings, clicks: Clicks, begin: float) -> dict[str, Any]:
    """Queue the actions; tell the person where that fails, or where another stack was meant."""
    responder = _responder()
    try:
        for action in clicks.actions:
            _send(settings, action, begin)
            _log("click_queued", event_id=action.id, verb=action.verb)
    except (PermanentError, TransientError) as error:
        told = responder.answer(clicks.response_url, TRY_AGAIN)
        _log("click_not_queued", reason=str(error), told=told)
        # Where no words reach the person, Slack's own warning has to do.
        return _answer(200 if told else 503)
    if clicks.other_stacks:
        _log(
            "click_for_other_stack",
            told=responder.answer(clicks.response_url, OTHER_STACK.format(clicks.other_stacks[0])),
        )
    return _answer(200)


def _send(settings: SlackActionSettings, action: IncidentAction, begin: float) -> None:
    header = MessageHeader(event_id=action.id, received_at=datetime.now(UTC), topic=INCIDENT_ACTION_TOPIC)
    message = {
        "QueueUrl": settings.alerts_url,
        "MessageBody": action.as_json(),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in header.attributes.items()
        },
    }
    aws = _aws()
    aws.ends_at = begin + QUEUE_SECONDS
    # A second copy of a message does no harm: its id is the same.
    with aws_errors("queue alerts"):
        aws.call("sqs", "SendMessage", message)


@cache
def _settings() -> SlackActionSettings:
    return SlackActionSettings.from_env()


@cache
def _aws() -> AwsClient:
    return AwsClient(max_tries=2, try_seconds=0.7, connections=Connections(connect_seconds=0.5))


@cache
def _secret() -> Secret:
    return Secret(_settings().signing_secret, _aws())


@cache
def _responder() -> SlackResponder:
    return SlackResponder(_settings().slack_url)


def _refused(status: int, reason: str) -> dict[str, Any]:
    _log("click_refused", reason=reason)
    return _answer(status, {"error": reason})


def _answer(status: int, content: Mapping[str, str] | None = None) -> dict[str, Any]:
    # Slack takes any text of a 200 for a message.
    body = json.dumps(content) if content else ""
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": body}


def _log(outcome: str, **fields: object) -> None:
    """Log one line; CloudWatch Logs Insights counts them by outcome and reason. Never a name, a URL or a value of a body."""
    line = {"level": "INFO", "message": outcome, "service": "slack_actions", **fields}
    print(json.dumps(line))  # noqa: T201 - standard output is the log
