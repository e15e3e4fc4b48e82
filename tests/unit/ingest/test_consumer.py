"""A consumer's batch: read, load, merge, decide, write, journal, acknowledge."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from relay.ingest.receive import route
from relay.model import metrics
from relay.model.messages import dump

from tests.support.port_fakes import NOW, SHOP, World, queued
from tests.unit.ingest.consumer_runs import KEY, lost, run

RECEIVED = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_one_write_has_the_record_and_its_effects() -> None:
    """The write is the commit: record and outbox together, then the journal."""
    world = World()
    assert run(world, queued(lost(), event_id="a" * 32)) == []
    record, (outbox,) = world.members.records[KEY], world.members.outboxes
    assert (record.member.payment_status, record.seen, record.version) == ("failed", ("a" * 32,), 1)
    assert (outbox.member, outbox.changed) == (KEY, True)
    effects = [effect for event_effects in outbox.events for effect in event_effects.effects]
    assert [(effect.kind, effect.rule) for effect in effects] == [
        ("note", "dunning.failed"),
        ("kpi", "dunning.failed"),
        ("alert", "dunning.failed"),
    ]
    (line,) = world.journal.lines
    assert (line["id"], line["outcome"], line["customer"]) == ("a" * 32, "applied", "7733560541315")
    assert set(line["effects"]) == {f"{'a' * 32}.dunning.failed"}


def test_a_write_has_the_time_of_its_newest_webhook() -> None:
    """By event time, which silence is measured by; for a time from the future, that of its receipt."""
    world = World()
    run(
        world,
        queued(lost(at="2025-05-30T11:01:00Z"), event_id="a" * 32),
        queued(lost(at="2025-05-30T12:01:00Z"), event_id="b" * 32),
    )
    run(world, queued(lost("8", at="2030-01-01T00:00:00Z"), event_id="c" * 32))
    assert [outbox.newest_webhook_at for outbox in world.members.outboxes] == [
        datetime(2025, 5, 30, 12, 1, tzinfo=UTC),
        NOW,
    ]


def test_a_redelivery_is_a_repeat() -> None:
    """The record knows the id: nothing is decided or written again, and its outcome is `repeat`."""
    world = World()
    for message_id in ("m1", "m2"):
        run(world, queued(lost(), message_id=message_id, event_id="a" * 32))
    assert len(world.members.outboxes) == 1
    assert [line["outcome"] for line in world.journal.lines] == ["applied", "repeat"]


def test_a_duplicate_within_the_batch() -> None:
    """Two deliveries of one event in one batch are one event."""
    world = World()
    run(world, *(queued(lost(), message_id=name, event_id="a" * 32) for name in ("m1", "m2")))
    assert len(world.members.outboxes) == 1
    assert [line["outcome"] for line in world.journal.lines] == ["applied", "repeat"]


def test_a_repeat_has_no_effects_and_its_values_are_merged_all_the_same() -> None:
    """Two events that were taken for one: a value that differs is not lost, and the CRMs are sent it."""
    world = World()
    run(world, queued(lost(), event_id="a" * 32))
    other = lost()
    other["payload"]["customer"]["email"] = "other@example.com"
    run(world, queued(other, message_id="m2", event_id="a" * 32))
    run(world, queued(other, message_id="m3", event_id="a" * 32))
    assert [line["outcome"] for line in world.journal.lines] == ["applied", "repeat", "repeat"]
    emails = {lost()["payload"]["customer"]["email"], "other@example.com"}
    # Two values of one stamp: the larger one stands, in whichever order they came.
    assert world.members.records[KEY].member.value("email") == max(emails)
    changed = [(outbox.changed, outbox.events) for outbox in world.members.outboxes[1:]]
    assert changed == ([(True, ())] if max(emails) == "other@example.com" else [])


def test_a_repeat_adds_nothing_that_is_counted() -> None:
    """Links, lots and milestones are those of the event as it came first."""
    world = World()
    run(world, queued(lost(), event_id="a" * 32))
    moved = lost(at="2025-05-30T11:01:01.000Z")
    run(world, queued(moved, message_id="m2", event_id="a" * 32))
    member = world.members.records[KEY].member
    assert [milestone.at for milestone in member.milestones] == [datetime(2025, 5, 30, 11, 1, 0, 674000, UTC)]
    assert world.journal.lines[1]["effects"] == []


def test_one_member_many_events_one_write() -> None:
    """A batch costs a member one write, however many events it holds, taken in the order of event time."""
    world = World()
    later, earlier = lost(at="2025-05-30T12:00:00Z"), lost(at="2025-05-30T11:00:00Z")
    run(
        world,
        queued(later, message_id="m1", event_id="b" * 32),
        queued(earlier, message_id="m2", event_id="a" * 32),
    )
    (outbox,) = world.members.outboxes
    assert [event_effects.event_id for event_effects in outbox.events] == ["a" * 32, "b" * 32]
    assert {line["outcome"] for line in world.journal.lines} == {"applied"}


def test_an_unreadable_event_goes_to_the_dead_letters_alone() -> None:
    """With its reason and no value of it; the rest of the batch is handled."""
    world = World()
    odd = lost()
    odd["payload"]["customerId"] = odd["payload"]["customer"]["id"] = "secret@example.com"
    assert run(world, queued(odd, message_id="m1"), queued(lost(), message_id="m2")) == []
    (letter,) = world.dead_letters.sent
    assert letter.header.reason == "no_member"
    assert "secret" not in json.dumps(dict(letter.attributes)) + json.dumps(
        world.telemetry.outcomes, default=str
    )
    assert KEY in world.members.records


def test_an_older_event_is_stale_and_changes_nothing() -> None:
    """It is merged, remembered and journaled as stale; no change is sent."""
    world = World()
    run(world, queued(lost(at="2025-05-30T12:00:00Z"), event_id="b" * 32))
    run(world, queued(lost(at="2025-05-30T11:00:00Z"), event_id="a" * 32))
    assert [line["outcome"] for line in world.journal.lines] == ["applied", "stale"]
    outbox = world.members.outboxes[1]
    assert (outbox.changed, outbox.events) == (False, ())


@pytest.mark.parametrize(
    ("created", "triggered", "dated"),
    [
        # the first that is possible: from 2015 on, and no more than ten minutes after what follows it
        ("2026-07-01T10:00:00Z", "2026-07-01T10:00:05Z", "2026-07-01T10:00:00Z"),
        ("2026-07-01T11:00:00Z", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z"),
        ("2026-07-01T10:09:59Z", "2026-07-01T10:00:00Z", "2026-07-01T10:09:59Z"),
        ("1900-01-01T00:00:00Z", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z"),
        ("1970-01-01T00:00:00Z", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z"),
        ("9999-12-31T23:59:59Z", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z"),
        ("no time", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z"),
        (None, "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z"),
        ("2026-07-01T10:00:00Z", "2030-01-01T00:00:00Z", "2026-07-01T10:00:00Z"),
        ("2026-07-01T10:00:00Z", "1999-01-01T00:00:00Z", "2026-07-01T10:00:00Z"),
        ("2026-07-01T10:00:00Z", None, "2026-07-01T10:00:00Z"),
        ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z", None),
        (None, None, None),
    ],
)
def test_an_event_is_never_dropped_for_its_clock(
    created: str | None, triggered: str | None, dated: str | None
) -> None:
    """It is merged as of the first time that was possible; where there is none, as of its receipt, and rechecked."""
    world = World()
    body = lost()
    body["payload"]["createdAt"], body["metadata"]["triggerredAt"] = created, triggered
    run(world, queued(body, received_at=RECEIVED))
    member = world.members.records[KEY].member
    assert member.payment_status == "failed"
    assert member.moment("last_failure_at") == (datetime.fromisoformat(dated) if dated else RECEIVED)
    rules = [effect.rule for one in world.members.outboxes[0].events for effect in one.effects]
    assert ("recheck.undated" in rules) is (dated is None)
    assert (metrics.SHAPE_DRIFT.name in dict(world.telemetry.measured)) is (
        dated is None or created == "no time"
    )


def test_a_probe_is_journaled_and_does_nothing_else() -> None:
    """`relay.probe` shows that a queue and its consumer work."""
    world = World()
    probe = {"metadata": {"topic": "relay.probe"}, "payload": {"queue": "payment_failed"}}
    assert run(world, queued(probe)) == []
    assert (world.journal.lines[0]["outcome"], world.members.records) == ("probe", {})


def test_a_delivery_that_says_it_is_a_test_changes_no_member() -> None:
    """The receiver marks it as a probe; the consumer journals it, and the member's fee has not failed."""
    content = lost()
    content["metadata"]["test"] = True
    body = json.dumps(content).encode()
    queue, delivery = route(SHOP, body, NOW)
    assert queue == "payment_failed"
    world = World()
    assert run(world, queued(body, topic=delivery.topic)) == []
    assert (world.journal.lines[0]["outcome"], world.members.records) == ("probe", {})


