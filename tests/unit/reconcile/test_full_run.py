"""The full run: the import, the comparison, its brakes, and what it says."""

from __future__ import annotations

from decimal import Decimal

import pytest
from relay.errors import TransientError
from relay.model.effects import Alert, Level
from relay.model.messages import RunCommand
from relay.rules.settings import Rules, Thresholds

from tests.support.port_fakes import NOW, SHOP
from tests.unit.reconcile.full_run_setup import DAY, FullRunSetup, TimedContext


@pytest.fixture
def setup() -> FullRunSetup:
    """Return a programme of 45 members, of which the table knows none."""
    setup = FullRunSetup()
    setup.has(*range(1, 46))
    return setup


@pytest.fixture
def imported(setup: FullRunSetup) -> FullRunSetup:
    """Return the same a day after an import."""
    setup.command("import")
    setup.members.outboxes.clear()
    setup.journal.lines.clear()
    setup.next_day()
    return setup


def test_an_import_brings_everybody_and_tells_no_one(setup: FullRunSetup) -> None:
    """Each member is a change for the CRMs, marked as a back-fill; no alert, no note; the journal has the readings."""
    run = setup.command("import")
    assert (run.phase, run.read, run.new, run.whole, run.last_members) == ("finished", 45, 45, True, 45)
    assert {outbox.member for outbox in setup.members.outboxes} == {f"{SHOP}:{n}" for n in range(1, 46)}
    assert all(outbox.backfill and outbox.changed and not outbox.events for outbox in setup.members.outboxes)
    assert setup.member(7).value("email") == "m7@example.com"
    assert setup.member(7).status == "active"
    assert (len(setup.journal.lines), setup.alerts.sent) == (45, [])
    assert run.imported_at == setup.now, "the clock measures the programme then"


@pytest.mark.parametrize("questions", [2, 3, 4, 5])
def test_an_import_goes_on_after_any_page(setup: FullRunSetup, questions: int) -> None:
    """However little time an invocation has: each page is read once, and the next step is a message of the queue."""
    run = setup.command("import", questions=questions)
    assert (run.phase, run.read, run.new) == ("finished", 45, 45)
    assert setup.programme.calls == 5


@pytest.mark.parametrize("call", [1, 2, 3, 4, 5])
def test_an_import_that_was_killed_at_any_page_goes_on(setup: FullRunSetup, call: int) -> None:
    """The message comes again, and continues at the page that failed."""
    setup.programme.failures[call] = TransientError("killed")
    with pytest.raises(TransientError):
        setup.command("import")
    run = setup.command("import")
    assert (run.phase, run.read, len(setup.members.records)) == ("finished", 45, 45)
    assert setup.programme.calls == 6


def test_the_clock_revives_a_run_that_lost_its_steps(setup: FullRunSetup) -> None:
    """And leaves one alone that makes progress."""
    setup.runner.obey(RunCommand(action="import", id="r1"), TimedContext(questions=3))
    setup.steps.sent.clear()
    setup.runner.tick(NOW, 0, 500)
    assert setup.steps.sent == []
    setup.now += 0.5 * DAY
    setup.runner.tick(NOW, 0, 500)
    setup.steps_taken()
    assert setup.runs.run is not None
    assert (setup.runs.run.phase, setup.runs.run.read) == ("finished", 45)


def test_two_steps_at_once(setup: FullRunSetup) -> None:
    """The second to write its progress ends, and sends no further step."""
    stale = setup.runner.begin("import", "command", None, run_id="r1")
    setup.runner.advance(stale, TimedContext(questions=3))
    sent = len(setup.steps.sent)
    setup.runner.advance(stale, TimedContext(questions=3))
    assert len(setup.steps.sent) == sent


def test_pages_have_a_pause_between_them(setup: FullRunSetup) -> None:
    """At most one page a second, so that others can call with the same key."""
    setup.command("import")
    assert setup.pauses == [1.0] * 4


