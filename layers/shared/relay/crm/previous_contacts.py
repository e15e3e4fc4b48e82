"""A member's fields are taken off the contacts that it leaves, and off all of them when a CRM is left.

Where a member may stand is what was noted of it: the address last used, and strays, under which a call
whose end nobody saw may have written it as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from relay.ports.crm import ContactRef, Crm, CrmOutcome
from relay.ports.crm_state import SyncState
from relay.rules.crm_profile import CrmProfile

NO_OUTCOME: Final = CrmOutcome(state="retry", reason="no_outcome", unanswered=True)
"""An adapter that says nothing of a member has broken its promise: nothing is known of that call."""

_RANK: Final = {"skipped": 0, "mirrored": 1}
"""Of a member's several contacts one that was not cleared counts, then one that was."""


def known_contacts(key: str, known: SyncState) -> list[ContactRef]:
    """Return all contacts that may bear a member's fields; where no address is known, the key is all there is."""
    emails = {email for email in (known.email, *known.strays) if email}
    found = [_home(key, known, email) for email in sorted(emails)]
    return found or [ContactRef(key=key, id=known.id)]


def previous_contacts(wanted: CrmProfile, known: SyncState, *, by_email: bool) -> list[ContactRef]:
    """Return the contacts that a member leaves, as it is now; where it is known by its key, an upsert moves it."""
    if wanted.email is None:
        # The address is gone, as after an erasure: what stands there is nobody's any more.
        return known_contacts(wanted.key, known) if known.email or known.id or known.strays else []
    return [
        home
        for home in known_contacts(wanted.key, known)
        if home.email not in {None, wanted.email} and by_email
    ]


def clear_contacts(crm: Crm, leaving: Sequence[ContactRef]) -> dict[str, CrmOutcome]:
    """Clear these contacts; by member key what came of it, `mirrored` or `skipped` where nothing is left there."""
    outcomes: dict[str, CrmOutcome] = {}
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


def stuck(outcomes: Mapping[str, CrmOutcome]) -> dict[str, CrmOutcome]:
    """Return the outcomes of those of whom something is left."""
    return {key: outcome for key, outcome in outcomes.items() if outcome.state not in _RANK}


def _rank(outcome: CrmOutcome) -> int:
    return _RANK.get(outcome.state, len(_RANK))


def _home(key: str, known: SyncState, email: str) -> ContactRef:
    return ContactRef(key=key, id=known.id if email == known.email else None, email=email)
