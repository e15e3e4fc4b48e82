"""`slack_actions` as Lambda calls it: what it takes, what it refuses, and what a person sees where a part of AWS is down."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
from fakes.local_server import serve
from fakes.slack import FakeSlack
from fakes.slack_clicks import signature
from relay.adapters.aws import ssm
from relay.adapters.aws.client import NoAnswerError, RefusedCallError
from relay.adapters.slack_response import SlackResponder
from relay.alerts.slack_requests import ACKNOWLEDGE, MUTE, button_value
from relay.model.incident_action import IncidentAction
from relay.model.messages import load

from functions.slack_actions import app
from tests.support.port_fakes import ROOT

KEY, STACK, SECRET = "dun:acme.myshopify.com:7001", "relay-acme", "made-up"


@dataclass
class Aws:
    """SSM with one secret, and SQS with one queue; `down` names services that refuse, and how."""

    secret: str = SECRET
    down: dict[str, Exception] = field(default_factory=dict)
    sent: list[Mapping[str, Any]] = field(default_factory=list)
    reads: int = 0
    ends_at: float | None = None

    def call(
        self, service: str, operation: str, body: Mapping[str, Any], *, repeatable: bool = True
    ) -> dict[str, Any]:
        """Answer one call."""
        assert self.ends_at is not None
        assert self.ends_at < time.monotonic() + 2
        if service in self.down:
            raise self.down[service]
        if service == "ssm":
            self.reads += 1
            assert body == {"Name": "/relay/acme/slack-signing", "WithDecryption": True}
            return {"Parameter": {"Value": self.secret}}
        assert (service, operation) == ("sqs", "SendMessage")
        self.sent.append(body)
        return {}

    @property
    def actions(self) -> list[IncidentAction]:
        """What the notifier gets."""
        return [load(IncidentAction, message["MessageBody"]) for message in self.sent]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeSlack, str]]:
    """Serve a Slack that takes answers."""
    slack = FakeSlack()
    with serve(slack.app) as url:
        yield slack, url


@pytest.fixture
def slack(served: tuple[FakeSlack, str]) -> tuple[FakeSlack, str]:
    """Return that Slack without answers, and its URL."""
    served[0].clicked_app.answers.clear()
    return served


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, slack: tuple[FakeSlack, str]) -> Iterator[Aws]:
    """Give the function its settings, and this AWS."""
    settings = {
        "STACK_NAME": STACK,
        "SLACK_SIGNING_SECRET": "/relay/acme/slack-signing",
        "SLACK_TEAM_ID": "",
        "ALERTS_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/alerts",
        "SLACK_URL": f"{slack[1]}/api",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    fake = Aws()
    kept = (app._settings, app._secret, app._responder)
    for cached in kept:
        cached.cache_clear()
    monkeypatch.setattr(app, "_aws", lambda: fake)
    yield fake
    for cached in kept:
        cached.cache_clear()


def payload(url: str, **changes: Any) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "team": {"id": "T0RELAY"},
        "user": {"id": "U1", "username": "kim"},
        "response_url": f"{url}/actions/T0RELAY/1/x",
        "actions": [
            {
                "type": "button",
                "action_id": changes.pop("action_id", ACKNOWLEDGE),
                "value": button_value(changes.pop("stack", STACK), KEY, "e1"),
                "action_ts": "1.5",
            }
        ],
        **changes,
    }


def request(
    form: Mapping[str, Any], *, secret: str = SECRET, age: float = 0, packed: bool = False, **headers: str
) -> dict[str, Any]:
    """Return an event of the HTTP API with a form that this secret signed."""
    fields = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in form.items()}
    body = urlencode(fields).encode()
    stamp = str(int(time.time() - age))
    signed = {"x-slack-request-timestamp": stamp, "x-slack-signature": signature(secret, stamp, body)}
    return {
        "version": "2.0",
        "routeKey": "POST /slack/actions",
        "headers": {"content-type": "application/x-www-form-urlencoded", **signed, **headers},
        "body": base64.b64encode(body).decode() if packed else body.decode(),
        "isBase64Encoded": packed,
    }


def status(event: Mapping[str, Any]) -> int:
    return int(app.handler(event, None)["statusCode"])


def logged(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str | None]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(line["message"], line.get("reason")) for line in lines]


@pytest.mark.parametrize("packed", [False, True])
def test_a_click_is_queued_for_the_notifier(aws: Aws, slack: tuple[FakeSlack, str], *, packed: bool) -> None:
    """Plain or in base64, as the API hands a form over; the answer is an empty 200, which Slack shows as nothing."""
    answer = app.handler(request({"payload": payload(slack[1])}, packed=packed), None)
    assert (answer["statusCode"], answer["body"]) == (200, "")
    [action] = aws.actions
    assert (action.verb, action.incident_key, action.by) == ("acknowledge", KEY, "kim")
    [message] = aws.sent
    header = json.loads(message["MessageAttributes"]["relay"]["StringValue"])
    assert (header["topic"], header["id"]) == ("relay.incident_action", action.id)


def test_the_same_click_again_is_the_same_message(aws: Aws, slack: tuple[FakeSlack, str]) -> None:
    """A request recorded on the way and sent again within five minutes does nothing more."""
    event = request({"payload": payload(slack[1], action_id=MUTE)})
    assert [status(event), status(event)] == [200, 200]
    assert len({action.id for action in aws.actions}) == 1


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda event: event["headers"].pop("x-slack-signature"), "no_signature"),
        (lambda event: event["headers"].pop("x-slack-request-timestamp"), "no_signature"),
        (lambda event: event.update(headers=None), "no_signature"),
        (lambda event: event["headers"].update({"x-slack-signature": "v0=" + "0" * 64}), "bad_signature"),
        (lambda event: event.update(body=event["body"] + "&x=1"), "bad_signature"),
        (lambda event: event.update(body="not base64 \ud800", isBase64Encoded=True), "bad_signature"),
        (lambda event: event["headers"].update({"x-slack-request-timestamp": "5"}), "too_late"),
    ],
)
def test_what_slack_did_not_sign_is_refused(
    aws: Aws,
    slack: tuple[FakeSlack, str],
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[dict[str, Any]], object],
    reason: str,
) -> None:
    """401, a line in the log, and nothing else: no message, no answer."""
    event = request({"payload": payload(slack[1])})
    spoil(event)
    assert status(event) == 401
    assert logged(capsys) == [("click_refused", reason)]
    assert (aws.sent, slack[0].clicked_app.answers) == ([], [])


@pytest.mark.parametrize("age", [400, -400])
def test_a_late_request_is_refused_before_the_secret_is_read(
    aws: Aws, slack: tuple[FakeSlack, str], age: int
) -> None:
    """However well it is signed."""
    assert status(request({"payload": payload(slack[1])}, age=age)) == 401
    assert (aws.reads, aws.sent) == (0, [])


def test_headers_count_in_any_case(aws: Aws, slack: tuple[FakeSlack, str]) -> None:
    """The API writes them small; a test from the console may not."""
    event = request({"payload": payload(slack[1])})
    event["headers"] = {name.title(): value for name, value in event["headers"].items()}
    assert status(event) == 200


def test_the_secret_is_read_once_and_again_when_it_fails(
    aws: Aws, slack: tuple[FakeSlack, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change needs no deployment: a request that the kept secret denies is checked against the present one."""
    old, new = ({"payload": payload(slack[1], trigger_id=name)} for name in ("old", "new"))
    assert [status(request(old)), status(request(old)), aws.reads] == [200, 200, 1]
    aws.secret = f"next {SECRET}"
    assert [status(request(new, secret="next")), aws.reads] == [200, 2]
    assert status(request(old)) == 200
    aws.secret = "next"
    # Until five minutes are over, or a request fails, the former one still counts.
    monkeypatch.setattr(ssm, "_KEPT_SECONDS", -1.0)
    assert status(request(old)) == 401
    assert status(request(new, secret="next")) == 200


