"""What Klaviyo has accepted is not yet what it holds: a job's 202 says that it was validated, and no more.

A job counts by what it lists in the end, and what is missing later is found by the audit.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from relay.crm.audit import CrmAudit
from relay.crm.claimed_write import ClaimedWrite
from relay.model.messages import AuditStep
from relay.rules.settings import Rules

from tests.contract.crm.in_memory_sync import InMemorySync
from tests.contract.crm.klaviyo_setup import KlaviyoTestSetup, klaviyo
from tests.contract.crm.profiles import AT, key_of
from tests.support.crm_fakes import FakeSyncStateScan
from tests.support.port_fakes import FakeContext, FakeOutgoing

EMAIL = "member-1@example.com"


@pytest.fixture
def setup() -> Iterator[KlaviyoTestSetup]:
    """Return the adapter and a fake Klaviyo, whose jobs end at once."""
    with klaviyo() as setup:
        setup.fake.account.polls = 0
        yield setup


def audit(sync: InMemorySync) -> AuditStep:
    """Audit all members, and return the counts."""
    writer = ClaimedWrite(
        crm=sync.crm,
        members=sync.members,
        sync_states=sync.sync_states,
        clock=sync.clock,
        observe=lambda *_: None,
    )
    scan = FakeSyncStateScan(sync.sync_states)
    return CrmAudit(writer=writer, sync_state_scan=scan, queue=FakeOutgoing()).step(
        AuditStep(run=AT), FakeContext()
    )


def test_a_job_that_registered_nothing(setup: KlaviyoTestSetup) -> None:
    """A job that was accepted and is complete, with no profile and no error: its member waits, and is written alone."""
    sync = InMemorySync(setup.crm)
    sync.update(1, email=EMAIL, tier_name="Gold")
    sync.send(1, by_job=True)
    assert sync.sync_state(1).state == "pending"
    assert sync.sync_state(1).digest is None, "what was accepted does not count as held"
    setup.fake.account.jobs["job-1"].given.clear()
    sync.clock.forward(3600)
    sync.send(1)
    state = sync.sync_state(1)
    assert (state.state, state.reason) == ("waiting", "not_imported")
    assert state.waiting is not None
    assert state.waiting.next_try - sync.clock.now == timedelta(minutes=15)
    sync.clock.forward(900)
    sync.send(1)
    assert sync.sync_state(1).state == "mirrored"
    assert (setup.shown(key_of(1)) or {}).get("tier_name") == "Gold"


def test_an_accepted_call_without_a_profile(setup: KlaviyoTestSetup) -> None:
    """A success that names no profile is no success: the member waits for its next try."""
    sync = InMemorySync(setup.crm)
    sync.update(1, email=EMAIL)
    setup.fail("silent_2xx")
    sync.send(1)
    assert (sync.sync_state(1).state, sync.sync_state(1).reason) == ("waiting", "silent_2xx")
    sync.send(1)
    assert sync.sync_state(1).state == "mirrored"


@pytest.mark.parametrize("remade", [True, False])
@pytest.mark.parametrize("by_job", [True, False])
def test_the_audit_finds_what_is_missing(
    setup: KlaviyoTestSetup,
    by_job: bool,  # noqa: FBT001 - a table's column
    remade: bool,  # noqa: FBT001 - a table's column
) -> None:
    """A member that Klaviyo took and no longer has is written again where the rules say so, and is named elsewhere.

    Klaviyo named the profile's id when it took it, and answers 404 for it now: that is what a deletion by the merchant
    looks like, and only the rules say that such a contact may be made again.
    """
    sync = InMemorySync(setup.crm)
    sync.members.rules = Rules(remake_contacts=("klaviyo",) if remade else ())
    sync.update(1, email=EMAIL, tier_name="Gold")
    sync.send(1, by_job=by_job)
    sync.clock.forward(3600)
    sync.send(1)
    assert sync.sync_state(1).state == "mirrored"
    setup.fake.account.profiles.clear()
    step = audit(sync)
    assert (step.missing, step.repaired) == (1, remade)
    state = sync.sync_state(1)
    if remade:
        assert state.state == "mirrored"
        assert (setup.shown(key_of(1)) or {}).get("tier_name") == "Gold"
    else:
        assert (state.state, state.reason) == ("refused", "contact_deleted")


def test_the_audit_follows_a_merge(setup: KlaviyoTestSetup) -> None:
    """A profile that Klaviyo has under another id by now, as after a merge, is no deletion: it is written there."""
    sync = InMemorySync(setup.crm)
    sync.write(1, email=EMAIL, tier_name="Gold")
    setup.fake.account.profiles.clear()
    setup.seed(email=EMAIL, merchants_note="met at the fair")
    assert audit(sync).repaired == 1
    shown = setup.shown(key_of(1)) or {}
    assert (shown.get("tier_name"), shown.get("merchants_note")) == ("Gold", "met at the fair")


@pytest.mark.parametrize("spelled", [" {} ", "{}\n"])
@pytest.mark.parametrize("upper", [False, True])
def test_a_key_in_another_spelling(setup: KlaviyoTestSetup, spelled: str, upper: bool) -> None:  # noqa: FBT001 - a table's column
    """A key that was edited in Klaviyo, in its case or its blanks, is still the member's: it is written, and it is cleared."""
    edited = spelled.format(key_of(1).upper() if upper else key_of(1))
    setup.seed(email=EMAIL, key=edited, tier_name="Old")
    sync = InMemorySync(setup.crm)
    sync.update(1, email=EMAIL, tier_name="Gold", cancelled_at=AT + timedelta(hours=1))
    sync.send(1)
    [contact] = setup.contacts()
    assert (contact["key"], contact["tier_name"]) == (key_of(1), "Gold")
    [profile] = setup.fake.account.profiles.values()
    profile.properties["Membership Key"] = edited
    sync.update(1, erased_at=AT + timedelta(days=1))
    sync.send(1)
    assert "tier_name" not in setup.contacts()[0]
