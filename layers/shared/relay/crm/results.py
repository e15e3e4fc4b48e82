"""What a member's standing in the CRM, or a note's, means for the messages that ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relay.crm.claimed_write import GRACE, SyncResult
from relay.errors import MisconfiguredError, TransientError
from relay.ports.crm import CrmOutcome


@dataclass(frozen=True, slots=True)
class Judge:
    """It names the CRM, and the setting to look at where that turns us away."""

    crm: str
    credential: str

    def verdict(self, standing: SyncResult) -> Exception | None:
        """Say what keeps a message from being done; None where nothing does."""
        if isinstance(standing, TransientError):
            return standing
        text = f"{self.crm}: {standing.reason or standing.state}"
        match standing.state:
            case "mirrored" | "skipped" | "refused":
                return None
            case "unauthorised":
                return MisconfiguredError(text, setting=self.credential, retry_after=standing.retry_after)
            case "pending":
                return TransientError(text, retry_after=GRACE.total_seconds())
            case _:
                wait = max(standing.retry_after or 0, GRACE.total_seconds()) if standing.unanswered else None
                return TransientError(text, retry_after=wait or standing.retry_after)


def to_error(standing: SyncResult, state: str) -> bool:
    """Say whether the CRM was asked, and this is what it made of it."""
    return isinstance(standing, CrmOutcome) and standing.state == state


def batch_failure(answers: Sequence[CrmOutcome]) -> CrmOutcome | None:
    """Return why no further call should be made: the CRM turned us away, or let nobody through."""
    for answer in answers:
        if answer.state == "unauthorised":
            return answer
    closed = [answer for answer in answers if answer.state == "retry" and not answer.alone]
    called = [answer for answer in answers if answer.state != "skipped"]
    return closed[0] if closed and len(closed) == len(called) else None
