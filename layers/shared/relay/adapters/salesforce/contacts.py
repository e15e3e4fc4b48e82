"""Decides where a member's fields belong: in its own contact, in one that the merchant has under its address, or in a new one.

Any number of Salesforce contacts can have one e-mail address, so Salesforce itself detects no duplicate: a query comes
before every write. At most one query for two hundred members whose contacts are as Relay left them; one more for members
that are new or have another address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.salesforce.client import SalesforceClient
from relay.adapters.salesforce.mapping import KEY, names
from relay.adapters.salesforce.query import find
from relay.model.formats import sendable_text
from relay.ports.crm import CrmOutcome
from relay.rules.crm_profile import CrmProfile


@dataclass(frozen=True, slots=True)
class SalesforceContact:
    """The identity of a record; key and address in lower case, empty if it has none."""

    id: str
    key: str
    email: str


@dataclass(slots=True)
class ContactPlan:
    """What to do with each member, by key: it is in exactly one of the first four.

    `known` have a contact, `new` need one. `adopted` is the id of the merchant's contact that becomes the member's.
    `outcomes` are the members that are not written. `previous` is the id of the contact that had an adopted member's
    key until now.
    """

    known: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    adopted: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    previous: dict[str, str] = field(default_factory=dict)


_CONFLICT: Final = CrmOutcome(state="refused", reason="identity_conflict")
_AFTER_ANOTHER: Final = CrmOutcome(
    state="retry", reason="address_of_another", retry_after=5.0, member_only=True
)


def plan_contacts(client: SalesforceClient, profiles: Mapping[str, CrmProfile], until: float) -> ContactPlan:
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
    for key, profile in profiles.items():
        at_address = by_email.get(sendable_text(profile.email or "").lower(), ())
        _decide(plan, key, by_key.get(key.lower(), ()), at_address)
    return plan


def _decide(
    plan: ContactPlan, key: str, own: Sequence[SalesforceContact], at_address: Sequence[SalesforceContact]
) -> None:
    """Put a member into the plan, by the contacts under its key and those at its address."""
    free = [contact for contact in at_address if not contact.key]
    if len(own) > 1:
        plan.outcomes[key] = _CONFLICT
    elif own and (own[0] in at_address or len(free) != 1):
        # The member's own contact gets the new address, though other contacts may have it too.
        plan.known.append(key)
    elif len(free) == 1:
        _adopt(plan, key, free[0], own)
    elif free:
        plan.outcomes[key] = _CONFLICT
    elif at_address:
        # Another shop's Relay may have set its key: two shops can share one org.
        plan.outcomes[key] = CrmOutcome(state="refused", reason="owned_by_other", id=at_address[0].id)
    else:
        plan.new.append(key)


def _adopt(plan: ContactPlan, key: str, contact: SalesforceContact, own: Sequence[SalesforceContact]) -> None:
    if contact.id in plan.adopted.values():
        plan.outcomes[key] = _AFTER_ANOTHER
        return
    plan.adopted[key] = contact.id
    if own:
        plan.previous[key] = own[0].id


def _contact(record: Mapping[str, Any], email: str) -> SalesforceContact:
    return SalesforceContact(
        str(record.get("Id")), str(record.get(KEY) or "").lower(), str(record.get(email) or "").lower()
    )


def _index(
    contacts: Iterable[SalesforceContact],
) -> tuple[dict[str, list[SalesforceContact]], dict[str, list[SalesforceContact]]]:
    by_key: dict[str, list[SalesforceContact]] = {}
    by_email: dict[str, list[SalesforceContact]] = {}
    for contact in contacts:
        by_key.setdefault(contact.key, []).append(contact)
        by_email.setdefault(contact.email, []).append(contact)
    return by_key, by_email