def test_a_forged_request_does_not_lose_the_secret(aws: Aws, slack: tuple[FakeSlack, str]) -> None:
    """While SSM is down a real one still counts."""
    event = request({"payload": payload(slack[1])})
    assert status(event) == 200
    aws.down["ssm"] = RefusedCallError("ThrottlingException", 400, {})
    assert status(request({"payload": payload(slack[1])}, secret="forged")) == 503
    assert status(event) == 200


@pytest.mark.parametrize(
    "error",
    [
        NoAnswerError("TimeoutError", sent=True),
        RefusedCallError("ParameterNotFound", 400, {}),
        RefusedCallError("AccessDeniedException", 400, {}),
    ],
)
def test_without_a_secret_nothing_is_done(
    aws: Aws, slack: tuple[FakeSlack, str], capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """503, which Slack shows as an error; a URL from a request that was not verified is not called."""
    aws.down["ssm"] = error
    assert status(request({"payload": payload(slack[1])})) == 503
    assert [outcome for outcome, _ in logged(capsys)] == ["click_not_verified"]
    assert (aws.sent, slack[0].clicked_app.answers) == ([], [])


def test_an_empty_secret_signs_nothing(aws: Aws, slack: tuple[FakeSlack, str]) -> None:
    """Nor does one of separators alone."""
    for empty in (" ", ","):
        aws.secret = empty
        assert status(request({"payload": payload(slack[1])}, secret="")) in {401, 503}
    assert aws.sent == []


@pytest.mark.parametrize(
    "error",
    [
        NoAnswerError("TimeoutError", sent=True),
        RefusedCallError("AccessDeniedException", 403, {}),
        RefusedCallError("InvalidMessageContents", 400, {}),
    ],
)
def test_where_the_queue_refuses_the_person_is_told_to_try_again(
    aws: Aws, slack: tuple[FakeSlack, str], error: Exception
) -> None:
    """In words that only this person sees; the message with the buttons stays."""
    aws.down["sqs"] = error
    assert status(request({"payload": payload(slack[1])})) == 200
    [answer] = slack[0].clicked_app.answers
    assert (answer["text"], answer["response_type"]) == (app.TRY_AGAIN, "ephemeral")
    assert answer["replace_original"] is False


@pytest.mark.parametrize("response_url", ["", "https://evil.example/actions/T/1/x", None])
def test_where_no_words_reach_the_person_slack_shows_an_error(
    aws: Aws, slack: tuple[FakeSlack, str], response_url: object
) -> None:
    """Else a click that did nothing would look like one that did."""
    aws.down["sqs"] = NoAnswerError("TimeoutError", sent=True)
    assert status(request({"payload": payload(slack[1], response_url=response_url)})) == 503


def test_another_stacks_button_is_passed_over_in_words(aws: Aws, slack: tuple[FakeSlack, str]) -> None:
    """One app may serve several stacks, and has one URL."""
    assert status(request({"payload": payload(slack[1], stack="relay-other")})) == 200
    assert aws.sent == []
    [answer] = slack[0].clicked_app.answers
    assert "relay-other" in answer["text"]


def test_a_team_that_is_not_ours_is_refused(
    aws: Aws,
    slack: tuple[FakeSlack, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Though Slack signed it: the app may be installed elsewhere too."""
    monkeypatch.setenv("SLACK_TEAM_ID", "T0OTHER")
    assert status(request({"payload": payload(slack[1])})) == 401
    assert logged(capsys) == [("click_refused", "other_team")]
    assert aws.sent == []
    organisation = {"team": None, "enterprise": {"id": "T0OTHER"}}
    assert status(request({"payload": payload(slack[1], **organisation)})) == 200


def test_slacks_check_of_the_certificate_is_answered(aws: Aws) -> None:
    """It carries no signature that is documented; and does nothing."""
    event = {"headers": {}, "body": "ssl_check=1&token=x", "isBase64Encoded": False}
    assert (status(event), aws.reads, aws.sent) == (200, 0, [])
    assert status({**event, "body": "ssl_check=1&payload=%7B%7D"}) == 401


def test_what_slack_signed_and_is_no_click_is_a_bad_request(aws: Aws, slack: tuple[FakeSlack, str]) -> None:
    """A form without a payload; one with a shortcut of the merchant's own asks for nothing."""
    assert status(request({"payload": "{"})) == status(request({"x": "1"})) == 400
    assert status(request({"payload": {"type": "shortcut"}})) == 200
    assert aws.sent == []


def test_the_log_names_no_person_and_no_url(
    aws: Aws, slack: tuple[FakeSlack, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither on success nor on any failure."""
    given = payload(slack[1], user={"id": "U1", "username": "kim-keller"})
    status(request({"payload": given}))
    status(request({"payload": {**given, "actions": payload(slack[1], stack="relay-other")["actions"]}}))
    status(request({"payload": given}, secret="forged"))
    aws.down["sqs"] = NoAnswerError("TimeoutError", sent=True)
    status(request({"payload": given}))
    log = capsys.readouterr().out
    assert len(log.splitlines()) == 4
    for secret in ("kim-keller", "actions/T0RELAY", SECRET, KEY):
        assert secret not in log


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://hooks.slack.com/actions/T/1/x",
        "https://hooks.slack.com.evil.example/x",
        "https://hooks.slack.com:8443/x",
        "https://user@hooks.slack.com/x",
        "https://evil.example/hooks.slack.com",
        "https://slack.com/x",
        "https://[hooks.slack.com/x",
        "https://hooks.slack.com/x y",
        "https://hooks.slack.com/ü",
        "http://127.0.0.1:1/x",
        "file:///etc/passwd",
    ],
)
def test_only_slacks_own_urls_are_answered(url: str) -> None:
    """Over TLS, at Slack's host of such URLs: a forged one would send our words, and reach what only we can."""
    responder = SlackResponder("https://slack.com/api", connections=Unreachable())  # type: ignore[arg-type] # no other part is used
    assert responder.answer(url, "x") is (url == "https://slack.com/x")


class Unreachable:
    """Connections that count a call as an answer."""

    def exchange(self, *_: object) -> Any:
        """Answer."""
        return type("Reply", (), {"status": 200})


def test_slacks_urls_are_answered() -> None:
    """For the public Slack and the government's."""
    for url in ("https://hooks.slack.com/actions/T/1/x", "https://hooks.slack-gov.com/actions/T/1/x?y=1"):
        assert SlackResponder(connections=Unreachable()).answer(url, "x")  # type: ignore[arg-type] # as above


def test_an_answer_that_hangs_is_given_up(slack: tuple[FakeSlack, str]) -> None:
    """A server that accepts and says nothing costs a second, and no exception."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert SlackResponder(url, seconds=0.2).answer(f"{url}/actions/T/1/x", "x") is False


def test_a_cold_start_loads_nothing_heavy() -> None:
    """Slack waits three seconds: no boto3, pydantic, httpx or Powertools."""
    code = "import sys; import app; print(*{name.partition('.')[0] for name in sys.modules})"
    paths = [str(ROOT / "functions/slack_actions"), str(ROOT / "layers/shared")]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}; {code}"],
        check=True,
        capture_output=True,
        text=True,
    )
    heavy = {"boto3", "botocore", "pydantic", "httpx", "aws_lambda_powertools", "inveterate"}
    assert not set(done.stdout.split()) & heavy
