"""`relay mirror remove`: fields are cleared or kept; members that could not be cleared are reported and stay known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.crm_state import DynamoSyncStates
from relay.model.messages import MemberChanged, dump
from relay.ports.crm import ContactRef, CrmOutcome
from relay.ports.crm_state import ClaimResult
from relay_cli.commands.mirror import removal
from relay_cli.errors import CliError

from tests.contract.crm.profiles import key_of, wanted
from tests.functional.mirror_command.conftest import COUNT, MirrorSetup, filled
from tests.support.crm_fakes import FakeBulkImport, FakeCrm

REFUSED = CrmOutcome(state="refused", reason="http_400")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for calls in flight: there are none."""
    monkeypatch.setattr(removal, "_CALLS_END_AFTER", 0.0)


def removed(mirror: MirrorSetup) -> dict[str, object]:
    """Run `remove --clear` and return the result."""
    return mirror.run("remove", clear=True, keep=False, yes=True)


def with_crm(mirror: MirrorSetup, crm: FakeCrm) -> FakeCrm:
    """Make this the target's CRM, with a contact for every member with an address."""
    filled(mirror)
    crm.held = {key_of(number): wanted(number) for number in range(COUNT - 1)}
    mirror.target.services.crm = crm
    return crm


@pytest.mark.parametrize("clear", [True, False])
def test_remove(mirror: MirrorSetup, clear: bool) -> None:  # noqa: FBT001 - pytest's
    """Relay's fields are cleared or kept, nothing more is written, and a later fill starts again."""
    filled(mirror)
    found = mirror.run("remove", clear=clear, keep=not clear, yes=True)
    assert found["forgotten"] == COUNT
    assert found["cleared"] == (COUNT - 1 if clear else 0)
    held = [contact.get("membership_tier") for contact in mirror.hubspot.portal.contacts.values()]
    assert held == [None if clear else "Gold"] * (COUNT - 1)
    status = mirror.run("status")
    assert (status["removed"], status["mirrored"], status["pending"]) == (True, 0, 0)
    assert (status["circuit"], status["circuit_reason"]) == ("open", "removed by hand")
    client("sqs").send_message(QueueUrl=mirror.queue, MessageBody=dump(MemberChanged(member=key_of(3))))
    asked = len(mirror.hubspot.requests)
    mirror.process_queue()
    assert len(mirror.hubspot.requests) == asked, "the circuit is open"
    filled(mirror)
    assert mirror.contact(3)["membership_tier"] == "Gold"
    status = mirror.run("status")
    assert (status["removed"], status["circuit"]) == (False, "closed")


def test_a_refused_contact_does_not_stop_the_others(mirror: MirrorSetup) -> None:
    """All others are cleared. The refused one is reported with the reason, stays known, and is cleared by a second run."""
    crm = with_crm(mirror, FakeCrm())
    crm.clear_outcomes[key_of(3)] = REFUSED
    found = removed(mirror)
    assert (found["cleared"], found["forgotten"], found["left"]) == (COUNT - 2, COUNT - 1, 1)
    assert (found["left_why"], found["left_members"]) == ({"http_400": 1}, [key_of(3)])
    assert crm.held.keys() == {key_of(3)}
    crm.clear_outcomes.clear()
    found = removed(mirror)
    assert (found["cleared"], found["forgotten"], found["left"]) == (1, 1, 0)
    assert crm.held == {}


@pytest.mark.parametrize("state", ["retry", "unauthorised"])
def test_a_crm_that_refuses_all_calls(mirror: MirrorSetup, state: str) -> None:
    """The run stops at the first page; no member is forgotten, and the next run starts with them."""
    crm = with_crm(mirror, FakeCrm())
    down = replace(REFUSED, state=state, reason="http_503")  # type: ignore[arg-type]  # the literals above
    crm.clear_outcomes = {key_of(number): down for number in range(COUNT)}
    with pytest.raises(CliError, match="http_503"):
        removed(mirror)
    crm.clear_outcomes.clear()
    assert removed(mirror)["cleared"] == COUNT - 1


