"""What a message to the member needs: deadlines, the page to act on, why a card was declined, what a credit is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from relay.model.effects import Note
from relay.model.facts import Facts
from relay.model.member import Member, merge
from relay.rules.crm_profile import crm_profile
from relay.rules.declines import decline_code
from relay.rules.document import InvalidRulesError, validated
from relay.rules.settings import Rules

from tests.support.sample_events import after, effects_of, event

PAGE = Rules(manage_url="https://shop.example/account?customer={customer_id}")
OPEN = after(event("joined", 1), event("paid", 2), event("attempt", 10, billingAttempts=1))


def noted(name: str, before: Member, rules: Rules = PAGE, **differs: Any) -> Note:
    """Return the note of this event on day 12."""
    [note] = [
        each for each in effects_of(event(name, 12, **differs), before, rules) if isinstance(each, Note)
    ]
    return note


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        ("attempt", {"billingAttempts": 2}),
        ("expired", {}),
        ("pending", {}),
        ("cancelled", {"cancellationSource": "CUSTOMER"}),
    ],
)
def test_the_page_to_act_on_goes_with_every_event_that_asks_for_action(
    name: str, differs: dict[str, Any]
) -> None:
    """With the member's id in it, and with an amount; without the setting nothing is sent."""
    note = noted(name, OPEN, **differs)
    assert note.properties["manage_url"] == f"https://shop.example/account?customer={OPEN.customer_id}"
    assert note.properties["amount"]
    assert note.properties["currency"]
    assert "manage_url" not in noted(name, OPEN, Rules(), **differs).properties


def test_deadlines_stand_while_a_fee_is_open() -> None:
    """On the event of another matter as well, and on no event afterwards."""
    leaving = noted("pending", OPEN).properties
    assert leaving["next_attempt_at"] == "2026-03-11T12:00:00.000Z"
    assert leaving["final_attempt_at"] == "2026-03-12T12:00:00.000Z"
    paid = after(event("paid", 11), member=OPEN)
    assert not {"next_attempt_at", "final_attempt_at"} & noted("pending", paid).properties.keys()
    assert not {"next_attempt_at", "final_attempt_at"} & noted("cancelled", OPEN).properties.keys()


def test_the_profile_has_them_too() -> None:
    """The next attempt, the code and the text of the decline, and the page."""
    values = crm_profile(OPEN, PAGE).values
    assert (values["last_decline_code"], values["last_decline_text"]) == (
        "payment_method_revoked",
        "Payment method was revoked",
    )
    assert str(values["next_attempt_at"]) == "2026-03-11 12:00:00+00:00"
    assert values["manage_url"] == f"https://shop.example/account?customer={OPEN.customer_id}"
    assert crm_profile(OPEN, Rules()).values["manage_url"] is None
    gone = crm_profile(after(event("paid", 11), member=OPEN), PAGE).values
    assert [gone[name] for name in ("next_attempt_at", "last_decline_code", "last_decline_text")] == [
        None
    ] * 3


def test_no_attempt_follows_the_last() -> None:
    """After the final failure there is no next attempt to wait for."""
    lost = after(event("lost", 12), member=OPEN)
    assert crm_profile(lost, PAGE).values["next_attempt_at"] is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Your card has expired.", "expired_card"),
        ("EXPIRED_PAYMENT_METHOD", "expired_card"),
        ("Your card has insufficient funds.", "insufficient_funds"),
        ("INSUFFICIENT_FUNDS", "insufficient_funds"),
        ("Do not honor", "do_not_honor"),
        ("do_not_honour", "do_not_honor"),
        ("stolen_card", "stolen_card"),
        ("PAYMENT_METHOD_NOT_FOUND", "no_payment_method"),
        ("No valid payment method on file", "no_payment_method"),
        ("Payment method was revoked", "payment_method_revoked"),
        ("authentication_required", "authentication_required"),
        ("Your card was declined.", "card_declined"),
        ("PAYMENT_METHOD_DECLINED", "card_declined"),
        ("try_again_later", "processing_error"),
        ("Something new", None),
        ("", None),
        (None, None),
    ],
)
def test_a_decline_is_recognised(text: str | None, code: str | None) -> None:
    """By Shopify's codes and by processors' sentences; what is not recognised has no code."""
    assert decline_code(text) == code


