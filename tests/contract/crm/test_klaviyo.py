"""Klaviyo alone: jobs for back-fills, events that start no flow, limits by the minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from fakes.fault_queue import Fault
from relay.adapters.klaviyo import KlaviyoOptions
from relay.adapters.klaviyo.mapping import KEY
from relay.crm.sync import CrmSync
from relay.model.effects import Note
from relay.model.messages import EventEffects, MemberChanged
from relay.ports.crm import ContactRef, CrmOutcome
from relay.ports.members import MemberRecord
from relay.rules.settings import Rules

from tests.contract.crm.in_memory_sync import InMemorySync
from tests.contract.crm.klaviyo_setup import KlaviyoTestSetup, klaviyo
from tests.contract.crm.profiles import AT, SHOP, key_of, member, wanted
from tests.support.crm_fakes import FakeClock, FakeSyncStates, change_message
from tests.support.port_fakes import FakeContext, FakeMembers

MEMBER = key_of(7001)
JOBS = "/api/profile-bulk-import-jobs"


@pytest.fixture
def setup() -> Iterator[KlaviyoTestSetup]:
    """Return the adapter and a fake Klaviyo."""
    with klaviyo() as setup:
        yield setup


def job_of(setup: KlaviyoTestSetup, *numbers: int) -> str:
    """Submit a job with these members; return its id."""
    outcome = setup.crm.bulk.submit([wanted(number, tier_name="Gold") for number in numbers])
    assert outcome.state == "pending"
    assert outcome.id
    return outcome.id


def test_a_job_is_asked_about_until_its_errors_were_read(setup: KlaviyoTestSetup) -> None:
    """A back-fill's members are in one job; they count as mirrored once it is complete and its errors were read."""
    keys = [key_of(number) for number in (1, 2, 3)]
    job = job_of(setup, 1, 2, 3)
    assert {outcome.state for outcome in setup.crm.bulk.collect(job, keys).values()} == {"pending"}
    outcomes = setup.crm.bulk.collect(job, keys)
    assert {outcome.state for outcome in outcomes.values()} == {"mirrored"}
    assert all(outcome.id in setup.fake.account.profiles for outcome in outcomes.values())
    assert setup.writes() == []
    asked = [each["path"] for each in setup.fake.requests]
    assert asked.index(f"{JOBS}/{job}/import-errors") > asked.index(f"{JOBS}/{job}")
    assert setup.crm.record([note(backfill=True)], contacts())["e1.joined"].state == "mirrored"
    (event,) = setup.fake.account.events
    assert event["backfill"] is True
    assert setup.fake.account.flows == []


def test_a_job_says_which_profiles_it_made(setup: KlaviyoTestSetup) -> None:
    """A profile that is younger than the job is Relay's; one that the merchant had before is not."""
    setup.fake.account.polls = 0
    setup.seed(email="member-1@example.com", merchants_note="met at the fair")
    job = job_of(setup, 1, 2)
    outcomes = setup.crm.bulk.collect(job, _keys(1, 2))
    assert {key: outcome.made for key, outcome in outcomes.items()} == {key_of(1): False, key_of(2): True}


def test_erased_while_a_job_made_the_profile(setup: KlaviyoTestSetup) -> None:
    """A member that is erased before its job's outcome was read loses the profile that the job made."""
    setup.fake.account.polls = 0
    sync = InMemorySync(setup.crm)
    sync.members.rules = Rules(erase_contacts="delete")
    sync.update(1, email="member-1@example.com")
    assert sync.send(1, by_job=True)[key_of(1)] == CrmOutcome(state="pending", id="job-1")
    sync.clock.forward(3600)
    sync.update(1, erased_at=AT + timedelta(hours=1))
    sync.send(1)
    assert setup.contacts() == []


def test_a_job_clears_too(setup: KlaviyoTestSetup) -> None:
    """A job clears the fields that a member no longer has, although jobs ignore null."""
    setup.crm.upsert([wanted(last_decline_text="card_declined", failed_attempts=1, tier_name="Gold")])
    setup.fake.account.polls = 0
    outcome = setup.crm.bulk.submit([wanted(last_payment_at=AT)])
    assert setup.crm.bulk.collect(outcome.id or "", [MEMBER])[MEMBER].state == "mirrored"
    shown = setup.shown(MEMBER)
    assert shown is not None
    assert shown["payment_status"] == "ok"
    assert not {"last_decline_code", "failed_attempts", "tier_name"} & shown.keys()


