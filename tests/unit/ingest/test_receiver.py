"""The receiver's answers to the gateway's requests, and what it must not import, keep or log."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest
from relay.adapters.aws.client import NoAnswerError, RefusedCallError
from relay.model.delivery import unpack
from relay.model.header import MessageHeader
from relay.topics import FOLDERS

from functions.receiver import app
from tests.support.port_fakes import ROOT, SHOP, sample


@dataclass
class FakeSqs:
    """Takes messages, or does not."""

    down: bool = False
    refusal: RefusedCallError | None = None
    reply: dict[str, Any] = field(default_factory=lambda: {"MessageId": "m"})
    attributes: list[dict[str, str]] = field(default_factory=list)
    sent: list[tuple[str, str, MessageHeader]] = field(default_factory=list)

    def call(self, service: str, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        assert (service, operation) == ("sqs", "SendMessage")
        if self.down:
            raise NoAnswerError("down", sent=True)
        if self.refusal:
            raise self.refusal
        attributes = {name: value["StringValue"] for name, value in body["MessageAttributes"].items()}
        self.attributes.append(attributes)
        self.sent.append((body["QueueUrl"], body["MessageBody"], MessageHeader.read(attributes)))
        return self.reply


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSqs]:
    """A receiver whose key is `key`, with a queue for every topic."""
    fake = FakeSqs()
    monkeypatch.setenv("SHOP_DOMAIN", SHOP)
    monkeypatch.setenv("KEY_DIGESTS", sha256(b"key").hexdigest())
    for folder in (*FOLDERS.values(), "unclaimed"):
        monkeypatch.setenv(f"QUEUE_{folder.upper()}", f"https://queue/{folder}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "set by Lambda")
    app._settings.cache_clear()
    monkeypatch.setattr(app, "_aws", lambda: fake)
    yield fake
    app._settings.cache_clear()


def post(
    body: bytes | str | None, key: str | None = "key", *, encoded: bool = False
) -> tuple[int, dict[str, Any]]:
    text = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    reply = app.handler(
        {
            "pathParameters": {"key": key} if key is not None else None,
            "headers": {"content-type": "application/json"},
            "body": text,
            "isBase64Encoded": encoded or isinstance(body, bytes),
        },
        None,
    )
    content: dict[str, Any] = json.loads(reply["body"])
    return reply["statusCode"], content


@pytest.mark.parametrize("name", ["SHOP_DOMAIN", "KEY_DIGESTS", "QUEUE_CANCELLED"])
def test_a_missing_setting_is_no_refusal(
    sqs: FakeSqs, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """503, so that the webhook comes again; the log names the setting."""
    monkeypatch.delenv(name)
    assert post(json.dumps(sample("customer.cancelled"))) == (503, {"error": "not_queued"})
    assert json.loads(capsys.readouterr().out)["reason"] == f"settings: {name} is missing"
    assert sqs.sent == []


def test_accepted(sqs: FakeSqs) -> None:
    """202 with the event's id, once the topic's queue has the untouched body."""
    body = json.dumps(sample("customer.cancelled"), indent=2)
    status, content = post(body)
    ((url, text, header),) = sqs.sent
    assert (status, url, text) == (202, "https://queue/cancelled", body)
    assert unpack(text, header).event_id == content["id"]


@pytest.mark.parametrize(("key", "place"), [("key-before", 1), ("key", 2)])
def test_the_log_says_which_key(
    sqs: FakeSqs, key: str, place: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its place in KEY_DIGESTS, and never the key or its digest: a rotation reads whether the old one is in use."""
    digests = [sha256(one).hexdigest() for one in (b"key-before", b"key")]
    monkeypatch.setenv("KEY_DIGESTS", ",".join(digests))
    assert post(json.dumps(sample("customer.cancelled")), key)[0] == 202
    printed = capsys.readouterr().out
    assert json.loads(printed)["key"] == place
    assert key not in printed.replace('"key":', "")
    assert not any(digest in printed for digest in digests)


def test_a_probe_counts_nowhere(sqs: FakeSqs, capsys: pytest.CaptureFixture[str]) -> None:
    """It is queued and logged like a webhook, and measured as none: no alarm's share moves by it."""
    body = {"metadata": {"topic": "relay.probe"}, "payload": {"queue": "cancelled"}}
    assert post(json.dumps(body))[0] == 202
    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["topic"], "_aws" in line, "Received" in line) == (
        "accepted",
        "relay.probe",
        False,
        False,
    )


@pytest.mark.parametrize("key", [None, "", "wrong"])
def test_a_wrong_key(sqs: FakeSqs, key: str | None) -> None:
    """401, and nothing is queued."""
    assert (post("{}", key), sqs.sent) == ((401, {"error": "bad_key"}), [])


def test_the_queue_is_down(sqs: FakeSqs) -> None:
    """503 with a time to come back: the sender keeps the event."""
    sqs.down = True
    reply = app.handler({"pathParameters": {"key": "key"}, "body": "{}"}, None)
    assert (reply["statusCode"], reply["headers"]["retry-after"]) == (503, "5")