def test_a_dry_run_changes_nothing(imported: FullRunSetup) -> None:
    """It counts what differs, by field, and stops at no brake."""
    imported.whenever(lambda one: one.update(status="CANCELLED", firstName="Other"), *range(1, 31))
    before = dict(imported.members.records)
    run = imported.command("reconcile", "r2", dry_run=True)
    assert (run.changed, run.altered, run.fields) == (30, 30, {"first_name": 30, "status": 30})
    assert (imported.members.records, imported.journal.lines, imported.alerts.sent) == (before, [], [])
    assert run.last_members == 45


def test_a_comparison_merges_what_differs(imported: FullRunSetup) -> None:
    """Only differing readings are journaled; a newer event stands; new members are no change of status."""
    imported.whenever(lambda one: one.update(tierId="t2"), 3)
    imported.tell(4, tier_id="t9")
    imported.has(*range(50, 80))
    run = imported.command("reconcile", "r2")
    assert (run.phase, run.new, run.changed, run.fields) == ("finished", 30, 1, {"tier_id": 1})
    assert (imported.member(3).text("tier_id"), imported.member(4).text("tier_id")) == ("t2", "t9")
    assert len(imported.journal.lines) == 31
    assert [outbox.member for outbox in imported.members.outboxes if outbox.changed][:1] == [f"{SHOP}:3"]


def test_a_member_found_cancelled_is_told_late_under_its_incident(imported: FullRunSetup) -> None:
    """The fee was open: it is lost. In an import the same is silent."""
    imported.tell(5, at=imported.now - 0.2 * DAY, last_failure_at=imported.now - 0.2 * DAY, failed_attempts=3)
    imported.whenever(lambda one: one.update(status="CANCELLED"), 5)
    run = imported.command("reconcile", "r2")
    assert (imported.told, run.told, imported.member(5).status) == (["dunning.lost"], 1, "cancelled")
    [alert] = [e for o in imported.members.outboxes for event in o.events for e in event.effects]
    assert isinstance(alert, Alert)
    assert alert.incident_key == f"dun:{SHOP}:5"


@pytest.mark.parametrize(
    ("word", "level", "outcome", "payment_status"),
    [("PAST_DUE", Level.INFO, None, "past_due"), ("FAILED", Level.WARNING, "failed_for_good", "failed")],
)
def test_a_member_found_failed_is_told_late_under_its_incident(
    imported: FullRunSetup, word: str, level: Level, outcome: str | None, payment_status: str
) -> None:
    """Once, under the key of every failed fee; the payment's event, or a reading, resolves it."""
    imported.whenever(lambda one: one.update(status=word), 5)
    imported.next_day()
    assert imported.command("reconcile", "r2").told == 1
    found = imported.member(5)
    assert (found.status, found.payment_status, found.count("failed_attempts")) == (
        "past_due",
        payment_status,
        1,
    )
    [alert] = imported.alerts_told
    assert (alert.incident_key, alert.action, alert.level, alert.outcome) == (
        f"dun:{found.key}",
        "open",
        level,
        outcome,
    )
    imported.next_day()
    assert imported.command("reconcile", "r3").told == 0
    imported.whenever(lambda one: one.update(status="ACTIVE"), 5)
    imported.next_day()
    imported.command("reconcile", "r4")
    resolved = imported.alerts_told[-1]
    assert (resolved.incident_key, resolved.action, resolved.outcome) == (
        alert.incident_key,
        "resolve",
        "recovered",
    )
    assert imported.member(5).payment_status == "none"