def test_a_job_takes_no_other_members_profile(setup: KlaviyoTestSetup) -> None:
    """A profile under another key stays out of a job, and so does a second member with one address."""
    setup.fake.account.polls = 0
    theirs = {"email": "member-1@example.com", "key": "other.myshopify.com:1"}
    setup.seed(**theirs)
    twins = [wanted(2, email="twin@example.com"), wanted(3, email="Twin@example.com")]
    job = setup.crm.bulk.submit([wanted(1), *twins]).id or ""
    states = {key: outcome.state for key, outcome in setup.crm.bulk.collect(job, _keys(1, 2, 3)).items()}
    assert sorted(states.values()) == ["mirrored", "waiting", "waiting"]
    assert states[key_of(1)] == "waiting"
    assert setup.contacts()[0] == theirs
    assert setup.crm.bulk.submit([wanted(1)]) == CrmOutcome(state="waiting", reason="not_imported")


def test_a_jobs_error_concerns_its_member(setup: KlaviyoTestSetup) -> None:
    """The job's errors name an address that Klaviyo rejects: its member waits, with the code, for a call of its own."""
    setup.fake.account.polls = 0
    job = setup.crm.bulk.submit([wanted(1), wanted(2, email="not an address")]).id or ""
    outcomes = setup.crm.bulk.collect(job, _keys(1, 2))
    assert outcomes[key_of(1)].state == "mirrored"
    assert outcomes[key_of(2)] == CrmOutcome(state="waiting", reason="invalid")


def test_a_long_listing_is_read_to_its_end(setup: KlaviyoTestSetup) -> None:
    """Members on every page are found, and none is refused for being on a later one."""
    setup.fake.account.polls = 0
    numbers = range(230)
    job = job_of(setup, *numbers)
    outcomes = setup.crm.bulk.collect(job, _keys(*numbers))
    assert {outcome.state for outcome in outcomes.values()} == {"mirrored"}


def test_the_members_of_a_cancelled_job_are_unknown(setup: KlaviyoTestSetup) -> None:
    """Nothing is known about a cancelled job's members: they are sent again."""
    job = job_of(setup, 1)
    setup.fake.account.jobs[job].status = "cancelled"
    assert setup.crm.bulk.collect(job, _keys(1)) == {}


def test_a_job_that_klaviyo_has_forgotten(setup: KlaviyoTestSetup) -> None:
    """Klaviyo does not keep jobs for ever: a job that is gone delays no member."""
    assert setup.crm.bulk.collect("forgotten", _keys(1)) == {}


@pytest.mark.parametrize(
    ("fault", "state"),
    [(Fault(status=503), "retry"), (Fault(status=403), "unauthorised"), (Fault(silent=True), "retry")],
)
def test_a_job_that_cannot_be_submitted(setup: KlaviyoTestSetup, fault: Fault, state: str) -> None:
    """The outcome of a job that cannot be submitted is that of each member."""
    fault.path = JOBS
    setup.fake.faults.append(fault)
    assert setup.crm.bulk.submit([wanted()]).state == state


def test_a_job_that_cannot_be_asked_about_is_still_pending(setup: KlaviyoTestSetup) -> None:
    """While Klaviyo is down the end of a job is unknown; its members are not sent again meanwhile."""
    job = job_of(setup, 1)
    setup.fake.faults.append(Fault(status=429, retry_after=5))
    outcome = setup.crm.bulk.collect(job, _keys(1))[key_of(1)]
    assert (outcome.state, outcome.retry_after) == ("pending", 5)


def note(*, backfill: bool = False, event: str = "e1", seconds: float = 0.0) -> MemberChanged:
    """Return a change with one note."""
    effects = (Note(rule="joined", name="Membership Joined", properties={"amount": Decimal(5)}),)
    at = AT + timedelta(seconds=seconds)
    return MemberChanged(
        member=MEMBER,
        events=(EventEffects(event_id=event, topic="t", at=at, effects=effects),),
        backfill=backfill,
    )


def contacts() -> dict[str, ContactRef]:
    """Return the member's contact."""
    return {MEMBER: ContactRef(key=MEMBER, email="member-7001@example.com")}


def test_a_note_appears_once(setup: KlaviyoTestSetup) -> None:
    """A repeated note is one event; two notes in one second are two, since each has its own id."""
    setup.crm.upsert([wanted()])
    for change in (note(), note(), note(event="e2", seconds=0.2)):
        assert all(outcome.state == "mirrored" for outcome in setup.crm.record([change], contacts()).values())
    assert [event["unique_id"] for event in setup.fake.account.events] == ["e1.joined", "e2.joined"]
    assert setup.fake.account.flows == ["Membership Joined"] * 2
    assert len(setup.contacts()) == 1


