"""The fold against values worked out by hand from the documents: samples, timelines, and the reports in the cases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.judge import bodies
from tests.judge.answer import Answer
from tests.judge.building import EMAIL, GOLD, MEMBER, PERSON, SILVER, Script, at
from tests.judge.fold import fold
from tests.judge.generator import draw
from tests.judge.history import SECOND, Delivery, Event, History
from tests.judge.ledger import Entry, balance
from tests.judge.messages import expect
from tests.judge.reading import Statement, Unplaced, read
from tests.judge.values import moment

SAMPLES = Path(__file__).parents[2] / "events"


def answer(script: Script) -> Answer:
    return fold(script.history())[MEMBER]


def shown(script: Script) -> dict[str, Any]:
    return answer(script).determined()


# --- the documented samples -------------------------------------------------------------------------------------

SAID: dict[str, dict[str, Any]] = {
    bodies.JOINED_PAID: {"status": "active", "tier_id": "3a636361", "tier_name": "PAID", "tier_type": "paid"},
    bodies.JOINED_FREE: {
        "status": "active",
        "tier_type": "free",
        "payment_status": "none",
        "tier_name": "FREE",
    },
    bodies.JOINED_TRIAL: {"status": "trialing", "tier_type": "trial"},
    bodies.JOINED_LIFETIME: {"status": "active", "tier_type": "lifetime", "payment_status": "none"},
    bodies.CHANGED_TIER: {"tier_id": "6a538edc", "tier_name": "FREE", "previous_tier_name": "PAID0402"},
    bodies.UPDATED: {
        "email": "member-22978031812972@example.com",
        "revenue": Decimal("102.32"),
        "referrals_count": 0,
        "joined_at": moment("2025-05-25T00:27:52Z"),
    },
    bodies.ORDERED: {
        "email": "member-7741425221763@example.com",
        "last_order_at": moment("2025-06-04T10:30:49.653Z"),
    },
    bodies.SUCCEEDED: {"payment_status": "ok", "fee_amount": 100, "fee_currency": "USD"},
    bodies.FAILED: {"payment_status": "failed", "failed_attempts": 3},
    bodies.ATTEMPT: {"payment_status": "past_due", "failed_attempts": 3, "attempts_left": 0},
    bodies.METHOD: {"payment_method_updated_at": moment("2025-06-16T01:13:06.342Z")},
    bodies.CREDITS: {
        "credit_balance": 1,
        "last_credit_delta": 1,
        "last_credit_reason": "EARNED_FROM_PURCHASE",
    },
    bodies.EXPIRED: {"credit_balance": 0, "last_expired_amount": 5},
    bodies.CANCELLED: {"status": "cancelled", "cancel_type": "involuntary", "payment_status": "none"},
    bodies.PENDING: {"pending_cancel_at": moment("2025-06-30T11:00:00Z")},
}


@pytest.mark.parametrize("topic", bodies.TOPICS)
def test_a_documented_sample_is_read(topic: str) -> None:
    """Each of the platform's fifteen samples says what its page says, dated by its own time."""
    body = json.loads((SAMPLES / f"{topic}.json").read_text())
    triggered = moment(body["metadata"]["triggerredAt"])
    assert triggered is not None
    event = Event("e", topic, "", triggered, (Delivery(triggered + SECOND, bodies.dump(body)),))
    history = History(0, (event,), shop=body["metadata"]["shopDomain"])
    (found,) = fold(history).values()
    wanted = SAID[topic]
    assert {name: found.determined().get(name) for name in wanted} == wanted
    statement = read(event.deliveries[0], history)
    assert isinstance(statement, Statement)
    own = body["payload"].get("createdAt", body["payload"].get("expiredAt", body["metadata"]["triggerredAt"]))
    assert statement.ms == moment(own)


# --- timelines --------------------------------------------------------------------------------------------------


