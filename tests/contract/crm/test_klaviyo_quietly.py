"""Klaviyo's own ways, against its stand-in: jobs for back-fills, events that start no flow, limits by the minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from fakes.fault_queue import Fault
from relay.adapters.klaviyo import Options
from relay.adapters.klaviyo.mapping import KEY
from relay.crm.sync import CrmSync
from relay.model.effects import Note
from relay.model.messages import EventEffects, MemberChanged
from relay.ports.crm import ContactRef, CrmOutcome
from relay.ports.members import MemberRecord

from tests.contract.crm.klaviyo_bench import KlaviyoBench, klaviyo
from tests.contract.crm.profiles import AT, SHOP, key_of, member, wanted
from tests.support.crm_fakes import FakeClock, FakeMirrors, change_message
from tests.support.port_fakes import FakeContext, FakeMembers

MEMBER = key_of(7001)
JOBS = "/api/profile-bulk-import-jobs"


@pytest.fixture
def bench() -> Iterator[KlaviyoBench]:
    """Return the adapter at its stand-in."""
    with klaviyo() as bench:
        yield bench


def job_of(bench: KlaviyoBench, *numbers: int) -> str:
    """Hand a job with these members in; return its id."""
    outcome = bench.crm.bulk.submit([wanted(number, tier_name="Gold") for number in numbers])
    assert outcome.state == "pending"
    assert outcome.id
    return outcome.id


def test_a_job_is_asked_about_until_its_errors_were_read(bench: KlaviyoBench) -> None:
    """A back-fill's members go by one job; they count as mirrored once it is complete and its errors were read."""
    keys = [key_of(number) for number in (1, 2, 3)]
    job = job_of(bench, 1, 2, 3)
    assert {outcome.state for outcome in bench.crm.bulk.collect(job, keys).values()} == {"pending"}
    outcomes = bench.crm.bulk.collect(job, keys)
    assert {outcome.state for outcome in outcomes.values()} == {"mirrored"}
    assert all(outcome.id in bench.standin.account.profiles for outcome in outcomes.values())
    assert bench.writes() == []
    asked = [each["path"] for each in bench.standin.requests]
    assert asked.index(f"{JOBS}/{job}/import-errors") > asked.index(f"{JOBS}/{job}")
    assert bench.crm.record([note(quiet=True)], homes())["e1.joined"].state == "mirrored"
    (event,) = bench.standin.account.events
    assert event["backfill"] is True
    assert bench.standin.account.flows == []


def test_a_job_clears_too(bench: KlaviyoBench) -> None:
    """What a member no longer has is taken off by a job as well, although jobs ignore null."""
    bench.crm.upsert([wanted(last_decline_code="card_declined", failed_attempts=1, tier_name="Gold")])
    bench.standin.account.polls = 0
    outcome = bench.crm.bulk.submit([wanted(last_payment_at=AT)])
    assert bench.crm.bulk.collect(outcome.id or "", [MEMBER])[MEMBER].state == "mirrored"
    shown = bench.shown(MEMBER)
    assert shown is not None
    assert shown["payment_status"] == "ok"
    assert not {"last_decline_code", "failed_attempts", "tier_name"} & shown.keys()


def test_a_job_takes_nobodys_profile(bench: KlaviyoBench) -> None:
    """A profile under another key stays out of a job, and so does a second member with one address."""
    bench.standin.account.polls = 0
    theirs = {"email": "member-1@example.com", "key": "other.myshopify.com:1"}
    bench.seed(**theirs)
    twins = [wanted(2, email="twin@example.com"), wanted(3, email="Twin@example.com")]
    job = bench.crm.bulk.submit([wanted(1), *twins]).id or ""
    states = {key: outcome.state for key, outcome in bench.crm.bulk.collect(job, _keys(1, 2, 3)).items()}
    assert sorted(states.values()) == ["mirrored", "refused", "refused"]
    assert states[key_of(1)] == "refused"
    assert bench.contacts()[0] == theirs
    assert bench.crm.bulk.submit([wanted(1)]) == CrmOutcome(state="refused", reason="not_imported")


