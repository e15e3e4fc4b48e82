"""The messages of the webhook and their ids."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx
import jsonschema_rs
import pytest
from relay.adapters.webhook.mapping import event, schema, updated
from relay.model.messages import MemberChanged, dump, load
from relay.ports.crm import ContactRef, CrmOutcome
from relay.rules.crm_profile import CRM_FIELDS, crm_profile
from relay.rules.settings import Rules

from tests.contract.crm.profiles import AT, member, wanted
from tests.support.port_fakes import ROOT
from tests.unit.crm.scripted_webhook import EVENT_EFFECTS, KEY, NOTE, scripted_webhook


def test_ids() -> None:
    """The same state has the same id whenever it is sent; another state, or a return to the first, has another."""

    def sent(balance: int, minutes: int) -> str:
        known = member(7001, AT + timedelta(minutes=minutes), credit_balance=Decimal(balance))
        return updated(crm_profile(known, Rules()).sent_at(datetime.now(UTC))).id

    assert sent(5, 0) == sent(5, 0)
    assert len({sent(5, 0), sent(9, 1), sent(5, 2)}) == 3
    assert "." not in sent(5, 0) + event(KEY, EVENT_EFFECTS, NOTE, backfill=False).id


def test_every_message_follows_the_schema() -> None:
    """A member with all fields, one with none, an event and a removal: each is valid, and has every required field."""
    everything = wanted(
        tier_type="paid",
        joined_at=AT,
        next_payment_on=date(2026, 12, 5),
        fee_amount=Decimal("9.90"),
        failed_attempts=1,
        credit_balance=Decimal("0.30000000000000004"),
    )
    sent: list[httpx.Request] = []
    crm = scripted_webhook(lambda request: httpx.Response(204), sent)
    crm.upsert([everything, wanted(7002, email=None)])
    crm.record([MemberChanged(member=KEY, events=(EVENT_EFFECTS,))], {KEY: ContactRef(key=KEY)})
    crm.clear([ContactRef(key=KEY)])
    validator = jsonschema_rs.validator_for(schema(), validate_formats=True)
    bodies = [json.loads(request.content) for request in sent]
    for body in bodies:
        validator.validate(body)
    assert [body["type"] for body in bodies] == [
        "member.updated",
        "member.updated",
        "member.event",
        "member.removed",
    ]
    fields = bodies[0]["data"]
    assert fields.keys() == CRM_FIELDS.keys() | {"backfill"}
    assert (fields["credit_balance"], fields["fee_amount"], fields["failed_attempts"]) == (0.3, 9.9, 1)
    assert (fields["joined_at"], fields["next_payment_on"]) == ("2026-11-22T10:00:00.000Z", "2026-12-05")
    assert bodies[1]["data"]["email"] is None
    del fields["status"]
    assert not validator.is_valid(bodies[0])
    assert not validator.is_valid({**bodies[2], "type": "member.unheard_of"})


@pytest.mark.parametrize("backfill", [True, False])
def test_quiet_backfill(backfill: bool) -> None:  # noqa: FBT001 - the two sides
    """An event of a back-fill is marked, so that the receiver starts nothing; its id is the effect's."""
    sent: list[httpx.Request] = []
    crm = scripted_webhook(lambda request: httpx.Response(204), sent)
    change = MemberChanged(member=KEY, events=(EVENT_EFFECTS,), backfill=backfill)
    assert crm.record([load(MemberChanged, dump(change))]) == {"e1.joined": CrmOutcome(state="mirrored")}
    data = json.loads(sent[0].content)["data"]
    assert data == {
        "key": KEY,
        "name": "Membership Joined",
        "event_id": "e1",
        "topic": "customer.joined.paid_tier",
        "occurred_at": "2026-11-22T10:00:00.000Z",
        "properties": {"amount": 9.9, "tier_name": "Gold"},
        "backfill": backfill,
    }


@pytest.mark.parametrize("backfill", [True, False])
def test_a_member_of_a_backfill(backfill: bool) -> None:  # noqa: FBT001 - the two sides
    """A member of a back-fill is marked; the same state has the same id with and without the mark."""
    sent: list[httpx.Request] = []
    crm = scripted_webhook(lambda request: httpx.Response(204), sent)
    crm.upsert([wanted().sent_at(AT, backfill=backfill)])
    assert json.loads(sent[0].content)["data"]["backfill"] is backfill
    assert sent[0].headers["webhook-id"] == updated(wanted()).id


def test_the_pages_are_current() -> None:
    """The webhook's schema, Salesforce's deployment and the page of answers are current: a changed field or row needs scripts/targets."""
    ran = subprocess.run(
        [sys.executable, "-m", "scripts.targets", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