def test_a_lost_fee() -> None:
    """Three attempts, the final failure 40 ms later, and the ending: lost, involuntary, nothing left to bill."""
    script = Script().join("3-1").pay("3-1 0:0:9").attempt("4-1").attempt("4-2", 2).attempt("4-3", 3)
    failing = answer(script)
    assert failing.determined()["status"] == "past_due"
    assert failing.determined()["failed_attempts"] == 3
    assert failing.determined()["attempts_left"] == 0
    assert shown(script.final("4-3 0:0:0.040"))["payment_status"] == "failed"
    lost = shown(script.cancel("4-3 0:0:9", "FAILURE"))
    assert lost["status"] == "cancelled"
    assert lost["cancel_type"] == "involuntary"
    assert lost["payment_status"] == "none"
    assert lost["next_payment_on"] is lost["fee_amount"] is lost["attempts_left"] is None
    assert lost["last_payment_at"] == at("3-1 0:0:9")
    assert answer(script).pairs == {"rejoined": 0, "recovered": 0, "lost": 1}


def test_a_recovered_fee() -> None:
    """A payment after a failed attempt recovers it; nothing of the failure stays but when it was recovered."""
    found = answer(Script().join("3-1").attempt("4-1").pay("4-2"))
    assert found.determined()["status"] == "active"
    assert found.determined()["payment_status"] == "ok"
    assert found.determined()["failed_attempts"] == 0
    assert found.determined()["recovered_at"] == at("4-2")
    assert found.pairs["recovered"] == 1


def test_a_member_who_comes_back() -> None:
    """A joining after an ending is a return; the first joining is kept, the ending is forgotten."""
    found = shown(Script().join("3-1").cancel("4-1").join("5-1", tier=SILVER))
    assert found["status"] == "active"
    assert found["rejoin_count"] == 1
    assert found["rejoined_at"] == found["joined_at"] == at("5-1")
    assert found["first_joined_at"] == at("3-1")
    assert found["cancelled_at"] is found["cancel_type"] is None
    assert found["tier_name"] == "Silver"


def test_an_announced_end() -> None:
    """A pending cancellation is shown with its date until the ending."""
    script = Script().join("3-1").leaving("3-9")
    assert shown(script)["status"] == "pending_cancellation"
    assert shown(script)["pending_cancel_at"] == moment("2027-01-31T11:00:00Z")
    assert shown(script.cancel("4-1"))["status"] == "cancelled"


@pytest.mark.parametrize("topic", [bodies.JOINED_PAID, bodies.JOINED_TRIAL, bodies.JOINED_FREE])
def test_a_joining_leaves_no_fee_open(topic: str) -> None:
    """Every joining resolves an open dunning: no attempts are left, and a failure after it has its own."""
    script = Script().join("3-1").attempt("4-1").join("4-2", topic)
    assert shown(script)["attempts_left"] is None
    if topic == bodies.JOINED_TRIAL:
        assert shown(script.attempt("4-9"))["attempts_left"] == 2


def test_a_trial() -> None:
    """A trial shows when it ends; nothing is asserted of a trial that has been paid."""
    script = Script().join("3-1", bodies.JOINED_TRIAL)
    assert shown(script)["status"] == "trialing"
    assert shown(script)["trial_ends_at"] == at("3-31")
    assert "status" not in shown(script.pay("3-31"))


def test_a_second_cycle() -> None:
    """A numbered attempt 1 after a final failure starts a cycle of its own."""
    found = shown(Script().join("3-1").attempt("4-1", 3).final("4-1 0:0:1").attempt("4-3", 1))
    assert found["failed_attempts"] == 1
    assert found["payment_status"] == "past_due"


def test_a_failure_after_the_end_opens_nothing() -> None:
    """A failure told after the ending changes neither status nor payment status."""
    found = shown(Script().join("3-1").cancel("4-1").final("4-1 0:0:0.400"))
    assert found["status"] == "cancelled"
    assert found["payment_status"] == "none"


def test_a_lifetime_tier_ends_billing() -> None:
    """After a joining of a tier without a fee no payment is shown as to come."""
    found = shown(Script().join("3-1").pay("3-1 0:1").join("4-1", bodies.JOINED_LIFETIME))
    assert found["next_payment_on"] is found["fee_amount"] is None
    assert found["payment_status"] == "none"


def test_an_ending_of_another_tier_is_looked_up() -> None:
    """An ending that names a tier that the member does not have ends nothing (docs/rules.md)."""
    found = shown(Script().join("3-1").cancel("4-1", tier=SILVER))
    assert (found["status"], found["tier_name"]) == ("active", "Gold")


def test_a_payment_of_a_cancelled_member_is_looked_up() -> None:
    """A payment after the ending contradicts it: nothing is asserted of billing."""
    found = shown(Script().join("3-1").cancel("4-1").pay("4-2"))
    assert "payment_status" not in found
    assert "fee_amount" not in found


