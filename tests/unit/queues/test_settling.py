"""Every message of a batch ends done, put off, given up or handed back; and what that means for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from relay.errors import CircuitOpenError, MisconfiguredError, PermanentError, TransientError
from relay.queues.batch import LONGEST_DELAY, Context, Message

from tests.support.port_fakes import NOW, FakeContext, World, queued, sample

CONTENT = sample("customer.cancelled")


def event(*receives: int, age: timedelta = timedelta(0)) -> dict[str, Any]:
    return {
        "Records": [
            queued(CONTENT, message_id=f"m{number}", receives=count, received_at=NOW - age)
            for number, count in enumerate(receives, start=1)
        ]
    }


def answering(
    **answers: Exception | None,
) -> Callable[[Sequence[Message], Context], Mapping[str, Exception | None]]:
    def work(messages: Sequence[Message], context: Context) -> Mapping[str, Exception | None]:
        return {message.id: answers[message.id] for message in messages if message.id in answers}

    return work


def failed(response: Mapping[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def test_done_is_acknowledged() -> None:
    """Nothing went wrong, nothing comes back."""
    assert failed(World().batch().run(event(1, 1), FakeContext(), answering(m1=None, m2=None))) == []


@pytest.mark.parametrize("error", [TransientError("down"), MisconfiguredError("no", setting="KEY")])
def test_what_cannot_work_now_is_put_off(error: Exception) -> None:
    """A delayed copy goes to the same queue with the first receipt and a count, and the original is acknowledged."""
    world = World()
    assert failed(world.batch().run(event(1), FakeContext(), answering(m1=error))) == []
    (copy,) = world.source.sent
    assert copy.attributes["deferrals"] == "1"
    assert copy.attributes["received_at"] == NOW.isoformat(timespec="milliseconds")
    assert 1 <= copy.delay <= 5
    assert world.dead_letters.sent == []


def test_what_is_put_off_is_observed_together() -> None:
    """Once a batch: the age of the oldest, and the errors; nothing where nothing is put off."""
    seen: list[tuple[timedelta, Sequence[Exception]]] = []
    batch = replace(World().batch(), observe_put_off=lambda age, errors: seen.append((age, errors)))
    down, wrong = TransientError("down"), MisconfiguredError("no", setting="KEY")
    old, new = event(1, 1, 1, age=timedelta(hours=2)), event(1)
    old["Records"][0] = new["Records"][0]
    batch.run(old, FakeContext(), answering(m1=down, m2=wrong, m3=PermanentError("never")))
    batch.run(event(1, 1), FakeContext(), answering(m1=None, m2=PermanentError("never")))
    assert seen == [(timedelta(hours=2), [down, wrong])]


@pytest.mark.parametrize(("asked", "least", "most"), [(30, 31, 37), (7200, 900, 900), (0, 1, 1)])
def test_what_a_server_asks_for_is_obeyed(asked: float, least: int, most: int) -> None:
    """`Retry-After` is kept, with a little jitter, as far as a queue can delay."""
    world = World()
    world.batch().run(event(1), FakeContext(), answering(m1=TransientError("slow", retry_after=asked)))
    assert least <= world.source.sent[0].delay <= most


def test_who_was_parked_comes_back_together() -> None:
    """What waits at a gate of ours wakes when it opens, all at once: so it fills calls, and nobody is asked before."""
    delays = set()
    for _ in range(20):
        world = World()
        world.batch().run(
            event(1), FakeContext(), answering(m1=CircuitOpenError("closed", retry_after=299.5))
        )
        delays |= {sent.delay for sent in world.source.sent}
    assert delays == {300}


def test_the_delay_grows() -> None:
    """The seventh time waits minutes, and never longer than a queue allows."""
    world = World()
    record = queued(CONTENT)
    for count in (6, 60):
        record["messageAttributes"]["deferrals"] = {"stringValue": str(count)}
        world.batch().run({"Records": [record]}, FakeContext(), answering(m1=TransientError("down")))
    delays = [copy.delay for copy in world.source.sent]
    assert delays[0] >= 160
    assert LONGEST_DELAY / 2 <= delays[1] <= LONGEST_DELAY


def test_a_copy_that_is_not_taken_hands_the_original_back() -> None:
    """A message is acknowledged only when its own copy is safe."""
    world = World()
    world.source.refuse = {0}
    response = world.batch().run(
        event(1, 1), FakeContext(), answering(m1=TransientError("down"), m2=TransientError("down"))
    )
    assert (failed(response), len(world.source.sent)) == (["m1"], 1)


def test_what_can_never_work_is_given_up_at_once() -> None:
    """Dead letters hold the body, and say why without a word of it; ten attributes are all that SQS takes."""
    world = World()
    response = world.batch().run(event(2), FakeContext(), answering(m1=PermanentError("no_member")))
    (letter,) = world.dead_letters.sent
    assert failed(response) == []
    assert letter.body == queued(CONTENT)["body"]
    expected = {"source_queue": "source", "reason": "no_member", "error": "PermanentError", "attempts": "2"}
    assert letter.attributes.items() >= expected.items()
    assert len(letter.attributes) <= 10
    assert "7733540520067" not in str(letter.attributes)


def test_after_three_days_nothing_is_put_off() -> None:
    """The queue would drop it a day later: it goes to the dead letters by our hand."""
    world = World()
    world.batch().run(event(1, age=timedelta(days=3)), FakeContext(), answering(m1=TransientError("down")))
    assert [letter.attributes["reason"] for letter in world.dead_letters.sent] == ["too_old"]
    assert world.source.sent == []


def test_a_defect_hands_back_its_own_message() -> None:
    """An unexpected error costs its message a receive, and the rest of the batch nothing."""
    response = World().batch().run(event(1, 1), FakeContext(), answering(m1=ZeroDivisionError(), m2=None))
    assert failed(response) == ["m1"]


def test_a_crash_of_the_work_hands_back_all_of_it() -> None:
    """Nobody knows what was done, so everything comes again."""

    def work(messages: Sequence[Message], context: Context) -> Mapping[str, Exception | None]:
        raise ZeroDivisionError

    assert failed(World().batch().run(event(1, 1), FakeContext(), work)) == ["m1", "m2"]


def test_what_was_not_started_is_handed_back() -> None:
    """A message without an answer comes again, unstarted."""
    assert failed(World().batch().run(event(1, 1), FakeContext(), answering(m1=None))) == ["m2"]


def test_a_suspect_is_handled_last_and_alone() -> None:
    """What was received three times may kill the function: the finished are deleted before it is touched."""
    world, seen = World(), []

    def work(messages: Sequence[Message], context: Context) -> Mapping[str, Exception | None]:
        seen.append(([message.id for message in messages], list(world.source.deleted)))
        return dict.fromkeys((message.id for message in messages), None)

    world.batch().run(event(1, 3, 1, 4), FakeContext(), work)
    assert seen == [(["m1", "m3"], []), (["m2"], ["m1", "m3"]), (["m4"], ["m1", "m3"])]


def test_no_time_for_a_suspect() -> None:
    """With the time nearly up a suspect is not begun."""
    response = World().batch().run(event(1, 3), FakeContext(millis=1000), answering(m1=None, m2=None))
    assert failed(response) == ["m2"]


def test_a_count_that_is_none() -> None:
    """A message that somebody sent by hand drags nobody along: what it says of deferrals is left aside."""
    record = queued(CONTENT)
    record["messageAttributes"]["deferrals"] = {"stringValue": "often"}
    assert failed(World().batch().run({"Records": [record]}, FakeContext(), answering(m1=None))) == []


def test_a_redriven_letter_that_is_put_off_fits_its_queue() -> None:
    """It sheds what made it a dead letter: SQS takes ten attributes, and a replayed packed one has ten already."""
    world, record = World(), queued(CONTENT)
    for name in ("delivery_id", "replay", "encoding"):
        record["messageAttributes"][name] = {"stringValue": "x"}
    world.batch().run({"Records": [record]}, FakeContext(), answering(m1=PermanentError("no_member")))
    (letter,) = world.dead_letters.sent
    record["messageAttributes"] = {name: {"stringValue": text} for name, text in letter.attributes.items()}
    world.batch().run({"Records": [record]}, FakeContext(), answering(m1=TransientError("down")))
    (copy,) = world.source.sent
    assert len(copy.attributes) <= 10
    assert not {"reason", "error", "attempts", "source_queue"} & copy.attributes.keys()