def test_a_member_found_failed_after_its_failure_was_told(imported: FullRunSetup) -> None:
    """The incident is open: the reading adds that the fee failed for good, and nothing where it says past due."""
    at = imported.now - 0.2 * DAY
    for number in (5, 6):
        imported.tell(number, at=at, last_failure_at=at, failed_attempts=2)
    imported.whenever(lambda one: one.update(status="PAST_DUE"), 5)
    imported.whenever(lambda one: one.update(status="FAILED"), 6)
    imported.next_day()
    imported.command("reconcile", "r2")
    [alert] = imported.alerts_told
    assert (alert.incident_key, alert.outcome) == (f"dun:{imported.member(6).key}", "failed_for_good")
    assert imported.member(6).count("failed_attempts") == 2


def test_a_payment_after_the_finding_settles_it(imported: FullRunSetup) -> None:
    """A failed fee that was found, and an older one that was paid: neither shows once a payment is newer."""
    old = imported.now - 9 * DAY
    imported.happened(5, "failed", at=old, last_failure_at=old, failed_attempts=3, unpaid=Decimal(49))
    imported.happened(5, "paid", at=old + DAY, last_payment_at=old + DAY)
    assert not imported.member(5).is_failing
    imported.whenever(lambda one: one.update(status="FAILED"), 5)
    imported.next_day()
    imported.command("reconcile", "r2")
    found = imported.member(5)
    assert (found.is_failing, found.count("failed_attempts"), found.money("unpaid")) == (True, 1, None)
    imported.happened(5, "paid", at=imported.now, last_payment_at=imported.now)
    assert not imported.member(5).is_failing


def test_a_member_found_cancelled_is_told_late(imported: FullRunSetup) -> None:
    """With no fee open and of high value: under the incident that the event of the ending would have had."""
    imported.members.rules = Rules(currency="USD", thresholds=Thresholds(high_value_credits=Decimal(5)))
    imported.whenever(lambda one: one.update(status="CANCELLED"), 5)
    imported.next_day()
    assert imported.command("reconcile", "r2").told == 1
    [alert] = imported.alerts_told
    ended = imported.member(5).ended_at
    assert ended is not None
    assert (alert.rule, alert.incident_key) == (
        "cancel.voluntary",
        f"cancelled:{imported.member(5).key}:{ended:%Y-%m-%d}",
    )


def test_a_member_found_cancelled_ended_when_that_was_found_first(imported: FullRunSetup) -> None:
    """The comparisons of later days do not move the date: the CRMs show it, and would never hold what the record says.

    A member that is back and found cancelled once more has a new one.
    """
    imported.whenever(lambda one: one.update(status="CANCELLED"), 5)
    imported.next_day()
    imported.command("reconcile", "r2")
    ended, sent = imported.member(5).ended_at, len(imported.members.outboxes)
    assert ended is not None
    for day in ("r3", "r4"):
        imported.next_day()
        imported.command("reconcile", day)
        assert imported.member(5).ended_at == ended
    assert not any(outbox.changed for outbox in imported.members.outboxes[sent:])
    for status, day in (("ACTIVE", "r5"), ("CANCELLED", "r6")):
        imported.whenever(lambda one, status=status: one.update(status=status), 5)  # type: ignore[misc]  # a default binds it
        imported.next_day()
        imported.command("reconcile", day)
    again = imported.member(5).ended_at
    assert again is not None
    assert again > ended + 3 * DAY


def test_an_import_over_known_members_tells_no_one(imported: FullRunSetup) -> None:
    """Also of members that the table knows."""
    imported.tell(5, at=imported.now - 0.2 * DAY, last_failure_at=imported.now - 0.2 * DAY, failed_attempts=3)
    imported.whenever(lambda one: one.update(status="CANCELLED"), 5)
    run = imported.command("import", "r2")
    assert (imported.told, run.told, imported.member(5).status) == ([], 0, "cancelled")
    assert all(outbox.backfill for outbox in imported.members.outboxes)


