"""Messages that fail at first, on the real template: deferred, given up, or routed later.

The local AWS enforces each role's policy, so these are also what proves that every function may do what it
does only on a bad day.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from local_stack.environment import LocalEnvironment
from local_stack.observation import DEAD_LETTERS, Observation
from relay.model.header import MessageHeader
from relay.topics import FOLDERS

from tests.support.local_stage import Played
from tests.support.port_fakes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("local-aws")]
SHOP = "inveterate.myshopify.com"
_OLD = "f" * 32


def sample(topic: str) -> dict[str, Any]:
    """Return a topic's documented sample."""
    content: dict[str, Any] = json.loads((ROOT / "events" / f"{topic}.json").read_text())
    return content


def lost_payment(customer: str, moment: str) -> bytes:
    """Return a lost payment of another member, at another time."""
    event = sample("customer.payment_failed")
    text = json.dumps(event).replace(event["payload"]["customerId"], customer)
    changed = json.loads(text)
    changed["payload"]["createdAt"] = moment
    return json.dumps(changed).encode()


@contextmanager
def unreadable_rules(stage: LocalEnvironment) -> Iterator[None]:
    """Store rules that cannot be read, for a while."""
    dynamodb, table = stage.aws.client("dynamodb"), stage.stack.outputs["MembersTable"]
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "rules"}, "document": {"S": "no rules"}})
    try:
        yield
    finally:
        dynamodb.delete_item(TableName=table, Key={"pk": {"S": "rules"}})


def test_what_no_model_can_read_is_given_up_by_every_consumer(played: Played) -> None:
    """An event that names no customer goes to the dead letters of its own accord, whatever its topic."""
    ids = set()
    for topic in FOLDERS:
        body = {"metadata": {"topic": topic, "shopDomain": SHOP}, "payload": {"odd": topic}}
        reply = played.stage.post(json.dumps(body).encode())
        assert reply.status_code == 202
        ids.add(reply.json()["id"])
    seen = played.wait(lambda seen: ids <= set(seen.queues[DEAD_LETTERS]))
    assert ids <= set(seen.queues[DEAD_LETTERS])


def test_every_consumer_puts_off_what_it_cannot_decide_yet(played: Played) -> None:
    """While the stored rules cannot be read, events wait in their queues; then each is handled."""
    before = played.observe()
    waiting = set(FOLDERS.values())

    def all_put_off(_seen: object) -> bool:
        held = played.stage.aws.messages()
        for folder in sorted(waiting):
            messages = held[f"{played.stage.stack.name}-{folder}"]
            if any("deferrals" in str(message["MessageAttributes"].get("relay")) for message in messages):
                waiting.remove(folder)
        return not waiting

    with unreadable_rules(played.stage):
        ids = [played.stage.post(json.dumps(sample(topic)).encode()).json()["id"] for topic in FOLDERS]
        played.wait(all_put_off)
    assert waiting == set()
    had = {event_id: len(played.outcomes(before, event_id)) for event_id in ids}
    seen = played.wait(lambda seen: all(len(played.outcomes(seen, one)) > had[one] for one in ids))
    assert [one for one in ids if len(played.outcomes(seen, one)) == had[one]] == []
    assert seen.queues[DEAD_LETTERS] == before.queues[DEAD_LETTERS]


def _event_lines(seen: Observation) -> int:
    return sum(line["kind"] == "event" for line in seen.journal)


def test_the_clock_places_what_can_be_placed_by_now(played: Played) -> None:
    """A tick moves what waits in `unclaimed` to its topic's queue, for every topic, and gives up what is too old."""
    before = played.observe()
    sqs, outputs = played.stage.aws.client("sqs"), played.stage.stack.outputs
    for number, topic in enumerate(FOLDERS):
        body, event_id = json.dumps(sample(topic)), f"{number:032x}"
        _put(sqs, outputs["UnclaimedUrl"], body, event_id=event_id, received_at=datetime.now(UTC))
    old = datetime.now(UTC) - timedelta(days=3, minutes=1)
    _put(sqs, outputs["UnclaimedUrl"], "odd", event_id=_OLD, received_at=old, reason="not_json")
    tick = json.dumps({"time": datetime.now(UTC).isoformat()})
    reply = played.stage.aws.client("lambda").invoke(FunctionName=outputs["ClockFunction"], Payload=tick)
    done = json.loads(reply["Payload"].read())
    assert (done["unclaimed"].get("placed"), done["unclaimed"].get("given_up")) == (len(FOLDERS), 1), done
    # Each leaves a line under the id in its sender's 202, and one, as a repeat, under its content's.
    # A tick may begin the daily comparison as well: its readings have lines of another kind.
    lines = _event_lines(before) + 2 * len(FOLDERS) + 1
    seen = played.wait(lambda seen: _event_lines(seen) >= lines)
    assert _event_lines(seen) == lines
    assert played.outcomes(seen, _OLD) == ["unclaimed"]
    assert _OLD in seen.queues[DEAD_LETTERS]


def test_an_outage_of_slack_costs_time_and_no_alert(played: Played) -> None:
    """The notifier defers an alert while Slack fails, sends it later, and e-mails it once."""
    member = "7000000000001"

    def slack() -> int:
        return sum(member in str(message) for message in played.observer.slack_messages())

    def emails() -> int:
        return sum(member in text for text in played.observer.emails())

    httpx.post(f"{played.stage.slack}/_standin/faults", json={"status": 503}).raise_for_status()
    moment = datetime.now(UTC).isoformat()
    assert played.stage.post(lost_payment(member, moment)).status_code == 202
    played.wait(lambda seen: slack() and not seen.queues["alerts"])
    # Messages about the member alone: an earlier test's tick may send a digest at any time.
    assert (slack(), emails()) == (1, 1)


def test_an_outage_of_hubspot_costs_time_and_no_member(played: Played) -> None:
    """The mirror puts members off while HubSpot fails, and sends them later."""
    before = played.observe()
    httpx.post(f"{played.stage.hubspot}/_standin/faults", json={"status": 503}).raise_for_status()
    event = json.dumps(sample("customer.updated")).replace("22978031812972", "7000000000002")
    other = event.replace(sample("customer.updated")["payload"]["newData"]["email"], "other@example.com")
    assert played.stage.post(other.encode()).status_code == 202
    key = f"{SHOP}:7000000000002"
    seen = played.wait(lambda seen: key in seen.contacts and not seen.queues["hubspot"])
    assert key in seen.contacts
    assert seen.queues[DEAD_LETTERS] == before.queues[DEAD_LETTERS]


@pytest.mark.parametrize("queue", ["AlertsUrl", "HubSpotQueueUrl"])
def test_what_is_no_message_of_ours_is_given_up(played: Played, queue: str) -> None:
    """The notifier and the mirror give up what they cannot read, and say that it could not be read."""
    before = played.observe()
    url = played.stage.stack.outputs[queue]
    _put(played.stage.aws.client("sqs"), url, "odd", event_id=queue, received_at=datetime.now(UTC))
    seen = played.wait(lambda seen: queue in seen.queues[DEAD_LETTERS])
    assert queue in seen.queues[DEAD_LETTERS]
    assert len(seen.queues[DEAD_LETTERS]) == len(before.queues[DEAD_LETTERS]) + 1


def _put(
    sqs: Any, url: str, body: str, *, received_at: datetime, event_id: str, reason: str | None = None
) -> None:
    header = MessageHeader(event_id=event_id, received_at=received_at, reason=reason)
    sqs.send_message(
        QueueUrl=url,
        MessageBody=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": text} for name, text in header.attributes.items()
        },
    )
