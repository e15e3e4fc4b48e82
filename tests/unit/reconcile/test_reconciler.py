"""The work of `reconcile`: check the record again, read once an hour, and defer what failed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.ingest.consumer import Consumer
from relay.model.consistency import NO_EMAIL, UNDATED
from relay.model.effects import Recheck
from relay.reconcile.reconciler import NEEDED_MS

from tests.support.port_fakes import NOW, FakeContext, World, queued, sample
from tests.support.topic_functions import TOPIC_RULES
from tests.unit.reconcile.reconcile_setup import ReconcileSetup


def test_a_missing_address_is_read(setup: ReconcileSetup) -> None:
    """One reading, dated by its answer less its duration less two minutes; a change; a line in the journal."""
    assert setup.work(NO_EMAIL) is None
    register = setup.member.registers["email"]
    assert (register.value, register.at) == ("anna@example.com", NOW - timedelta(seconds=122))
    assert register.event_id.startswith("api-")
    assert setup.members.outboxes[-1].changed
    [line] = setup.journal.lines
    assert (line["id"], line["topic"], line["outcome"], line["reason"], line["customer"]) == (
        register.event_id, "relay.reconcile", "applied", "no_email", "1",
    )  # fmt: skip
    assert setup.outcomes == ["reconciled"]
    assert "nna" not in str(setup.telemetry.outcomes)


def test_a_consistent_record_costs_no_call(setup: ReconcileSetup) -> None:
    """The record is checked again first: the missing event has arrived."""
    setup.tell(-1, email="a@example.com")
    assert setup.work(NO_EMAIL) is None
    assert (setup.api.calls, setup.outcomes) == (0, ["already_consistent"])


def test_one_reading_per_member_and_hour(setup: ReconcileSetup) -> None:
    """A request within the hour waits for its end; then the member is read."""
    setup.api.answer = {"customerId": "1"}
    setup.work(NO_EMAIL)
    setup.now += timedelta(minutes=20)
    error = setup.work(NO_EMAIL)
    assert isinstance(error, TransientError)
    assert error.retry_after == 40 * 60
    assert setup.api.calls == 1
    setup.now += timedelta(minutes=40)
    assert setup.work(NO_EMAIL) is None
    assert setup.api.calls == 2


def test_a_reading_answers_what_was_asked_before_it(setup: ReconcileSetup) -> None:
    """Ten messages about one member without an address are one call, and not one an hour."""
    setup.api.answer = {"customerId": "1"}
    asked = setup.now - timedelta(minutes=10)
    assert [setup.work(NO_EMAIL, asked=asked) for _ in range(3)] == [None, None, None]
    assert (setup.api.calls, setup.outcomes) == (1, ["reconciled", "already_read", "already_read"])


def test_another_invocation_is_reading(setup: ReconcileSetup) -> None:
    """Two at once: one reads, the other waits."""
    setup.throttle.lost = True
    assert isinstance(setup.work(NO_EMAIL), TransientError)
    assert setup.api.calls == 0


def without(topic: str, *places: str) -> dict[str, Any]:
    """Return a topic's sample of member 1 without the values in these places of its payload."""
    content = sample(topic)
    payload = content["payload"]
    (payload.get("newData") or payload)["customerId"] = "1"
    if isinstance(payload.get("customer"), dict):
        payload["customer"]["id"] = "1"
    for place in places:
        *steps, name = place.split(".")
        part = payload
        for step in steps:
            part = part[step]
        part[name] = None
    return content


def other_tier(topic: str, place: str) -> dict[str, Any]:
    content = without(topic)
    *steps, name = place.split(".")
    part = content["payload"]
    for step in steps:
        part = part[step]
    part[name] = "99999999"
    return content


def of_two_people() -> dict[str, Any]:
    content = without("customer.payment_failed")
    content["payload"]["customer"]["id"] = "2"
    return content


