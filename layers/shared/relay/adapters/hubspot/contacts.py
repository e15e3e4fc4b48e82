"""Reads the contacts under our key, and removes our fields from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from relay.adapters.http import CrmUnavailableError, objects_in
from relay.adapters.hubspot.answers import refusals
from relay.adapters.hubspot.client import HubspotClient
from relay.adapters.hubspot.mapping import KEY, OURS, PROPERTIES, encode
from relay.model.fields import ValueKind
from relay.model.formats import number_text
from relay.ports.crm import ContactRef, CrmOutcome
from relay.rules.crm_profile import CRM_FIELDS, CrmProfile

CONTACTS_PER_CALL: Final = 100

_CUSTOMER: Final = PROPERTIES["shopify_customer_id"]

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
            keys = [contact.key for contact in batch if not contact.previous]
            ids = {
                str(found["id"]): str(found["properties"][KEY]) for found in contacts_of(client, keys, [KEY])
            }
            ids |= _left(client, [contact for contact in batch if contact.previous])
            gone = {contact.key for contact in batch} - set(ids.values())
            outcomes |= dict.fromkeys(gone, _GONE) | _clear(client, ids)
        except CrmUnavailableError as error:
            return outcomes | {contact.key: error.outcome for contact in contacts[start:]}
    return outcomes


def _left(client: HubspotClient, contacts: Sequence[ContactRef]) -> dict[str, str]:
    """Return the member keys by the ids of the contacts that still have the fields of the members that left them.

    Between two calls a contact can have a member's fields and no key. Another member's is not touched.
    """
    if not contacts:
        return {}
    body = read_request([{"id": contact.id or ""} for contact in contacts], [KEY, _CUSTOMER])
    reply = client.call("POST", f"{client.paths.contacts}/batch/read", body)
    found = {str(each.get("id")): each.get("properties") for each in objects_in(reply.body, "results")}
    left: dict[str, str] = {}
    for contact in contacts:
        properties = found.get(contact.id or "")
        if isinstance(properties, Mapping):
            key = str(properties.get(KEY) or "").strip()
            customer = str(properties.get(_CUSTOMER) or "")
            if key == contact.key or (not key and customer == contact.key.rpartition(":")[2]):
                left[str(contact.id)] = contact.key
    return left


def read_request(
    inputs: Sequence[Mapping[str, str]], properties: Sequence[str], id_property: str = ""
) -> dict[str, Any]:
    """Return the body of a batch read. HubSpot's schema demands both property lists, also without a history."""
    body = {"inputs": list(inputs), "properties": list(properties), "propertiesWithHistory": []}
    return {**body, "idProperty": id_property} if id_property else body


def _clear(client: HubspotClient, ids: Mapping[str, str]) -> dict[str, CrmOutcome]:
    if not ids:
        return {}
    empty = dict.fromkeys(OURS, "")
    inputs = [{"id": contact, "objectWriteTraceId": key, "properties": empty} for contact, key in ids.items()]
    reply = client.call("POST", f"{client.paths.contacts}/batch/update", {"inputs": inputs})
    done = {str(result.get("id")) for result in objects_in(reply.body, "results")}
    refused = refusals(reply, list(ids.values()))
    return {
        key: CrmOutcome(state="mirrored", id=contact) if contact in done else refused.get(key, _SILENT)
        for contact, key in ids.items()
    }


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
            for contact in objects_in(reply.body, "results")
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
