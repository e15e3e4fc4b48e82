"""Removes a member's fields from the contacts that it leaves, and from all of them when a CRM is removed.

A member may be under the e-mail address last used, and under `possible_emails`: addresses of calls without a known result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from relay.ports.crm import ContactRef, Crm, CrmOutcome
from relay.ports.crm_state import SyncState
from relay.rules.crm_profile import CrmProfile
from relay.rules.settings import ErasedContacts

NO_OUTCOME: Final = CrmOutcome(state="retry", reason="no_outcome", unanswered=True)
"""For a member that an adapter returned no outcome for, against its contract: the result of that call is unknown."""

_RANK: Final = {"skipped": 0, "mirrored": 1}
"""Of a member's several contacts, one that was not cleared counts first, then one that was."""


def known_contacts(
    key: str, sync_state: SyncState, version: str = "", *, erased: ErasedContacts | None = None
) -> list[ContactRef]:
    """Return all contacts that may carry a member's fields; by the key alone if no address is known.

    Of an erased member also those that Relay made and the member has left: they have its address still.
    """
    emails = {email for email in (sync_state.email, *sync_state.possible_emails) if email}
    contacts = [_contact(key, sync_state, email) for email in sorted(emails)]
    contacts = contacts or [ContactRef(key=key, id=sync_state.id)]
    left = sync_state.previous_contacts
    if erased:
        left |= sync_state.made_contacts - {sync_state.id}
    contacts += [_previous(key, name) for name in sorted(left)]
    version = version or sync_state.digest or ""
    made = sync_state.made_contacts
    return [replace(contact, version=version, made=contact.id in made, erased=erased) for contact in contacts]


def left_contacts(
    profile: CrmProfile,
    sync_state: SyncState,
    noted: Collection[str],
    *,
    home: str | None,
    by_email: bool,
) -> list[ContactRef]:
    """Return the contacts that a member has left, now that the CRM holds it in the contact `home`.

    They are the noted ones; the one that held the member last, if another one holds it now (a merchant can edit a key, or
    an address, so that the CRM no longer finds it); and the one of its former address, where the address identifies a
    member: a CRM that identifies members by key moves the contact itself.
    """
    names = {*sync_state.previous_contacts, *noted} - {home, profile.email}
    left = [_previous(profile.key, name) for name in sorted(names)]
    if by_email:
        left += [
            replace(contact, version="")
            for contact in known_contacts(profile.key, replace(sync_state, previous_contacts=frozenset()))
            if contact.email not in {None, profile.email} and contact.id not in {*names, home}
        ]
    former = sync_state.id
    if former and home and former not in {home, *(contact.id for contact in left)}:
        left.append(_previous(profile.key, former))
    return left


def clear_contacts(crm: Crm, contacts: Sequence[ContactRef]) -> dict[str, CrmOutcome]:
    """Clear these contacts; return one outcome by member key, `mirrored` or `skipped` if nothing is left there."""
    outcomes: dict[str, CrmOutcome] = {}
    for contact, outcome in clear_each(crm, contacts):
        outcomes[contact.key] = max(outcomes.get(contact.key, outcome), outcome, key=_rank)
    return outcomes


def clear_each(crm: Crm, contacts: Sequence[ContactRef]) -> list[tuple[ContactRef, CrmOutcome]]:
    """Clear these contacts; return the outcome of each."""
    # If the key identifies a member, all of its addresses lead to the same contact.
    by_key = crm.identified_by == "key"
    rest = [contact for contact in contacts if not by_key or contact.previous]
    if by_key:
        own = sorted((each for each in contacts if not each.previous), key=lambda each: bool(each.id))
        rest += {contact.key: contact for contact in own}.values()
    cleared: list[tuple[ContactRef, CrmOutcome]] = []
    # One contact of a member at a time: outcomes are by the member's key.
    while rest:
        batch = {contact.key: contact for contact in reversed(rest)}
        rest = [contact for contact in rest if batch[contact.key] is not contact]
        outcomes = crm.clear(list(batch.values()))
        cleared += [(contact, outcomes.get(key, NO_OUTCOME)) for key, contact in batch.items()]
    return cleared


def not_cleared(outcomes: Mapping[str, CrmOutcome]) -> dict[str, CrmOutcome]:
    """Return the outcomes of the members whose fields are still on a contact."""
    return {key: outcome for key, outcome in outcomes.items() if outcome.state not in _RANK}


def _previous(key: str, name: str) -> ContactRef:
    """Return a noted contact: its id at the CRM, or its address where no id was known."""
    if "@" in name:
        return ContactRef(key=key, email=name, previous=True)
    return ContactRef(key=key, id=name, previous=True)


def _rank(outcome: CrmOutcome) -> int:
    return _RANK.get(outcome.state, len(_RANK))


def _contact(key: str, sync_state: SyncState, email: str) -> ContactRef:
    return ContactRef(key=key, id=sync_state.id if email == sync_state.email else None, email=email)
