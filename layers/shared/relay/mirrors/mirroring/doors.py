"""Whether the CRM may be called: asked before the first call, and told of what every call came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from relay.errors import MisconfiguredError, ParkedError, TransientError
from relay.mirrors.breaker import Breaker, Door
from relay.mirrors.mirroring.invocation import Invocation
from relay.mirrors.mirroring.verdicts import shut
from relay.mirrors.writing import Standing
from relay.ports.crm import Crm, Outcome
from relay.ports.mirrors import Gate

_THROUGH: Final = frozenset({"mirrored", "refused", "pending"})


@dataclass(frozen=True, slots=True)
class Doors:
    """The way to one CRM; always open where it has no breaker."""

    crm: Crm
    breaker: Breaker | None

    def enter(self) -> Door:
        """Go in, if anybody may; who is let through alone makes sure by the cheapest call there is.

        Raises:
            TransientError: not now.

        """
        if self.breaker is None:
            return Door(Gate())
        door = self.breaker.enter()
        if door.probing:
            try:
                self.crm.check()
            except TransientError as error:
                raise _still_closed(self.breaker, door, error) from error
        return door

    def leave(self, door: Door) -> None:
        """Let another try, if this one was let through alone and found no reason to call."""
        if self.breaker:
            self.breaker.left(door)

    def heard(self, this: Invocation, answers: Mapping[str, Standing]) -> Mapping[str, Standing]:
        """Go on after a call in which somebody got through; else stop, and keep the others from calling.

        Whom the call turned away then waits with all the others, and comes back with them: by its own count
        of deferrals, most of them an outage's, it would wait a quarter of an hour for one more answer 503.
        """
        told = [answer for answer in answers.values() if isinstance(answer, Outcome)]
        why = shut(told)
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
        this.stop = ParkedError(f"{self.crm.name}: {why.reason}", retry_after=hold)
        return {key: this.stop if _waits(answer) else answer for key, answer in answers.items()}


def _waits(answer: Standing) -> bool:
    """Say whether it is the CRM's matter alone. What may still take effect waits for that."""
    return isinstance(answer, Outcome) and answer.state == "retry" and not (answer.alone or answer.unanswered)


def _still_closed(breaker: Breaker, door: Door, error: TransientError) -> TransientError:
    misconfigured = isinstance(error, MisconfiguredError)
    state: Literal["unauthorised", "retry"] = "unauthorised" if misconfigured else "retry"
    hold = breaker.closed(door, Outcome(state=state, reason="still_closed", retry_after=error.retry_after))
    if isinstance(error, MisconfiguredError):
        return MisconfiguredError(str(error), setting=error.setting, retry_after=hold)
    return ParkedError(str(error), retry_after=hold)
