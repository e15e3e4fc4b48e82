"""What is no event: the requests by which a sender tries the address, and its key before a slash."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from functions.receiver import app
from tests.support.port_fakes import sample
from tests.unit.ingest.test_receiver import FakeSqs
from tests.unit.ingest.test_receiver import sqs as sqs  # noqa: PLC0414 - a fixture

BODY = json.dumps(sample("customer.cancelled"))


def ask(method: str, path: dict[str, str], body: str | None = None) -> dict[str, Any]:
    return app.handler(
        {
            "requestContext": {"http": {"method": method}},
            "pathParameters": path,
            "headers": {},
            "body": body,
            "isBase64Encoded": False,
        },
        None,
    )


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        ("GET", None, 200),
        ("GET", BODY, 200),
        ("HEAD", None, 200),
        ("OPTIONS", None, 204),
        ("POST", None, 200),
        ("POST", "", 200),
        ("POST", " \r\n\t", 200),
        ("POST", "\ufeff", 200),
        ("PUT", None, 200),
        ("DELETE", None, 405),
    ],
)
def test_a_ping_is_answered_and_nothing_is_kept(
    sqs: FakeSqs, method: str, body: str | None, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, which counts as neither a webhook nor a refusal: no alarm rings for it."""
    reply = ask(method, {"key": "key"}, body)
    assert (reply["statusCode"], sqs.sent) == (status, [])
    assert bool(reply["body"]) == (method not in {"HEAD", "OPTIONS"})
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert line["message"] == "ping"
    assert "_aws" not in line


@pytest.mark.parametrize("body", [b"\xbb", b"\xef", b"\xef\xbb", b"\xbf \r\n"])
def test_a_part_of_a_byte_order_mark_is_a_body(sqs: FakeSqs, body: bytes) -> None:
    """Nothing can be read in it, so it is kept for a person."""
    event = {"pathParameters": {"key": "key"}, "body": b64encode(body).decode(), "isBase64Encoded": True}
    assert app.handler(event | {"requestContext": {"http": {"method": "POST"}}}, None)["statusCode"] == 202
    assert len(sqs.sent) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_a_ping_with_a_wrong_key_is_refused(sqs: FakeSqs, method: str) -> None:
    """The answer shows whether a key is right, as the answer to a delivery does."""
    assert ask(method, {"key": "wrong"})["statusCode"] == 401


def test_a_ping_needs_no_token(sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is in the body or in a header of a delivery; a ping has neither."""
    monkeypatch.setenv("TOKEN_DIGESTS", "0" * 64)
    app._settings.cache_clear()
    assert ask("GET", {"key": "key"})["statusCode"] == 200
    assert ask("POST", {"key": "key"}, BODY)["statusCode"] == 401


@pytest.mark.parametrize("path", [{"key": "key/"}, {"proxy": "key/"}, {"proxy": "key"}, {"key": "/key//"}])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "post"])
def test_a_slash_around_the_key(sqs: FakeSqs, path: dict[str, str], method: str) -> None:
    """It is a delivery like any other."""
    assert ask(method, path, BODY)["statusCode"] == 202
    assert len(sqs.sent) == 1


def test_a_defect_in_routing_costs_no_event(
    sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is raised, the body waits in `unclaimed`, and no value of it is logged."""

    def broken(*_: object) -> None:
        raise KeyError("jane@example.com")

    monkeypatch.setattr(app, "route", broken)
    assert ask("POST", {"key": "key"}, BODY)["statusCode"] == 202
    ((url, text, header),) = sqs.sent
    assert (url, text, header.reason) == ("https://queue/unclaimed", BODY, "defect.KeyError")
    assert "jane" not in capsys.readouterr().out