def test_too_many_changes_stop_the_run(imported: FullRunSetup) -> None:
    """Twenty of 45 are changed, the next one is not; an alert names the command; confirmed, the rest follows."""
    imported.whenever(lambda one: one.update(status="CANCELLED"), *range(1, 31))
    run = imported.command("reconcile", "r2")
    assert (run.stopped, run.altered, imported.member(20).status, imported.member(21).status) == (
        "changes", 20, "cancelled", "active",
    )  # fmt: skip
    [alert] = imported.said
    assert (alert.alert.rule, alert.member) == ("reconcile.stopped", "")
    assert "relay reconcile --confirm" in alert.alert.advice
    assert imported.command("resume", "r2").stopped == "changes"
    run = imported.command("confirm", "r3")
    assert (run.id, run.phase, run.altered, run.read) == ("r2", "finished", 30, 45)
    assert imported.member(30).status == "cancelled"
    assert [one.alert.action for one in imported.said] == ["open", "resolve"]


@pytest.mark.slow
def test_a_share_of_a_large_programme_may_change() -> None:
    """One in a hundred, where that is more than twenty."""
    setup = FullRunSetup()
    setup.has(*range(1, 2201))
    setup.command("import")
    setup.next_day()
    setup.whenever(lambda one: one.update(status="CANCELLED"), *range(1, 23))
    assert setup.command("reconcile", "r2").stopped == ""
    setup.next_day()
    setup.whenever(lambda one: one.update(status="CANCELLED"), *range(100, 123))
    assert setup.command("reconcile", "r3").stopped == "changes"


def test_a_list_that_ends_at_a_third_changes_no_one(imported: FullRunSetup) -> None:
    """No absent member is read, none is gone, and people are told with the command."""
    imported.programme.unlisted = set(range(15, 46))
    calls = imported.programme.calls
    run = imported.command("reconcile", "r2")
    assert (run.stopped, run.read, run.gone, imported.programme.calls - calls) == ("few", 14, 0, 2)
    assert all(imported.member(number).status == "active" for number in range(1, 46))
    assert imported.said[0].alert.rule == "reconcile.stopped"
    # They are there after all: their own readings say so.
    run = imported.command("confirm", "r3")
    assert (run.phase, run.gone, imported.member(40).status) == ("finished", 0, "active")


def test_the_first_run_has_no_such_brake(setup: FullRunSetup) -> None:
    """There is no run to compare it with."""
    setup.tell(1, at=NOW - DAY, email="m1@example.com")
    assert setup.command("import").stopped == ""


@pytest.mark.parametrize(
    ("change", "end"),
    [
        ({"is_certain": False, "end": "full_page"}, "full_page"),
        ({"is_certain": False, "end": "repeated"}, "repeated"),
        ({"is_certain": False, "end": "unrecognised"}, "unrecognised"),
        ({"unreadable": 1}, "no_cursor"),
        ({"total": 46}, "total"),
        ({"circle": 3}, "circle"),
    ],
)
def test_a_list_that_is_not_certain_to_be_whole(
    imported: FullRunSetup, change: dict[str, object], end: str
) -> None:
    """It decides nothing about absence, and people hear of it; the number of members of the last run stays."""
    for name, value in change.items():
        setattr(imported.programme, name, value)
    imported.programme.members.pop(40)
    run = imported.command("reconcile", "r2")
    assert (run.whole, run.end, run.gone, run.last_members) == (False, end, 0, 45)
    if end != "circle":
        assert [one.alert.rule for one in imported.said] == ["reconcile.incomplete"]
    assert imported.member(40).status == "active"


def test_who_is_gone(imported: FullRunSetup) -> None:
    """The list lacks two: one's own reading shows it, the other's says that there is none. No alert, and all data stay."""
    imported.programme.members.pop(7)
    imported.programme.unlisted = {8}
    run = imported.command("reconcile", "r2")
    assert (run.gone, imported.member(7).status, imported.member(8).status) == (1, "none", "active")
    assert (imported.member(7).value("email"), imported.told, imported.alerts.sent) == (
        "m7@example.com",
        [],
        [],
    )
    assert imported.member(7).registers["found_status"].at < imported.programme.now
    calls = imported.programme.calls
    imported.next_day()
    imported.command("reconcile", "r3")
    # A member that is gone is not read again; one that is not listed is.
    assert imported.programme.calls - calls == 5 + 1


