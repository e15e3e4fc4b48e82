"""`relay mirror remove`: a CRM is left, and whoever could not be cleared there is said, kept and found again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.crm_state import DynamoSyncStates
from relay.model.messages import MemberChanged, dump
from relay.ports.crm import ContactRef, CrmOutcome
from relay.ports.crm_state import ClaimResult
from relay_cli import mirror_removing
from relay_cli.failing import CliError

from tests.contract.crm.profiles import key_of, wanted
from tests.functional.mirror_command.conftest import COUNT, Stage, filled
from tests.support.crm_fakes import FakeBulk, FakeCrm

REFUSED = CrmOutcome(state="refused", reason="http_400")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no calls: there are none under way."""
    monkeypatch.setattr(mirror_removing, "_SETTLING", 0.0)


def emptied(stage: Stage) -> dict[str, object]:
    """Remove the target and clear it."""
    return stage.run("remove", clear=True, keep=False, yes=True)


def with_crm(stage: Stage, crm: FakeCrm) -> FakeCrm:
    """Let the target be this CRM, which holds all members with an address."""
    filled(stage)
    crm.held = {key_of(number): wanted(number) for number in range(COUNT - 1)}
    stage.target.services.crm = crm
    return crm


@pytest.mark.parametrize("clear", [True, False])
def test_remove(stage: Stage, clear: bool) -> None:  # noqa: FBT001 - pytest's
    """Our fields are taken off, or kept; nothing is written any more; a later fill begins anew."""
    filled(stage)
    found = stage.run("remove", clear=clear, keep=not clear, yes=True)
    assert found["forgotten"] == COUNT
    assert found["cleared"] == (COUNT - 1 if clear else 0)
    held = [contact.get("membership_tier") for contact in stage.hubspot.portal.contacts.values()]
    assert held == [None if clear else "Gold"] * (COUNT - 1)
    status = stage.run("status")
    assert (status["removed"], status["mirrored"], status["pending"]) == (True, 0, 0)
    client("sqs").send_message(QueueUrl=stage.queue, MessageBody=dump(MemberChanged(member=key_of(3))))
    asked = len(stage.hubspot.requests)
    stage.work()
    assert len(stage.hubspot.requests) == asked, "it is closed"
    filled(stage)
    assert stage.contact(3)["membership_tier"] == "Gold"
    assert stage.run("status")["removed"] is False


def test_a_refused_contact_stops_nobody_else(stage: Stage) -> None:
    """All others are cleared; it is named with the reason, stays known, and a second run takes up with it."""
    crm = with_crm(stage, FakeCrm())
    crm.clears[key_of(3)] = REFUSED
    found = emptied(stage)
    assert (found["cleared"], found["forgotten"], found["left"]) == (COUNT - 2, COUNT - 1, 1)
    assert (found["left_why"], found["left_members"]) == ({"http_400": 1}, [key_of(3)])
    assert crm.held.keys() == {key_of(3)}
    crm.clears.clear()
    found = emptied(stage)
    assert (found["cleared"], found["forgotten"], found["left"]) == (1, 1, 0)
    assert crm.held == {}


@pytest.mark.parametrize("state", ["retry", "unauthorised"])
def test_a_crm_that_lets_nobody_through(stage: Stage, state: str) -> None:
    """It is not asked for page after page; nobody is forgotten, and the next run begins with them."""
    crm = with_crm(stage, FakeCrm())
    shut = replace(REFUSED, state=state, reason="http_503")  # type: ignore[arg-type]  # the literals above
    crm.clears = {key_of(number): shut for number in range(COUNT)}
    with pytest.raises(CliError, match="http_503"):
        emptied(stage)
    crm.clears.clear()
    assert emptied(stage)["cleared"] == COUNT - 1


def claimed(
    stage: Stage, key: str, email: str, outcome: CrmOutcome | None = None, for_seconds: int = 0
) -> None:
    """Let a worker begin to write a member under this address; without an outcome it dies at it."""
    mirrors = DynamoSyncStates("mirrors", "hubspot")
    now = datetime.now(UTC)
    until = now + timedelta(seconds=for_seconds)
    claim = mirrors.claim([key], now=now, until=until, emails={key: email})[key]
    if outcome:
        mirrors.settle([ClaimResult(profile=wanted(3), token=claim.token, outcome=outcome)])


def test_strays_are_cleared_too(stage: Stage) -> None:
    """Where people are known by e-mail, the addresses that a dead worker may have written to are cleared as well."""
    crm = with_crm(stage, FakeCrm(homes_by="email"))
    claimed(stage, key_of(3), "stray@example.com")
    emptied(stage)
    id_ = next(home.id for home in crm.cleared if home.key == key_of(3) and home.id)
    assert [home for home in crm.cleared if home.key == key_of(3)] == [
        ContactRef(key=key_of(3), id=id_, email="member-3@example.com"),
        ContactRef(key=key_of(3), email="stray@example.com"),
    ]


def test_one_of_several_contacts_is_refused(stage: Stage) -> None:
    """A member is done when all that it may stand on is cleared."""

    class FirstIsRefused(FakeCrm):
        def clear(self, homes: object) -> dict[str, CrmOutcome]:
            found = dict(super().clear(homes))  # type: ignore[arg-type]  # handed through
            return found | {home.key: REFUSED for home in self.cleared[-len(found) :] if home.email == STRAY}

    STRAY = "a-stray@example.com"  # noqa: N806 - a constant of this test
    with_crm(stage, FirstIsRefused(homes_by="email"))
    claimed(stage, key_of(3), STRAY)
    assert emptied(stage)["left_members"] == [key_of(3)]


def test_whom_a_call_may_still_write(stage: Stage) -> None:
    """A member whose call is not over would be written after it was cleared: it is left for the next run."""
    crm = with_crm(stage, FakeCrm())
    claimed(stage, key_of(3), "member-3@example.com", for_seconds=60)
    found = emptied(stage)
    assert found["left_why"] == {"a_call_is_under_way": 1}
    assert crm.held.keys() == {key_of(3)}


def test_whom_a_job_may_still_write(stage: Stage) -> None:
    """So is one whom a job is working on, until the job is over."""
    bulk = FakeBulk()
    with_crm(stage, FakeCrm(homes_by="email", bulk=bulk))
    claimed(stage, key_of(3), "member-3@example.com", CrmOutcome(state="pending", id="job-1"))
    assert emptied(stage)["left_why"] == {"a_job_is_under_way": 1}
    bulk.outcome = CrmOutcome(state="mirrored")
    assert (found := emptied(stage))["left"] == 0, found