@pytest.mark.parametrize(
    ("reason", "change", "by", "kind"),
    [
        ("EARNED_FROM_PURCHASE", 5, None, "earned"),
        ("CASHBACK", 5, None, "earned"),
        ("REDEEMED", -5, None, "redeemed"),
        ("REFERRAL_BONUS", 5, None, "referral"),
        ("EXPIRED", -5, None, "expired"),
        ("MANUAL", 5, None, "adjusted"),
        ("Some word", 5, "dana@example.com", "adjusted"),
        ("Some word", 5, None, "earned"),
        ("Some word", -5, None, "redeemed"),
        ("EARNED_FROM_PURCHASE", -5, None, "adjusted"),
        ("REDEEMED", 5, None, "adjusted"),
    ],
)
def test_credits_are_told_apart(reason: str, change: int, by: str | None, kind: str) -> None:
    """By reason, else by a person's hand, else by sign; a reason against the sign is a correction."""
    note = noted("credits", OPEN, reason=reason, previousBalance=10, newBalance=10 + change, appliedBy=by)
    assert note.properties["credit_kind"] == kind


def test_expired_credits_are_of_their_kind() -> None:
    """On the event of the expiry too."""
    assert noted("expired", OPEN).properties["credit_kind"] == "expired"


def test_a_completed_referral_is_one_event() -> None:
    """From a count that has grown; keyed by the count, so that two snapshots of it are one; the first count is no growth."""
    new = after(event("joined", 1))
    first = event("updated", 2, referrals=3)
    assert effects_of(first, new, Rules()) == []
    known = after(first, member=new)
    [note] = effects_of(event("updated", 3, referrals=4, updatedAt="2026-03-03T12:00:00Z"), known, Rules())
    [again] = effects_of(event("updated", 4, referrals=4, updatedAt="2026-03-04T12:00:00Z"), known, Rules())
    assert isinstance(note, Note)
    assert isinstance(again, Note)
    assert (note.name, note.properties["referrals_count"]) == ("Membership Referral Completed", 4)
    assert note.key == again.key
    [next_one] = effects_of(
        event("updated", 4, referrals=5, updatedAt="2026-03-04T12:00:00Z"), known, Rules()
    )
    assert isinstance(next_one, Note)
    assert next_one.key != note.key
    told = after(event("updated", 3, referrals=4), member=known)
    assert effects_of(event("updated", 5, referrals=4), told, Rules()) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/{customer_id}",
        "https://shop.example/account",
        "https://{customer_id}.example/",
        "https://user@shop.example/{customer_id}",
        "https://shop.example/{customer_id}/{email}",
        "https://shop.example/a b/{customer_id}",
        "javascript:alert({customer_id})",
        "https://shop.example/{customer_id}" + "x" * 500,
        "",
    ],
)
def test_another_address_is_refused(url: str) -> None:
    """With the path of the setting and what is allowed there."""
    with pytest.raises(InvalidRulesError) as refused:
        validated({"manage_url": url})
    [problem] = refused.value.problems
    assert problem.startswith("manage_url: should be an https address")
    assert "{customer_id}" in problem


def test_an_id_cannot_leave_its_place() -> None:
    """Whatever a customer's id is, it stays one value of the address."""
    odd = replace(OPEN, customer_id="7&next=//evil.example/")
    assert crm_profile(odd, PAGE).values["manage_url"] == (
        "https://shop.example/account?customer=7%26next%3D%2F%2Fevil.example%2F"
    )


def test_names_go_to_the_crms_that_may_have_them() -> None:
    """HubSpot and Salesforce by default; what is empty or blank is left out."""
    named = merge(
        OPEN,
        Facts(event_id="n", at=OPEN.newest_at, values={"first_name": "Mia", "last_name": " ", "phone": "1"}),
    )
    profile = crm_profile(named, Rules())
    assert profile.person("hubspot") == profile.person("salesforce")
    assert profile.person("hubspot")["first_name"] == "Mia"
    assert "last_name" not in profile.person("hubspot")
    assert profile.person("klaviyo") == {}
    assert crm_profile(named, Rules(write_names=("klaviyo",))).person("hubspot") == {}
