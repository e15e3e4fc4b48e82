"""Contacts that bear our key: what HubSpot shows of them, and how our fields are taken off again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from relay.adapters.crm_http import ClosedError, objects
from relay.adapters.hubspot.client import HubspotClient
from relay.adapters.hubspot.mapping import KEY, OURS, PROPERTIES, encode
from relay.adapters.hubspot.paths import HubspotPaths
from relay.model.fields import ValueKind
from relay.model.formats import number_text
from relay.ports.crm import ContactRef, CrmOutcome
from relay.rules.crm_profile import CRM_FIELDS, CrmProfile

AT_ONCE: Final = 100

_GONE: Final = CrmOutcome(state="skipped", reason="no such contact")
_SILENT: Final = CrmOutcome(state="retry", reason="silent_2xx", alone=True)


def shown(profile: CrmProfile) -> dict[str, str]:
    """Return a profile as HubSpot would show it: by canonical name, and only what has a value."""
    told = {name: encode(value) for name, value in profile.values.items()}
    return {name: text for name, text in told.items() if text}


def read(client: HubspotClient, paths: HubspotPaths, keys: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return what HubSpot has of these members, by key.

    Raises:
        ClosedError: when it cannot be asked.

    """
    found: dict[str, dict[str, str]] = {}
    for contact in _contacts(client, paths, keys, list(PROPERTIES.values())):
        has = contact["properties"]
        told = {name: _plain(name, has.get(theirs)) for name, theirs in PROPERTIES.items()}
        found[str(has[KEY])] = {name: text for name, text in told.items() if text}
    return found


def clear(client: HubspotClient, paths: HubspotPaths, homes: Sequence[ContactRef]) -> dict[str, CrmOutcome]:
    """Take our fields off the contacts that bear these members' keys."""
    outcomes: dict[str, CrmOutcome] = {}
    keys = [home.key for home in homes]
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        try:
            ids = {
                str(contact["id"]): str(contact["properties"][KEY])
                for contact in _contacts(client, paths, some, [KEY])
            }
            outcomes |= dict.fromkeys(set(some) - set(ids.values()), _GONE) | _clear(client, paths, ids)
        except ClosedError as closed:
            return outcomes | dict.fromkeys(keys[start:], closed.outcome)
    return outcomes


def question(inputs: Sequence[Mapping[str, str]], properties: Sequence[str], by: str = "") -> dict[str, Any]:
    """Return the body of a question; HubSpot's schema demands both lists, though nobody asks for a history."""
    asked = {"inputs": list(inputs), "properties": list(properties), "propertiesWithHistory": []}
    return {**asked, "idProperty": by} if by else asked


def _clear(client: HubspotClient, paths: HubspotPaths, ids: Mapping[str, str]) -> dict[str, CrmOutcome]:
    if not ids:
        return {}
    empty = dict.fromkeys(OURS, "")
    inputs = [{"id": contact, "objectWriteTraceId": key, "properties": empty} for contact, key in ids.items()]
    reply = client.call("POST", f"{paths.contacts}/batch/update", {"inputs": inputs})
    done = {str(result.get("id")) for result in objects(reply.body, "results")}
    return {
        key: CrmOutcome(state="mirrored", id=contact) if contact in done else _SILENT
        for contact, key in ids.items()
    }


def _contacts(
    client: HubspotClient, paths: HubspotPaths, keys: Sequence[str], properties: Sequence[str]
) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for start in range(0, len(keys), AT_ONCE):
        inputs = [{"id": key} for key in keys[start : start + AT_ONCE]]
        reply = client.call("POST", f"{paths.contacts}/batch/read", question(inputs, properties, KEY))
        found += [
            contact
            for contact in objects(reply.body, "results")
            if isinstance(contact.get("properties"), Mapping) and contact["properties"].get(KEY) in keys
        ]
    return found


def _plain(name: str, value: object) -> str:
    """Write what HubSpot shows in our notation: it spells moments and numbers in more ways than one."""
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
        return text  # edited into something that is no such value: it differs, which is what matters
