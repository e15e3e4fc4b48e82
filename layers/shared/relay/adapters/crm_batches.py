"""Splits many members into batches, for every CRM adapter that writes several members in a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from relay.adapters.http import CrmUnavailableError
from relay.ports.crm import CrmOutcome
from relay.rules.crm_profile import CrmProfile

_NO_EMAIL: Final = CrmOutcome(state="skipped", reason="no_email")


class BatchUpsert(Protocol):
    """The upsert of one batch."""

    @property
    def outcomes(self) -> Mapping[str, CrmOutcome]:
        """What is known so far, by member key."""
        ...

    def run(self, profiles: Mapping[str, CrmProfile], /) -> None:
        """Write these members.

        Raises:
            CrmUnavailableError: no further member can be written; the outcomes so far stay.

        """
        ...


def in_batches(
    profiles: Sequence[CrmProfile],
    size: int,
    begin: Callable[[], BatchUpsert],
    *,
    per_call: int | None = None,
) -> dict[str, CrmOutcome]:
    """Write members `size` at a time; return an outcome for each, by key. After `CrmUnavailableError` no other is tried.

    A member without an e-mail address is skipped: nothing would identify the contact, or it could not be written to
    and would be billed. Of a member that is named twice the last profile counts: providers refuse a call that names
    one twice. `per_call` is how many members of a batch one call has, by default all of them.
    """
    latest = {profile.key: profile for profile in profiles}
    outcomes = {key: _NO_EMAIL for key, profile in latest.items() if not profile.email}
    sendable = [profile for key, profile in latest.items() if key not in outcomes]
    for start in range(0, len(sendable), size):
        upsert, batch = begin(), {profile.key: profile for profile in sendable[start : start + size]}
        try:
            upsert.run(batch)
        except CrmUnavailableError as error:
            uncertain = [key for key in batch if key not in upsert.outcomes][:per_call]
            # The members in the call may be written already; the others certainly are not, and need not wait for it.
            unsent = dict.fromkeys(
                (profile.key for profile in sendable[start:]), replace(error.outcome, unanswered=False)
            )
            return {**outcomes, **unsent, **dict.fromkeys(uncertain, error.outcome), **upsert.outcomes}
        outcomes |= upsert.outcomes
    return outcomes
