"""Slack's answers: sent, not now, a wrong setting, never, or unknown."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

import httpx
import pytest
from relay.adapters.aws.ssm import Secret
from relay.adapters.channels.slack import SlackChannel
from relay.adapters.http import http_client
from relay.errors import MisconfiguredError, NoReplyError, PermanentError, RelayError, TransientError
from relay.ports.alerts import Notification

from tests.support.aws.boto_manner import boto_manner
from tests.support.incident_builders import MIA, alert_message

HOOK = "https://hooks.slack.test/services/T/B/very-secret"
NOTIFICATION = Notification(alert_message=alert_message(), kind="opened", member=MIA)


@dataclass
class FakeSsm:
    """SSM with one parameter, and how often it was read."""

    value: str = HOOK
    reads: int = 0

    def get_parameter(self, **_asked: object) -> dict[str, dict[str, str]]:
        """Return the parameter."""
        self.reads += 1
        return {"Parameter": {"Value": self.value}}


def channel(answer: httpx.Response | Exception, ssm: FakeSsm | None = None) -> SlackChannel:
    def reply(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        requests.append(request)
        return answer

    requests.clear()
    client = httpx.Client(transport=httpx.MockTransport(reply))
    return SlackChannel(Secret("/relay/slack", boto_manner(ssm or FakeSsm())), client)


requests: list[httpx.Request] = []


def refusal(answer: httpx.Response | Exception, ssm: FakeSsm | None = None) -> RelayError:
    with pytest.raises(RelayError) as caught:
        channel(answer, ssm).send(NOTIFICATION)
    assert "secret" not in str(caught.value)
    assert "Mia" not in str(caught.value)
    return caught.value


def test_ok_is_sent() -> None:
    """One POST of JSON to the secret's URL."""
    channel(httpx.Response(200, text="ok")).send(NOTIFICATION)
    (request,) = requests
    assert (request.method, str(request.url)) == ("POST", HOOK)
    assert json.loads(request.content)["text"].startswith("⚠️ Warning: Payment failed")
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("header", "seconds"), [("30", 30.0), (None, None), ("soon", None), ("-1", None), ("²", None)]
)
def test_too_many(header: str | None, seconds: float | None) -> None:
    """A 429 waits as long as Slack asks, where that makes sense."""
    headers = [(b"Retry-After", header.encode())] if header else []
    error = refusal(httpx.Response(429, text="rate_limited", headers=headers))
    assert type(error) is TransientError
    assert error.retry_after == seconds


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_not_now(status: int) -> None:
    """The message was not posted: it comes again, unmarked."""
    assert type(refusal(httpx.Response(status, text="rollup_error"))) is TransientError


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")]
)
def test_no_connection_is_not_now(error: Exception) -> None:
    """Nothing was sent, so nothing can have arrived."""
    assert type(refusal(error)) is TransientError


@pytest.mark.parametrize(
    "error",
    [httpx.ReadTimeout("x"), httpx.WriteTimeout("x"), httpx.ReadError("x"), httpx.RemoteProtocolError("x")],
)
def test_a_message_without_a_reply_may_have_arrived(error: Exception) -> None:
    """The request was sent: whether it arrived is unknown."""
    assert type(refusal(error)) is NoReplyError


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (400, "invalid_payload", "slack_invalid_payload"),
        (400, "no_text", "slack_no_text"),
        (413, "", "slack_unexpected_answer"),
    ],
)
def test_a_bad_message_is_a_permanent_error(status: int, text: str, reason: str) -> None:
    """The reason is Slack's error code, and never any other text."""
    error = refusal(httpx.Response(status, text=text))
    assert isinstance(error, PermanentError)
    assert error.reason == reason


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (403, "action_prohibited"),
        (403, "invalid_token"),
        (404, "no_service"),
        (404, "channel_not_found"),
        (410, "channel_is_archived"),
        (302, ""),
    ],
)
def test_a_wrong_url_names_its_setting_and_is_read_again(status: int, text: str) -> None:
    """An operator corrects it; the next attempt reads the new value."""
    ssm = FakeSsm()
    slack = channel(httpx.Response(status, text=text), ssm)
    for reads in (1, 2):
        with pytest.raises(MisconfiguredError) as caught:
            slack.send(NOTIFICATION)
        assert caught.value.setting == "SlackSecret"
        assert ssm.reads == reads


@pytest.mark.parametrize("status", [200, 400, 403, 404])
def test_a_page_of_an_edge_is_not_slacks_answer(status: int) -> None:
    """It says nothing of the message or the URL, and its text is not repeated."""
    error = refusal(httpx.Response(status, text="<html>Mia Keller</html>"))
    assert (type(error), str(error)) == (TransientError, "slack: unexpected_answer")


@pytest.mark.parametrize("value", ["xoxb-token-secret", "https://secret\x00", "ftp://secret"])
def test_a_secret_that_is_no_url(value: str) -> None:
    """Neither the error nor its cause contains it."""
    error = refusal(httpx.Response(200, text="ok"), FakeSsm(value))
    assert isinstance(error, MisconfiguredError)
    assert error.__suppress_context__ or error.__context__ is None


def test_the_client_keeps_the_secret_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Httpx would log each request with its URL; our client is made once, and does not."""
    assert http_client() is http_client()
    assert logging.getLogger("httpx").getEffectiveLevel() >= logging.WARNING
    with caplog.at_level(logging.DEBUG):
        channel(httpx.Response(200, text="ok")).send(NOTIFICATION)
    assert "very-secret" not in caplog.text
    assert http_client().timeout == httpx.Timeout(8.0, connect=2.0)
