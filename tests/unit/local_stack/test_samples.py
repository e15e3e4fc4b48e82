"""`relay run --samples` posts in waves, waits while something changes, and gives up in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from inveterate.webhooks import parse
from local_stack.observation import Observation
from local_stack.samples import _STUCK, observe_until_done, wait_until_idle, waves
from local_stack.scenario import _STUCK as _STUCK_MONTH
from local_stack.verdict_samples import DOCUMENTED, PostedSample
from relay_cli.deployment.template import read_template

from tests.support.port_fakes import ROOT

SHOP = "acme.myshopify.com"
POSTED = [PostedSample("customer.payment_failed", 202, "e1")]
_CUSTOMERS = [*map(str, range(DOCUMENTED.contacts)), *DOCUMENTED.skipped]
WELL = Observation(
    journal=({"id": "e1", "shop": SHOP, "customer": "0", "outcome": "applied", "effects": ()},),
    members=frozenset(f"{SHOP}:{customer}" for customer in _CUSTOMERS),
    contacts={f"{SHOP}:{number}": str(number) for number in range(DOCUMENTED.contacts)},
    skipped={f"{SHOP}:{customer}": "no_email" for customer in DOCUMENTED.skipped},
    openings=DOCUMENTED.alerts,
    emails=DOCUMENTED.alerts,
)


@dataclass(slots=True)
class FakeClock:
    """A clock that only `sleep` advances."""

    now: float = 0.0

    def sleep(self, seconds: float) -> None:
        """Advance by `seconds`."""
        self.now += seconds


@dataclass(slots=True)
class SamplesRun:
    """A run with given observations, the last of them again and again."""

    observations: Iterator[Observation]
    clock: FakeClock = field(default_factory=FakeClock)
    reported: list[str] = field(default_factory=list)
    last: Observation = field(default_factory=Observation)

    def observe(self) -> Observation:
        """Return the next observation."""
        self.last = next(self.observations, self.last)
        return self.last

    def wait(self) -> Observation:
        """Observe until done."""
        progress: Callable[[str], None] = self.reported.append
        clock = self.clock
        return observe_until_done(self.observe, POSTED, progress, clock=lambda: clock.now, sleep=clock.sleep)


def test_a_good_end_counts_after_some_seconds_without_a_change() -> None:
    """Where all is well at once, the run waits a few seconds more, in which a duplicate alert would come."""
    run = SamplesRun(iter([WELL]))
    assert run.wait() == WELL
    assert 3 < run.clock.now < 10


def test_a_late_duplicate_alert_is_seen() -> None:
    """The last observation is judged, not the first good one."""
    twice = replace(WELL, openings=2)
    run = SamplesRun(iter([WELL, twice]))
    assert run.wait() == twice


def test_a_stuck_run_ends() -> None:
    """With a message stuck in a queue, the run ends 400 s after the last change."""
    stuck = replace(WELL, queues={"alerts": ("e1",)})
    run = SamplesRun(iter([Observation(), stuck]))
    assert run.wait() == stuck
    assert 400 < run.clock.now < 410


def test_a_run_with_nothing_left_to_do_ends_sooner() -> None:
    """Empty queues and a check that fails: the run ends 90 s after the last change."""
    run = SamplesRun(iter([replace(WELL, openings=0)]))
    run.wait()
    assert 90 < run.clock.now < 100


def test_the_wait_outlasts_what_sqs_keeps_back() -> None:
    """A message whose function ran out of time comes back after the queue's visibility timeout, and is no defect.

    The local run grants no credits, and waits for no function that reads the unclaimed.
    """
    resources = read_template((ROOT / "template.yaml").read_text())["Resources"]
    longest = max(
        one["Properties"]["VisibilityTimeout"]
        for name, one in resources.items()
        if one["Type"] == "AWS::SQS::Queue"
        and name not in {"GrantsQueue", "Unclaimed"}
        and "VisibilityTimeout" in one["Properties"]
    )
    assert longest < _STUCK
    assert longest < _STUCK_MONTH


def test_a_run_that_keeps_changing_ends() -> None:
    """With a change in every observation, the run ends after 900 s."""
    run = SamplesRun(replace(WELL, emails=number) for number in range(2, 1000))
    run.wait()
    assert 900 < run.clock.now < 910


def test_remaining_work_is_reported_when_its_kind_changes() -> None:
    """A number that merely falls is not reported again."""
    queued = [replace(Observation(), queues={"updated": ("e1",) * number}) for number in (3, 2, 1)]
    run = SamplesRun(iter([*queued, replace(WELL, openings=0), WELL]))
    run.wait()
    assert run.reported == [
        "waiting for 3 messages in the queues",
        "waiting for 1 other check to pass",
        "waiting for a few seconds without a change",
    ]


def test_waves_keep_the_order_of_a_members_events() -> None:
    """No wave has two events of one member, a member's oldest event is in the first, and no sample is left out."""
    samples = {path: path.read_bytes() for path in (ROOT / "events").glob("*.json")}
    played = waves(samples)
    assert sorted(path.stem for wave in played for path in wave) == sorted(path.stem for path in samples)
    assert [len(wave) for wave in played] == [8, 3, 2, 2], "a new sample changes the sizes: count them again"
    for wave in played:
        assert len({parse(body).customer_id for body in wave.values()}) == len(wave)
    of_one = [
        path.stem
        for wave in played
        for path, body in wave.items()
        if parse(body).customer_id == "7733576892547"
    ]
    assert of_one == [
        "customer.payment_succeeded",
        "customer.changed_tier",
        "customer.pending_cancellation",
        "customer.joined.free_tier",
    ]


def test_the_next_wave_waits_for_two_idle_observations_in_a_row() -> None:
    """A single idle observation may fall between two queues; the wait ends after 60 s in any case."""
    idle, clock = iter([False, True, False, True, True, False]), FakeClock()
    wait_until_idle(lambda: next(idle), clock=lambda: clock.now, sleep=clock.sleep)
    assert list(idle) == [False]
    wait_until_idle(lambda: False, clock=lambda: clock.now, sleep=clock.sleep)
    assert 60 <= clock.now <= 80
