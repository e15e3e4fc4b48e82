"""What a reading stores of an erased member, and where the personal data come from once the erasure is lifted."""

from __future__ import annotations

from datetime import datetime

import pytest
from relay.adapters.dynamodb.platform import DynamoFullRuns
from relay.model.consistency import NO_EMAIL
from relay.model.erasure import PERSONAL
from relay.model.facts import Facts
from relay.model.fields import Value
from relay.model.member import Member, merge
from relay.model.messages import Outbox, RunCommand
from relay.ports.members import MemberRecord
from sim.clock import parse

from tests.functional.reconcile.test_handler import Deployed, deployed
from tests.support.moto_tables import items_of
from tests.unit.sim.sim_worlds import FREE

__all__ = ["deployed"]

ADDRESS = "mia@example.com"


def tell(world: Deployed, customer: str, name: str, at: datetime, **values: Value) -> Member:
    """Merge facts of this moment into the record, as a topic's function or `relay erase` does."""
    record = world.record(customer)
    member = merge(record.member, Facts(event_id=name * 32, at=at, values=values))
    world.members.save(
        MemberRecord(member=member, version=record.version), Outbox(member=member.key, changed=True)
    )
    return member


def personal(world: Deployed, customer: str) -> dict[str, Value]:
    """Return the personal fields that the record has."""
    member = world.record(customer).member
    return {name: value for name in PERSONAL if (value := member.value(name)) is not None}


@pytest.mark.parametrize("deployed", ["named"], indirect=True)
def test_nothing_personal_is_stored_while_a_member_is_erased(deployed: Deployed) -> None:
    """Neither an event nor a reading brings it; after `--undo` the next reading of the API does, and nothing before it."""
    deployed.sim.subscribe("customer.joined.free_tier")
    customer = deployed.sim.act("join", tier_id=FREE, email=ADDRESS)["customer_id"]
    deployed.merge_events(customer)
    deployed.sim.act("advance", minutes=15)
    deployed.call(customer, NO_EMAIL)
    assert personal(deployed, customer)["email"] == ADDRESS

    now = parse(deployed.sim.read("state")["now"])
    tell(deployed, customer, "a", now, erased_at=now)
    deployed.sim.act("advance", minutes=15)
    tell(deployed, customer, "b", parse(deployed.sim.read("state")["now"]), email=ADDRESS, first_name="Mia")
    deployed.call(customer, NO_EMAIL)
    deployed.send(RunCommand(action="reconcile", id="r1"))
    run = DynamoFullRuns("mirrors").load()
    assert run is not None
    assert (run.id, run.read, run.is_active) == ("r1", 1, False)
    assert personal(deployed, customer) == {}
    assert ADDRESS not in str(items_of("members"))

    lifted = parse(deployed.sim.read("state")["now"])
    tell(deployed, customer, "c", lifted, erasure_lifted_at=lifted)
    assert personal(deployed, customer) == {}
    deployed.sim.act("advance", minutes=75)
    deployed.send(RunCommand(action="reconcile", id="r2"))
    assert personal(deployed, customer)["email"] == ADDRESS
    register = deployed.record(customer).member.registers["email"]
    assert register.event_id.startswith("api-")
    assert register.at > lifted