def test_a_lost_answer_to_a_note(setup: KlaviyoTestSetup) -> None:
    """An event whose answer was lost is sent again, and appears once."""
    setup.fake.faults.append(Fault(apply_then_drop=True))
    (outcome,) = setup.crm.record([note()], contacts()).values()
    assert (outcome.state, outcome.unanswered) == ("retry", True)
    setup.crm.record([note()], contacts())
    assert len(setup.fake.account.events) == 1


def test_identity_conflict() -> None:
    """With our external id on one profile and the address on another, the member is written by its address, with a reason."""
    with klaviyo(KlaviyoOptions(external_id=True)) as setup:
        account = setup.fake.account
        for identifier in ({"external_id": MEMBER}, {"email": "member-7001@example.com"}):
            account.upsert({"type": "profile", "attributes": identifier})
        outcome = setup.crm.upsert([wanted()])[MEMBER]
        assert (outcome.state, outcome.reason) == ("mirrored", "identity_conflict")
        other, present = account.profiles.values()
        assert (other.properties, present.properties[KEY]) == ({}, MEMBER)
        assert [asked["status"] for asked in setup.fake.requests] == [200, 409, 200]


def test_clearing_removes_only_our_fields() -> None:
    """Our properties, the compat names and our external id go; the merchant's fields stay."""
    with klaviyo(KlaviyoOptions(external_id=True, compat=True)) as setup:
        setup.seed(email="member-7001@example.com", merchants_note="met at the fair")
        setup.fake.account.upsert(
            {
                "type": "profile",
                "attributes": {"email": "member-7001@example.com", "properties": {"Size": "M"}},
            }
        )
        setup.crm.upsert([wanted(tier_name="Gold")])
        (profile,) = setup.fake.account.profiles.values()
        assert profile.attributes["external_id"] == MEMBER
        assert profile.properties["Inveterate: Tier Name"] == "Gold"
        assert setup.crm.clear([ContactRef(key=MEMBER, id=profile.id)])[MEMBER].state == "mirrored"
        assert profile.properties == {"Size": "M"}
        assert profile.attributes == {"email": "member-7001@example.com", "first_name": "met at the fair"}


def test_clearing_does_not_touch_other_profiles(setup: KlaviyoTestSetup) -> None:
    """A profile that does not exist, or is under another key, is skipped and untouched."""
    setup.seed(email="a@example.com", key="other.myshopify.com:1", tier_name="Theirs")
    cleared = setup.crm.clear(
        [ContactRef(key=MEMBER, email="A@example.com"), ContactRef(key=key_of(2), id="01NONE")]
    )
    assert [outcome.state for outcome in cleared.values()] == ["skipped", "skipped"]
    assert setup.writes() == []


def test_a_minutes_limit_is_kept(setup: KlaviyoTestSetup) -> None:
    """With the documented limits on, no call is refused: the last one that Klaviyo allows is the last one made."""
    setup.fake.limited = True
    limits = setup.fake.limits
    limits.clock = lambda: 0.0
    limits.count("/api/profile-import")
    limits._counts["/api/profile-import", 60] = (0.0, 748)
    outcomes = setup.crm.upsert([wanted(number) for number in range(5)])
    assert [outcome.state for outcome in outcomes.values()] == ["mirrored"] * 2 + ["retry"] * 3
    assert not [asked for asked in setup.fake.requests if asked["status"] == 429]


def test_an_address_change_through_crm_sync(setup: KlaviyoTestSetup) -> None:
    """A new address moves the member to another profile; the previous one keeps none of our fields, and no consent moves."""
    clock = FakeClock()
    members = FakeMembers({MEMBER: MemberRecord(member=member(email="old@example.com", tier_name="Gold"))})
    crm_sync = CrmSync(
        shop=SHOP,
        crm=setup.crm,
        members=members,
        sync_states=FakeSyncStates(),
        clock=clock,
        credential="KLAVIYO_SECRET",
        observe=lambda key, outcome: None,
    )
    first, second = change_message("one", MEMBER), change_message("two", MEMBER)
    assert crm_sync.work([first], FakeContext()) == {"one": None}
    later = AT + timedelta(minutes=1)
    members.records[MEMBER] = MemberRecord(member=member(7001, later, email="new@example.com"), version=2)
    clock.forward(600)
    assert crm_sync.work([second], FakeContext()) == {"two": None}
    previous, present = setup.fake.account.profiles.values()
    assert (previous.attributes, previous.properties) == ({"email": "old@example.com"}, {})
    assert present.attributes == {"email": "new@example.com"}
    assert present.properties[KEY] == MEMBER


def _keys(*numbers: int) -> list[str]:
    return [key_of(number) for number in numbers]
