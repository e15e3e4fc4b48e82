"""The work of `reconcile`: look again, read once an hour, and give back what failed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.model.consistency import FROM_THE_FUTURE, NO_EMAIL
from relay.reconcile.reconciler import NEEDED_MS

from tests.support.port_fakes import NOW
from tests.unit.reconcile.reconciler import Bench


def test_a_missing_address_is_read(bench: Bench) -> None:
    """One reading, dated by its answer less its duration less two minutes; a change; a line in the journal."""
    assert bench.work(NO_EMAIL) is None
    register = bench.member.registers["email"]
    assert (register.value, register.at) == ("anna@example.com", NOW - timedelta(seconds=122))
    assert register.event_id.startswith("api-")
    assert bench.members.outboxes[-1].changed
    [line] = bench.journal.lines
    assert (line["id"], line["topic"], line["outcome"], line["reason"], line["customer"]) == (
        register.event_id, "relay.reconcile", "applied", "no_email", "1",
    )  # fmt: skip
    assert bench.told == ["reconciled"]
    assert "nna" not in str(bench.telemetry.outcomes)


def test_what_has_healed_costs_no_call(bench: Bench) -> None:
    """The doubt is looked at again first: the event that was missing has come."""
    bench.tell(-1, email="a@example.com")
    assert bench.work(NO_EMAIL) is None
    assert (bench.api.calls, bench.told) == (0, ["healed"])


def test_one_reading_per_member_and_hour(bench: Bench) -> None:
    """A doubt that comes within the hour waits for its end, and is then read."""
    bench.api.answer = {"customerId": "1"}
    bench.work(NO_EMAIL)
    bench.now += timedelta(minutes=20)
    error = bench.work(NO_EMAIL)
    assert isinstance(error, TransientError)
    assert error.retry_after == 40 * 60
    assert bench.api.calls == 1
    bench.now += timedelta(minutes=40)
    assert bench.work(NO_EMAIL) is None
    assert bench.api.calls == 2


def test_a_reading_answers_what_was_asked_before_it(bench: Bench) -> None:
    """Ten messages about one member without an address are one call, and not one an hour."""
    bench.api.answer = {"customerId": "1"}
    asked = bench.now - timedelta(minutes=10)
    assert [bench.work(NO_EMAIL, asked=asked) for _ in range(3)] == [None, None, None]
    assert (bench.api.calls, bench.told) == (1, ["reconciled", "answered", "answered"])


def test_somebody_else_is_reading(bench: Bench) -> None:
    """Two at once: one reads, the other waits."""
    bench.turns.lost = True
    assert isinstance(bench.work(NO_EMAIL), TransientError)
    assert bench.api.calls == 0


def test_an_event_from_the_future_is_always_asked_about(bench: Bench) -> None:
    """There is nothing in the record that could show whether it has healed."""
    bench.tell(-1, email="a@example.com")
    assert bench.work(FROM_THE_FUTURE) is None
    assert bench.api.calls == 1


def test_the_api_knows_nobody(bench: Bench) -> None:
    """Nothing changes: whether somebody is gone is for the full run to say. The question is answered."""
    before, bench.api.answer = bench.member, None
    assert bench.work(NO_EMAIL) is None
    assert (bench.member, bench.told, bench.journal.lines) == (before, ["gone"], [])


@pytest.mark.parametrize(
    "failure", [MisconfiguredError("no", setting="/relay/inveterate"), TransientError("no"), KeyError("bug")]
)
def test_a_call_that_failed_gives_its_turn_back(bench: Bench, failure: Exception) -> None:
    """The next attempt must not have to wait an hour."""
    bench.api.failure = failure
    assert bench.work(NO_EMAIL) is failure
    bench.api.failure = None
    assert bench.work(NO_EMAIL) is None


def test_a_journal_that_is_down(bench: Bench) -> None:
    """What cannot be journaled changes nothing, and comes again."""
    bench.journal.failure = TransientError("no")
    assert isinstance(bench.work(NO_EMAIL), TransientError)
    assert bench.member.value("email") is None


def test_another_shops_member(bench: Bench) -> None:
    """Such a message can never work."""
    assert isinstance(bench.work(NO_EMAIL, member="other.myshopify.com:1"), PermanentError)


def test_nothing_is_begun_without_time(bench: Bench) -> None:
    """It is put off, and spends no receives."""
    assert isinstance(bench.work(NO_EMAIL, ms=NEEDED_MS - 1), TransientError)
    assert bench.api.calls == 0
