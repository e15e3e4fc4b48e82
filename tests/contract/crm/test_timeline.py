"""The events of a membership appear once each, and those of a back-fill start nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from relay.model.effects import Note
from relay.model.messages import EventEffects, MemberChanged
from relay.ports.crm import ContactRef, CrmOutcome
from relay.rules.crm_profile import CrmProfile

from tests.contract.crm.profiles import key_of, wanted
from tests.contract.crm.setups import CrmTestSetup

KEY = key_of(7001)


def test_quiet_backfill(setup: CrmTestSetup) -> None:
    """A back-fill's events start nothing, and its member arrives; the next event outside of it does start an automation."""
    written = _backfill(setup, wanted())
    assert written.state == "mirrored"
    contacts = {KEY: ContactRef(key=KEY, id=written.id, email="member-7001@example.com")}
    setup.crm.record([_joined("then", backfill=True)], contacts)
    assert setup.started() == []
    assert setup.shown(KEY) is not None
    assert setup.crm.record([_joined("now")], contacts)["now.joined"].state == "mirrored"
    assert len(setup.started()) == 1


def _backfill(setup: CrmTestSetup, profile: CrmProfile) -> CrmOutcome:
    """Write a member as a back-fill does: by a job, if the CRM has jobs."""
    bulk = setup.crm.bulk
    if bulk is None:
        return setup.crm.upsert([profile])[profile.key]
    outcome = bulk.submit([profile])
    while outcome.state == "pending":
        outcome = bulk.collect(outcome.id or "", [profile.key])[profile.key]
    return outcome


def _joined(event: str, *, backfill: bool = False) -> MemberChanged:
    note = Note(rule="joined", name="Membership Joined")
    event_effects = EventEffects(
        event_id=event, topic="t", at=datetime(2026, 1, 1, tzinfo=UTC), effects=(note,)
    )
    return MemberChanged(member=KEY, events=(event_effects,), backfill=backfill)


def test_notes(setup: CrmTestSetup) -> None:
    """Each note gets an outcome, by its effect's id."""
    assert setup.crm.record([_joined("e1")]).keys() == {"e1.joined"}