def test_who_is_gone_comes_back(imported: FullRunSetup) -> None:
    """By the next list, or by any later event."""
    taken = {number: imported.programme.members.pop(number) for number in (7, 9)}
    imported.command("reconcile", "r2")
    assert (imported.member(7).status, imported.member(9).status) == ("none", "none")
    imported.next_day()
    imported.tell(9, last_order_at=imported.now)
    imported.programme.members[7] = taken[7]
    imported.command("reconcile", "r3")
    assert (imported.member(7).status, imported.member(9).status) == ("active", "active")


def test_a_wrong_key_makes_no_one_gone(imported: FullRunSetup) -> None:
    """The run waits, and goes on."""
    imported.programme.members.pop(7)
    imported.programme.failures[imported.programme.calls + 6] = TransientError("the key")
    with pytest.raises(TransientError):
        imported.command("reconcile", "r2")
    assert imported.member(7).status == "active"


def test_too_many_gone_stop_the_run() -> None:
    """They count as changes of status."""
    setup = FullRunSetup()
    setup.has(*range(1, 301))
    setup.command("import")
    setup.next_day()
    for number in range(1, 26):
        setup.programme.members.pop(number)
    run = setup.command("reconcile", "r2")
    assert (run.stopped, run.gone) == ("changes", 20)
    assert (setup.command("confirm").gone, setup.runs.run and setup.runs.run.phase) == (25, "finished")


def test_who_joined_while_it_ran_is_not_looked_for(imported: FullRunSetup) -> None:
    """A record that was told of since the run began was there."""
    imported.tell(99, tier_id="t1", joined_at=imported.now)
    calls = imported.programme.calls
    assert imported.command("reconcile", "r2").gone == 0
    assert imported.programme.calls - calls == 5


def test_the_days_run(setup: FullRunSetup) -> None:
    """The first is an import. One run a day, by the tick's time."""
    setup.runner.tick(NOW, 0, 500)
    setup.steps_taken()
    first = setup.runs.run
    assert first is not None
    assert (first.reason, first.quiet, first.phase, first.new) == ("daily", True, "finished", 45)
    setup.runner.tick(NOW + DAY / 24, 0, 500)
    assert setup.runs.run is first
    setup.next_day()
    setup.runner.tick(NOW + DAY, 0, 500)
    assert setup.runs.run is not None
    assert (setup.runs.run.quiet, setup.runs.run.last_day) == (False, (NOW + DAY).date())


def test_one_run_in_place_of_very_many_rechecks(imported: FullRunSetup) -> None:
    """From 501 waiting on; single ones wait meanwhile."""
    imported.runner.tick(imported.now, 0, 500)
    imported.steps_taken()
    assert imported.runs.run is not None
    imported.runner.tick(imported.now, 500, 500)
    assert imported.runs.run.reason == "daily"
    imported.runner.tick(imported.now, 501, 500)
    assert (imported.runs.run.reason, imported.runner.stands_in()) == ("waiting", True)
    imported.steps_taken()
    assert not imported.runner.stands_in()


def test_a_days_run_whose_first_step_fails_goes_on(setup: FullRunSetup) -> None:
    """The step comes again, and not the tick, which would find a run under way."""
    setup.programme.failures[1] = TransientError("down")
    setup.runner.tick(NOW, 0, 500)
    [step] = setup.steps.sent
    with pytest.raises(TransientError):
        setup.steps_taken()
    setup.steps.sent.append(step)
    setup.steps_taken()
    assert setup.runs.run is not None
    assert (setup.runs.run.phase, setup.runs.run.read) == ("finished", 45)