@pytest.mark.parametrize(
    ("first", "second", "field", "value"),
    [
        ("final", "pay", "payment_status", "ok"),
        ("attempt", "final", "payment_status", "failed"),
        ("attempt", "pay", "payment_status", "ok"),
        ("leaving", "cancel", "status", "cancelled"),
        ("pay", "cancel", "payment_status", "none"),
        ("final", "cancel", "status", "cancelled"),
        ("cancel", "join", "status", "active"),
    ],
)
def test_ties_go_by_rank(first: str, second: str, field: str, value: str) -> None:
    """Of two events of one ms the one of the higher rank stands, whichever was written first."""
    for order in ((first, second), (second, first)):
        script = Script().join("3-1")
        for name in order:
            getattr(script, name)("4-1")
        assert shown(script)[field] == value


def test_a_tie_that_no_rank_decides_is_open() -> None:
    """Two joinings of one ms into different tiers: which stands is left to an id, so the tier is not asserted."""
    script = Script().join("3-1").join("4-1", bodies.JOINED_FREE, tier=GOLD).join("4-1", tier=SILVER)
    assert "tier_id" not in shown(script)
    assert "tier_id" not in shown(script.join("4-1", bodies.JOINED_LIFETIME, tier=SILVER))
    assert shown(script.join("4-2", tier=GOLD))["tier_id"] == GOLD[0]


def test_a_part_recovers_nothing() -> None:
    """Less than what failed, in the same currency: the fee stays open, and the rest recovers it."""
    assert (
        answer(Script().join("3-1").attempt("4-1").pay("4-2", 9)).determined()["payment_status"] == "past_due"
    )
    assert answer(Script().join("3-1").attempt("4-1").pay("4-2", 9).pay("4-3", 49)).pairs["recovered"] == 1


def test_a_refund_recovers_nothing() -> None:
    """A negative payment is none: the fee stays open."""
    found = answer(Script().join("3-1").attempt("4-1").pay("4-2", -49))
    assert found.pairs["recovered"] == 0
    assert found.determined()["status"] == "past_due"


def test_an_ending_without_a_source_while_a_fee_is_open() -> None:
    """Where the source says nothing and a fee is open, the ending was involuntary; else it is not asserted."""
    assert shown(Script().join("3-1").attempt("4-1").cancel("4-2", None))["cancel_type"] == "involuntary"
    assert "cancel_type" not in shown(Script().join("3-1").cancel("4-2", None))


def test_three_days_after_a_final_failure_a_cycle_is_new() -> None:
    """Attempt 2 two days after a final failure belongs to it, four days after it to a cycle of its own."""
    assert "payment_status" not in shown(Script().join("3-1").final("4-1").attempt("4-3", 2))
    assert shown(Script().join("3-1").final("4-1").attempt("4-5", 2))["payment_status"] == "past_due"


def test_an_expiry_that_does_not_add_up_is_open() -> None:
    """Where the lost amount is not the difference of the balances, neither is asserted as the lost amount."""
    script = Script()
    for before, after, lost in ((10, 5, 5), (5, 3, 7)):
        when = at(f"3-{before}")
        holder = {"customerId": MEMBER, "email": EMAIL}
        script.add(bodies.EXPIRED, bodies.expired(holder, before, after, lost, when), when)
    assert "last_expired_amount" in shown(script)  # 3-10 is the later one, and adds up
    script.events.pop(0)
    assert "last_expired_amount" not in shown(script)


# --- reports that were tried (cases/pipeline.md) ----------------------------------------------------------------


def test_two_balances_of_one_moment() -> None:
    """0→10 and 10→7 with one createdAt: 7, in either order."""
    script = Script().join("3-1").credit("3-2", 0, 10).credit("3-2", 10, 7)
    assert shown(script)["credit_balance"] == 7
    script.events.reverse()
    assert shown(script)["credit_balance"] == 7


def test_dust_is_nothing() -> None:
    """A float's -2.8e-17 is a balance of zero."""
    script = Script().credit("3-1", 0, 0.3).credit("3-2", 0.3, -2.7755575615628914e-17)
    assert shown(script)["credit_balance"] == 0
    assert shown(script)["last_credit_delta"] == Decimal("-0.3")