def test_a_delivery_that_a_header_calls_a_test_changes_no_member() -> None:
    """Its body says nothing of it: the receiver alone saw the header, and the message's topic says so."""
    body = json.dumps(lost()).encode()
    queue, delivery = route(SHOP, body, NOW, {"x-shopify-test": "true"})
    assert queue == "payment_failed"
    world = World()
    assert run(world, queued(body, topic=delivery.topic)) == []
    assert (world.journal.lines[0]["outcome"], world.members.records) == ("probe", {})


@pytest.mark.parametrize(
    "wrap", [gzip.compress, lambda body: b"\xef\xbb\xbf[" + body + b"]"], ids=["gzip", "list"]
)
def test_a_wrapped_delivery_is_applied(wrap: Callable[[bytes], bytes]) -> None:
    """The consumer finds the delivery in its wrapping, as the receiver did; the journal has it unwrapped."""
    world = World()
    body = wrap(json.dumps(lost()).encode())
    record = queued(body, topic=route(SHOP, body, NOW)[1].topic)
    assert run(world, record) == []
    assert world.members.records[KEY].member.payment_status == "failed"
    assert world.journal.lines[0]["body"]["metadata"]["topic"] == "customer.payment_failed"


def test_a_time_before_all_programmes_is_no_time() -> None:
    """The zero of some languages, year 1, is left out: the event counts from when it was triggered."""
    world = World()
    body = lost(at="0001-01-01T00:00:00Z")
    body["metadata"]["triggerredAt"] = "2025-05-30T11:01:00.713Z"
    assert run(world, queued(body)) == []
    (line,) = world.journal.lines
    assert (line["outcome"], line["at"]) == ("applied", "2025-05-30T11:01:00.713Z")


def test_a_text_without_end_still_becomes_an_alert() -> None:
    """The platform's reason is cut: the write that carries the alert has to fit the table."""
    world = World()
    endless = lost()
    endless["payload"]["detail"] |= {"errorMessage": "x" * 500_000, "currency": "y" * 300_000}
    assert run(world, queued(endless)) == []
    (outbox,) = world.members.outboxes
    assert len(dump(outbox)) < 10_000


def test_secrets_of_an_event_never_reach_the_journal() -> None:
    """`cancelToken` and tokens are taken out at any depth, in any case."""
    world = World()
    content = lost()
    content["token"] = content["metadata"]["token"] = "s3cret"
    content["payload"]["detail"]["cancelRequest"] = {"cancelToken": "s3cret", "CANCELTOKEN": "s3cret"}
    run(world, queued(content))
    assert "s3cret" not in json.dumps(world.journal.lines, default=str)
    assert world.journal.lines[0]["body"]["payload"]["detail"]["amount"] == 100
