"""A message in a wrong queue is what it says, not what the queue is called: it goes to its own queue, once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from relay.alerts import notifier
from relay.errors import PermanentError
from relay.ingest.receive import unclaimed
from relay.model.delivery import pack
from relay.model.header import MessageHeader
from relay.model.messages import CHANGE_TOPIC, RECHECK_TOPIC, MemberChanged, RecheckRequest, dump
from relay.queues.batch import Message, dead_letter, read_message
from relay.queues.requests import expect_topic
from relay.topics import FOLDERS, PROBE_TOPIC

from tests.support.incident_builders import SHOP as ACME
from tests.support.incident_builders import alert_message
from tests.support.port_fakes import NOW, SHOP, FakeOutgoing, World, queued, sample
from tests.unit.ingest.consumer_runs import run


def world_with_queues() -> World:
    return World(topics={folder: FakeOutgoing() for folder in FOLDERS.values()})


def again(world: World, folder: str) -> dict[str, Any]:
    """Return the message in a topic's queue as Lambda gets it."""
    (sent,) = world.topics[folder].sent
    values = {name: {"stringValue": text, "dataType": "String"} for name, text in sent.attributes.items()}
    return queued(json.loads(sent.body)) | {"body": sent.body, "messageAttributes": values}


@pytest.mark.parametrize("topic", sorted(set(FOLDERS) - {"customer.payment_failed"}))
def test_every_other_topic_is_handed_on(topic: str) -> None:
    """Nothing is read as a lost payment: no record, no journal line; the body and the first receipt are unchanged."""
    world, record = world_with_queues(), queued(sample(topic))
    assert run(world, record) == []
    assert (world.members.records, world.journal.lines, world.dead_letters.sent) == ({}, [], [])
    (sent,) = world.topics[FOLDERS[topic]].sent
    assert (sent.body, sent.delay) == (record["body"], 0)
    assert sent.header == replace(read_message(record).header, moved=1)
    assert [name for name, _ in world.telemetry.outcomes] == ["handed_on"]


def test_the_body_decides_and_not_the_header() -> None:
    """A header is the receiver's note; the delivery itself says what it is of."""
    world = world_with_queues()
    assert run(world, queued(sample("customer.cancelled"), topic="customer.payment_failed")) == []
    assert len(world.topics["cancelled"].sent) == 1
    right = queued(sample("customer.payment_failed"), topic="customer.cancelled")
    assert run(world, right) == []
    assert len(world.journal.lines) == 1


@pytest.mark.parametrize("name", ["", "  ", None, 7, ["customer.payment_failed"]])
def test_a_header_names_no_topic_that_the_body_does_not(name: object) -> None:
    """What says nothing of its topic is read as none, whatever stands in an attribute and whichever queue it is in."""
    content = sample("customer.cancelled")
    content["metadata"]["topic"] = name
    world = world_with_queues()
    assert run(world, queued(content, topic="customer.payment_failed")) == []
    assert (world.members.records, world.journal.lines, len(world.dead_letters.sent)) == ({}, [], 1)


def test_a_header_makes_no_probe_of_an_event() -> None:
    """Nor an event of a test: what is journaled and does nothing says so in its body."""
    world = world_with_queues()
    run(world, queued(sample("customer.payment_failed"), topic=PROBE_TOPIC))
    assert [line["outcome"] for line in world.journal.lines] == ["applied"]
    tried = sample("customer.payment_failed") | {"test": True}
    world = world_with_queues()
    run(world, queued(tried, topic="customer.payment_failed"))
    assert ([line["outcome"] for line in world.journal.lines], world.members.records) == (["probe"], {})


@pytest.mark.parametrize("metadata", [["test"], "test", 7, True, None])
def test_what_has_no_metadata_is_neither(metadata: object) -> None:
    """It goes to the dead letters at once."""
    world = world_with_queues()
    assert (
        run(world, queued(sample("customer.payment_failed") | {"metadata": metadata}, topic=PROBE_TOPIC))
        == []
    )
    (letter,) = world.dead_letters.sent
    assert letter.header.reason == "no_envelope"


def moved_by_hand(domain: object) -> dict[str, Any]:
    """Return a message that lay in `unclaimed` as another shop's, as Lambda gets it from a topic's queue."""
    content = sample("customer.payment_failed")
    content["metadata"]["shopDomain"] = domain
    text, header = pack(unclaimed(json.dumps(content).encode(), NOW, "other_shop"))
    values = {name: {"stringValue": value, "dataType": "String"} for name, value in header.attributes.items()}
    return queued(content) | {"body": text, "messageAttributes": values}


@pytest.mark.parametrize("domain", ["other.myshopify.com", f"{SHOP}.evil.com", "https://", 7, []])
def test_another_shops_event_is_not_taken_for_ours(domain: object) -> None:
    """Moved by hand from `unclaimed` into its topic's queue, it touches no member of ours: it goes to the dead letters."""
    world = world_with_queues()
    run(world, moved_by_hand(domain))
    assert (world.members.records, world.journal.lines) == ({}, [])
    (letter,) = world.dead_letters.sent
    assert letter.header.reason == "other_shop"