@pytest.mark.parametrize(
    ("amount", "currency", "fee"),
    [(12.345, "KWD", "12.345"), (9800, "jpy", "9800"), (0.1 + 0.2, "USD", "0.3"), ("49.00", " usd ", "49")],
)
def test_amounts_to_the_minor_unit(amount: Any, currency: str, fee: str) -> None:
    """An amount has the digits of its currency, a code is upper-case."""
    found = shown(Script().join("3-1").pay("3-2", amount, currency))
    assert found["fee_amount"] == Decimal(fee)
    assert found["fee_currency"] == currency.strip().upper()


@pytest.mark.parametrize("amount", ["1_000", "٤٩", True, [49], "1e400"])
def test_an_amount_that_is_none_says_nothing(amount: Any) -> None:
    """What is no number in ASCII digits changes no fee, and the payment counts as one all the same."""
    found = shown(Script().join("3-1").pay("3-2", amount))
    assert "fee_amount" not in found
    assert found["payment_status"] == "ok"


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2027-04-01T00:00:00.000Z", date(2027, 4, 1)),
        ("2027-04-01T00:00:00+10:00", date(2027, 4, 1)),
        ("2027-04-01 00:00:00 +09:00", date(2027, 4, 1)),
        ("2027-04-01", date(2027, 4, 1)),
        ("2027-04-01T02:30:00Z", date(2027, 3, 31)),
        ("2027-04-01T23:30:00Z", date(2027, 4, 1)),
    ],
)
def test_a_date_is_the_day_as_written(written: str, day: date) -> None:
    """A date with an offset or at midnight is its day; another moment in Z is its day in the shop's zone."""
    script = Script(zone="America/New_York").join("3-1").pay("3-2", next_on=written)
    assert shown(script)["next_payment_on"] == day


def test_1970_is_no_date() -> None:
    """A date that is the epoch is unknown; the member still is leaving."""
    found = answer(Script().join("3-1").leaving("3-2", "1970-01-01T00:00:00.000Z"))
    assert found.determined()["status"] == "pending_cancellation"
    assert found.fields["pending_cancel_at"] is None


def test_null_in_another_matter_clears_no_address() -> None:
    """An order without an address takes none away; `customer.updated` does."""
    script = Script().join("3-1").update("3-2", email=EMAIL)
    order = bodies.ordered(MEMBER, EMAIL, "1.00", "USD", at("3-3"))
    order["customer"]["email"] = None
    assert shown(script.add(bodies.ORDERED, order, at("3-3")))["email"] == EMAIL
    assert shown(script.update("3-4", email=None))["email"] is None


@pytest.mark.parametrize("clock", ["1900-01-01T00:00:00.000Z", at("4-1 1:0:0"), "soon", None])
def test_a_clock_that_cannot_be_right(clock: Any) -> None:
    """An event with an impossible createdAt is dated by its time of triggering, never dropped."""
    script = Script().join("3-1").attempt("4-1")
    body = json.loads(script.events[-1].deliveries[0].body)
    body["payload"]["createdAt"] = clock
    post = replace(script.events[-1].deliveries[0], body=bodies.dump(body))
    script.events[-1] = replace(script.events[-1], deliveries=(post,))
    assert shown(script)["status"] == "past_due"
    statement = read(post, script.history())
    assert isinstance(statement, Statement)
    assert statement.ms == at("4-1 0:0:0.300")


def test_a_message_in_a_wrong_queue_says_what_it_says() -> None:
    """A final failure in the queue of payments leaves the member failed."""
    script = Script().join("3-1").attempt("4-1").final("4-2")
    post = replace(script.events[-1].deliveries[0], queue=bodies.SUCCEEDED)
    script.events[-1] = replace(script.events[-1], deliveries=(post,))
    assert shown(script)["payment_status"] == "failed"


@pytest.mark.parametrize(
    "member", [7733540520067.0, f"gid://shopify/Customer/{MEMBER}", f"{MEMBER}.0", f"00{MEMBER}"]
)
def test_an_id_is_the_same_however_written(member: Any) -> None:
    """A float's `.0`, a GID's path and leading zeros make no other member."""
    script = Script().join("3-1")
    body = json.loads(script.events[0].deliveries[0].body)
    body["payload"]["customerId"] = member
    script.events[0] = replace(script.events[0], deliveries=(Delivery(at("3-1") + 1, bodies.dump(body)),))
    assert list(fold(script.history())) == [MEMBER]


