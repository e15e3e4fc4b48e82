"""Every CRM adapter keeps the same promises, whatever its provider does: the cases by their agreed names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from relay.canonical import CANONICAL, Profile
from relay.changes import Change, Happening
from relay.effects import Note
from relay.mirroring import Mirroring
from relay.ports.crm import Home, Outcome
from relay.ports.members import Record

from tests.contract.crm.benches import BENCHES, CASES, NOT_APPLICABLE, PORT, Bench
from tests.contract.crm.profiles import AT, SHOP, key_of, member, wanted
from tests.fakes import FakeContext, FakeMembers
from tests.fakes_crm import FakeMirrors, change_message

KEY = key_of(7001)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each promise over the adapters that can show it."""
    promise = metafunc.function.__name__.removeprefix("test_")
    able = [adapter for adapter in BENCHES if promise not in NOT_APPLICABLE[adapter]]
    for surroundings in {"bench", "unprepared"}.intersection(metafunc.fixturenames):
        metafunc.parametrize(surroundings, able, indirect=True)


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Return an adapter connected to a CRM that knows our fields and has no contact."""
    with BENCHES[request.param]() as bench:
        bench.prepare()
        yield bench


@pytest.fixture
def unprepared(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Return an adapter connected to a CRM that has never heard of us."""
    with BENCHES[request.param]() as bench:
        yield bench


@pytest.mark.parametrize("adapter", BENCHES)
def test_every_case_is_shown_or_excused(adapter: str) -> None:
    """Each agreed case has a test of its name, or a reason why this provider cannot show it."""
    promises = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    excused = NOT_APPLICABLE[adapter]
    assert set(CASES) <= promises | excused.keys()
    assert excused.keys() <= promises | {*CASES, *PORT}
    assert all(excused.values())


def test_all_fields_arrive(bench: Bench) -> None:
    """What the record knows stands in the CRM under the canonical names, typed; what it does not, is absent."""
    known = wanted(
        tier_id="t1",
        tier_name="Gold",
        tier_type="paid",
        joined_at=AT,
        next_payment_on=date(2026, 12, 5),
        credit_balance=Decimal("24.99"),
        failed_attempts=1,
        referrals_count=3,
        revenue=Decimal(900),  # high-value: a checkbox that is not ticked could as well be unknown
    )
    assert bench.crm.upsert([known])[KEY].state == "mirrored"
    shown = bench.shown(KEY)
    assert shown is not None
    assert shown["status"] == "past_due"
    assert (shown["failed_attempts"], shown["attempts_left"]) == ("1", "2")
    assert shown["shopify_customer_id"] == "7001"
    assert shown.keys() == {name for name in CANONICAL if known.values[name] is not None}


def test_clearing(bench: Bench) -> None:
    """A field that is no longer known is cleared in the CRM."""
    bench.crm.upsert([wanted(last_decline_code="card_declined", failed_attempts=1)])
    bench.crm.upsert([wanted(last_payment_at=AT)])
    shown = bench.shown(KEY)
    assert shown is not None
    assert shown["payment_status"] == "ok"
    assert not {"last_decline_code", "failed_attempts", "attempts_left"} & shown.keys()


def test_duplicate(bench: Bench) -> None:
    """A member twice in one call, and again in a second one, is one contact."""
    for _ in range(2):
        outcomes = bench.crm.upsert([wanted(tier_name="Gold"), wanted(tier_name="Gold")])
        assert outcomes[KEY].state == "mirrored"
    assert len(bench.contacts()) == 1


def test_out_of_order(bench: Bench) -> None:
    """A message about an older event that comes after a newer one's leaves the newer state in the CRM."""
    members = FakeMembers({KEY: Record(member=member(credit_balance=Decimal(5)))})
    mirroring = Mirroring(
        shop=SHOP,
        crm=bench.crm,
        members=members,
        mirrors=FakeMirrors(),
        clock=lambda: AT,
        credential="SECRET",
        observe=lambda key, outcome: None,
    )
    older, newer = change_message("older", KEY), change_message("newer", KEY)
    members.records[KEY] = Record(
        member=member(7001, AT + timedelta(minutes=1), credit_balance=Decimal(9)), version=2
    )
    for message in (newer, older):
        assert mirroring.work([message], FakeContext()) == {message.id: None}
    shown = bench.shown(KEY)
    assert shown is not None
    assert shown["credit_balance"] == "9"


def test_email_change(bench: Bench) -> None:
    """A new address moves with the member: one contact bears its key, and that has the new address."""
    former = bench.crm.upsert([wanted(email="old@example.com")])[KEY]
    assert _moved(bench, former, wanted(email="new@example.com")).state == "mirrored"
    assert [contact["email"] for contact in bench.contacts() if contact.get("key") == KEY] == [
        "new@example.com"
    ]


