"""While a CRM is down, one caller now and then; the first that gets through opens it to all."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from relay.crm.circuit_breaker import CircuitBreaker
from relay.errors import CircuitOpenError, TransientError
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import CircuitRecord

from tests.support.crm_fakes import FakeClock, FakeGates

DOWN = CrmOutcome(state="retry", reason="http_503")


@dataclass
class Scene:
    """A gate and any number of environments at it."""

    gates: FakeGates = field(default_factory=FakeGates)
    clock: FakeClock = field(default_factory=FakeClock)

    @property
    def breaker(self) -> CircuitBreaker:
        """An environment's breaker."""
        return CircuitBreaker(gates=self.gates, clock=self.clock)

    def parked(self) -> float | None:
        """Return how long a newcomer is to wait; None where it may go in."""
        try:
            door = self.breaker.enter()
        except CircuitOpenError as error:
            return error.retry_after
        self.breaker.left(door)
        return None

    def fail(self, outcome: CrmOutcome = DOWN) -> float | None:
        """Go in and get nowhere; return how long a newcomer then waits."""
        self.breaker.closed(self.breaker.enter(), outcome)
        return self.parked()


def test_it_is_open_to_all() -> None:
    """In good times everybody goes in, and nothing is written."""
    scene = Scene()
    for _ in range(3):
        scene.breaker.passed(scene.breaker.enter())
    assert scene.gates.gate == CircuitRecord()


def test_each_failure_closes_it_for_longer() -> None:
    """Seconds at first, five minutes at most."""
    scene, waits = Scene(), []
    for _ in range(9):
        wait = scene.fail()
        assert wait is not None
        waits.append(wait)
        scene.clock.forward(wait)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_the_crm_says_when() -> None:
    """What it asks for is waited for, a quarter of an hour at most."""
    assert Scene().fail(CrmOutcome(state="retry", reason="rate_limits", retry_after=7)) == 7
    assert Scene().fail(CrmOutcome(state="retry", reason="daily", retry_after=86_400)) == 900


def test_one_is_let_through() -> None:
    """When the time is up one goes in and the others wait for what it finds."""
    scene = Scene()
    scene.fail()
    scene.clock.forward(5)
    prober = scene.breaker.enter()
    assert prober.probing
    assert scene.parked() is not None
    scene.breaker.passed(prober)
    assert scene.parked() is None
    assert scene.gates.gate.failures == 0


def test_two_at_once_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that find the time up, the one whose write came first goes in."""
    scene = Scene()
    scene.fail()
    scene.clock.forward(5)
    both = scene.gates.load()
    assert scene.breaker.enter().probing
    stale = FakeGates(both)
    monkeypatch.setattr(stale, "swap", scene.gates.swap)
    with pytest.raises(CircuitOpenError):
        CircuitBreaker(gates=stale, clock=scene.clock).enter()


def test_a_prober_that_dies_is_followed_by_another() -> None:
    """Whoever was let through and never came back is taken for dead after a minute and a half, and not before."""
    scene = Scene()
    scene.fail()
    scene.clock.forward(5)
    scene.breaker.enter()
    scene.clock.forward(88)
    assert scene.parked() == 2
    scene.clock.forward(2)
    assert scene.breaker.enter().probing


def test_who_meets_an_attempt_looks_again_soon() -> None:
    """As long as it was closed, but half a minute at most: an attempt takes a second, and may open it."""
    scene, waits = Scene(), []
    for _ in range(6):
        closed = scene.fail()
        assert closed is not None
        scene.clock.forward(closed)
        prober = scene.breaker.enter()
        waits.append(scene.parked())
        scene.breaker.left(prober)
    assert waits == [5, 10, 20, 30, 30, 30]


def test_all_keep_to_what_the_crm_asks() -> None:
    """Of two calls that got nowhere at once, the one that was told for how long is heard, whoever wrote first."""
    scene = Scene()
    one, other = scene.breaker.enter(), scene.breaker.enter()
    scene.breaker.closed(one, DOWN)
    scene.breaker.closed(other, CrmOutcome(state="retry", reason="rate_limits", retry_after=60))
    assert scene.parked() == 60
    scene.clock.forward(59)
    assert scene.parked() == 1


def test_what_the_crm_asks_shortens_nothing() -> None:
    """Nor does a word that was heard later, of a shorter wait, let anybody in before."""
    scene = Scene()
    one, other = scene.breaker.enter(), scene.breaker.enter()
    scene.breaker.closed(one, CrmOutcome(state="retry", reason="rate_limits", retry_after=60))
    scene.breaker.closed(other, CrmOutcome(state="retry", reason="rate_limits", retry_after=2))
    assert scene.parked() == 60


def test_what_the_crm_asks_outweighs_an_attempt() -> None:
    """A call from before that is asked to wait keeps even the one at the door from opening it."""
    scene = Scene()
    early = scene.breaker.enter()
    scene.fail()
    scene.clock.forward(5)
    prober = scene.breaker.enter()
    scene.breaker.closed(early, CrmOutcome(state="retry", reason="rate_limits", retry_after=60))
    scene.breaker.passed(prober)
    assert scene.parked() == 60


def test_a_prober_without_a_reason_to_call() -> None:
    """It found nothing out, and the next one may try at once."""
    scene = Scene()
    scene.fail()
    scene.clock.forward(5)
    scene.breaker.left(scene.breaker.enter())
    assert scene.breaker.enter().probing


def test_success_of_one_from_before_opens_nothing() -> None:
    """A call that began before the CRM went down says nothing about now."""
    scene = Scene()
    early = scene.breaker.enter()
    scene.fail()
    scene.breaker.passed(early)
    assert scene.parked() is not None


def test_a_table_that_does_not_take_it() -> None:
    """What cannot be noted is no matter: the next one finds out by itself."""
    scene = Scene()
    door = scene.breaker.enter()

    class Down(FakeGates):
        def swap(self, known: CircuitRecord, wanted: CircuitRecord) -> bool:
            raise TransientError("table: down")

    CircuitBreaker(gates=Down(), clock=scene.clock).closed(door, DOWN)
    assert scene.parked() is None