def test_erased_with_names_still_there() -> None:
    """An anonymised member has no personal field, whatever else `newData` holds and whatever comes late."""
    script = Script().join("3-1").update("3-2", email=EMAIL, firstName="Ada")
    script.update("3-3", anonymized=True, email=EMAIL, firstName="Ada")
    script.credit("3-4", 0, 5)
    found = answer(script)
    assert found.erased
    assert found.determined()["email"] is found.determined()["first_name"] is None
    assert found.determined()["credit_balance"] == 5
    assert not answer(script.join("3-5")).erased
    assert "email" not in shown(script)


def test_a_retried_snapshot_is_dated_by_its_lower_bound() -> None:
    """An older snapshot, retried with a renewed time of triggering, does not beat a newer one."""
    script = Script().join("3-1").update("3-5", email="new@people.example", updatedAt="2026-03-05T00:00:00Z")
    script.update("3-6", email="old@people.example", updatedAt="2026-03-02T00:00:00Z", _retry=1)
    assert shown(script)["email"] == "new@people.example"


def test_no_currency_is_of_high_value_in_a_small_shop() -> None:
    """With fewer than 30 members and no settings, an amount makes no member stand out."""
    assert shown(Script().join("3-1").pay("3-1 0:1", 980_000, "JPY"))["high_value"] is False


# --- identity ---------------------------------------------------------------------------------------------------


def identities(script: Script) -> set[tuple[str, ...]]:
    history = script.history()
    found = [read(d, history) for e in history.events for d in e.deliveries]
    return {s.identity for s in found if isinstance(s, Statement)}


def test_a_retry_is_the_same_event() -> None:
    """A retry with another count and a renewed time of triggering is one event."""
    assert (
        len(
            identities(
                Script().pay("3-1").again(5 * SECOND, retryCount=1, triggerredAt="2026-03-01T01:00:00Z")
            )
        )
        == 1
    )


def test_without_an_own_time_the_payload_is_the_event() -> None:
    """Without createdAt and expiredAt a renewed `updatedAt` makes no other event, another amount does."""
    script = Script()
    for updated, lost in (("2026-03-01", 5), ("2026-03-02", 5), ("2026-03-02", 6)):
        payload = bodies.expired({"customerId": MEMBER}, 10, 5, lost, 0) | {"updatedAt": updated}
        del payload["expiredAt"]
        script.add(bodies.EXPIRED, payload, at("3-1"))
    assert len(identities(script)) == 2


def test_there_and_back_are_three_events() -> None:
    """a→b, b→a, a→b by three snapshots are three events."""
    script = Script().update("3-1", email="b@x.example").update("3-2", email="a@x.example")
    assert len(identities(script.update("3-3", email="b@x.example"))) == 3


def test_ten_and_ten_point_nought_are_one() -> None:
    """A balance of 10 and one of 10.0 are one event; one of 11 is another."""
    assert len(identities(Script().credit("3-1", 0, 10).credit("3-1", 0.0, 10.0))) == 1
    assert len(identities(Script().credit("3-1", 0, 10).credit("3-1", 0, 11))) == 2


def test_one_metadata_id_for_two_events() -> None:
    """`metadata.id` decides nothing: another createdAt is another event."""
    script = Script().add(
        bodies.JOINED_PAID, bodies.joined(bodies.JOINED_PAID, MEMBER, GOLD, 1, None), at("3-1"), id="x"
    )
    script.pay("3-1").pay("3-2")
    assert len(identities(script)) == 3


# --- the chain of balances --------------------------------------------------------------------------------------


def entry(ms: int, previous: int | None, new: int) -> Entry:
    return Entry(ms, Decimal(new), None if previous is None else Decimal(previous))


@pytest.mark.parametrize(
    ("entries", "value", "certain"),
    [
        ([], None, True),
        ([entry(0, 0, 10), entry(0, 10, 7)], 7, True),
        ([entry(900, 0, 10), entry(100, 10, 7)], 7, True),
        ([entry(0, 0, 10), entry(2000, 10, 15), entry(2000, 15, 10)], 10, True),
        ([entry(0, 0, 10), entry(2000, 5, 15), entry(2000, 15, 5)], 15, False),
        ([entry(0, 0, 10), entry(0, 0, 7)], 10, False),
        ([entry(0, 0, 10), entry(5000, 3, 8)], 8, True),
        ([entry(0, 0, 10), entry(5000, None, 8)], 8, True),
    ],
)
def test_the_end_of_the_chain(entries: list[Entry], value: int | None, certain: bool) -> None:  # noqa: FBT001
    """Times reached less times left name the end of a second; a circle leaves the balance before it."""
    found = balance(entries)
    assert found.value == value
    assert found.certain is certain
    assert balance(entries[::-1]) == found


