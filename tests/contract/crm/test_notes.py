"""The moments of a membership are told once each, and those of a back-fill start nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from relay.model.effects import Note
from relay.model.messages import EventEffects, MemberChanged
from relay.ports.crm import ContactRef, CrmOutcome
from relay.rules.crm_profile import CrmProfile

from tests.contract.crm.benches import Bench
from tests.contract.crm.profiles import key_of, wanted

KEY = key_of(7001)


def test_quiet_backfill(bench: Bench) -> None:
    """A back-fill's moments start nothing, and its member arrives; the next moment, told aloud, does start."""
    written = _filled(bench, wanted())
    assert written.state == "mirrored"
    homes = {KEY: ContactRef(key=KEY, id=written.id, email="member-7001@example.com")}
    bench.crm.record([_joined("then", quiet=True)], homes)
    assert bench.started() == []
    assert bench.shown(KEY) is not None
    assert bench.crm.record([_joined("now")], homes)["now.joined"].state == "mirrored"
    assert len(bench.started()) == 1


def _filled(bench: Bench, profile: CrmProfile) -> CrmOutcome:
    """Write a member as a back-fill does: by a job, where the CRM has jobs."""
    bulk = bench.crm.bulk
    if bulk is None:
        return bench.crm.upsert([profile])[profile.key]
    outcome = bulk.submit([profile])
    while outcome.state == "pending":
        outcome = bulk.collect(outcome.id or "", [profile.key])[profile.key]
    return outcome


def _joined(event: str, *, quiet: bool = False) -> MemberChanged:
    note = Note(rule="joined", name="Membership Joined")
    event_effects = EventEffects(
        event_id=event, topic="t", at=datetime(2026, 1, 1, tzinfo=UTC), effects=(note,)
    )
    return MemberChanged(member=KEY, events=(event_effects,), backfill=quiet)


def test_notes(bench: Bench) -> None:
    """Each note gets an outcome, by its effect's id."""
    assert bench.crm.record([_joined("e1")]).keys() == {"e1.joined"}
