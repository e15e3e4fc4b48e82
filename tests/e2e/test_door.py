"""What a sender may try at the callback URL, against the deployed API: it is told what lets it go on."""

from __future__ import annotations

import json
import secrets
from typing import Any

import httpx
import pytest

from tests.support.local_stage import Played
from tests.support.port_fakes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("local-aws")]
WRONG = "0" * 43


def ask(played: Played, method: str, path: str, body: bytes = b"") -> httpx.Response:
    """Send a request to the deployed API."""
    stage = played.stage
    headers = {"host": stage.host, "content-type": "application/json", "origin": "https://app.example.com"}
    with httpx.Client(trust_env=False, timeout=60) as client:
        return client.request(method, f"{stage.aws.endpoint}{path}", headers=headers, content=body)


def probe() -> bytes:
    """Return a delivery that no other equals."""
    payload = {"queue": "credits_expired", "number": secrets.token_hex(8)}
    return json.dumps({"metadata": {"topic": "relay.probe"}, "payload": payload}).encode()


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH"])
def test_a_sender_that_tries_the_address_is_content(played: Played, method: str, slash: str) -> None:
    """200 with a valid key, and nothing is kept; 401 without. No header tells a browser that it may do more."""
    before = known(played)
    reply = ask(played, method, f"/webhooks/{played.stage.key}{slash}")
    assert reply.status_code == 200
    assert reply.text == ("" if method == "HEAD" else '{"status": "ready"}')
    assert not [name for name in reply.headers if name.startswith("access-control-")]
    assert ask(played, method, f"/webhooks/{WRONG}{slash}").status_code == 401
    assert known(played) == before


def known(played: Played) -> set[str]:
    """Return the ids of all events that are in a queue or in the journal."""
    seen = played.observe()
    # A command of the clock lies in a queue for a moment and has no id.
    return {line["id"] for line in seen.journal}.union(*seen.queues.values()) - {""}


def test_a_method_that_delivers_nothing_is_told_so(played: Played) -> None:
    """405, with those that do."""
    reply = ask(played, "DELETE", f"/webhooks/{played.stage.key}")
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")


@pytest.mark.parametrize("key", ["the key", WRONG])
def test_options_is_answered_by_the_receiver(played: Played, key: str) -> None:
    """204 with the methods, by the deployed function as the API would call it.

    The local API answers OPTIONS by itself, also without CORS settings; AWS does so only with them
    (tests/unit/template/test_door.py holds that there are none, and that the route takes OPTIONS).
    """
    valid = key != WRONG
    event = {
        "version": "2.0",
        "routeKey": "ANY /webhooks/{key+}",
        "rawPath": "/webhooks/…",
        "headers": {"origin": "https://app.example.com", "access-control-request-method": "POST"},
        "requestContext": {"http": {"method": "OPTIONS"}},
        "pathParameters": {"key": played.stage.key if valid else key},
        "isBase64Encoded": False,
    }
    reply = invoke(played, event)
    assert reply["statusCode"] == (204 if valid else 401)
    assert not [name for name in reply["headers"] if name.startswith("access-control-")]
    assert reply["headers"].get("allow") == ("GET, HEAD, OPTIONS, POST" if valid else None)


def invoke(played: Played, event: dict[str, Any]) -> dict[str, Any]:
    """Call the deployed receiver as the API does."""
    reply = played.stage.aws.client("lambda").invoke(
        FunctionName=f"{played.stage.stack.name}-receiver", Payload=json.dumps(event)
    )
    answer: dict[str, Any] = json.load(reply["Payload"])
    return answer


@pytest.mark.parametrize(("method", "slash"), [("POST", "/"), ("POST", "//"), ("PUT", ""), ("PATCH", "/")])
def test_a_delivery_by_another_way_is_a_delivery(played: Played, method: str, slash: str) -> None:
    """Before a slash, or by another method that has a body: 202, and it is journaled."""
    reply = ask(played, method, f"/webhooks/{played.stage.key}{slash}", probe())
    assert reply.status_code == 202
    event_id = reply.json()["id"]
    assert played.outcomes(played.wait(lambda seen: played.outcomes(seen, event_id)), event_id) == ["probe"]


@pytest.mark.parametrize("path", ["/", "/webhooks", "/webhook/abc", "/favicon.ico"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_any_other_path_is_the_apis_404(played: Played, method: str, path: str) -> None:
    """With or without a body; the receiver is not called."""
    reply = ask(played, method, path, probe() if method == "POST" else b"")
    assert (reply.status_code, reply.json()) == (404, {"message": "Not Found"})


def test_the_way_that_it_came_makes_no_other_event_of_it(played: Played) -> None:
    """The same id before a slash as without."""
    body = (ROOT / "events/customer.cancelled.json").read_bytes()
    plain, slashed = (
        ask(played, "POST", f"/webhooks/{played.stage.key}{slash}", body) for slash in ("", "/")
    )
    assert (plain.status_code, slashed.status_code) == (202, 202)
    assert plain.json() == slashed.json()
