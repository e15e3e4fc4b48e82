"""What the truth learns from replies of the API, and a month of faults in which Relay reads the API each day."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import inveterate.webhooks
import pytest
from inveterate.models.members import Member as ApiMember
from local_stack.crm_diff import CrmDiff, compare_crm
from relay.adapters.hubspot.mapping import PROPERTIES
from relay.model.member import Member, merge
from relay.ports.inveterate import MemberReading
from relay.reconcile.api_facts import facts_of
from relay.rules.crm_profile import crm_profile
from relay.rules.settings import Rules
from sim import behaviour_engine, billing, memberships, orders, player, population, programme
from sim.api.members import member_record
from sim.clock import iso
from sim.events import Event
from sim.faults import ALL_RATES
from sim.model import Member as SimMember
from sim.webhooks import webhook_body
from sim.world import World

from tests.support.topic_functions import TOPIC_RULES
from tests.unit.sim.sim_worlds import GOLD, days, joined, make_world
from tests.unit.sim.test_expected_state import written

CONTENT = (
    "wrong_clock", "tie_ms", "tie_second", "float_dust", "odd_currency", "missing_fields", "unknown_fields", "erasure",
)  # fmt: skip
HOT = 8
"""How many times as often as in `make run FAULTS=all` the faults of content strike."""


def expected(world: World, member: SimMember) -> dict[str, Any]:
    found: dict[str, Any] = world.expected_state.for_member(member, world.tiers)["fields"]
    return found


def unheard(world: World, member: SimMember) -> set[str]:
    return set(world.expected_state.for_member(member, world.tiers)["unheard"])


def read_api(world: World, member: SimMember) -> None:
    world.expected_state.record_api_read(member_record(world, member))


def never_delivered(world: World, events: Iterable[Event], topic: str) -> None:
    world.expected_state.undelivered |= {one.ordinal for one in events if one.topic == topic}


def test_an_order_with_a_wrong_clock_has_the_time_of_the_record_once_that_is_read() -> None:
    """The event leaves only the time of triggering; the record has the purchase's own, up to 0.9 s earlier."""
    world = make_world()
    member, _ = joined(world)
    days(world, 1)
    world.faults.set({"wrong_clock": 1.0})
    event = next(one for one in orders.order(world, member) if one.topic == "customer.ordered")
    assert "wrong_clock" in event.faults
    assert member.last_purchase_at is not None
    assert member.last_purchase_at < event.triggered_at
    assert expected(world, member)["last_order_at"] == iso(event.triggered_at)
    read_api(world, member)
    assert expected(world, member)["last_order_at"] == iso(member.last_purchase_at)


def test_a_membership_is_a_purchase_without_an_order() -> None:
    """Only the API shows it; an order after it is the newer purchase."""
    world = make_world()
    member, _ = joined(world)
    assert "last_order_at" not in expected(world, member)
    read_api(world, member)
    assert member.last_purchase_at
    assert expected(world, member)["last_order_at"] == iso(member.last_purchase_at)
    days(world, 1)
    list(orders.order(world, member))
    assert expected(world, member)["last_order_at"] == iso(member.last_purchase_at)


def test_a_tier_that_an_event_left_out_is_the_record_s_once_that_is_read() -> None:
    """A move without `tierId` names no tier: until the API is read, the truth for a mirror is the tier before."""
    world = make_world()
    member, _ = joined(world)
    here, there = world.tiers[GOLD], world.tiers["c560bce7"]
    event = next(
        one for one in memberships.move(world, member, there) if one.topic == "customer.changed_tier"
    )
    fresh = make_world()
    known, _ = joined(fresh)
    del event.payload["tierId"]
    del event.payload["detail"]["tierName"]
    fresh.expected_state.record_event(event)
    assert [expected(fresh, known)[name] for name in ("tier_id", "tier_name")] == [here.id, here.name]
    fresh.expected_state.record_api_read(member_record(world, member))
    assert [expected(fresh, known)[name] for name in ("tier_id", "tier_name")] == [there.id, there.name]


def test_an_empty_field_of_a_record_clears_nothing() -> None:
    """The documents do not say what it means that a field is absent or null."""
    world = make_world()
    member, _ = joined(world)
    list(orders.order(world, member))
    before = expected(world, member)
    world.expected_state.record_api_read(
        dict.fromkeys(member_record(world, member)) | {"customerId": member.id, "email": ""}
    )
    assert expected(world, member) == before


def test_what_an_undelivered_event_told_is_heard_once_the_api_is_read() -> None:
    """The daily comparison reads it: from then on a mirror that lacks it is wrong."""
    world = make_world()
    member, events = joined(world)
    never_delivered(world, events, "customer.joined.paid_tier")
    assert {"tier_id", "tier_name", "joined_at", "tier_type"} <= unheard(world, member)
    read_api(world, member)
    assert not {"tier_id", "tier_name", "joined_at"} & unheard(world, member)
    assert "tier_type" in unheard(world, member)  # no record has it


def test_a_decline_that_an_undelivered_payment_ended_is_unheard_in_each_of_its_fields() -> None:
    """Code and text of the reason are one fact."""
    world = make_world()
    member, _ = joined(world)
    list(billing.fail_payment(world, member, 1))
    never_delivered(world, billing.pay_now(world, member), "customer.payment_succeeded")
    assert expected(world, member)["last_decline_code"] is None
    assert {"last_decline_text", "last_decline_code"} <= unheard(world, member)


