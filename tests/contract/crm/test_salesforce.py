"""What is Salesforce's alone: sessions, fields that an administrator makes, and addresses that identify nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from fakes.fault_queue import Fault
from fakes.local_server import serve
from fakes.salesforce import FakeSalesforce
from fakes.salesforce_org import SalesforceOrg
from relay.adapters.salesforce import Org as Where
from relay.adapters.salesforce import Salesforce
from relay.adapters.salesforce.mapping import definitions
from relay.errors import MisconfiguredError
from relay.ports.crm import ContactRef, CrmOutcome

from tests.contract.crm.profiles import AT, key_of, wanted
from tests.contract.crm.salesforce import CREDENTIALS, SalesforceBench, define_fields, salesforce
from tests.contract.crm.tokens import FixedToken

KEY = key_of(7001)
FIRST = "member-7001@example.com"


@pytest.fixture
def bare() -> Iterator[SalesforceBench]:
    """Return an org in which no administrator has been."""
    with salesforce() as bench:
        yield bench


@pytest.fixture
def bench(bare: SalesforceBench) -> SalesforceBench:
    """Return an org with our fields."""
    bare.prepare()
    return bare


def test_members_wait_for_the_administrator(bare: SalesforceBench) -> None:
    """Without our fields nobody is written, and nobody refused for good: all wait, and arrive once they are there."""
    outcomes = bare.crm.upsert([wanted(7001), wanted(7002)])
    assert set(outcomes.values()) == {CrmOutcome(state="unauthorised", reason="unknown_property")}
    assert not bare.contacts()
    bare.prepare()
    assert bare.crm.upsert([wanted()])[KEY].state == "mirrored"


def test_what_is_missing_is_named(bare: SalesforceBench) -> None:
    """A dry run lists the fields; without one it is said that they are to be deployed; then nothing is missing."""
    assert len(bare.crm.ensure_schema(dry_run=True)) == len(definitions("Contact"))
    with pytest.raises(MisconfiguredError, match="Membership_Tier__c") as caught:
        bare.crm.ensure_schema()
    assert caught.value.setting == "SALESFORCE_OBJECT"
    bare.prepare()
    assert bare.crm.ensure_schema() == []
    bare.crm.check()


def test_a_key_that_identifies_nobody_is_not_written_to(bench: SalesforceBench) -> None:
    """A key field that is no unique external id is an administrator's to mend."""
    columns = bench.standin.org.columns
    columns["Membership_Key__c"] = replace(columns["Membership_Key__c"], unique=False)
    with pytest.raises(MisconfiguredError, match="membership_key_is_not_unique"):
        bench.crm.ensure_schema(dry_run=True)


def test_an_ended_session_is_renewed(bench: SalesforceBench) -> None:
    """Sessions end in the middle of the work, and nobody notices."""
    bench.crm.upsert([wanted()])
    bench.standin.end_sessions()
    assert bench.crm.upsert([wanted(tier_name="Gold")])[KEY].state == "mirrored"
    assert sum("token" in asked["path"] for asked in bench.standin.requests) == 2


def test_a_known_member_costs_two_calls(bench: SalesforceBench) -> None:
    """Of two hundred members whose contacts are as we left them: one look, one write."""
    members = [wanted(number) for number in range(200)]
    bench.crm.upsert(members)
    before = len(bench.standin.requests)
    assert {each.state for each in bench.crm.upsert(members).values()} == {"mirrored"}
    assert [asked["path"].rpartition("/")[2] for asked in bench.standin.requests[before:]] == [
        "query",
        "Membership_Key__c",
    ]


def test_several_contacts_with_the_address(bench: SalesforceBench) -> None:
    """Nobody can say which of them is the member: refused, and nothing is written."""
    for _ in range(2):
        bench.seed(email=FIRST)
    assert bench.crm.upsert([wanted()])[KEY] == CrmOutcome(state="refused", reason="identity_conflict")
    assert bench.contacts() == [{"email": FIRST}, {"email": FIRST}]


def test_several_contacts_with_the_key(bench: SalesforceBench) -> None:
    """An org whose key was not unique may have it twice: refused, as a 300 would be, and nothing is written."""
    columns = bench.standin.org.columns
    columns["Membership_Key__c"] = replace(columns["Membership_Key__c"], unique=False)
    for number in range(2):
        bench.seed(email=f"{number}@example.com", key=KEY)
    assert bench.crm.upsert([wanted()])[KEY] == CrmOutcome(state="refused", reason="identity_conflict")


def test_a_member_keeps_its_contact_where_nobody_gives_way(bench: SalesforceBench) -> None:
    """A new address that several contacts have, or one of another shop, is written to the member's own contact."""
    bench.crm.upsert([wanted(email="old@example.com")])
    bench.seed(email=FIRST, key="other.myshopify.com:1")
    bench.seed(email="two@example.com")
    bench.seed(email="two@example.com")
    for email in (FIRST, "two@example.com"):
        assert bench.crm.upsert([wanted(email=email)])[KEY].state == "mirrored"
        shown = bench.shown(KEY)
        assert shown is not None
        assert shown["email"] == email
    assert {"email": FIRST, "key": "other.myshopify.com:1"} in bench.contacts()