def claimed(
    mirror: MirrorSetup, key: str, email: str, outcome: CrmOutcome | None = None, for_seconds: int = 0
) -> None:
    """Claim a member for a call under this address; without an outcome the caller crashes in it."""
    sync_states = DynamoSyncStates("mirrors", "hubspot")
    now = datetime.now(UTC)
    until = now + timedelta(seconds=for_seconds)
    claim = sync_states.claim([key], now=now, until=until, emails={key: email})[key]
    if outcome:
        sync_states.release_claims([ClaimResult(profile=wanted(3), token=claim.token, outcome=outcome)])


def test_possible_addresses_are_cleared_too(mirror: MirrorSetup) -> None:
    """Where contacts are identified by e-mail, the addresses of a crashed call are cleared as well."""
    crm = with_crm(mirror, FakeCrm(identified_by="email"))
    claimed(mirror, key_of(3), "possible@example.com")
    removed(mirror)
    id_ = next(contact.id for contact in crm.cleared if contact.key == key_of(3) and contact.id)
    assert [replace(contact, version="") for contact in crm.cleared if contact.key == key_of(3)] == [
        ContactRef(key=key_of(3), id=id_, email="member-3@example.com", made=True),
        ContactRef(key=key_of(3), email="possible@example.com"),
    ]


def test_one_of_several_contacts_is_refused(mirror: MirrorSetup) -> None:
    """A member is done when all its possible contacts are cleared."""

    class FirstIsRefused(FakeCrm):
        def clear(self, contacts: object) -> dict[str, CrmOutcome]:
            found = dict(super().clear(contacts))  # type: ignore[arg-type]  # handed through
            return found | {
                contact.key: REFUSED for contact in self.cleared[-len(found) :] if contact.email == POSSIBLE
            }

    POSSIBLE = "a-possible@example.com"  # noqa: N806 - a constant of this test
    with_crm(mirror, FirstIsRefused(identified_by="email"))
    claimed(mirror, key_of(3), POSSIBLE)
    assert removed(mirror)["left_members"] == [key_of(3)]


def test_a_member_in_a_call_is_left(mirror: MirrorSetup) -> None:
    """A member with a call in flight could be written after it was cleared, so it is left for the next run."""
    crm = with_crm(mirror, FakeCrm())
    claimed(mirror, key_of(3), "member-3@example.com", for_seconds=60)
    found = removed(mirror)
    assert found["left_why"] == {"a_call_is_under_way": 1}
    assert crm.held.keys() == {key_of(3)}


def test_a_member_in_a_job_is_left(mirror: MirrorSetup) -> None:
    """A member in an import job is left until the job has ended."""
    bulk = FakeBulkImport()
    with_crm(mirror, FakeCrm(identified_by="email", bulk=bulk))
    claimed(mirror, key_of(3), "member-3@example.com", CrmOutcome(state="pending", id="job-1"))
    assert removed(mirror)["left_why"] == {"a_job_is_under_way": 1}
    bulk.outcome = CrmOutcome(state="mirrored")
    assert (found := removed(mirror))["left"] == 0, found


def test_clear_after_keep(mirror: MirrorSetup) -> None:
    """Contacts of which no sync state knows any more are found by their keys."""
    filled(mirror)
    assert mirror.run("remove", clear=False, keep=True, yes=True)["cleared"] == 0
    found = removed(mirror)
    assert (found["cleared"], found["left"]) == (COUNT - 1, 0)
    held = [contact.get("membership_tier") for contact in mirror.hubspot.portal.contacts.values()]
    assert held == [None] * (COUNT - 1)


def test_clear_after_keep_says_what_it_could_not_clear(mirror: MirrorSetup) -> None:
    """A member whose contact the CRM does not clear is named, and not counted as done."""
    crm = with_crm(mirror, FakeCrm())
    mirror.run("remove", clear=False, keep=True, yes=True)
    crm.clear_outcomes[key_of(3)] = REFUSED
    found = removed(mirror)
    assert (found["left"], found["left_members"]) == (1, [key_of(3)])