def refunded() -> dict[str, Any]:
    content = without("customer.payment_succeeded")
    content["payload"]["status"] = "REFUNDED"
    return content


DOUBTFUL = [
    (of_two_people(), "identity_conflict"),
    (refunded(), "unknown_word"),
    (without("customer.pending_cancellation", "detail.effectiveCancellationDate"), "subject_missing"),
    (without("customer.joined.paid_tier", "tierId"), "subject_missing"),
    (without("customer.credits.updated", "newBalance"), "subject_missing"),
    (without("customer.updated"), "subject_missing"),
    (other_tier("customer.pending_cancellation", "detail.cancelRequest.billingTierId"), "other_tier"),
    (other_tier("customer_billing.attempt.failed", "detail.billingTierId"), "other_tier"),
    (other_tier("customer.payment_failed", "detail.billingTierId"), "other_tier"),
]


@pytest.mark.parametrize(
    ("content", "reason"), DOUBTFUL, ids=[f"{each['metadata']['topic']} {why}" for each, why in DOUBTFUL]
)
def test_what_an_event_leaves_in_doubt_is_looked_up(
    setup: ReconcileSetup, content: dict[str, Any], reason: str
) -> None:
    """From the event to the call: the record does not show the doubt, and must not answer it."""
    relay = World(members=setup.members)
    joined = without("customer.joined.paid_tier")
    if content["metadata"]["topic"] == "customer.updated":
        content["payload"] = {"customerId": "1", "newData": None, "oldData": None}
    setup.members.records.clear()
    for each in (joined, content):
        topic = each["metadata"]["topic"]
        Consumer(TOPIC_RULES[topic], relay.services)({"Records": [queued(each)]}, FakeContext())
    asked = [
        effect.reason
        for outbox in setup.members.outboxes
        for event_effects in outbox.events
        for effect in event_effects.effects
        if isinstance(effect, Recheck)
    ]
    assert reason in asked
    setup.tell(-1, email="a@example.com")
    assert setup.work(reason) is None
    assert (setup.api.calls, setup.outcomes) == (1, ["reconciled"])


def test_an_event_from_the_future_is_always_asked_about(setup: ReconcileSetup) -> None:
    """The record cannot show whether it is consistent again."""
    setup.tell(-1, email="a@example.com")
    assert setup.work(UNDATED) is None
    assert setup.api.calls == 1


def test_the_api_knows_no_such_member(setup: ReconcileSetup) -> None:
    """Nothing changes: the full run decides whether a member is gone. The request is done."""
    before, setup.api.answer = setup.member, None
    assert setup.work(NO_EMAIL) is None
    assert (setup.member, setup.outcomes, setup.journal.lines) == (before, ["not_found"], [])


@pytest.mark.parametrize(
    "failure", [MisconfiguredError("no", setting="/relay/inveterate"), TransientError("no"), KeyError("bug")]
)
def test_a_failed_call_releases_its_claim(setup: ReconcileSetup, failure: Exception) -> None:
    """The next attempt must not have to wait an hour."""
    setup.api.failure = failure
    assert setup.work(NO_EMAIL) is failure
    setup.api.failure = None
    assert setup.work(NO_EMAIL) is None


def test_a_journal_that_is_down(setup: ReconcileSetup) -> None:
    """What cannot be journaled changes nothing, and is deferred."""
    setup.journal.failure = TransientError("no")
    assert isinstance(setup.work(NO_EMAIL), TransientError)
    assert setup.member.value("email") is None


def test_another_shops_member(setup: ReconcileSetup) -> None:
    """Such a message can never work."""
    assert isinstance(setup.work(NO_EMAIL, member="other.myshopify.com:1"), PermanentError)


def test_nothing_is_begun_without_time(setup: ReconcileSetup) -> None:
    """It is deferred, and spends no receives."""
    assert isinstance(setup.work(NO_EMAIL, ms=NEEDED_MS - 1), TransientError)
    assert setup.api.calls == 0