def test_email_change_to_an_address_in_use(bench: Bench) -> None:
    """The contact with the new address takes the member over; the former one keeps nothing of it."""
    home = bench.crm.upsert([wanted(email="old@example.com", tier_name="Gold")])[KEY]
    bench.seed(email="new@example.com", merchants_note="met at the fair")
    outcome = _moved(bench, home, wanted(email="new@example.com", tier_name="Gold"))
    assert outcome.state == "mirrored"
    former, present = bench.contacts()
    assert former == {"email": "old@example.com"}
    assert present["key"] == KEY
    assert present["tier_name"] == "Gold"
    assert present["merchants_note"] == "met at the fair"


def _moved(bench: Bench, former: Outcome, profile: Profile) -> Outcome:
    """Write a member under a new address, as `crm_sync` does: the former contact is cleared where the CRM needs it."""
    if bench.crm.homes_by == "email":
        cleared = bench.crm.clear([Home(key=KEY, id=former.id, email="old@example.com")])
        assert cleared[KEY].state == "mirrored"
    return bench.crm.upsert([profile])[KEY]


def test_no_email(bench: Bench) -> None:
    """A member without an address is skipped and says so; the others of the call are written."""
    outcomes = bench.crm.upsert([wanted(email=None), wanted(7002)])
    assert outcomes[KEY] == Outcome(state="skipped", reason="no_email")
    assert outcomes[key_of(7002)].state == "mirrored"
    assert len(bench.contacts()) == 1


def test_identity_conflict(bench: Bench) -> None:
    """A contact that the merchant already has under the address becomes the member's; the others are written."""
    bench.seed(email="member-7001@example.com", merchants_note="met at the fair")
    outcomes = bench.crm.upsert([wanted(), wanted(7002)])
    assert [outcomes[key].state for key in (KEY, key_of(7002))] == ["mirrored", "mirrored"]
    assert len(bench.contacts()) == 2
    shown = bench.shown(KEY)
    assert shown is not None
    assert shown["merchants_note"] == "met at the fair"


def test_owned_by_other(bench: Bench) -> None:
    """A contact under another shop's key is never taken; the member is refused, the contact untouched."""
    theirs = {"email": "member-7001@example.com", "key": "other.myshopify.com:1", "tier_name": "Theirs"}
    bench.seed(**theirs)
    outcome = bench.crm.upsert([wanted(tier_name="Ours")])[KEY]
    assert (outcome.state, outcome.reason) == ("refused", "owned_by_other")
    assert bench.contacts() == [theirs]


def test_partial_207(bench: Bench) -> None:
    """One member's fault keeps nobody else out."""
    outcomes = bench.crm.upsert([wanted(7001), wanted(7002, email="not an address"), wanted(7003)])
    assert [outcomes[key_of(n)].state for n in (7001, 7002, 7003)] == ["mirrored", "refused", "mirrored"]
    assert "not an address" not in outcomes[key_of(7002)].reason
    assert len(bench.contacts()) == 2


def test_silent_2xx(bench: Bench) -> None:
    """A success that names nobody is none."""
    bench.fail("silent_2xx")
    outcome = bench.crm.upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("refused", "silent_2xx")


def _put_off(bench: Bench, case: str) -> float:
    """Bring about a fault that passes; return how long to wait, by the adapter's word."""
    bench.fail(case)
    outcomes = bench.crm.upsert([wanted(7001), wanted(7002)])
    assert {outcome.state for outcome in outcomes.values()} == {"retry"}
    assert not any(outcome.unanswered for outcome in outcomes.values())
    assert not bench.contacts()
    assert bench.crm.upsert([wanted()])[KEY].state == "mirrored"
    return outcomes[KEY].retry_after or 0


def test_locked_423(bench: Bench) -> None:
    """A lock is waited for, two seconds at least."""
    assert 2 <= _put_off(bench, "locked_423") <= 60


def test_rate_limited(bench: Bench) -> None:
    """The time that the provider names is the time that is waited."""
    assert _put_off(bench, "rate_limited") == 7


def test_rate_limited_no_header(bench: Bench) -> None:
    """Where it names none, its policy does."""
    assert 1 <= _put_off(bench, "rate_limited_no_header") <= 60


def test_daily_limit(bench: Bench) -> None:
    """A limit by the day is not knocked at every few seconds."""
    assert _put_off(bench, "daily_limit") >= 600


def test_down(bench: Bench) -> None:
    """A server error is for later, without a word on when."""
    assert _put_off(bench, "down") == 0


@pytest.mark.parametrize("case", ["timeout_after_write", "hang", "bad_gateway"])
def test_unanswered(bench: Bench, case: str) -> None:
    """A call without an answer says so: what it asked for may be done already, or yet."""
    bench.fail(case)
    outcome = bench.crm.upsert([wanted()])[KEY]
    assert (outcome.state, outcome.unanswered) == ("retry", True)


def test_timeout_after_write(bench: Bench) -> None:
    """A write whose answer was lost is repeated without making a second contact."""
    bench.fail("timeout_after_write")
    assert bench.crm.upsert([wanted()])[KEY].state == "retry"
    assert len(bench.contacts()) == 1
    assert bench.crm.upsert([wanted()])[KEY].state == "mirrored"
    assert len(bench.contacts()) == 1


