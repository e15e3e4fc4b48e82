"""The fake Slack is as strict as Slack, fails on demand, and leaves nothing behind."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import httpx
import pytest
from fakes.local_server import serve
from fakes.slack import HOOK, FakeSlack
from local_stack.local_http import get, post
from starlette.applications import Starlette

HEADER = {"type": "header", "text": {"type": "plain_text", "text": "Hello"}}
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "Hello"}}


def context(count: int) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * count}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.mark.parametrize(
    ("payload", "status", "answer"),
    [
        ({"text": "Hello"}, 200, "ok"),
        ({"text": "Hello", "blocks": [HEADER, SECTION, context(10), {"type": "divider"}]}, 200, "ok"),
        ({"text": "Hello", "blocks": [section("x" * 3_000)]}, 200, "ok"),
        ({}, 400, "no_text"),
        ({"blocks": [SECTION]}, 400, "no_text"),
        ({"text": " "}, 400, "no_text"),
        ([], 400, "invalid_payload"),
        ({"text": "x" * 40_001}, 400, "msg_too_long"),
        ({"text": "Hello", "blocks": [SECTION] * 51}, 400, "invalid_blocks"),
        ({"text": "Hello", "blocks": [section("x" * 3_001)]}, 400, "invalid_blocks"),
        ({"text": "Hello", "blocks": [section("")]}, 400, "invalid_blocks"),
        ({"text": "Hello", "blocks": [{"type": "section"}]}, 400, "invalid_blocks"),
        ({"text": "Hello", "blocks": [{"type": "poem"}]}, 400, "invalid_blocks"),
        ({"text": "Hello", "blocks": [context(11)]}, 400, "invalid_blocks"),
        ({"text": "Hello", "blocks": [{**HEADER, "text": SECTION["text"]}]}, 400, "invalid_blocks"),
        ({"text": "Hello", "blocks": [{**SECTION, "fields": [SECTION["text"]] * 11}]}, 400, "invalid_blocks"),
        (
            {"text": "Hello", "blocks": [{**HEADER, "text": {"type": "plain_text", "text": "x" * 151}}]},
            400,
            "invalid_blocks",
        ),
        ({"text": "Hello", "blocks": [section("x" * 2_900)] * 5}, 400, "msg_blocks_too_long"),
    ],
)
def test_it_takes_what_slack_takes(payload: Any, status: int, answer: str) -> None:
    """Limits and words are Slack's; what is refused is not kept."""
    slack = FakeSlack()
    with serve(slack.app) as url:
        reply = post(url + HOOK, json=payload)
        assert (reply.status_code, reply.text) == (status, answer)
        kept = get(f"{url}/_standin/messages").json()["messages"]
    assert [message["payload"] for message in kept] == ([payload] if status == 200 else [])


def test_only_one_webhook_exists() -> None:
    """Another path is no service; what is no JSON is no payload."""
    with serve(FakeSlack().app) as url:
        unknown = post(f"{url}/services/T/B/other", json={"text": "x"})
        assert (unknown.status_code, unknown.text) == (404, "no_service")
        assert post(url + HOOK, content=b"\xff{").text == "invalid_payload"


def test_it_fails_as_often_as_told() -> None:
    """Then it works again; what it did not take is not kept."""
    with serve(FakeSlack().app) as url:
        post(f"{url}/_standin/faults", json={"status": 429, "times": 2, "retry_after": 1})
        replies = [post(url + HOOK, json={"text": str(number)}) for number in range(3)]
        assert [reply.status_code for reply in replies] == [429, 429, 200]
        assert replies[0].headers["Retry-After"] == "1"
        messages = get(f"{url}/_standin/messages").json()["messages"]
        assert [message["payload"]["text"] for message in messages] == ["2"]
        assert post(f"{url}/_standin/faults", json={"mood": "bad"}).status_code == 422
        assert httpx.delete(f"{url}/_standin/messages").status_code == 204
        assert get(f"{url}/_standin/messages").json() == {"messages": []}


def test_it_hangs_with_or_without_taking_the_message() -> None:
    """A caller with a short timeout cannot tell the two apart; that is the point."""
    slack = FakeSlack()
    with serve(slack.app) as url:
        for fault, kept in (({"hang": 5}, 1), ({"hang": 5, "status": 500}, 1)):
            post(f"{url}/_standin/faults", json=fault)
            with pytest.raises(httpx.ReadTimeout):
                post(url + HOOK, json={"text": "x"}, timeout=0.2)
            assert len(slack.messages) == kept


def test_serving_ends_with_the_block() -> None:
    """Starts and stops within a second or so, even over a hanging request; port and thread are free afterwards."""
    before, began = threading.active_count(), time.monotonic()
    with serve(FakeSlack().app) as url:
        post(f"{url}/_standin/faults", json={"hang": 60})
        with pytest.raises(httpx.ReadTimeout):
            post(url + HOOK, json={"text": "x"}, timeout=0.1)
        with serve(FakeSlack().app) as other:
            assert other != url
    assert time.monotonic() - began < 4
    assert threading.active_count() == before
    with socket.create_server(("127.0.0.1", int(url.rsplit(":", 1)[1]))):
        pass


def test_a_port_can_be_asked_for_and_a_taken_one_is_an_error() -> None:
    """A busy port is an error at once, so a second run disturbs no other."""
    with serve(Starlette()) as url:
        port = int(url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="in use"), serve(Starlette(), port):
            raise AssertionError("two on one port")


def test_an_error_inside_the_block_stops_it_too() -> None:
    """A failing test leaves nothing behind."""
    before = threading.active_count()
    with pytest.raises(ValueError, match="inside"), serve(Starlette()):
        raise ValueError("inside")
    assert threading.active_count() == before
