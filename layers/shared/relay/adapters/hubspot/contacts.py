"""Reads the contacts under our key, removes our fields from them, and an erased person from those that Relay made.

An erased member's contact loses its values before it is archived: HubSpot's bin keeps what an archived contact had for
90 days. Archived, it takes no address: a person who joins again gets a new contact. HubSpot's own GDPR deletion would
block the address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any, Final

from relay.adapters.http import CrmUnavailableError, objects_in
from relay.adapters.hubspot.answers import refusals
from relay.adapters.hubspot.client import HubspotClient, HubspotReply
from relay.adapters.hubspot.mapping import KEY, OURS, PERSON, PROPERTIES, encode
from relay.model.fields import ValueKind
from relay.model.formats import number_text
from relay.ports.crm import ContactRef, CrmOutcome
from relay.rules.crm_profile import CRM_FIELDS, CrmProfile

CONTACTS_PER_CALL: Final = 100

_CUSTOMER: Final = PROPERTIES["shopify_customer_id"]

_UNDEFINED: Final = "property_doesnt_exist"
_GONE: Final = CrmOutcome(state="skipped", reason="no such contact")
_SILENT: Final = CrmOutcome(state="retry", reason="silent_2xx", member_only=True)


def expected_fields(profile: CrmProfile) -> dict[str, str]:
    """Return a profile as `read` finds it: by canonical name, only fields with a value."""
    fields = {name: encode(value) for name, value in profile.values.items()}
    return {name: text for name, text in fields.items() if text}


def read(client: HubspotClient, keys: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return what HubSpot has of these members, by key.

    Raises:
        CrmUnavailableError: HubSpot does not answer.

    """
    found: dict[str, dict[str, str]] = {}
    for contact in contacts_of(client, keys, list(PROPERTIES.values())):
        properties = contact["properties"]
        fields = {name: _decode(name, properties.get(theirs)) for name, theirs in PROPERTIES.items()}
        found[str(properties[KEY])] = {name: text for name, text in fields.items() if text}
    return found


def clear(client: HubspotClient, contacts: Sequence[ContactRef]) -> dict[str, CrmOutcome]:
    """Remove our fields from the contacts under these members' keys, or from the contacts that they have left."""
    outcomes: dict[str, CrmOutcome] = {}
    for start in range(0, len(contacts), CONTACTS_PER_CALL):
        batch = contacts[start : start + CONTACTS_PER_CALL]
        try:
            outcomes |= dict.fromkeys((contact.key for contact in batch), _GONE)
            outcomes |= _by_key(_clear(client, _present(client, batch)))
        except CrmUnavailableError as error:
            return outcomes | {contact.key: error.outcome for contact in contacts[start:]}
    return outcomes


def _present(client: HubspotClient, contacts: Sequence[ContactRef]) -> dict[str, ContactRef]:
    """Return the contacts that HubSpot has, by id: those under the members' keys, and those to find by id."""
    by_key = {contact.key: contact for contact in contacts if not contact.previous}
    found = {
        str(each["id"]): str(each["properties"][KEY]) for each in contacts_of(client, list(by_key), [KEY])
    }
    present = {
        id_: by_key[key] if by_key[key].id == id_ else ContactRef(key=key, id=id_)
        for id_, key in found.items()
    }
    # Also a member's own contact, where the merchant has edited or emptied the key.
    by_id = [
        each
        for each in contacts
        if each.id
        and each.id not in present
        and (each.previous or each.loses_the_person or each.key not in found.values())
    ]
    return present | _left(client, by_id)


def _left(client: HubspotClient, contacts: Sequence[ContactRef]) -> dict[str, ContactRef]:
    """Return by id the contacts that still have the fields of the members that left them, or that an erasure ends.

    Between two calls a contact can have a member's fields and no key. Another member's is not touched.
    """
    if not contacts:
        return {}
    body = read_request([{"id": contact.id or ""} for contact in contacts], [KEY, _CUSTOMER])
    reply = client.call("POST", f"{client.paths.contacts}/batch/read", body)
    found = {str(each.get("id")): each.get("properties") for each in contacts_in(reply)}
    left: dict[str, ContactRef] = {}
    for contact in contacts:
        properties = found.get(contact.id or "")
        if isinstance(properties, Mapping):
            key = str(properties.get(KEY) or "").strip().lower()
            customer = str(properties.get(_CUSTOMER) or "")
            is_theirs = customer == contact.key.rpartition(":")[2] or contact.loses_the_person
            if key == contact.key or (not key and is_theirs):
                left[str(contact.id)] = contact
    return left


def read_request(
    inputs: Sequence[Mapping[str, str]], properties: Sequence[str], id_property: str = ""
) -> dict[str, Any]:
    """Return the body of a batch read. HubSpot's schema demands both property lists, also without a history."""
    body = {"inputs": list(inputs), "properties": list(properties), "propertiesWithHistory": []}
    return {**body, "idProperty": id_property} if id_property else body


