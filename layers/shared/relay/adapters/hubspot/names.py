"""Writes names and phone numbers of members to contacts that have none of their own.

They are the merchant's fields: what stands there is never replaced. A contact that an upsert has just made is empty, so
nothing is read before it; for all others the weekly audit reads first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from relay.adapters.fault_table import MOST_HALVINGS
from relay.adapters.http import objects_in
from relay.adapters.hubspot.client import HubspotClient, HubspotReply
from relay.adapters.hubspot.contacts import CONTACTS_PER_CALL, contacts_of
from relay.adapters.hubspot.mapping import KEY, PERSON_FIELDS
from relay.model.formats import sendable_text
from relay.rules.crm_profile import CrmProfile

Call = Callable[[str, str, Mapping[str, Any]], HubspotReply]


def name_new_contacts(
    client: HubspotClient, call: Call, profiles: Mapping[str, CrmProfile], made: Mapping[str, str]
) -> None:
    """Name the contacts that an upsert has made, given by member key and id. A refusal is left to the audit.

    Raises:
        CrmUnavailableError: HubSpot does not answer.

    """
    wanted = {
        contact: properties for key, contact in made.items() if (properties := _properties(profiles[key]))
    }
    _write(client, call, wanted)


def fill_names(client: HubspotClient, profiles: Sequence[CrmProfile]) -> None:
    """Write what the members' contacts lack of names and phone. Errors as in `name_new_contacts`."""
    wanted = {profile.key: properties for profile in profiles if (properties := _properties(profile))}
    if not wanted:
        return
    names: dict[str, Mapping[str, str]] = {}
    for contact in contacts_of(client, list(wanted), [KEY, *PERSON_FIELDS.values()]):
        held = contact["properties"]
        lacking = {
            name: value
            for name, value in wanted[str(held[KEY])].items()
            if not str(held.get(name) or "").strip()
        }
        if lacking:
            names[str(contact["id"])] = lacking
    for start in range(0, len(names), CONTACTS_PER_CALL):
        batch = list(names)[start : start + CONTACTS_PER_CALL]
        _write(client, client.call, {contact: names[contact] for contact in batch})


def _write(client: HubspotClient, call: Call, names: Mapping[str, Mapping[str, str]]) -> None:
    """Write these names, by contact: one call, and where HubSpot refuses it, its halves, so that one value costs few others.

    What is refused in the end is written without the phone number: a merchant can set a rule for its form.
    """
    waiting, halvings = [names] if names else [], 0
    while waiting:
        left = _refused(client, call, waiting.pop())
        if len(left) > 1 and halvings < MOST_HALVINGS:
            halvings += 1
            keys, middle = list(left), (len(left) + 1) // 2
            waiting += [
                {contact: left[contact] for contact in half} for half in (keys[:middle], keys[middle:])
            ]
            continue
        rest = {contact: _without_phone(properties) for contact, properties in left.items()}
        rest = {contact: properties for contact, properties in rest.items() if properties}
        if rest and rest != left:
            _refused(client, call, rest)


def _refused(
    client: HubspotClient, call: Call, names: Mapping[str, Mapping[str, str]]
) -> dict[str, Mapping[str, str]]:
    """Write these names in one call; return those that the answer does not confirm."""
    inputs = [
        {"id": contact, "objectWriteTraceId": contact, "properties": dict(properties)}
        for contact, properties in names.items()
    ]
    reply = call("POST", f"{client.paths.contacts}/batch/update", {"inputs": inputs})
    done = {str(result.get("id")) for result in objects_in(reply.body, "results")}
    return {contact: properties for contact, properties in names.items() if contact not in done}


def _without_phone(properties: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in properties.items() if name != PERSON_FIELDS["phone"]}


def made_in(reply: HubspotReply, keys: Sequence[str]) -> dict[str, str]:
    """Return the contacts that an upsert has made, by the member's key: HubSpot says `new` of each."""
    made: dict[str, str] = {}
    for result in objects_in(reply.body, "results"):
        properties = result.get("properties")
        key = str(properties.get(KEY) or "") if isinstance(properties, Mapping) else ""
        if result.get("new") is True and key in keys and result.get("id"):
            made[key] = str(result["id"])
    return made


def _properties(profile: CrmProfile) -> dict[str, str]:
    return {PERSON_FIELDS[name]: sendable_text(value) for name, value in profile.person("hubspot").items()}
