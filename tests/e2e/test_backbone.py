"""The real template on the local AWS: the documented events go all the way, and bad input ends where it should."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from relay.model.header import MessageHeader

from tests.support.local_stage import Played
from tests.support.port_fakes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("local-aws")]
SAMPLES = 15
"""The files of events/: one for each topic. A new one changes the counts below too."""


def test_every_documented_event_goes_all_the_way(played: Played) -> None:
    """Nothing is lost or given up, each alert is sent once, and the CRM has every member with an e-mail address."""
    assert played.verdict.problems == ()
    result = dict(played.verdict.result)
    assert result == {
        "posted": SAMPLES,
        "accepted": SAMPLES,
        "applied": SAMPLES,
        "stale": 0,
        "journaled": SAMPLES,
        "waiting": 0,
        "dead_letters": 0,
        "lost": 0,
        "alerts": 3,
        "emails": 3,
        "members": 8,
        "crm_contacts": 7,
        "skipped_no_email": 1,
    }


def test_what_became_of_each_is_told(played: Played) -> None:
    """Each sample has its row with the rules that spoke, and the trial's member has no e-mail."""
    rows = {row.topic: row for row in played.verdict.rows}
    assert rows.keys() == {path.stem for path in (ROOT / "events").glob("*.json")}
    assert rows["customer.payment_failed"].rules == "dunning.failed"
    assert {topic for topic, row in rows.items() if row.rules == "-"} <= {
        "customer.updated",
        "customer.payment_methods.updated",
    }
    assert {topic for topic, row in rows.items() if not row.crm.startswith("contact")} == {
        "customer.joined.free_trial"
    }


def test_what_people_read_says_who(played: Played) -> None:
    """The message has the member's masked address: the notifier may read the members table, and did."""
    messages = httpx.get(f"{played.stage.slack}/_standin/messages", trust_env=False).json()["messages"]
    assert all(
        re.search(r"\w•••@example\.com", json.dumps(message, ensure_ascii=False)) for message in messages
    )
    assert "member-" not in json.dumps(messages)


def test_what_people_read_has_no_secret_of_another(played: Played) -> None:
    """The e-mail and the Slack message are there, and no callback key is in any log."""
    assert played.verdict.result["alerts"] == played.verdict.result["emails"] == 3
    logs = played.stage.aws.client("logs")
    said = [
        event["message"]
        for group in logs.describe_log_groups()["logGroups"]
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        for event in page["events"]
    ]
    assert said
    assert not any(played.stage.key in message for message in said)


def test_a_wrong_key_is_refused(played: Played) -> None:
    """401, with a code and without a hint."""
    reply = played.stage.post(b"{}", url=f"{played.stage.aws.endpoint}/webhooks/{'0' * 43}")
    assert (reply.status_code, reply.json()) == (401, {"error": "bad_key"})


def test_a_body_beyond_the_limit_is_refused(played: Played) -> None:
    """413 above 900 KiB: what no queue and no journal could hold is not accepted."""
    reply = played.stage.post(b'{"a": "' + b"x" * (900 * 1024) + b'"}')
    assert (reply.status_code, reply.json()) == (413, {"error": "too_large"})


def test_what_bears_the_key_is_never_refused(played: Played) -> None:
    """What cannot be placed is accepted and kept, with its reason, whatever it is."""
    shop = {"shopDomain": "inveterate.myshopify.com"}
    bodies = {
        "not_json": [b"no json", b"\xff\xfe", b'{"a": NaN}'],
        "no_envelope": [b"[]", b"{}"],
        "no_topic": [json.dumps({"metadata": shop, "payload": {}}).encode()],
        "unknown_topic": [
            json.dumps({"metadata": {**shop, "topic": "customer.new"}, "payload": {}}).encode()
        ],
        "too_deep": [b"[" * 10_000 + b"]" * 10_000],
        "other_shop": [
            json.dumps({"metadata": {"shopDomain": "b.myshopify.com", "topic": "customer.updated"}}).encode()
        ],
    }
    accepted = {}
    for reason, samples in bodies.items():
        for body in samples:
            reply = played.stage.post(body)
            assert reply.status_code == 202, (reason, body[:20])
            accepted[reply.json()["id"]] = reason
    kept = {
        header.event_id: header.reason
        for message in played.stage.aws.messages()[f"{played.stage.stack.name}-unclaimed"]
        for header in [_header(message)]
    }
    assert kept == accepted


def test_a_probe_is_journaled_and_changes_nothing(played: Played) -> None:
    """`relay.probe` goes the whole way of the queue that it names, and no further."""
    before = played.observe()
    body = {"metadata": {"topic": "relay.probe"}, "payload": {"queue": "credits_expired"}}
    reply = played.stage.post(json.dumps(body).encode())
    assert reply.status_code == 202
    seen = played.wait(lambda seen: played.outcomes(seen, reply.json()["id"]))
    assert played.outcomes(seen, reply.json()["id"]) == ["probe"]
    assert (seen.members, seen.openings, seen.contacts) == (before.members, before.openings, before.contacts)


def test_a_second_delivery_changes_nothing(played: Played) -> None:
    """The same event again has the same id, is journaled as a repeat, and sends no alert."""
    before = played.observe()
    sample = (ROOT / "events" / "customer.payment_failed.json").read_bytes()
    event_id = played.stage.post(sample).json()["id"]
    had = played.outcomes(before, event_id)
    assert "applied" in had
    seen = played.wait(lambda seen: len(played.outcomes(seen, event_id)) > len(had))
    assert played.outcomes(seen, event_id) == sorted([*had, "repeat"])
    assert (seen.openings, seen.emails) == (before.openings, before.emails)


def _header(message: Any) -> MessageHeader:
    texts = {
        name: str(value.get("StringValue") or value.get("string_value"))
        for name, value in message["MessageAttributes"].items()
    }
    return MessageHeader.read(texts)