def contacts_in(reply: HubspotReply) -> list[Mapping[str, Any]]:
    """Return the contacts that an answer to a batch read has.

    Raises:
        CrmUnavailableError: it has no list of contacts. Without one, every contact would pass for deleted.

    """
    if reply.status >= HTTPStatus.BAD_REQUEST:
        raise CrmUnavailableError(refusals(reply, ["the read"])["the read"])
    if not isinstance(reply.body.get("results"), list):
        raise CrmUnavailableError(CrmOutcome(state="retry", reason="unreadable_answer"))
    return objects_in(reply.body, "results")


def _clear(client: HubspotClient, present: Mapping[str, ContactRef]) -> list[tuple[ContactRef, CrmOutcome]]:
    """Empty these contacts, given by id, and archive those that are to go; return the outcome of each."""
    if not present:
        return []
    outcomes = _empty(client, present, OURS)
    if any(outcome.reason.startswith(_UNDEFINED) for outcome in outcomes.values()):
        # No contact has a value of a property that is not there: a merchant deleted it, or a newer Relay has not defined it.
        outcomes |= _empty(client, present, _defined(client))
    done = [id_ for id_, outcome in outcomes.items() if outcome.state == "mirrored"]
    outcomes |= _archive(client, [id_ for id_ in done if present[id_].is_deleted])
    return [(contact, outcomes[id_]) for id_, contact in present.items()]


def _empty(
    client: HubspotClient, present: Mapping[str, ContactRef], ours: Sequence[str]
) -> dict[str, CrmOutcome]:
    """Empty these properties of the contacts, and a person's own where they go as well; return outcomes by id."""
    inputs = [
        {
            "id": id_,
            "objectWriteTraceId": id_,
            "properties": dict.fromkeys((*ours, *PERSON) if contact.loses_the_person else ours, ""),
        }
        for id_, contact in present.items()
    ]
    reply = client.call("POST", f"{client.paths.contacts}/batch/update", {"inputs": inputs})
    done = {str(result.get("id")) for result in objects_in(reply.body, "results")}
    refused = refusals(reply, list(present))
    return {
        id_: CrmOutcome(state="mirrored", id=id_) if id_ in done else refused.get(id_, _SILENT)
        for id_ in present
    }


def _defined(client: HubspotClient) -> list[str]:
    """Return those of our properties that the portal has."""
    reply = client.call("GET", client.paths.properties)
    there = {str(known.get("name")) for known in objects_in(reply.body, "results")}
    return [name for name in OURS if name in there]


def _archive(client: HubspotClient, ids: Sequence[str]) -> dict[str, CrmOutcome]:
    """Put empty contacts into HubSpot's bin; the answer to all of them is one status."""
    if not ids:
        return {}
    inputs = [{"id": id_} for id_ in ids]
    reply = client.call("POST", f"{client.paths.contacts}/batch/archive", {"inputs": inputs})
    if reply.status < HTTPStatus.BAD_REQUEST:
        return {id_: CrmOutcome(state="mirrored", id=id_) for id_ in ids}
    refused = refusals(reply, list(ids))
    return {id_: refused.get(id_, _SILENT) for id_ in ids}


def _by_key(cleared: Sequence[tuple[ContactRef, CrmOutcome]]) -> dict[str, CrmOutcome]:
    """Return an outcome by member key; of several contacts one that is not clear counts."""
    outcomes: dict[str, CrmOutcome] = {}
    for contact, outcome in cleared:
        known = outcomes.get(contact.key)
        if known is None or known.state == "mirrored":
            outcomes[contact.key] = outcome
    return outcomes


def contacts_of(
    client: HubspotClient, keys: Sequence[str], properties: Sequence[str]
) -> list[Mapping[str, Any]]:
    """Return the contacts under these members' keys, with these properties."""
    found: list[Mapping[str, Any]] = []
    # HubSpot refuses an empty list.
    for start in range(0, len(keys), CONTACTS_PER_CALL):
        inputs = [{"id": key} for key in keys[start : start + CONTACTS_PER_CALL]]
        path = f"{client.paths.contacts}/batch/read"
        reply = client.call("POST", path, read_request(inputs, properties, KEY))
        found += [
            contact
            for contact in contacts_in(reply)
            if isinstance(contact.get("properties"), Mapping) and contact["properties"].get(KEY) in keys
        ]
    return found


def _decode(name: str, value: object) -> str:
    """Return HubSpot's value as `encode` writes it: HubSpot spells moments and numbers in more than one way."""
    text = "" if value is None else str(value)
    try:
        match CRM_FIELDS[name].kind:
            case ValueKind.MONEY | ValueKind.COUNT if text:
                return number_text(Decimal(text))
            case ValueKind.MOMENT if text:
                moment = (
                    datetime.fromtimestamp(int(text) / 1000, UTC)
                    if text.isdigit()
                    else datetime.fromisoformat(text)
                )
                return encode(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
            case ValueKind.DAY:
                return (
                    datetime.fromtimestamp(int(text) / 1000, UTC).date().isoformat()
                    if text.isdigit()
                    else text[:10]
                )
            case _:
                return text
    except (InvalidOperation, ValueError):
        return text  # edited into a text of another type: the comparison finds that it differs