def test_a_jobs_errors_are_each_their_members(bench: KlaviyoBench) -> None:
    """An address that Klaviyo will not have is told among the job's errors: its member is refused, with the code."""
    bench.standin.account.polls = 0
    job = bench.crm.bulk.submit([wanted(1), wanted(2, email="not an address")]).id or ""
    outcomes = bench.crm.bulk.collect(job, _keys(1, 2))
    assert outcomes[key_of(1)].state == "mirrored"
    assert outcomes[key_of(2)] == CrmOutcome(state="refused", reason="invalid")


def test_a_long_listing_is_read_to_its_end(bench: KlaviyoBench) -> None:
    """More members than a page has are all found, and nobody is refused for standing on a later one."""
    bench.standin.account.polls = 0
    numbers = range(230)
    job = job_of(bench, *numbers)
    outcomes = bench.crm.bulk.collect(job, _keys(*numbers))
    assert {outcome.state for outcome in outcomes.values()} == {"mirrored"}


def test_a_cancelled_job_says_nothing_of_anybody(bench: KlaviyoBench) -> None:
    """Of a cancelled job's members nothing is known: they are sent again."""
    job = job_of(bench, 1)
    bench.standin.account.jobs[job].status = "cancelled"
    assert bench.crm.bulk.collect(job, _keys(1)) == {}


def test_a_job_that_klaviyo_has_forgotten(bench: KlaviyoBench) -> None:
    """Jobs are not kept for ever: one that is not there any more keeps its members from nothing."""
    assert bench.crm.bulk.collect("forgotten", _keys(1)) == {}


@pytest.mark.parametrize(
    ("fault", "state"),
    [(Fault(status=503), "retry"), (Fault(status=403), "unauthorised"), (Fault(silent=True), "retry")],
)
def test_a_job_that_cannot_be_handed_in(bench: KlaviyoBench, fault: Fault, state: str) -> None:
    """What keeps a job from Klaviyo is true of each of its members."""
    fault.path = JOBS
    bench.standin.faults.append(fault)
    assert bench.crm.bulk.submit([wanted()]).state == state


def test_a_job_that_cannot_be_asked_about_is_still_pending(bench: KlaviyoBench) -> None:
    """While Klaviyo is down nobody can say what became of a job; its members are not sent again meanwhile."""
    job = job_of(bench, 1)
    bench.standin.faults.append(Fault(status=429, retry_after=5))
    outcome = bench.crm.bulk.collect(job, _keys(1))[key_of(1)]
    assert (outcome.state, outcome.retry_after) == ("pending", 5)


def note(*, quiet: bool = False, event: str = "e1", seconds: float = 0.0) -> MemberChanged:
    """Return a change with one note."""
    effects = (Note(rule="joined", name="Membership Joined", properties={"amount": Decimal(5)}),)
    at = AT + timedelta(seconds=seconds)
    return MemberChanged(
        member=MEMBER,
        events=(EventEffects(event_id=event, topic="t", at=at, effects=effects),),
        backfill=quiet,
    )


def homes() -> dict[str, ContactRef]:
    """Return where the member is."""
    return {MEMBER: ContactRef(key=MEMBER, email="member-7001@example.com")}


def test_a_note_is_told_once(bench: KlaviyoBench) -> None:
    """A note that is repeated is one event; two in one second are two, for each has its own id."""
    bench.crm.upsert([wanted()])
    for change in (note(), note(), note(event="e2", seconds=0.2)):
        assert all(outcome.state == "mirrored" for outcome in bench.crm.record([change], homes()).values())
    assert [event["unique_id"] for event in bench.standin.account.events] == ["e1.joined", "e2.joined"]
    assert bench.standin.account.flows == ["Membership Joined"] * 2
    assert len(bench.contacts()) == 1


def test_a_lost_answer_to_a_note_tells_it_once(bench: KlaviyoBench) -> None:
    """An event whose answer was lost is sent again, and stands there once."""
    bench.standin.faults.append(Fault(apply_then_drop=True))
    (outcome,) = bench.crm.record([note()], homes()).values()
    assert (outcome.state, outcome.unanswered) == ("retry", True)
    bench.crm.record([note()], homes())
    assert len(bench.standin.account.events) == 1