def test_two_members_and_one_contact(bench: SalesforceBench) -> None:
    """Where two new members have one address, the first takes the contact over; the other is written afterwards."""
    bench.seed(email=FIRST)
    both = [wanted(7001), wanted(7002, email=FIRST)]
    outcomes = bench.crm.upsert(both)
    assert outcomes[KEY].state == "mirrored"
    assert (outcomes[key_of(7002)].state, outcomes[key_of(7002)].alone) == ("retry", True)
    assert bench.crm.upsert(both)[key_of(7002)] == CrmOutcome(
        state="refused", reason="owned_by_other", id=_id(bench)
    )


def test_a_contact_that_does_not_let_go(bench: SalesforceBench) -> None:
    """Where the former contact cannot be cleared, the new one is not claimed: a key is never on two."""
    bench.crm.upsert([wanted(email="old@example.com")])
    bench.seed(email=FIRST)
    bench.standin.faults.waiting.append(Fault(path="/composite/", record_code="UNABLE_TO_LOCK_ROW"))
    assert bench.crm.upsert([wanted()])[KEY].state == "retry"
    assert [contact.get("key") for contact in bench.contacts()] == [KEY, None]
    assert bench.crm.upsert([wanted()])[KEY].state == "mirrored"
    assert [contact.get("key") for contact in bench.contacts()] == [None, KEY]


def test_the_merchants_duplicate_rule_is_obeyed(bench: SalesforceBench) -> None:
    """A contact that a rule forbids is not forced; the member is refused, and says why."""
    bench.standin.faults.waiting.append(Fault(path="/composite/", record_code="DUPLICATES_DETECTED"))
    assert bench.crm.upsert([wanted()])[KEY] == CrmOutcome(state="refused", reason="duplicates_detected")


def test_a_hostile_address_asks_no_question_of_its_own(bench: SalesforceBench) -> None:
    """An address with quotes is a text in our question: it finds itself and nobody else."""
    bench.seed(email="innocent@example.com")
    email = "o'x')OR(Email!='@example.com"
    assert bench.crm.upsert([wanted(email=email)])[KEY].state == "mirrored"
    assert [contact["email"] for contact in bench.contacts()] == ["innocent@example.com", email]


def test_long_answers_are_read_to_the_end(bench: SalesforceBench) -> None:
    """An answer in parts is read part by part."""
    members = [wanted(number) for number in range(10)]
    bench.crm.upsert(members)
    bench.standin.page = 3
    assert {each.state for each in bench.crm.upsert(members).values()} == {"mirrored"}
    assert len(bench.contacts()) == 10


def test_what_was_written_is_what_is_read(bench: SalesforceBench) -> None:
    """Reading back finds just what the adapter says it shows; members who are not there are missing."""
    profile = wanted(
        tier_name="Gold “früher”" + "x" * 300,
        credit_balance=Decimal("24.90"),
        joined_at=AT,
        next_payment_on=date(2026, 12, 5),
        referrals_count=0,
    )
    bench.crm.upsert([profile])
    held = bench.crm.read([ContactRef(key=KEY), ContactRef(key=key_of(7002))])
    assert held == {KEY: bench.crm.shown(profile)}
    assert held[KEY]["credit_balance"] == "24.9"
    assert held[KEY]["joined_at"] == "2026-11-22T10:00:00.000Z"


def test_clearing_a_contact(bench: SalesforceBench) -> None:
    """Our fields are taken off the member's contact and nothing else; another's, or none, is skipped."""
    bench.seed(email=FIRST, merchants_note="met at the fair")
    bench.crm.upsert([wanted(tier_name="Gold")])
    outcomes = bench.crm.clear(
        [ContactRef(key=KEY, id=_id(bench)), ContactRef(key=key_of(7002), id=_id(bench))]
    )
    assert (outcomes[KEY].state, outcomes[key_of(7002)].state) == ("mirrored", "skipped")
    assert bench.contacts() == [{"email": FIRST, "merchants_note": "met at the fair"}]


def test_an_object_of_the_merchants_own() -> None:
    """Members can be records of a custom object, which has no last name and gets an e-mail field of ours."""
    standin = FakeSalesforce(org=SalesforceOrg("Member__c"))
    define_fields(standin)
    with serve(standin.app()) as base_url:
        crm = Salesforce(Where(f"{base_url}/", "Member__c"), FixedToken(CREDENTIALS))
        assert crm.upsert([wanted()])[KEY].state == "mirrored"
        assert crm.ensure_schema() == []
        crm.close()
    [record] = standin.org.records.values()
    assert (record["Membership_Key__c"], record["Membership_Email__c"]) == (KEY, FIRST)


def _id(bench: SalesforceBench) -> str:
    return next(iter(bench.standin.org.records))
