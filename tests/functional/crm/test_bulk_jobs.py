"""A back-fill's jobs: a member is done when its job is, and no other call writes it meanwhile."""

from __future__ import annotations

from relay.errors import TransientError
from relay.ports.crm import CrmOutcome

from tests.functional.crm.crm_setups import KEY, CrmSetup
from tests.support.crm_fakes import MIRRORED, FakeBulkImport, FakeCrm, change_message


def backfill(setup: CrmSetup) -> list[Exception | None]:
    """Let a back-fill's message be handled."""
    return setup.work(change_message("m", KEY, backfill=True))


def test_a_job_is_done_when_it_is_done() -> None:
    """A member of a back-fill is pending until its job ends, and no other call writes it meanwhile."""
    bulk = FakeBulkImport()
    setup = CrmSetup(crm=FakeCrm(identified_by="email", bulk=bulk))
    setup.update_member(tier_name="Gold")
    assert isinstance(backfill(setup)[0], TransientError)
    assert setup.sync_states.states[KEY].state == "pending"
    assert isinstance(setup.work()[0], TransientError), "a change that comes meanwhile waits as well"
    setup.clock.forward(61)
    assert isinstance(backfill(setup)[0], TransientError), "it still runs"
    setup.clock.forward(61)
    bulk.outcome = MIRRORED
    assert backfill(setup) == [None]
    assert (len(bulk.jobs), setup.crm.calls) == (1, [])
    assert setup.sync_states.states[KEY].state == "mirrored"
    assert backfill(setup) == [None]
    assert len(bulk.jobs) == 1


def test_what_changed_during_a_job_is_sent_after_it() -> None:
    """The end of a job says nothing about a member that has changed since."""
    bulk = FakeBulkImport()
    setup = CrmSetup(crm=FakeCrm(identified_by="email", bulk=bulk))
    setup.update_member(tier_name="Gold")
    backfill(setup)
    setup.update_member(tier_name="Silver")
    setup.clock.forward(61)
    bulk.outcome = MIRRORED
    assert setup.work() == [None]
    assert setup.crm.held[KEY].values["tier_name"] == "Silver"


def test_a_job_that_cannot_be_asked_about_goes_on() -> None:
    """While the end of a job is unknown, the member is not written."""
    bulk = FakeBulkImport()
    setup = CrmSetup(crm=FakeCrm(identified_by="email", bulk=bulk))
    setup.update_member(tier_name="Gold")
    backfill(setup)
    setup.clock.forward(61)
    bulk.outcome = CrmOutcome(state="retry", reason="http_503")
    assert isinstance(setup.work()[0], TransientError)
    assert setup.sync_states.states[KEY].job == "job-1"
    assert setup.crm.calls == []


def test_the_members_of_a_lost_job_are_sent_again() -> None:
    """Nothing is known about the members of a cancelled or forgotten job: they are sent again."""
    bulk = FakeBulkImport()
    setup = CrmSetup(crm=FakeCrm(identified_by="email", bulk=bulk))
    setup.update_member(tier_name="Gold")
    backfill(setup)
    setup.clock.forward(61)
    bulk.known = False
    assert isinstance(backfill(setup)[0], TransientError)
    assert len(bulk.jobs) == 2
    setup.clock.forward(61)
    assert setup.work() == [None]
    assert setup.crm.calls == [[KEY]]
