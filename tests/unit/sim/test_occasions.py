"""Which matter an event belongs to: one dunning whatever its attempts, one leaving whatever its notices."""

from __future__ import annotations

from sim import acts
from sim.model import Member
from sim.world import World

from tests.unit.sim.history import days, joined, world


def matters(place: World, member: Member, *topics: str) -> list[tuple[str, str]]:
    """Return topic and matter of the member's events of these topics, in order."""
    return [
        (told["topic"], told["occasion"])
        for told in place.occasions.described()
        if told["customer_id"] == member.id and told["topic"] in topics
    ]


FAILED, LOST, CANCELLED = "customer_billing.attempt.failed", "customer.payment_failed", "customer.cancelled"
PAID, PENDING, JOINED = (
    "customer.payment_succeeded",
    "customer.pending_cancellation",
    "customer.joined.paid_tier",
)


def test_a_dunning_is_one_matter_to_its_end() -> None:
    """Three failed attempts, the loss and the cancellation that follows."""
    place = world()
    member, _ = joined(place)
    list(acts.fail_payment(place, {"customer_id": member.id}))
    days(place, 3)
    assert matters(place, member, FAILED, LOST, CANCELLED) == [
        (FAILED, "dunning 1"), (FAILED, "dunning 1"), (FAILED, "dunning 1"), (LOST, "dunning 1"), (CANCELLED, "dunning 1"),
    ]  # fmt: skip


def test_a_payment_ends_a_dunning_and_the_next_is_another() -> None:
    """The payment belongs to what it ends; a failure in the next cycle begins anew."""
    place = world()
    member, _ = joined(place)
    list(acts.fail_payment(place, {"customer_id": member.id, "attempts": 1}))
    days(place, 2)
    list(acts.fail_payment(place, {"customer_id": member.id, "attempts": 1}))
    told = matters(place, member, FAILED, PAID)[1:]
    assert told == [(FAILED, "dunning 1"), (PAID, "dunning 1"), (FAILED, "dunning 2")]


def test_notice_and_end_are_one_leaving_and_coming_back_ends_it() -> None:
    """Who leaves twice has left twice."""
    place = world()
    member, _ = joined(place)
    for _ in range(2):
        list(acts.cancel(place, {"customer_id": member.id}))
        days(place, 40)
        list(acts.join(place, {"customer_id": member.id, "tier_id": "3a636361"}))
    names = [matter for _, matter in matters(place, member, PENDING, CANCELLED)]
    assert names == ["leaving 1", "leaving 1", "leaving 2", "leaving 2"]


def test_two_members_have_two_matters() -> None:
    """Numbers are the shop's."""
    place = world()
    both = [joined(place)[0] for _ in range(2)]
    for member in both:
        list(acts.fail_payment(place, {"customer_id": member.id, "attempts": 1}))
    assert [matters(place, member, FAILED)[0][1] for member in both] == ["dunning 1", "dunning 2"]


def test_what_is_no_story_is_a_matter_of_its_own() -> None:
    """Each order, each joining without a leaving before it."""
    place = world()
    member, _ = joined(place)
    for _ in range(2):
        list(acts.order(place, {"customer_id": member.id}))
    names = [matter for _, matter in matters(place, member, JOINED, "customer.ordered")]
    assert len(set(names)) == 3
