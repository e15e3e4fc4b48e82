"""Many members, a call's worth at a time: what every adapter that writes in batches does around its own writing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from relay.adapters.crm_http import ClosedError
from relay.ports.crm import CrmOutcome
from relay.rules.crm_profile import CrmProfile

_NO_EMAIL: Final = CrmOutcome(state="skipped", reason="no_email")


class Run(Protocol):
    """The writing of one batch."""

    @property
    def outcomes(self) -> Mapping[str, CrmOutcome]:
        """What is known so far, by member key."""
        ...

    def run(self, profiles: Mapping[str, CrmProfile], /) -> None:
        """Write these members.

        Raises:
            ClosedError: when nobody gets through; who has an outcome by then keeps it.

        """
        ...


def in_batches(
    profiles: Sequence[CrmProfile], size: int, begin: Callable[[], Run], *, in_a_call: int | None = None
) -> dict[str, CrmOutcome]:
    """Write members `size` at a time; after a closed door nobody else is tried. An outcome for each, by key.

    A member without an e-mail address is skipped: nothing would identify the contact, or it could not be written
    to and would be billed. Of a member that is named twice the last change is the newest; providers refuse a
    call that names one twice. `in_a_call` is how many members of a batch one call has, all of them unless said.
    """
    latest = {wanted.key: wanted for wanted in profiles}
    outcomes = {key: _NO_EMAIL for key, wanted in latest.items() if not wanted.email}
    sendable = [wanted for key, wanted in latest.items() if key not in outcomes]
    for start in range(0, len(sendable), size):
        run, batch = begin(), {wanted.key: wanted for wanted in sendable[start : start + size]}
        try:
            run.run(batch)
        except ClosedError as closed:
            unknown = [key for key in batch if key not in run.outcomes][:in_a_call]
            # Those in the call may be written already; the others surely are not, and need not wait for it.
            unsent = dict.fromkeys(
                (wanted.key for wanted in sendable[start:]), replace(closed.outcome, unanswered=False)
            )
            return {**outcomes, **unsent, **dict.fromkeys(unknown, closed.outcome), **run.outcomes}
        outcomes |= run.outcomes
    return outcomes