def test_nor_is_a_dead_letter_of_it_that_the_console_redrove() -> None:
    """Its reason and its former queue are taken off as it begins anew, and it is another shop's all the same."""
    world = world_with_queues()
    given_up = read_message(moved_by_hand("other.myshopify.com"))
    letter = dead_letter(given_up, PermanentError("other_shop"), "unclaimed")
    values = {name: {"stringValue": value, "dataType": "String"} for name, value in letter.attributes.items()}
    run(world, queued(sample("customer.payment_failed")) | {"body": letter.body, "messageAttributes": values})
    assert (world.members.records, world.journal.lines) == ({}, [])
    (again_dead,) = world.dead_letters.sent
    assert (again_dead.header.reason, again_dead.header.redrives) == ("other_shop", 1)


@pytest.mark.parametrize("domain", [SHOP.upper(), f"https://{SHOP}/", SHOP.partition(".")[0], None])
def test_what_is_ours_by_now_is_read(domain: object) -> None:
    """After a renamed shop, or a better reading of its name, a message that was another shop's is ours."""
    world = world_with_queues()
    run(world, moved_by_hand(domain))
    assert (len(world.members.records), world.dead_letters.sent) == (1, [])


def test_an_alias_is_the_topic() -> None:
    """A topic may come by its other documented name."""
    content = sample("customer.payment_methods.updated")
    content["metadata"]["topic"] = "customer.payment_method.changed"
    world = world_with_queues()
    run(world, queued(content))
    assert len(world.topics["payment_methods_updated"].sent) == 1


def test_no_message_circles() -> None:
    """Handed on once, it is not handed on again: a wrong setting would move it between two queues for ever."""
    world = world_with_queues()
    run(world, queued(sample("customer.cancelled")))
    assert run(world, again(world, "cancelled")) == []
    (letter,) = world.dead_letters.sent
    assert (letter.header.reason, letter.header.moved) == ("wrong_topic", 1)
    assert len(world.topics["cancelled"].sent) == 1


@pytest.mark.parametrize("name", ["customer.created", "merchant.updated", "relay.tick"])
def test_what_has_no_queue_goes_to_the_dead_letters(name: str) -> None:
    """Another topic without a queue of its own, with the message itself."""
    content = sample("customer.payment_failed")
    content["metadata"]["topic"] = name
    world = world_with_queues()
    assert run(world, queued(content, topic=name)) == []
    (letter,) = world.dead_letters.sent
    assert (letter.header.reason, json.loads(letter.body)) == ("wrong_topic", content)


def test_an_unreadable_delivery_of_another_topic_is_handed_on() -> None:
    """It has no member where this topic has it; its own consumer may find one."""
    content = sample("customer.cancelled")
    content["payload"] = {"strange": True}
    world = world_with_queues()
    assert run(world, queued(content)) == []
    assert len(world.topics["cancelled"].sent) == 1


def test_a_queue_that_does_not_take_it_returns_it() -> None:
    """It is acknowledged only once its own queue has it."""
    world = world_with_queues()
    world.topics["cancelled"].refuse = {0}
    assert run(world, queued(sample("customer.cancelled"))) == ["m1"]


def message(body: str, topic: str | None) -> Message:
    header = MessageHeader(topic=topic)
    return Message(id="m", body=body, receives=1, receipt="r", sent_at=NOW, header=header)


def test_a_recheck_is_no_change() -> None:
    """A recheck has all the fields that a change needs: in a CRM's queue it is known by its topic alone."""
    body = dump(RecheckRequest(member=f"{SHOP}:1", reason="evidence"))
    with pytest.raises(PermanentError, match="wrong_topic"):
        expect_topic(message(body, RECHECK_TOPIC), CHANGE_TOPIC)
    expect_topic(message(dump(MemberChanged(member=f"{SHOP}:1")), CHANGE_TOPIC), CHANGE_TOPIC)
    expect_topic(message(body, None), CHANGE_TOPIC)


def test_a_webhook_is_no_alarm() -> None:
    """A delivery that begins like CloudWatch's message rings nothing in the notifier's queue."""
    body = json.dumps(
        {
            "AlarmName": "x",
            "NewStateValue": "ALARM",
            "StateChangeTime": "2026-03-01T09:00:00Z",
            **sample("customer.cancelled"),
        }
    )
    with pytest.raises(PermanentError, match="wrong_topic"):
        notifier.read(message(body, "customer.cancelled"), SHOP)
    assert notifier.read(message(body, None), SHOP) is not None


@pytest.mark.parametrize("place", ["member", "people"])
def test_an_alert_of_another_shops_member_is_not_sent(place: str) -> None:
    """In one account several stacks have an alerts queue: a letter may be redriven to the wrong one."""
    other = "other.myshopify.com:7001"
    ours = alert_message()
    alert = (
        replace(ours, member=other) if place == "member" else replace(ours, member="", people=((other, ""),))
    )
    with pytest.raises(PermanentError, match="other_shop"):
        notifier.read(message(dump(alert), alert.topic), ACME)
    assert notifier.read(message(dump(ours), ours.topic), ACME) == ours
