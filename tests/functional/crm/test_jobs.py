"""A back-fill's jobs: a member is done when its job is, and nobody writes it meanwhile."""

from __future__ import annotations

from relay.errors import TransientError
from relay.ports.crm import CrmOutcome

from tests.functional.crm.scenes import KEY, Scene
from tests.support.crm_fakes import MIRRORED, FakeBulk, FakeCrm, change_message


def quiet(scene: Scene) -> list[Exception | None]:
    """Let a back-fill's message be handled."""
    return scene.work(change_message("m", KEY, quiet=True))


def test_a_job_is_done_when_it_is_done() -> None:
    """A member of a back-fill is pending until its job says what became of it, and nobody writes it meanwhile."""
    bulk = FakeBulk()
    scene = Scene(crm=FakeCrm(homes_by="email", bulk=bulk))
    scene.tell(tier_name="Gold")
    assert isinstance(quiet(scene)[0], TransientError)
    assert scene.mirrors.mirrors[KEY].state == "pending"
    assert isinstance(scene.work()[0], TransientError), "nor does a change that comes meanwhile"
    scene.clock.forward(61)
    assert isinstance(quiet(scene)[0], TransientError), "it still runs"
    scene.clock.forward(61)
    bulk.outcome = MIRRORED
    assert quiet(scene) == [None]
    assert (len(bulk.jobs), scene.crm.calls) == (1, [])
    assert scene.mirrors.mirrors[KEY].state == "mirrored"
    assert quiet(scene) == [None]
    assert len(bulk.jobs) == 1


def test_what_changed_during_a_job_is_sent_after_it() -> None:
    """A job that is done says nothing of a member that has changed since."""
    bulk = FakeBulk()
    scene = Scene(crm=FakeCrm(homes_by="email", bulk=bulk))
    scene.tell(tier_name="Gold")
    quiet(scene)
    scene.tell(tier_name="Silver")
    scene.clock.forward(61)
    bulk.outcome = MIRRORED
    assert scene.work() == [None]
    assert scene.crm.held[KEY].values["tier_name"] == "Silver"


def test_a_job_that_cannot_be_asked_about_goes_on() -> None:
    """While nobody can say what became of a job, the member is not written past it."""
    bulk = FakeBulk()
    scene = Scene(crm=FakeCrm(homes_by="email", bulk=bulk))
    scene.tell(tier_name="Gold")
    quiet(scene)
    scene.clock.forward(61)
    bulk.outcome = CrmOutcome(state="retry", reason="http_503")
    assert isinstance(scene.work()[0], TransientError)
    assert scene.mirrors.mirrors[KEY].job == "job-1"
    assert scene.crm.calls == []


def test_a_job_that_is_gone_keeps_nobody_waiting() -> None:
    """Of a cancelled or forgotten job's members nothing is known: they are sent again, and pending no more."""
    bulk = FakeBulk()
    scene = Scene(crm=FakeCrm(homes_by="email", bulk=bulk))
    scene.tell(tier_name="Gold")
    quiet(scene)
    scene.clock.forward(61)
    bulk.known = False
    assert isinstance(quiet(scene)[0], TransientError)
    assert len(bulk.jobs) == 2
    scene.clock.forward(61)
    assert scene.work() == [None]
    assert scene.crm.calls == [[KEY]]