def test_unauthorised_mid_batch(bench: Bench) -> None:
    """What was written before the credentials ended stays written; the rest is not even tried."""
    size = bench.per_call
    members = [wanted(number) for number in range(3 * size)]
    bench.fail("unauthorised_mid_batch")
    outcomes = bench.crm.upsert(members)
    states = [outcomes[each.key].state for each in members]
    assert states == ["mirrored"] * size + ["unauthorised"] * 2 * size
    assert bench.writes() == [size, size]


def test_missing_scopes(bench: Bench) -> None:
    """Credentials that may not write are credentials to mend."""
    bench.fail("missing_scopes")
    assert bench.crm.upsert([wanted()])[KEY].state == "unauthorised"


def test_unknown_property(unprepared: Bench) -> None:
    """A CRM that does not know our fields yet is taught them, once, and the members arrive all the same."""
    outcomes = unprepared.crm.upsert([wanted(7001), wanted(7002)])
    assert {outcome.state for outcome in outcomes.values()} == {"mirrored"}
    assert len(unprepared.writes()) == 2
    unprepared.crm.upsert([wanted(7003)])
    assert len(unprepared.writes()) == 3


def test_decimal(bench: Bench) -> None:
    """Amounts arrive in cents, plain, however the platform had summed them up."""
    told = {
        "credit_balance": Decimal("0.30000000000000004"),
        "revenue": Decimal("1E+3"),
        "last_credit_delta": Decimal("-0.10"),
        "fee_amount": Decimal(str(0.1)) + Decimal(str(0.2)),
    }
    bench.crm.upsert([wanted(**told)])
    shown = bench.shown(KEY)
    assert shown is not None
    assert [shown[name] for name in told] == ["0.3", "1000", "-0.1", "0.3"]


def test_tier_rename(bench: Bench) -> None:
    """A tier's new name, never seen before, arrives like any other; its id stays."""
    for name in ("Gold", "Gold 2.0, “früher Gold”"):
        assert bench.crm.upsert([wanted(tier_id="t1", tier_name=name)])[KEY].state == "mirrored"
        shown = bench.shown(KEY)
        assert shown is not None
        assert (shown["tier_id"], shown["tier_name"]) == ("t1", name)


@pytest.mark.parametrize(
    "name", ["<!channel> & <b>", "王芳 🥇", 'a"b\\c\nd', "{{ contact.email }}", "x" * 5000, "\u200b"]
)
def test_hostile_name(bench: Bench, name: str) -> None:
    """A text is a text: it arrives as it is and harms nobody."""
    assert bench.crm.upsert([wanted(tier_name=name, cancel_reason=name)])[KEY].state == "mirrored"
    shown = bench.shown(KEY)
    assert shown is not None
    kept = name[: bench.longest_text]
    assert (shown["tier_name"], shown["cancel_reason"]) == (kept, kept)


def test_half_a_character(bench: Bench) -> None:
    """Half of a surrogate pair, which JSON can tell and UTF-8 cannot, keeps nobody out."""
    assert bench.crm.upsert([wanted(tier_name="Gold\ud83e")])[KEY].state == "mirrored"


def test_batch_split(bench: Bench) -> None:
    """More members than a call takes are as many calls as needed."""
    size = bench.crm.batch_size
    outcomes = bench.crm.upsert([wanted(number) for number in range(2 * size + 1)])
    assert {outcome.state for outcome in outcomes.values()} == {"mirrored"}
    calls = bench.writes()
    assert sum(calls) == 2 * size + 1
    assert set(calls[:-1]) == {min(size, bench.per_call)}
    assert len(bench.contacts()) == 2 * size + 1


def test_quiet_backfill(bench: Bench) -> None:
    """A back-fill's moments start nothing, and its member arrives; the next moment, told aloud, does start."""
    written = _filled(bench, wanted())
    assert written.state == "mirrored"
    homes = {KEY: Home(key=KEY, id=written.id, email="member-7001@example.com")}
    bench.crm.record([_joined("then", quiet=True)], homes)
    assert bench.started() == []
    assert bench.shown(KEY) is not None
    assert bench.crm.record([_joined("now")], homes)["now.joined"].state == "mirrored"
    assert len(bench.started()) == 1


def _filled(bench: Bench, profile: Profile) -> Outcome:
    """Write a member as a back-fill does: by a job, where the CRM has jobs."""
    bulk = bench.crm.bulk
    if bulk is None:
        return bench.crm.upsert([profile])[profile.key]
    outcome = bulk.submit([profile])
    while outcome.state == "pending":
        outcome = bulk.collect(outcome.id or "", [profile.key])[profile.key]
    return outcome


def _joined(event: str, *, quiet: bool = False) -> Change:
    note = Note(rule="joined", name="Membership Joined")
    happening = Happening(event_id=event, topic="t", at=datetime(2026, 1, 1, tzinfo=UTC), effects=(note,))
    return Change(member=KEY, happenings=(happening,), quiet=quiet)


def test_notes(bench: Bench) -> None:
    """Each note gets an outcome, by its effect's id."""
    assert bench.crm.record([_joined("e1")]).keys() == {"e1.joined"}
