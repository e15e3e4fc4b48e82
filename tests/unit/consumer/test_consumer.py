"""A consumer's batch: read, load, merge, decide, write, journal, acknowledge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Self, cast

import pytest
from inveterate.webhooks.payments import PaymentFailed
from relay.changes import dump
from relay.consumer import Consumer, consumer
from relay.effects import Effect
from relay.errors import TransientError
from relay.member import Member
from relay.rules import Rules

from functions.payment_failed.app import decide, facts
from tests.fakes import NOW, SHOP, FakeContext, World, queued, sample

KEY = f"{SHOP}:7733560541315"


def lost(customer: str = "7733560541315", at: str = "2025-05-30T11:01:00.674Z") -> dict[str, Any]:
    content = sample("customer.payment_failed")
    content["payload"] |= {"customerId": customer, "createdAt": at}
    return content


def handler(world: World) -> Consumer[PaymentFailed]:
    return consumer(PaymentFailed, facts, decide, parts=world.parts)


def run(world: World, *records: dict[str, Any], millis: int = 60_000) -> list[str]:
    response = handler(world)({"Records": list(records)}, FakeContext(millis))
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def test_one_write_carries_the_record_and_what_it_has_to_tell() -> None:
    """The write is the commit: record and outbox together, then the journal."""
    world = World()
    assert run(world, queued(lost(), event_id="a" * 32)) == []
    record, (outbox,) = world.members.records[KEY], world.members.outboxes
    assert (record.member.payment_status, record.seen, record.version) == ("failed", ("a" * 32,), 1)
    assert (outbox.member, outbox.changed) == (KEY, True)
    effects = [effect for happening in outbox.happenings for effect in happening.effects]
    assert [(effect.kind, effect.rule) for effect in effects] == [
        ("note", "dunning.failed"),
        ("figure", "dunning.failed"),
        ("alert", "dunning.failed"),
    ]
    (line,) = world.journal.lines
    assert (line["id"], line["outcome"], line["customer"]) == ("a" * 32, "applied", "7733560541315")
    assert set(line["effects"]) == {f"{'a' * 32}.dunning.failed"}


def test_a_write_says_when_its_newest_webhook_was() -> None:
    """By event time, as silence is told by it; a time from the future is taken for its receipt."""
    world = World()
    run(
        world,
        queued(lost(at="2025-05-30T11:01:00Z"), event_id="a" * 32),
        queued(lost(at="2025-05-30T12:01:00Z"), event_id="b" * 32),
    )
    run(world, queued(lost("8", at="2030-01-01T00:00:00Z"), event_id="c" * 32))
    assert [outbox.heard_at for outbox in world.members.outboxes] == [
        datetime(2025, 5, 30, 12, 1, tzinfo=UTC),
        NOW,
    ]


def test_a_redelivery_is_a_repeat() -> None:
    """The record knows the id: nothing is decided or written again, and the journal says so."""
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
    assert [happening.event_id for happening in outbox.happenings] == ["a" * 32, "b" * 32]
    assert {line["outcome"] for line in world.journal.lines} == {"applied"}


def test_what_nobody_can_read_goes_to_the_dead_letters_and_the_rest_goes_on() -> None:
    """Its reason, no value of it; its neighbours are handled."""
    world = World()
    odd = lost()
    odd["payload"]["customerId"] = odd["payload"]["customer"]["id"] = "secret@example.com"
    assert run(world, queued(odd, message_id="m1"), queued(lost(), message_id="m2")) == []
    (letter,) = world.dead_letters.sent
    assert letter.attributes["reason"] == "no_member"
    assert "secret" not in json.dumps(dict(letter.attributes)) + json.dumps(
        world.telemetry.outcomes, default=str
    )
    assert KEY in world.members.records


def test_an_older_event_is_stale_and_changes_nothing() -> None:
    """It is merged, remembered and journaled as stale; nobody is told that anything changed."""
    world = World()
    run(world, queued(lost(at="2025-05-30T12:00:00Z"), event_id="b" * 32))
    run(world, queued(lost(at="2025-05-30T11:00:00Z"), event_id="a" * 32))
    assert [line["outcome"] for line in world.journal.lines] == ["applied", "stale"]
    outbox = world.members.outboxes[1]
    assert (outbox.changed, outbox.happenings) == (False, ())


def test_the_future_is_not_believed() -> None:
    """An event dated more than ten minutes after its receipt is journaled, asked about, and not merged."""
    world = World()
    run(world, queued(lost(at=(NOW + timedelta(minutes=11)).isoformat())))
    assert (world.members.records[KEY].member.registers, world.journal.lines[0]["outcome"]) == ({}, "ignored")
    [happening] = world.members.outboxes[0].happenings
    assert [effect.rule for effect in happening.effects] == ["recheck.future"]
    run(world, queued(lost(at=(NOW + timedelta(minutes=9)).isoformat())))
    assert world.members.records[KEY].member.payment_status == "failed"


def test_a_probe_is_journaled_and_does_nothing_else() -> None:
    """`relay.probe` shows that the way is open."""
    world = World()
    probe = {"metadata": {"topic": "relay.probe"}, "payload": {"queue": "payment_failed"}}
    assert run(world, queued(probe)) == []
    assert (world.journal.lines[0]["outcome"], world.members.records) == ("probe", {})


def test_somebody_else_wrote_first() -> None:
    """On a conflict the member is read again and decided again; both writes stand."""
    world = World()
    world.members.before_save.append(
        lambda: run(world, queued(lost(at="2025-05-30T10:00:00Z"), event_id="c" * 32))
    )
    assert run(world, queued(lost(), event_id="a" * 32)) == []
    assert world.members.records[KEY].version == 2
    assert set(world.members.records[KEY].seen) == {"a" * 32, "c" * 32}


def test_a_table_that_is_down_puts_everything_off() -> None:
    """An outage spends no receives: the messages come back later, as copies."""
    world = World()
    world.members.failure = TransientError("throttled")
    assert run(world, queued(lost())) == []
    assert len(world.source.sent) == 1


def test_a_journal_that_is_down_acknowledges_nothing() -> None:
    """Written but not journaled: it is put off, comes as a repeat, and is journaled then."""
    world = World()
    world.journal.failure = TransientError("down")
    run(world, queued(lost(), event_id="a" * 32))
    assert len(world.source.sent) == 1
    world.journal.failure = None
    run(world, queued(lost(), event_id="a" * 32))
    assert ([line["outcome"] for line in world.journal.lines], len(world.members.outboxes)) == (["repeat"], 1)


def test_no_time_left() -> None:
    """What would not finish in time is handed back unstarted."""
    world = World()
    assert run(world, queued(lost()), millis=1000) == ["m1"]
    assert (world.members.records, world.journal.lines) == ({}, [])


def test_a_rule_that_breaks_costs_its_own_event() -> None:
    """A defect in a rule hands its event back; the member's other events are taken."""

    def broken(event: PaymentFailed, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
        if event.id == "b" * 32:
            raise ZeroDivisionError
        yield from decide(event, before, after, rules)

    world = World()
    handle = consumer(PaymentFailed, facts, broken, parts=world.parts)
    records = [queued(lost(), message_id=name, event_id=name * 32) for name in ("a", "b")]
    response = handle({"Records": records}, FakeContext())
    assert response == {"batchItemFailures": [{"itemIdentifier": "b"}]}
    assert world.members.records[KEY].seen == ("a" * 32,)


def test_a_member_that_cannot_be_written_costs_its_own_events() -> None:
    """A defect with one record hands back that member's events; the others are written, journaled and done."""
    world = World()

    def broken() -> None:
        raise ZeroDivisionError

    world.members.before_save.append(broken)
    records = [queued(lost(customer), message_id=customer) for customer in ("1", "2")]
    assert run(world, *records) == ["1"]
    assert [line["customer"] for line in world.journal.lines] == ["2"]


def test_a_reading_that_breaks_costs_its_own_event() -> None:
    """A defect in a model hands back the event that showed it, and no other."""

    class Broken(PaymentFailed):
        @classmethod
        def of(cls, delivery: object, **about: Any) -> Self:
            if "trap" in cast("dict[str, object]", delivery):
                raise ZeroDivisionError
            return super().of(delivery, **about)

    world = World()
    records = [queued({**lost(), "trap": 1}, message_id="m1"), queued(lost(), message_id="m2")]
    response = consumer(Broken, facts, decide, parts=world.parts)({"Records": records}, FakeContext())
    assert response == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert KEY in world.members.records


def test_a_message_of_nobodys_making() -> None:
    """Attributes that the receiver never writes: dead letters, without a word of what stood in them."""
    world = World()
    for name in ("event_id", "received_at", "deferrals"):
        record = queued(lost())
        record["messageAttributes"][name] = {"stringValue": "jane@example.com"}
        assert run(world, record) == []
    assert [letter.attributes["reason"] for letter in world.dead_letters.sent] == ["unreadable_message"] * 3
    assert world.members.records == {}


def test_a_time_before_all_programmes_is_no_time() -> None:
    """The zero of some languages, year 1, is left out: the event counts from when it was triggered."""
    world = World()
    assert run(world, queued(lost(at="0001-01-01T00:00:00Z"))) == []
    (line,) = world.journal.lines
    assert (line["outcome"], line["at"]) == ("applied", "2025-05-30T11:01:00.713+00:00")


def test_a_text_without_end_still_becomes_an_alert() -> None:
    """What the platform says why is cut: the write that carries the alert has to fit the table."""
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


class Killed(BaseException):
    """The environment is gone, as at a timeout: nothing is caught, nothing is answered."""


@pytest.mark.parametrize("step", ["before_write", "after_write", "before_journal", "before_acknowledgement"])
def test_killed_at_any_step(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed and redelivered: the same record, the same effects, once."""
    undisturbed, world = World(), World()
    record = queued(lost(), event_id="a" * 32)
    run(undisturbed, record)

    save, write = world.members.save, world.journal.write

    def die(*_: Any) -> Any:
        raise Killed

    def save_and_die(*args: Any) -> None:
        save(*args)
        raise Killed

    def write_and_die(lines: Any) -> Any:
        write(lines)
        raise Killed

    match step:
        case "before_write":
            monkeypatch.setattr(world.members, "save", die)
        case "after_write":
            monkeypatch.setattr(world.members, "save", save_and_die)
        case "before_journal":
            monkeypatch.setattr(world.journal, "write", die)
        case _:
            monkeypatch.setattr(world.journal, "write", write_and_die)
    with pytest.raises(Killed):
        run(world, record)
    monkeypatch.undo()
    assert (
        run(world, {**record, "attributes": {**record["attributes"], "ApproximateReceiveCount": "2"}}) == []
    )
    assert world.members.records == undisturbed.members.records
    assert world.members.outboxes == undisturbed.members.outboxes
    assert {line["id"] for line in world.journal.lines} == {"a" * 32}