def test_the_status_of_a_refusal_is_logged(sqs: FakeSqs, capsys: pytest.CaptureFixture[str]) -> None:
    """With SQS's code: what AWS says of an outage is what the operator looks for."""
    sqs.refusal = RefusedCallError("ServiceUnavailable", 503, {})
    assert post(json.dumps(sample("customer.cancelled")))[0] == 503
    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["reason"], line["status"]) == (
        "not_queued",
        "queue cancelled: ServiceUnavailable",
        503,
    )


@pytest.mark.parametrize("reply", [{}, {"MessageId": ""}, {"MessageId": None}, {"Message": "ok"}])
def test_a_reply_without_a_message_id_is_no_acceptance(sqs: FakeSqs, reply: dict[str, Any]) -> None:
    """A proxy's 200 is not SQS's: the sender is asked to come again."""
    sqs.reply = reply
    assert post(json.dumps(sample("customer.cancelled"))) == (503, {"error": "not_queued"})


def test_a_queue_that_is_not_configured(sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap in the configuration is a 503 too, never a lost event or a 500."""
    monkeypatch.delenv("QUEUE_UNCLAIMED")
    assert post("{}") == (503, {"error": "not_queued"})


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        b"\xff\xfe",
        '{"a": NaN}',
        "[]",
        '{"metadata": {}}',
        "[" * 10_000,
        "\x00\x1f\ufffe",
        '{"metadata": {"topic": "\\ud800"}}',
        '{"metadata": {"topic": "customer.cancelled", "id": "\\ud800", "shopDomain": null}}',
    ],
)
def test_with_a_valid_key_everything_is_taken(sqs: FakeSqs, body: bytes | str | None) -> None:
    """202 for anything at all, and it can be read back as it came."""
    assert post(body)[0] == 202
    ((_, text, header),) = sqs.sent
    assert unpack(text, header).body == (body if isinstance(body, bytes) else (body or "").encode())
    ((name, value),) = sqs.attributes[0].items()
    assert (name, value.isascii(), value.isprintable()) == ("relay", True, True)


def test_base64_bodies_are_decoded(sqs: FakeSqs) -> None:
    """A body without a text content type comes encoded; what is no base64 after all is kept as it is."""
    body = json.dumps(sample("customer.ordered")).encode()
    assert post(body)[0] == 202
    assert sqs.sent[0][1].encode() == body
    assert post("a", encoded=True)[0] == 202
    assert unpack(*sqs.sent[1][1:]).body == b"a"


def test_what_calls_itself_base64_and_is_not(sqs: FakeSqs) -> None:
    """Never a 500: it is kept as it came."""
    for number, body in enumerate(["é", "\ud800", '{"a": 1}', "YQ=="[:3], "YQ== \ud800"]):
        assert post(body, encoded=True)[0] == 202
        assert unpack(*sqs.sent[number][1:]).body == body.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("topic", ["jane@example.com", "a topic", "x" * 101, "customer.\ud800"])
def test_an_odd_topic_is_in_no_log_and_no_attribute(
    sqs: FakeSqs, topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown topic is named there only where it has the shape of a topic's name."""
    assert post(json.dumps({"metadata": {"topic": topic}}))[0] == 202
    ((url, _, header),) = sqs.sent
    assert (url, header.reason) == ("https://queue/unclaimed", "unknown_topic")
    assert header.topic is None
    assert json.loads(capsys.readouterr().out)["topic"] is None


def test_too_large(sqs: FakeSqs) -> None:
    """413 for what neither queue nor journal could hold, be it for its size or for what packing makes of it."""
    assert post(" " * (900 * 1024 + 1)) == (413, {"error": "too_large"})
    noise = random.Random(1).randbytes(900 * 1024)
    assert post(noise) == (413, {"error": "too_large"})
    assert sqs.sent == []


def test_an_answer_is_a_measurement(
    sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the stack's name alone: two stacks of an account are told apart, and each is one series."""
    monkeypatch.setenv("STACK_NAME", "relay-acme")
    post("{}")
    post("{}", key="wrong")
    accepted, refused = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (accepted["Received"], refused["Refused"], accepted["stack"]) == (1, 1, "relay-acme")
    for line in (accepted, refused):
        [directive] = line["_aws"]["CloudWatchMetrics"]
        assert directive["Dimensions"] == [["stack"]]


def test_nothing_secret_or_personal_is_logged(sqs: FakeSqs, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON line for each outcome: names and ids, no key and no value of a body."""
    post(json.dumps(sample("customer.payment_failed")))
    post("{}", "wrong-key")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["message"] for line in lines] == ["accepted", "bad_key"]
    assert lines[0]["topic"] == "customer.payment_failed"
    assert not any(secret in json.dumps(lines) for secret in ("wrong-key", "example.com", "7733560541315"))


def test_nothing_heavy_is_imported() -> None:
    """A cold start of the receiver loads the standard library and our own light modules only."""
    code = (
        "import sys; sys.path[:0] = ['layers/shared', 'functions/receiver']; import app; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'boto3', 'botocore', 'pydantic', 'pydantic_core', 'aws_lambda_powertools', 'httpx', 'asyncio'}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"