def test_a_full_second_is_undecided() -> None:
    """A second that holds sixteen events decides nothing: the largest stands and the member is rechecked."""
    found = balance([entry(0, n, n + 1) for n in range(16)])
    assert found.value == 16
    assert not found.certain


# --- any order --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_the_fold_does_not_know_the_order(seed: int) -> None:
    """The answer for a set of deliveries is the same in whatever order they are given."""
    history = draw(seed)
    sent = history.sent()
    first = fold(history, sent)
    Random(seed).shuffle(sent)
    assert fold(history, sent) == first
    assert fold(history, sent + sent[:5]) == first


def test_what_is_asserted_is_most_of_it() -> None:
    """The documents determine most fields of plain histories: a fold that left everything open would pass for ever."""
    fields = opened = 0
    for seed in range(60):
        for found in fold(draw(seed, switches=())).values():
            fields += len(found.fields)
            opened += len(found.open)
    assert opened / fields < 0.2


def test_a_one_off_charge_is_not_the_fee() -> None:
    """What has no next billing date leaves the known fee as it is."""
    script = Script().join("03-01").pay("03-01 00:00:05", amount=49)
    answer = fold(script.pay("03-02", amount=777, next_on=None).history())[MEMBER]
    assert answer.determined()["fee_amount"] == 49
    assert "last_payment_at" not in answer.determined()


def test_what_is_no_address_replaces_none() -> None:
    """A good address stays; a later good one replaces it."""
    script = Script().update("03-01", email="ada@people.example").update("03-02", email="no address")
    assert fold(script.history())[MEMBER].determined()["email"] == "ada@people.example"
    script.update("03-03", email="new@people.example")
    assert fold(script.history())[MEMBER].determined()["email"] == "new@people.example"


def test_an_event_of_two_people_tells_nothing_of_identity() -> None:
    """The payment counts for the member that the payload names; the other's address does not."""
    other = {**PERSON, "id": "1234567", "email": "another-person@people.example"}
    script = Script().join("03-01").update("03-01 00:01:00", email=EMAIL)
    payload = bodies.paid(other, 49, "USD", "2027-04-01", at("03-02")) | {"customerId": MEMBER}
    answer = fold(script.add(bodies.SUCCEEDED, payload, at("03-02")).history())[MEMBER]
    assert (answer.determined()["email"], answer.determined()["fee_amount"]) == (EMAIL, 49)


def test_a_trial_that_is_extended_counts_once() -> None:
    """Its end is the later one; when it began is told twice, so that it is open."""
    script = Script().join("03-01", bodies.JOINED_TRIAL)
    payload = bodies.joined(bodies.JOINED_TRIAL, MEMBER, GOLD, at("03-02"), at("05-01"))
    history = script.add(bodies.JOINED_TRIAL, payload, at("03-02")).history()
    answer = fold(history)[MEMBER]
    assert answer.fields["trial_ends_at"] == at("05-01")
    assert "joined_at" in answer.open
    assert expect(history).kpis["joins"] == 1
    payload["freeTrialEnd"] = "1970-01-01T00:00:00.000Z"
    unreadable = Script().join("03-01", bodies.JOINED_TRIAL).add(bodies.JOINED_TRIAL, payload, at("03-02"))
    assert expect(unreadable.history()).kpis["joins"] == 1
    assert "trial_ends_at" in fold(unreadable.history())[MEMBER].open


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            b'{"payload":{"customerId":"1"},"metadata":{"topic":"customer.cancelled"},"payload":{}}',
            "not_json",
        ),
        (b"", "not_json"),
        (b'{"payload":{"customerId":"1"},"metadata":{"topic":"customer.cancelled","test":true}}', "test"),
    ],
)
def test_what_is_no_event_of_a_member(body: bytes, reason: str) -> None:
    """A key twice, an empty body and a delivery that says it is a test tell nothing."""
    assert read(Delivery(at("03-01"), body), Script().history()) == Unplaced(reason)
