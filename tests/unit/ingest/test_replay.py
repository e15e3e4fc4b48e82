"""An event that is sent again from the journal is decided again, under the same ids, and counts nothing twice."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from relay.ingest.consumer import Consumer
from relay.model.effects import GrantCredits, Recheck, effect_id
from relay.model.facts import Facts
from relay.model.header import MessageHeader
from relay.model.member import member_key, merge
from relay.model.messages import Outbox
from relay.rules.settings import Retention, Rules

from tests.support.port_fakes import NOW, SHOP, FakeContext, FakeMembers, World, empty, queued, sample
from tests.support.topic_functions import TOPIC_RULES

ON = Rules(retention=Retention(on=True))


def replayed(record: dict[str, Any]) -> dict[str, Any]:
    """Return a queued record with the mark of a replay."""
    header = MessageHeader.read({"relay": record["messageAttributes"]["relay"]["stringValue"]})
    marked = replace(header, replays=1).attributes
    return {**record, "messageAttributes": {name: {"stringValue": text} for name, text in marked.items()}}


def effects(outbox: Outbox) -> dict[str, object]:
    """Return the effects of a write by id, without rechecks, which ask what the record shows now."""
    return {
        effect_id(event.event_id, effect): effect
        for event in outbox.events
        for effect in event.effects
        if not isinstance(effect, Recheck)
    }


@pytest.mark.parametrize("topic", sorted(TOPIC_RULES))
def test_the_same_effects_under_the_same_ids(topic: str) -> None:
    """Of every topic: what a first event told, its replay tells; and the record stays as it is."""
    world = World(members=FakeMembers(rules=ON))
    consumer = Consumer(TOPIC_RULES[topic], world.services)
    record = queued(json.dumps(sample(topic)).encode(), topic=topic)
    consumer({"Records": [record]}, FakeContext())
    [first] = world.members.outboxes
    [before] = world.members.records.values()
    consumer({"Records": [record]}, FakeContext())
    assert len(world.members.outboxes) == 1, "a repeat is not decided"
    consumer({"Records": [replayed(record)]}, FakeContext())
    [_, again] = world.members.outboxes
    assert effects(again) == effects(first)
    [after] = world.members.records.values()
    assert (after.member, after.seen) == (before.member, before.seen)
    assert not again.changed
    assert world.journal.lines[-1]["outcome"] == "repeat"


def test_a_grant_has_the_key_of_the_first_one() -> None:
    """The grants table gives at most one for a key, so a replay asks for what was granted, or was lost before it was."""
    world = World(members=FakeMembers(rules=ON))
    content = sample("customer.pending_cancellation")
    key = member_key(SHOP, content["payload"]["customerId"])
    valuable = Facts(event_id="f" * 32, at=NOW, values={"revenue": Decimal(9_000)})
    world.members.records[key] = replace(empty(key), member=merge(empty(key).member, valuable), version=1)
    consumer = Consumer(TOPIC_RULES["customer.pending_cancellation"], world.services)
    record = queued(json.dumps(content).encode(), topic="customer.pending_cancellation")
    for each in (record, replayed(record)):
        consumer({"Records": [each]}, FakeContext())
    keys = [
        effect.key
        for outbox in world.members.outboxes
        for effect in effects(outbox).values()
        if isinstance(effect, GrantCredits)
    ]
    assert len(keys) == 2
    assert len(set(keys)) == 1
