"""A member's fields are taken off the contacts that it leaves, and off all of them when a CRM is left.

Where a member may stand is what was noted of it: the address last used, and strays, under which a call
whose end nobody saw may have written it as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from relay.canonical import Profile
from relay.ports.crm import Crm, Home, Outcome
from relay.ports.mirrors import Mirror

NO_OUTCOME: Final = Outcome(state="retry", reason="no_outcome", unanswered=True)
"""An adapter that says nothing of a member has broken its promise: nothing is known of that call."""

_RANK: Final = {"skipped": 0, "mirrored": 1}
"""Of a member's several contacts one that was not cleared counts, then one that was."""


def homes(key: str, known: Mirror) -> list[Home]:
    """Return all contacts that may bear a member's fields; where no address is known, the key is all there is."""
    emails = {email for email in (known.email, *known.strays) if email}
    found = [_home(key, known, email) for email in sorted(emails)]
    return found or [Home(key=key, id=known.id)]


def former(wanted: Profile, known: Mirror, *, by_email: bool) -> list[Home]:
    """Return the contacts that a member leaves, as it is now; where it is known by its key, an upsert moves it."""
    if wanted.email is None:
        # The address is gone, as after an erasure: what stands there is nobody's any more.
        return homes(wanted.key, known) if known.email or known.id or known.strays else []
    return [home for home in homes(wanted.key, known) if home.email not in {None, wanted.email} and by_email]


def vacate(crm: Crm, leaving: Sequence[Home]) -> dict[str, Outcome]:
    """Clear these contacts; by member key what came of it, `mirrored` or `skipped` where nothing is left there."""
    outcomes: dict[str, Outcome] = {}
    # Where a member is known by its key, all addresses lead to the same contact.
    rest = list({home.key: home for home in leaving}.values()) if crm.homes_by == "key" else list(leaving)
    # One address of a member at a time: outcomes go by the member's key.
    while rest:
        turn = {home.key: home for home in reversed(rest)}
        rest = [home for home in rest if turn[home.key] is not home]
        told = crm.clear(list(turn.values()))
        for key in turn:
            outcome = told.get(key, NO_OUTCOME)
            outcomes[key] = max(outcomes.get(key, outcome), outcome, key=_rank)
    return outcomes


def stuck(outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Return the outcomes of those of whom something is left."""
    return {key: outcome for key, outcome in outcomes.items() if outcome.state not in _RANK}


def _rank(outcome: Outcome) -> int:
    return _RANK.get(outcome.state, len(_RANK))


def _home(key: str, known: Mirror, email: str) -> Home:
    return Home(key=key, id=known.id if email == known.email else None, email=email)
