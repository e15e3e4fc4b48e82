"""What `crm_sync` and the operator's commands need from every adapter beside writing: reading, clearing, describing."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from relay.ports.crm import ContactRef
from relay.rules.crm_profile import NOT_COMPARED

from tests.contract.crm.profiles import AT, key_of, wanted
from tests.contract.crm.setups import CrmTestSetup

KEY = key_of(7001)


FULL = wanted(
    tier_id="t1",
    tier_name="Gold & <b>",
    joined_at=AT,
    next_payment_on=date(2026, 12, 5),
    credit_balance=Decimal("24.90"),
    fee_amount=Decimal("1E+3"),
    referrals_count=3,
)


def test_reading(setup: CrmTestSetup) -> None:
    """What was written is read again as the same texts; a member that the CRM lacks is missing."""
    outcome = setup.crm.upsert([FULL])[KEY]
    contacts = [
        ContactRef(key=KEY, id=outcome.id, email=FULL.email),
        ContactRef(key=key_of(1), email="unknown@example.com"),
    ]
    theirs = setup.crm.read(contacts)
    assert theirs.keys() == {KEY}
    ours = setup.crm.expected_fields(FULL)
    assert {name: ours[name] for name in ours.keys() - NOT_COMPARED} == {
        name: theirs[KEY][name] for name in theirs[KEY].keys() - NOT_COMPARED
    }
    assert "last_decline_code" not in ours, "fields without a value are absent"


def test_clearing_a_contact(setup: CrmTestSetup) -> None:
    """Our fields are removed from the contact, and nothing else; a contact that does not exist is skipped."""
    setup.seed(email="member-7001@example.com", merchants_note="met at the fair")
    outcome = setup.crm.upsert([FULL])[KEY]
    assert outcome.state == "mirrored"
    contact_ref = ContactRef(key=KEY, id=outcome.id, email=FULL.email)
    gone = ContactRef(key=key_of(1), email="unknown@example.com")
    answers = setup.crm.clear([contact_ref, gone])
    assert [answers[key].state for key in (KEY, key_of(1))] == ["mirrored", "skipped"]
    assert setup.shown(KEY) is None
    assert setup.contacts() == [{"email": "member-7001@example.com", "merchants_note": "met at the fair"}]
    assert setup.crm.clear([contact_ref])[KEY].state in {"mirrored", "skipped"}, "a second time is no error"


def test_another_members_contact_is_not_cleared(setup: CrmTestSetup) -> None:
    """A contact that has become another member's is not touched."""
    other = wanted(7002, email="shared@example.com", tier_name="Gold")
    outcome = setup.crm.upsert([other])[key_of(7002)]
    setup.crm.clear([ContactRef(key=KEY, id=outcome.id, email="shared@example.com")])
    shown = setup.shown(key_of(7002))
    assert shown is not None
    assert shown["tier_name"] == "Gold"


def test_preparing(unprepared: CrmTestSetup) -> None:
    """A dry run defines nothing; what was defined is no longer missing."""
    would = list(unprepared.crm.ensure_schema(dry_run=True))
    assert list(unprepared.crm.ensure_schema(dry_run=True)) == would
    assert list(unprepared.crm.ensure_schema()) == would
    assert list(unprepared.crm.ensure_schema()) == []
    unprepared.crm.check()


def test_describing(setup: CrmTestSetup) -> None:
    """Each adapter names its batch sizes, its rate limits (none if it counts by the day), and what identifies a member."""
    crm = setup.crm
    assert crm.batch_size >= 1
    assert crm.notes_batch_size >= 1
    assert all(rate.calls >= 1 and rate.seconds > 0 for rate in crm.rate_limits)
    assert crm.identified_by in {"key", "email"}
    assert crm.bulk is None or crm.bulk.size >= crm.batch_size


def test_definitions_grow(setup: CrmTestSetup) -> None:
    """What a newer version needs of a definition that stands there is named by a dry run, then added."""
    setup.remove_option("status", "past_due")
    missing = list(setup.crm.ensure_schema(dry_run=True))
    assert missing
    assert list(setup.crm.ensure_schema()) == missing
    assert list(setup.crm.ensure_schema(dry_run=True)) == []
