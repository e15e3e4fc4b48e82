"""Decides where a member's fields belong: in its own contact, in one that the merchant has under its address, or in a new one.

Any number of Salesforce contacts can have one e-mail address, so Salesforce itself detects no duplicate: a query comes
before every write. At most one query for two hundred members whose contacts are as Relay left them; one more for members
that are new or have another address, and one for members that Salesforce has held before and that have no record under their
key: the merchant edited the key by hand, or deleted the record, which then is in no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.salesforce.client import SalesforceClient
from relay.adapters.salesforce.mapping import KEY, names
from relay.adapters.salesforce.query import find
from relay.crm.address_rings import holder_key
from relay.errors import TransientError
from relay.model.formats import sendable_text
from relay.ports.crm import CONTACT_DELETED, NO_NOTES, ContactNotes, CrmOutcome
from relay.rules.crm_profile import CrmProfile


@dataclass(frozen=True, slots=True)
class SalesforceContact:
    """The identity of a record; key and address in lower case, empty if it has none.

    `written_key` is the key with the blanks around it: only without them an upsert by the key finds the record.
    """

    id: str
    key: str
    email: str
    written_key: str


@dataclass(slots=True)
class ContactPlan:
    """What to do with each member, by key: it is in exactly one of these.

    `known` have a contact, `new` need one. `adopted` is the id of the merchant's contact that becomes the member's.
    `outcomes` are the members that are not written.
    """

    known: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    adopted: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)


_CONFLICT: Final = CrmOutcome(state="waiting", reason="identity_conflict")


def plan_contacts(
    client: SalesforceClient,
    profiles: Mapping[str, CrmProfile],
    until: float,
    notes: ContactNotes = NO_NOTES,
) -> ContactPlan:
    """Query the contacts of these members and return what to do with each.

    Raises:
        CrmUnavailableError: Salesforce does not answer.

    """
    email = names(client.org.object_name)["email"]
    fields = ("Id", email, KEY)
    addresses = [sendable_text(profile.email or "") for profile in profiles.values()]
    found = find(client, fields, email, addresses, until=until)
    contacts = {str(record.get("Id")): _contact(record, email) for record in found}
    seen = {contact.key for contact in contacts.values()}
    elsewhere = [key for key in profiles if key.lower() not in seen]
    found = find(client, fields, KEY, elsewhere, until=until) if elsewhere else []
    contacts |= {str(record.get("Id")): _contact(record, email) for record in found}
    plan = ContactPlan()
    by_key, by_email = _index(contacts.values())
    lost = [key for key in profiles if key.lower() not in by_key]
    homes = _homes(client, fields, email, {key: home for key in lost if (home := notes.home(key))}, until)
    for key, contact in homes.items():
        if contact:
            _decide_home(plan, key, contact, notes)
    for key, profile in profiles.items():
        if key in plan.adopted or key in plan.outcomes:
            continue
        at_address = by_email.get(sendable_text(profile.email or "").lower(), ())
        _decide(plan, key, by_key.get(key.lower(), ()), at_address)
        is_deleted = key in homes and homes[key] is None
        if is_deleted and key in plan.new and "salesforce" not in profile.remake_contacts:
            plan.new.remove(key)
            plan.outcomes[key] = CONTACT_DELETED
    return plan


def _homes(
    client: SalesforceClient, fields: Sequence[str], email: str, homes: Mapping[str, str], until: float
) -> dict[str, SalesforceContact | None]:
    """Return the records that held these members last, as they are now; None for one that was deleted. At most one query."""
    found = find(client, fields, "Id", homes.values(), until=until) if homes else []
    there = {str(record.get("Id")): _contact(record, email) for record in found}
    return {key: there.get(home) for key, home in homes.items()}


def _decide_home(plan: ContactPlan, key: str, home: SalesforceContact, notes: ContactNotes) -> None:
    """Put a member back into the record that held it last, where its key was edited by hand and no other member has it.

    The key may be emptied, have blanks around it, or be one of a member that has no claim to a record any more. Under any
    other key the record is not touched.
    """
    holder = holder_key(key, home.key)
    is_own = home.key in {"", key.lower()}
    try:
        is_own = is_own or (holder is not None and notes.gives_way(key, holder))
    except TransientError:
        plan.outcomes[key] = CrmOutcome(state="retry", reason="holder_not_read", member_only=True)
    if is_own and home.id not in plan.adopted.values():
        plan.adopted[key] = home.id


def _decide(
    plan: ContactPlan, key: str, own: Sequence[SalesforceContact], at_address: Sequence[SalesforceContact]
) -> None:
    """Put a member into the plan, by the contacts under its key and those at its address.

    An address is not unique here, so a member's own contact always stays its own, and gets the new address, though other
    contacts may have it too. Only a member without one takes a contact of the merchant's; beside another member of our
    shop it gets a new one.
    """
    taken = set(plan.adopted.values())
    free = [contact for contact in at_address if not contact.key and contact.id not in taken]
    ours = [contact for contact in at_address if contact.key == key.lower()]
    others = [contact for contact in at_address if contact.key and not _same_shop(contact.key, key)]
    if len(own) > 1:
        plan.outcomes[key] = _CONFLICT
    elif own:
        plan.known.append(key)
    elif ours or len(free) == 1:
        # One with our key and blanks around it is found by its address alone.
        plan.adopted[key] = (ours or free)[0].id
    elif free:
        plan.outcomes[key] = _CONFLICT
    elif others:
        # Another shop's Relay may have set its key: two shops can share one org.
        plan.outcomes[key] = CrmOutcome(state="refused", reason="owned_by_other", id=others[0].id)
    else:
        plan.new.append(key)


def _same_shop(key: str, other: str) -> bool:
    return key.rpartition(":")[0] == other.rpartition(":")[0].lower()


def _contact(record: Mapping[str, Any], email: str) -> SalesforceContact:
    key, address = str(record.get(KEY) or ""), str(record.get(email) or "")
    return SalesforceContact(str(record.get("Id")), key.strip().lower(), address.lower(), key.lower())


def _index(
    contacts: Iterable[SalesforceContact],
) -> tuple[dict[str, list[SalesforceContact]], dict[str, list[SalesforceContact]]]:
    by_key: dict[str, list[SalesforceContact]] = {}
    by_email: dict[str, list[SalesforceContact]] = {}
    for contact in contacts:
        by_key.setdefault(contact.written_key, []).append(contact)
        by_email.setdefault(contact.email, []).append(contact)
    return by_key, by_email