def test_identity_conflict() -> None:
    """Our external id on one profile and the address on another: written once more by the address, and told."""
    with klaviyo(Options(external_id=True)) as bench:
        account = bench.standin.account
        for identifier in ({"external_id": MEMBER}, {"email": "member-7001@example.com"}):
            account.upsert({"type": "profile", "attributes": identifier})
        outcome = bench.crm.upsert([wanted()])[MEMBER]
        assert (outcome.state, outcome.reason) == ("mirrored", "identity_conflict")
        other, present = account.profiles.values()
        assert (other.properties, present.properties[KEY]) == ({}, MEMBER)
        assert [asked["status"] for asked in bench.standin.requests] == [200, 409, 200]


def test_clearing_takes_ours_and_nothing_else() -> None:
    """What we wrote goes, the compat names and our external id with it; what the merchant has stays."""
    with klaviyo(Options(external_id=True, compat=True)) as bench:
        bench.seed(email="member-7001@example.com", merchants_note="met at the fair")
        bench.standin.account.upsert(
            {
                "type": "profile",
                "attributes": {"email": "member-7001@example.com", "properties": {"Size": "M"}},
            }
        )
        bench.crm.upsert([wanted(tier_name="Gold")])
        (profile,) = bench.standin.account.profiles.values()
        assert profile.attributes["external_id"] == MEMBER
        assert profile.properties["Inveterate: Tier Name"] == "Gold"
        assert bench.crm.clear([ContactRef(key=MEMBER, id=profile.id)])[MEMBER].state == "mirrored"
        assert profile.properties == {"Size": "M"}
        assert profile.attributes == {"email": "member-7001@example.com", "first_name": "met at the fair"}


def test_clearing_leaves_others_alone(bench: KlaviyoBench) -> None:
    """A profile that is not there, or bears another key, is skipped and untouched."""
    bench.seed(email="a@example.com", key="other.myshopify.com:1", tier_name="Theirs")
    cleared = bench.crm.clear(
        [ContactRef(key=MEMBER, email="A@example.com"), ContactRef(key=key_of(2), id="01NONE")]
    )
    assert [outcome.state for outcome in cleared.values()] == ["skipped", "skipped"]
    assert bench.writes() == []


def test_a_minutes_limit_is_kept(bench: KlaviyoBench) -> None:
    """With the documented limits on, no call is refused: the last that Klaviyo allows is the last that is made."""
    bench.standin.limited = True
    limits = bench.standin.limits
    limits.clock = lambda: 0.0
    limits.count("/api/profile-import")
    limits._counts["/api/profile-import", 60] = (0.0, 748)
    outcomes = bench.crm.upsert([wanted(number) for number in range(5)])
    assert [outcome.state for outcome in outcomes.values()] == ["mirrored"] * 2 + ["retry"] * 3
    assert not [asked for asked in bench.standin.requests if asked["status"] == 429]


def test_an_address_change_by_way_of_crm_sync(bench: KlaviyoBench) -> None:
    """A new address moves the member to another profile; the former keeps nothing of ours, and no consent moves."""
    clock = FakeClock()
    members = FakeMembers({MEMBER: MemberRecord(member=member(email="old@example.com", tier_name="Gold"))})
    mirroring = CrmSync(
        shop=SHOP,
        crm=bench.crm,
        members=members,
        mirrors=FakeMirrors(),
        clock=clock,
        credential="KLAVIYO_SECRET",
        observe=lambda key, outcome: None,
    )
    first, second = change_message("one", MEMBER), change_message("two", MEMBER)
    assert mirroring.work([first], FakeContext()) == {"one": None}
    later = AT + timedelta(minutes=1)
    members.records[MEMBER] = MemberRecord(member=member(7001, later, email="new@example.com"), version=2)
    clock.forward(600)
    assert mirroring.work([second], FakeContext()) == {"two": None}
    former, present = bench.standin.account.profiles.values()
    assert (former.attributes, former.properties) == ({"email": "old@example.com"}, {})
    assert present.attributes == {"email": "new@example.com"}
    assert present.properties[KEY] == MEMBER


def _keys(*numbers: int) -> list[str]:
    return [key_of(number) for number in numbers]
