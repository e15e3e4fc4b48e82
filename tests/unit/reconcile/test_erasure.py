"""An erasure that a webhook claims, with an API key: confirmed, denied for a day, unanswered, or overtaken."""

from __future__ import annotations

from datetime import timedelta

import pytest
from relay.errors import MisconfiguredError, TransientError
from relay.model.consistency import ERASURE, EVIDENCE
from relay.model.effects import Alert
from relay.model.facts import Facts
from relay.model.member import merge
from relay.model.messages import RecheckRequest, load
from relay.model.milestones import Milestone
from relay.ports.members import MemberRecord

from tests.support.port_fakes import NOW
from tests.unit.reconcile.reconcile_setup import ANNA, HOUR, KEY, ReconcileSetup

CLAIMED = NOW - timedelta(minutes=30)


@pytest.fixture
def asked(setup: ReconcileSetup) -> ReconcileSetup:
    """Return a setup whose member is known by name, and has been erased as a webhook says."""
    setup.tell(-50, email="anna@example.com", first_name="Anna")
    setup.tell(-30, erasure_asked_at=CLAIMED)
    return setup


def alerts(setup: ReconcileSetup) -> list[Alert]:
    """Return the alerts of all writes."""
    effects = (e for outbox in setup.members.outboxes for event in outbox.events for e in event.effects)
    return [effect for effect in effects if isinstance(effect, Alert)]


def test_a_confirmed_erasure_is_dated_by_its_webhook(asked: ReconcileSetup) -> None:
    """And never by the reading; nothing of the person is left, whatever the API still shows; the CRMs hear of it."""
    asked.api.answer = {**ANNA, "anonymized": True, "firstName": "Anna"}
    assert asked.work(ERASURE) is None
    member = asked.member
    assert (member.is_erased, member.moment("erased_at")) == (True, CLAIMED)
    assert (member.value("email"), member.value("first_name")) == (None, None)
    assert asked.members.outboxes[-1].changed


def test_a_reading_for_another_reason_answers_as_well(asked: ReconcileSetup) -> None:
    """The next reading of the member is the answer, whoever asked for it."""
    asked.tell(-20, seen_status="CANCELLED")
    asked.api.answer = {**ANNA, "anonymized": True}
    asked.work(EVIDENCE)
    assert asked.member.is_erased


def test_a_missing_member_confirms_it(asked: ReconcileSetup) -> None:
    """The SDK reports a member as missing only while the key is good; the journal has the reading."""
    asked.api.answer = None
    assert asked.work(ERASURE) is None
    assert (asked.member.is_erased, asked.member.moment("erased_at")) == (True, CLAIMED)
    line, action = asked.journal.lines
    assert (line["kind"], line["reason"], "body" in line) == ("reading", "erasure", False)
    # With this line the journal alone can erase again, after a restore of the table.
    assert (action["action"], action["customer"], action["at"]) == ("erased", "1", "2025-07-01T11:30:00.000Z")


def test_a_missing_member_without_a_claim_stays(setup: ReconcileSetup) -> None:
    """The full run decides whether a member is gone."""
    setup.tell(-20, seen_status="CANCELLED")
    setup.api.answer = None
    setup.work(EVIDENCE)
    assert not setup.member.is_erased
    assert setup.outcomes == ["not_found"]


def test_a_denial_wipes_nothing_and_is_asked_about_hourly(asked: ReconcileSetup) -> None:
    """A forged webhook changes nothing of the person; the request comes back after an hour."""
    asked.api.answer = {**ANNA, "firstName": "Anna", "anonymized": False}
    error = asked.work(ERASURE)
    assert isinstance(error, TransientError)
    assert error.retry_after == HOUR.total_seconds()
    assert (asked.member.value("email"), asked.member.value("first_name")) == ("anna@example.com", "Anna")
    assert alerts(asked) == []


@pytest.mark.parametrize("forged_again", [False, True])
def test_a_day_of_denial_ends_in_one_alert_with_the_command(
    asked: ReconcileSetup, *, forged_again: bool
) -> None:
    """After it nothing is asked any more; another webhook meanwhile does not begin the day anew."""
    asked.api.answer = {**ANNA, "anonymized": False}
    for hour in range(25):
        asked.now = asked.api.date = NOW + hour * HOUR
        if forged_again and hour == 20:
            asked.tell(hour * 60, erasure_asked_at=asked.now)
        done = asked.work(ERASURE)
        assert isinstance(done, TransientError) is (hour < 24), hour
    [alert] = alerts(asked)
    assert (alert.rule, alert.incident_key) == ("erasure.denied", f"erasure:{KEY}")
    assert "relay erase 1" in alert.advice
    assert asked.member.value("email") == "anna@example.com"
    asked.now += HOUR
    assert (asked.work(ERASURE), asked.outcomes[-1]) == (None, "already_consistent")


def test_a_confirmation_after_denials_holds(asked: ReconcileSetup) -> None:
    """The platform writes its record some time after the webhook."""
    asked.api.answer = {**ANNA, "anonymized": False}
    asked.work(ERASURE)
    asked.now = asked.api.date = NOW + HOUR
    asked.api.answer = {**ANNA, "anonymized": True}
    assert asked.work(ERASURE) is None
    assert asked.member.moment("erased_at") == CLAIMED


@pytest.mark.parametrize(
    "failure", [TransientError("down"), MisconfiguredError("no key", setting="InveterateSecret")]
)
def test_no_answer_waits_without_an_age_limit(asked: ReconcileSetup, failure: Exception) -> None:
    """What is two days old is replaced by a new message, since a message of three days is given up."""
    asked.api.failure = failure
    assert asked.work(ERASURE) is failure
    assert asked.requests.sent == []
    assert asked.work(ERASURE, asked=NOW - timedelta(days=2)) is None
    [fresh] = asked.requests.sent
    assert load(RecheckRequest, fresh.body) == RecheckRequest(member=KEY, reason=ERASURE)
    asked.requests.refuse = {1}
    assert isinstance(asked.work(ERASURE, asked=NOW - timedelta(days=2)), Exception)
    other = asked.work(EVIDENCE, asked=NOW - timedelta(days=2))
    assert other is None  # no contradiction but the claim: nothing to read


def test_a_newer_joining_ends_the_asking(asked: ReconcileSetup) -> None:
    """No call is made, and a reading that says anonymised does not date an erasure after it."""
    record = asked.members.records[KEY]
    joined = Facts(event_id="f" * 32, at=NOW - timedelta(minutes=10), milestone=Milestone(kind="joined"))
    asked.members.records[KEY] = MemberRecord(member=merge(record.member, joined), version=record.version)
    assert (asked.work(ERASURE), asked.api.calls) == (None, 0)
    assert not asked.member.is_erased
