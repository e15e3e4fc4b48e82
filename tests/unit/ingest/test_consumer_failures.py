"""What goes wrong in a consumer's batch costs its own event, and nothing is lost with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Self, cast

import pytest
from inveterate.webhooks.payments import PaymentFailed
from relay.errors import TransientError
from relay.ingest.consumer import Consumer
from relay.ingest.reducer import TopicRule
from relay.model import journal
from relay.model.delivery import Delivery
from relay.model.effects import Effect
from relay.model.member import Member
from relay.rules.settings import Rules

from functions.payment_failed.app import decide, facts
from tests.support.port_fakes import FakeContext, World, queued
from tests.unit.ingest.consumer_runs import KEY, lost, run


def test_another_invocation_wrote_first() -> None:
    """On a conflict the member is read again and decided again; both writes stand."""
    world = World()
    world.members.before_save.append(
        lambda: run(world, queued(lost(at="2025-05-30T10:00:00Z"), event_id="c" * 32))
    )
    assert run(world, queued(lost(), event_id="a" * 32)) == []
    assert world.members.records[KEY].version == 2
    assert set(world.members.records[KEY].seen) == {"a" * 32, "c" * 32}


def test_a_table_that_is_down_defers_everything() -> None:
    """An outage spends no receives: delayed copies are sent."""
    world = World()
    world.members.failure = TransientError("throttled")
    assert run(world, queued(lost())) == []
    assert len(world.source.sent) == 1


def test_a_journal_that_is_down_acknowledges_nothing() -> None:
    """Written but not journaled: it is deferred, comes as a repeat, and is journaled then."""
    world = World()
    world.journal.failure = TransientError("down")
    run(world, queued(lost(), event_id="a" * 32))
    assert len(world.source.sent) == 1
    world.journal.failure = None
    run(world, queued(lost(), event_id="a" * 32))
    assert ([line["outcome"] for line in world.journal.lines], len(world.members.outboxes)) == (["repeat"], 1)


def test_no_time_left() -> None:
    """What would not finish in time is returned unstarted."""
    world = World()
    assert run(world, queued(lost()), millis=1000) == ["m1"]
    assert (world.members.records, world.journal.lines) == ({}, [])


def test_a_rule_that_breaks_costs_its_own_event() -> None:
    """A defect in a rule returns its event to the queue; the member's other events are taken."""

    def broken(event: PaymentFailed, before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
        if event.id == "b" * 32:
            raise ZeroDivisionError
        yield from decide(event, before, after, rules)

    world = World()
    handle = Consumer(TopicRule(PaymentFailed, facts, broken), world.services)
    records = [queued(lost(), message_id=name, event_id=name * 32) for name in ("a", "b")]
    response = handle({"Records": records}, FakeContext())
    assert response == {"batchItemFailures": [{"itemIdentifier": "b"}]}
    assert world.members.records[KEY].seen == ("a" * 32,)


def test_a_line_that_cannot_be_made_costs_its_own_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect in one event's journal line returns that event; the others of its batch are journaled and done."""
    make = journal.event_line

    def broken(delivery: Delivery, **columns: Any) -> dict[str, Any]:
        if delivery.event_id == "b" * 32:
            raise RecursionError
        return make(delivery, **columns)

    monkeypatch.setattr(journal, "event_line", broken)
    world = World()
    records = [
        queued(lost(customer, f"2025-05-30T10:00:0{customer}Z"), message_id=name, event_id=name * 32)
        for customer, name in (("1", "a"), ("2", "b"), ("2", "d"), ("3", "c"))
    ]
    assert run(world, *records) == ["b"]
    assert sorted(line["id"][0] for line in world.journal.lines) == ["a", "c", "d"]


def test_a_member_that_cannot_be_written_costs_its_own_events() -> None:
    """A defect with one record returns that member's events to the queue; the others are written, journaled and done."""
    world = World()

    def broken() -> None:
        raise ZeroDivisionError

    world.members.before_save.append(broken)
    records = [queued(lost(customer), message_id=customer) for customer in ("1", "2")]
    assert run(world, *records) == ["1"]
    assert [line["customer"] for line in world.journal.lines] == ["2"]


def test_a_reading_that_breaks_costs_its_own_event() -> None:
    """A defect in a model returns the event that showed it, and no other."""

    class Broken(PaymentFailed):
        @classmethod
        def of(cls, delivery: object, **about: Any) -> Self:
            if "trap" in cast("dict[str, object]", delivery):
                raise ZeroDivisionError
            return super().of(delivery, **about)

    world = World()
    records = [queued({**lost(), "trap": 1}, message_id="m1"), queued(lost(), message_id="m2")]
    response = Consumer(TopicRule(Broken, facts, decide), world.services)({"Records": records}, FakeContext())
    assert response == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert KEY in world.members.records


def test_a_message_that_is_not_from_the_receiver() -> None:
    """A header that the receiver never writes: dead letters, without a word of what stood in it."""
    world = World()
    for key in ("id", "at"):
        record = queued(lost())
        text = record["messageAttributes"]["relay"]["stringValue"]
        odd = json.dumps(json.loads(text) | {key: "jane@example.com"})
        record["messageAttributes"]["relay"]["stringValue"] = odd
        assert run(world, record) == []
    letters = world.dead_letters.sent
    assert [letter.header.reason for letter in letters] == ["unreadable_message"] * 2
    assert not any("jane" in str(letter.header.attributes) for letter in letters)
    assert world.members.records == {}


def test_suspects_cost_their_neighbours_no_second_line() -> None:
    """A batch with suspects is handled in several calls: each message is journaled and counted once."""
    world = World()
    records = [
        queued(lost(str(number)), message_id=f"m{number}", event_id=f"{number}" * 32, receives=receives)
        for number, receives in ((1, 1), (2, 1), (3, 3))
    ]
    assert run(world, *records) == []
    assert [line["id"][0] for line in world.journal.lines] == ["1", "2", "3"]
    assert [outcome for outcome, _ in world.telemetry.outcomes] == ["applied"] * 3


class Killed(BaseException):
    """The environment is gone, as at a timeout: nothing is caught, nothing is returned."""


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
