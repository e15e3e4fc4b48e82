"""The incident of an event: one dunning with all its attempts, one cancellation with all its events."""

from __future__ import annotations

from sim import commands
from sim.model import Member
from sim.world import World

from tests.unit.sim.sim_worlds import days, joined, make_world


def incidents(world: World, member: Member, *topics: str) -> list[tuple[str, str]]:
    """Return topic and incident of the events of a member, for these topics and in order."""
    return [
        (row["topic"], row["incident_key"])
        for row in world.incidents.rows()
        if row["customer_id"] == member.id and row["topic"] in topics
    ]


FAILED, LOST, CANCELLED = "customer_billing.attempt.failed", "customer.payment_failed", "customer.cancelled"
PAID, PENDING, JOINED = (
    "customer.payment_succeeded",
    "customer.pending_cancellation",
    "customer.joined.paid_tier",
)


def test_a_dunning_is_one_incident_to_its_end() -> None:
    """Three failed attempts, the loss and the cancellation that follows."""
    world = make_world()
    member, _ = joined(world)
    list(commands.fail_payment(world, {"customer_id": member.id}))
    days(world, 3)
    assert incidents(world, member, FAILED, LOST, CANCELLED) == [
        (FAILED, "dunning 1"), (FAILED, "dunning 1"), (FAILED, "dunning 1"), (LOST, "dunning 1"), (CANCELLED, "dunning 1"),
    ]  # fmt: skip


def test_a_payment_ends_a_dunning_and_the_next_is_another() -> None:
    """The payment belongs to the dunning that it ends; a failure in the next cycle starts another."""
    world = make_world()
    member, _ = joined(world)
    list(commands.fail_payment(world, {"customer_id": member.id, "attempts": 1}))
    days(world, 2)
    list(commands.fail_payment(world, {"customer_id": member.id, "attempts": 1}))
    found = incidents(world, member, FAILED, PAID)[1:]
    assert found == [(FAILED, "dunning 1"), (PAID, "dunning 1"), (FAILED, "dunning 2")]


def test_a_cancellation_is_one_incident_and_rejoining_ends_it() -> None:
    """A member that cancels twice has two incidents."""
    world = make_world()
    member, _ = joined(world)
    for _ in range(2):
        list(commands.cancel(world, {"customer_id": member.id}))
        days(world, 40)
        list(commands.join(world, {"customer_id": member.id, "tier_id": "3a636361"}))
    names = [incident for _, incident in incidents(world, member, PENDING, CANCELLED)]
    assert names == ["leaving 1", "leaving 1", "leaving 2", "leaving 2"]


def test_two_members_have_two_incidents() -> None:
    """The incidents of a shop are numbered."""
    world = make_world()
    both = [joined(world)[0] for _ in range(2)]
    for member in both:
        list(commands.fail_payment(world, {"customer_id": member.id, "attempts": 1}))
    assert [incidents(world, member, FAILED)[0][1] for member in both] == ["dunning 1", "dunning 2"]


def test_any_other_event_is_an_incident_of_its_own() -> None:
    """Each order, and each joining without a cancellation before it."""
    world = make_world()
    member, _ = joined(world)
    for _ in range(2):
        list(commands.order(world, {"customer_id": member.id}))
    names = [incident for _, incident in incidents(world, member, JOINED, "customer.ordered")]
    assert len(set(names)) == 3
