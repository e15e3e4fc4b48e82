"""Whether the CRM may be called: asked before the first call, and told of what every call came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from relay.crm.circuit_breaker import CircuitBreaker, CircuitPass
from relay.crm.claimed_write import SyncResult
from relay.crm.results import batch_failure
from relay.crm.run import SyncRun
from relay.errors import CircuitOpenError, MisconfiguredError, TransientError
from relay.ports.crm import Crm, CrmOutcome
from relay.ports.crm_state import CircuitRecord

_THROUGH: Final = frozenset({"mirrored", "refused", "pending"})


@dataclass(frozen=True, slots=True)
class Doors:
    """The way to one CRM; always open where it has no breaker."""

    crm: Crm
    breaker: CircuitBreaker | None

    def enter(self) -> CircuitPass:
        """Go in, if anybody may; who is let through alone makes sure by the cheapest call there is.

        Raises:
            TransientError: not now.

        """
        if self.breaker is None:
            return CircuitPass(CircuitRecord())
        door = self.breaker.enter()
        if door.probing:
            try:
                self.crm.check()
            except TransientError as error:
                raise _still_closed(self.breaker, door, error) from error
        return door

    def leave(self, door: CircuitPass) -> None:
        """Let another try, if this one was let through alone and found no reason to call."""
        if self.breaker:
            self.breaker.left(door)

    def heard(self, this: SyncRun, answers: Mapping[str, SyncResult]) -> Mapping[str, SyncResult]:
        """Go on after a call in which somebody got through; else stop, and keep the others from calling.

        Whom the call turned away then waits with all the others, and comes back with them: by its own count
        of deferrals, most of them an outage's, it would wait a quarter of an hour for one more answer 503.
        """
        told = [answer for answer in answers.values() if isinstance(answer, CrmOutcome)]
        why = batch_failure(told)
        if why:
            this.stop = this.stop or why
        if self.breaker is None:
            return answers
        if why is None:
            if any(answer.state in _THROUGH for answer in told):
                self.breaker.passed(this.door)
            return answers
        hold = self.breaker.closed(this.door, why)
        if why.state != "retry":
            return answers
        this.stop = CircuitOpenError(f"{self.crm.name}: {why.reason}", retry_after=hold)
        return {key: this.stop if _waits(answer) else answer for key, answer in answers.items()}


def _waits(answer: SyncResult) -> bool:
    """Say whether it is the CRM's matter alone. What may still take effect waits for that."""
    return (
        isinstance(answer, CrmOutcome) and answer.state == "retry" and not (answer.alone or answer.unanswered)
    )


def _still_closed(breaker: CircuitBreaker, door: CircuitPass, error: TransientError) -> TransientError:
    misconfigured = isinstance(error, MisconfiguredError)
    state: Literal["unauthorised", "retry"] = "unauthorised" if misconfigured else "retry"
    hold = breaker.closed(door, CrmOutcome(state=state, reason="still_closed", retry_after=error.retry_after))
    if isinstance(error, MisconfiguredError):
        return MisconfiguredError(str(error), setting=error.setting, retry_after=hold)
    return CircuitOpenError(str(error), retry_after=hold)
