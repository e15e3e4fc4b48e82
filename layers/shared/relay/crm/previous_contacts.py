"""Removes a member's fields from the contacts that it leaves, and from all of them when a CRM is removed.

A member may be under the e-mail address last used, and under `possible_emails`: addresses of calls without a known result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from relay.ports.crm import ContactRef, Crm, CrmOutcome
from relay.ports.crm_state import SyncState
from relay.rules.crm_profile import CrmProfile

NO_OUTCOME: Final = CrmOutcome(state="retry", reason="no_outcome", unanswered=True)
"""For a member that an adapter returned no outcome for, against its contract: the result of that call is unknown."""

_RANK: Final = {"skipped": 0, "mirrored": 1}
"""Of a member's several contacts, one that was not cleared counts first, then one that was."""


def known_contacts(key: str, sync_state: SyncState) -> list[ContactRef]:
    """Return all contacts that may carry a member's fields; by the key alone if no address is known."""
    emails = {email for email in (sync_state.email, *sync_state.possible_emails) if email}
    contacts = [_contact(key, sync_state, email) for email in sorted(emails)]
    return contacts or [ContactRef(key=key, id=sync_state.id)]


def previous_contacts(profile: CrmProfile, sync_state: SyncState, *, by_email: bool) -> list[ContactRef]:
    """Return the contacts that a member leaves. A CRM that identifies members by key moves the contact itself."""
    if profile.email is None:
        # The address is gone, for instance after an erasure: no contact may keep the member's fields.
        known = sync_state.email or sync_state.id or sync_state.possible_emails
        return known_contacts(profile.key, sync_state) if known else []
    return [
        contact
        for contact in known_contacts(profile.key, sync_state)
        if contact.email not in {None, profile.email} and by_email
    ]


def clear_contacts(crm: Crm, contacts: Sequence[ContactRef]) -> dict[str, CrmOutcome]:
    """Clear these contacts; return one outcome by member key, `mirrored` or `skipped` if nothing is left there."""
    outcomes: dict[str, CrmOutcome] = {}
    # If the key identifies a member, all of its addresses lead to the same contact.
    by_key = crm.identified_by == "key"
    rest = list({contact.key: contact for contact in contacts}.values()) if by_key else list(contacts)
    # One address of a member at a time: outcomes are by the member's key.
    while rest:
        batch = {contact.key: contact for contact in reversed(rest)}
        rest = [contact for contact in rest if batch[contact.key] is not contact]
        cleared = crm.clear(list(batch.values()))
        for key in batch:
            outcome = cleared.get(key, NO_OUTCOME)
            outcomes[key] = max(outcomes.get(key, outcome), outcome, key=_rank)
    return outcomes


def not_cleared(outcomes: Mapping[str, CrmOutcome]) -> dict[str, CrmOutcome]:
    """Return the outcomes of the members whose fields are still on a contact."""
    return {key: outcome for key, outcome in outcomes.items() if outcome.state not in _RANK}


def _rank(outcome: CrmOutcome) -> int:
    return _RANK.get(outcome.state, len(_RANK))


def _contact(key: str, sync_state: SyncState, email: str) -> ContactRef:
    return ContactRef(key=key, id=sync_state.id if email == sync_state.email else None, email=email)
