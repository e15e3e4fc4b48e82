"""While a CRM is down, one probe at a time is let through; its success closes the circuit."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from relay.crm.circuit_breaker import CircuitBreaker
from relay.errors import CircuitOpenError, TransientError
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import CircuitRecord

from tests.support.crm_fakes import FakeCircuits, FakeClock

DOWN = CrmOutcome(state="retry", reason="http_503")


@dataclass
class BreakerSetup:
    """A circuit and any number of environments."""

    circuits: FakeCircuits = field(default_factory=FakeCircuits)
    clock: FakeClock = field(default_factory=FakeClock)

    @property
    def breaker(self) -> CircuitBreaker:
        """One environment's breaker."""
        return CircuitBreaker(circuits=self.circuits, clock=self.clock)

    def wait(self) -> float | None:
        """Return how long another invocation has to wait; None if it may call."""
        try:
            permit = self.breaker.allow()
        except CircuitOpenError as error:
            return error.retry_after
        self.breaker.release(permit)
        return None

    def fail(self, outcome: CrmOutcome = DOWN) -> float | None:
        """Make a failed call; return how long another invocation then waits."""
        self.breaker.trip(self.breaker.allow(), outcome)
        return self.wait()


def test_calls_flow() -> None:
    """While calls succeed all are allowed, and nothing is written."""
    setup = BreakerSetup()
    for _ in range(3):
        setup.breaker.reset(setup.breaker.allow())
    assert setup.circuits.record == CircuitRecord()


def test_each_failure_opens_it_for_longer() -> None:
    """Seconds at first, five minutes at most."""
    setup, waits = BreakerSetup(), []
    for _ in range(9):
        wait = setup.fail()
        assert wait is not None
        waits.append(wait)
        setup.clock.forward(wait)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_the_crm_says_when() -> None:
    """The wait that the CRM asks for is kept, at most a quarter of an hour."""
    assert BreakerSetup().fail(CrmOutcome(state="retry", reason="rate_limits", retry_after=7)) == 7
    assert BreakerSetup().fail(CrmOutcome(state="retry", reason="daily", retry_after=86_400)) == 900


def test_one_probe_is_let_through() -> None:
    """After the open time one probe is allowed, and the others wait for its result."""
    setup = BreakerSetup()
    setup.fail()
    setup.clock.forward(5)
    probe = setup.breaker.allow()
    assert probe.probing
    assert setup.wait() is not None
    setup.breaker.reset(probe)
    assert setup.wait() is None
    assert setup.circuits.record.failures == 0


def test_two_at_once_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two invocations that find the open time over, the first to write is the probe."""
    setup = BreakerSetup()
    setup.fail()
    setup.clock.forward(5)
    known = setup.circuits.load()
    assert setup.breaker.allow().probing
    stale = FakeCircuits(known)
    monkeypatch.setattr(stale, "compare_and_swap", setup.circuits.compare_and_swap)
    with pytest.raises(CircuitOpenError):
        CircuitBreaker(circuits=stale, clock=setup.clock).allow()


def test_a_dead_probe_is_followed_by_another() -> None:
    """A probe that does not report counts as dead after a minute and a half, and not before."""
    setup = BreakerSetup()
    setup.fail()
    setup.clock.forward(5)
    setup.breaker.allow()
    setup.clock.forward(88)
    assert setup.wait() == 2
    setup.clock.forward(2)
    assert setup.breaker.allow().probing


def test_an_invocation_that_meets_a_probe_looks_again_soon() -> None:
    """After as long as the circuit was open, at most half a minute: a probe takes a second, and may close it."""
    setup, waits = BreakerSetup(), []
    for _ in range(6):
        open_for = setup.fail()
        assert open_for is not None
        setup.clock.forward(open_for)
        probe = setup.breaker.allow()
        waits.append(setup.wait())
        setup.breaker.release(probe)
    assert waits == [5, 10, 20, 30, 30, 30]


def test_the_wait_that_the_crm_asks_for_is_kept() -> None:
    """Of two failed calls at once, the one with a `Retry-After` counts, whichever wrote first."""
    setup = BreakerSetup()
    one, other = setup.breaker.allow(), setup.breaker.allow()
    setup.breaker.trip(one, DOWN)
    setup.breaker.trip(other, CrmOutcome(state="retry", reason="rate_limits", retry_after=60))
    assert setup.wait() == 60
    setup.clock.forward(59)
    assert setup.wait() == 1


def test_a_shorter_wait_shortens_nothing() -> None:
    """A later answer with a shorter wait lets no call through earlier."""
    setup = BreakerSetup()
    one, other = setup.breaker.allow(), setup.breaker.allow()
    setup.breaker.trip(one, CrmOutcome(state="retry", reason="rate_limits", retry_after=60))
    setup.breaker.trip(other, CrmOutcome(state="retry", reason="rate_limits", retry_after=2))
    assert setup.wait() == 60


def test_the_wait_that_the_crm_asks_for_outweighs_a_probe() -> None:
    """An older call that is asked to wait keeps even the probe from closing the circuit."""
    setup = BreakerSetup()
    early = setup.breaker.allow()
    setup.fail()
    setup.clock.forward(5)
    probe = setup.breaker.allow()
    setup.breaker.trip(early, CrmOutcome(state="retry", reason="rate_limits", retry_after=60))
    setup.breaker.reset(probe)
    assert setup.wait() == 60


def test_a_probe_without_a_reason_to_call() -> None:
    """It found nothing out, so the next invocation is a probe at once."""
    setup = BreakerSetup()
    setup.fail()
    setup.clock.forward(5)
    setup.breaker.release(setup.breaker.allow())
    assert setup.breaker.allow().probing


def test_an_older_success_closes_nothing() -> None:
    """A call that began before the CRM went down is no sign that it is up."""
    setup = BreakerSetup()
    early = setup.breaker.allow()
    setup.fail()
    setup.breaker.reset(early)
    assert setup.wait() is not None


def test_a_table_that_is_down() -> None:
    """A write that fails does no harm: the next invocation finds out by itself."""
    setup = BreakerSetup()
    permit = setup.breaker.allow()

    class BrokenCircuits(FakeCircuits):
        def compare_and_swap(self, known: CircuitRecord, wanted: CircuitRecord) -> bool:
            raise TransientError("table: down")

    CircuitBreaker(circuits=BrokenCircuits(), clock=setup.clock).trip(permit, DOWN)
    assert setup.wait() is None
