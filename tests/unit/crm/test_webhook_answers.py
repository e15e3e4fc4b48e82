"""What a receiver's answers mean, and what a receiver cannot do."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import httpx
import pytest
from relay.adapters.webhook import Webhook
from relay.crm.audit import CrmAudit
from relay.crm.claimed_write import ClaimedWrite
from relay.errors import PermanentError
from relay.model.messages import AuditStep, dump
from relay.ports.crm import ContactRef
from relay.ports.crm_state import SyncState
from relay.ports.members import MemberRecord
from relay.rules.crm_profile import crm_profile
from relay.rules.settings import Rules

from tests.contract.crm.profiles import AT, key_of, member, wanted
from tests.contract.crm.tokens import FixedToken
from tests.contract.crm.webhook_setup import SECRET
from tests.support.crm_fakes import FakeSyncStates, FakeSyncStateScan, change_message
from tests.support.port_fakes import FakeContext, FakeMembers, FakeOutgoing
from tests.unit.crm.scripted_webhook import KEY, scripted_webhook


@pytest.mark.parametrize(
    ("status", "state", "wait", "unanswered"),
    [
        (200, "mirrored", None, False),
        (202, "mirrored", None, False),
        (301, "unauthorised", None, False),
        (400, "waiting", None, False),
        (401, "unauthorised", None, False),
        (404, "unauthorised", None, False),
        (408, "retry", None, True),
        (410, "unauthorised", None, False),
        (418, "waiting", None, False),
        (423, "retry", 2.0, False),
        (425, "retry", 2.0, False),
        (429, "retry", 10.0, False),
        (500, "retry", None, False),
        (501, "retry", None, False),
        (504, "retry", None, True),
    ],
)
def test_answers(status: int, state: str, wait: float | None, unanswered: bool) -> None:  # noqa: FBT001 - a table's column
    """Each status has its documented meaning."""
    outcome = scripted_webhook(lambda request: httpx.Response(status)).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.retry_after, outcome.unanswered) == (state, wait, unanswered)


@pytest.mark.parametrize("asked", ["soon", "-5", "nan", "inf", "9" * 30])
def test_an_unusable_wait_is_ignored(asked: str) -> None:
    """A `Retry-After` that is no usable number of seconds is ignored."""
    crm = scripted_webhook(lambda request: httpx.Response(429, headers={"Retry-After": asked}))
    assert crm.upsert([wanted()])[KEY].retry_after == 10


def test_fewer_than_three_crashes_concern_their_member() -> None:
    """A receiver that crashes on one member gets all others; one that always crashes is down."""
    poisoned = scripted_webhook(lambda request: httpx.Response(500 if b":7001" in request.content else 204))
    for _ in range(4):
        outcomes = poisoned.upsert([wanted(7001), wanted(7002)])
        assert (outcomes[KEY].state, outcomes[KEY].member_only) == ("retry", True)
        assert outcomes[key_of(7002)].state == "mirrored"
    sent: list[httpx.Request] = []
    down = scripted_webhook(lambda request: httpx.Response(500), sent)
    outcomes = down.upsert([wanted(number) for number in range(9)])
    assert {outcome.state for outcome in outcomes.values()} == {"retry"}
    assert [outcome.member_only for outcome in outcomes.values()] == [True, True] + [False] * 7
    assert len(sent) == 3


def test_an_invalid_url() -> None:
    """A URL that cannot be posted to is a setting to correct."""
    outcome = Webhook("ftp://nowhere", FixedToken(SECRET)).upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("unauthorised", "not_a_url")


def test_a_receiver_cannot_be_read() -> None:
    """Reading has an error of its own; checking and defining the schema do nothing."""
    crm = scripted_webhook(lambda request: httpx.Response(500))
    with pytest.raises(PermanentError) as caught:
        crm.read([ContactRef(key=KEY)])
    assert caught.value.reason == "not_readable"
    crm.check()
    assert crm.ensure_schema() == ()
    fields = crm.expected_fields(wanted(credit_balance=Decimal("9.90")))
    assert fields["credit_balance"] == "9.9"
    assert "last_decline_code" not in fields


def test_an_audit_of_a_receiver_is_no_dead_letter() -> None:
    """A receiver cannot be audited: the clock's weekly message ends, and is no dead letter."""
    crm = scripted_webhook(lambda request: httpx.Response(204))
    known = crm_profile(member(), Rules())
    sync_states = FakeSyncStates({KEY: SyncState(digest=known.digest, state="mirrored")})
    members = FakeMembers({KEY: MemberRecord(member=member())})
    writer = ClaimedWrite(
        crm=crm, members=members, sync_states=sync_states, clock=lambda: AT, observe=lambda key, outcome: None
    )
    scan = FakeSyncStateScan(sync_states)
    audit = CrmAudit(writer=writer, sync_state_scan=scan, queue=FakeOutgoing())
    received = replace(change_message("m1", KEY), body=dump(AuditStep(run=AT)))
    assert audit.run(received, FakeContext()) is None
    assert scan.progress == {}, "an audit that is impossible stores no progress"