@pytest.mark.parametrize(("amount", "is_open"), [(249, True), (25, False)])
def test_a_charge_without_a_next_date_leaves_the_fee_open_where_another_is_known(
    amount: int, *, is_open: bool
) -> None:
    """Each documented payment of a fee has that date; a charge without it may be any other."""
    world = make_world()
    member, _ = joined(world)
    event = next(iter(billing.pay_now(world, member)))
    event.payload["detail"] |= {"amount": amount}
    event.payload["createdAt"] = iso(event.at + timedelta(seconds=1))  # a charge of its own
    del event.payload["detail"]["newBillingDate"]
    world.expected_state.record_event(event)
    assert ("fee_amount" not in expected(world, member)) is is_open


def test_the_only_charge_that_is_known_is_the_fee() -> None:
    """Where no fee was told before it, no other is in question."""
    world = make_world()
    member, events = joined(world)
    fresh = make_world()
    known, _ = joined(fresh, "c669d6e7")  # on trial: nothing is paid yet
    paid = next(one for one in events if one.topic == "customer.payment_succeeded")
    del paid.payload["detail"]["newBillingDate"]
    fresh.expected_state.record_event(paid)
    assert (member.id, expected(fresh, known)["fee_amount"]) == (known.id, "25")


class MonthWithReadings:
    """A month in which faults strike events, deliveries come in any order of a day, and Relay reads the API each evening."""

    def __init__(self, seed: int, rates: dict[str, float]) -> None:
        self.world = make_world(seed, members=10)
        self.records: dict[str, Member] = {}
        self._chance = random.Random(seed)
        for member in self.world.members.values():
            self._read(member)
        self.world.faults.set(rates)

    def play(self, members: int) -> None:
        """Play the scenario of `make run`, in memory."""

        def post(path: str, body: Any) -> dict[str, Any]:
            steps: dict[str, Callable[[], object]] = {
                "behaviour": lambda: behaviour_engine.set_behaviour(self.world, dict(body)),
                "populate": lambda: population.schedule_joins(self.world, members, body["over_days"]),
                "advance": lambda: self._days(body["days"]),
                "wait_until_idle": lambda: None,
            }
            steps[path]()
            return {}

        list(player.play(player.load("month"), post, {}))

    def _days(self, count: int) -> None:
        for _ in range(count):
            self._day()

    def _day(self) -> None:
        events = list(self._delivered(programme.advance(self.world, timedelta(days=1))))
        self._chance.shuffle(events)
        for event in events:
            body = webhook_body(self.world.shop, self.world.switches, event, attempt=0, now=self.world.now)
            facts = TOPIC_RULES[event.topic or ""].facts(inveterate.webhooks.parse(body))
            self.records[event.member_id] = merge(self._record(event.member_id), facts.dated(self.world.now))
        for member in self.world.members.values():
            self._read(member)

    def _delivered(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            if not event.topic:
                continue
            if self.world.faults.draw("drop", event.ordinal):
                self.world.faults.struck["drop"] += 1
                self.world.expected_state.undelivered.add(event.ordinal)
            else:
                yield event

    def _read(self, member: SimMember) -> None:
        row = member_record(self.world, member)
        self.world.expected_state.record_api_read(row)
        now = self.world.now.replace(microsecond=0)
        reading = MemberReading(member=ApiMember.model_validate(row), date=now, seconds=0.1)
        record = self._record(member.id)
        self.records[member.id] = merge(record, facts_of(reading, now, record))

    def _record(self, member_id: str) -> Member:
        return self.records.get(member_id) or Member(shop=self.world.shop.domain, customer_id=member_id)

    def difference(self) -> CrmDiff:
        """Compare Relay's records with the truth, as `make run` compares HubSpot's contacts."""
        world = self.world
        truth = [
            world.expected_state.for_member(member, world.tiers, world.now)
            | {"customer_id": member.id, "key": member.id, "erased": member.anonymized}
            for member in world.members.values()
        ]
        contacts = {}
        for member_id, record in self.records.items():
            values = crm_profile(record, Rules()).values
            shown = {PROPERTIES[name]: written(value) for name, value in values.items() if name in PROPERTIES}
            contacts[member_id] = {name: "" if value is None else str(value) for name, value in shown.items()}
        return compare_crm(truth, contacts)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_relay_reaches_the_truth_through_a_month_of_faults_and_readings(seed: int) -> None:
    """Wrong clocks, ties, dust, odd currencies, lost and added fields, lost events: what the API shows heals the rest."""
    rates = {name: min(1.0, HOT * ALL_RATES[name]) for name in (*CONTENT, "drop")}
    month = MonthWithReadings(seed, rates)
    month.play(members=50)
    found = month.difference()
    assert [str(one) for one in found.differences] == []
    assert found.unheard
    assert {name for name in rates if not month.world.faults.struck[name]} <= {"tie_second"}


@pytest.mark.slow
def test_each_fault_of_content_strikes_in_the_month_of_seed_0() -> None:
    """At the rates of `make run FAULTS=all` as well, as its RESULT counts."""
    month = MonthWithReadings(0, {name: ALL_RATES[name] for name in CONTENT})
    month.play(members=200)
    assert {name for name in CONTENT if not month.world.faults.struck[name]} == set()
    assert month.world.faults.counted().keys() == set(CONTENT)
