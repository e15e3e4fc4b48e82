"""Where a member's fields belong: its own contact, one that the merchant has under its address, or a new one.

Salesforce lets any number of contacts have one e-mail address, so nothing there says what is a duplicate:
we look before we write. At most one question for two hundred members whose contacts are as we left them;
one more for those who are new or have another address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.salesforce.client import SalesforceClient
from relay.adapters.salesforce.mapping import KEY, names
from relay.adapters.salesforce.query import find
from relay.model.formats import sendable_text
from relay.ports.crm import CrmOutcome
from relay.rules.crm_profile import CrmProfile


@dataclass(frozen=True, slots=True)
class FoundContact:
    """A record as far as identity goes; key and address in lower case, empty where it has none."""

    id: str
    key: str
    email: str


@dataclass(slots=True)
class ContactPlan:
    """What becomes of each member, by key: one of the four."""

    known: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    adopted: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    former: dict[str, str] = field(default_factory=dict)
    """Of the adopted, the contact that bore the key until now."""


_SEVERAL: Final = CrmOutcome(state="refused", reason="identity_conflict")
_AFTER_ANOTHER: Final = CrmOutcome(state="retry", reason="address_of_another", retry_after=5.0, alone=True)


def place(client: SalesforceClient, wanted: Mapping[str, CrmProfile], until: float) -> ContactPlan:
    """Look where these members belong.

    Raises:
        ClosedError: when Salesforce cannot be asked.

    """
    email = names(client.org.object_name)["email"]
    fields = ("Id", email, KEY)
    addresses = [sendable_text(each.email or "") for each in wanted.values()]
    found = find(client, fields, email, addresses, until=until)
    contacts = {str(record.get("Id")): _contact(record, email) for record in found}
    seen = {contact.key for contact in contacts.values()}
    elsewhere = [key for key in wanted if key.lower() not in seen]
    found = find(client, fields, KEY, elsewhere, until=until) if elsewhere else []
    contacts |= {str(record.get("Id")): _contact(record, email) for record in found}
    places = ContactPlan()
    by_key, by_email = _index(contacts.values())
    for key, each in wanted.items():
        there = by_email.get(sendable_text(each.email or "").lower(), ())
        _decide(places, key, by_key.get(key.lower(), ()), there)
    return places


def _decide(
    places: ContactPlan, key: str, own: Sequence[FoundContact], there: Sequence[FoundContact]
) -> None:
    """Place a member by the contacts that bear its key, and those that have its address."""
    free = [contact for contact in there if not contact.key]
    if len(own) > 1:
        places.outcomes[key] = _SEVERAL
    elif own and (own[0] in there or len(free) != 1):
        # It has a contact: that gets the new address, though contacts of others may have it too.
        places.known.append(key)
    elif len(free) == 1:
        _adopt(places, key, free[0], own)
    elif free:
        places.outcomes[key] = _SEVERAL
    elif there:
        # Another shop's Relay may have keyed it: two shops can share one org.
        places.outcomes[key] = CrmOutcome(state="refused", reason="owned_by_other", id=there[0].id)
    else:
        places.new.append(key)


def _adopt(places: ContactPlan, key: str, contact: FoundContact, own: Sequence[FoundContact]) -> None:
    if contact.id in places.adopted.values():
        places.outcomes[key] = _AFTER_ANOTHER
        return
    places.adopted[key] = contact.id
    if own:
        places.former[key] = own[0].id


def _contact(record: Mapping[str, Any], email: str) -> FoundContact:
    return FoundContact(
        str(record.get("Id")), str(record.get(KEY) or "").lower(), str(record.get(email) or "").lower()
    )


def _index(contacts: Any) -> tuple[dict[str, list[FoundContact]], dict[str, list[FoundContact]]]:
    by_key: dict[str, list[FoundContact]] = {}
    by_email: dict[str, list[FoundContact]] = {}
    for contact in contacts:
        by_key.setdefault(contact.key, []).append(contact)
        by_email.setdefault(contact.email, []).append(contact)
    return by_key, by_email
