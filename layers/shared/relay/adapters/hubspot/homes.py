"""Looks for the contacts that held members last: an upsert would make one that was deleted again without a word.

A contact counts as deleted if HubSpot says that the one which held the member is not there, and that none bears the member's
key or has its address. So a merge of contacts is no deletion, and neither is a contact that the merchant made anew. One read
for each call of a hundred members that HubSpot has held before, two more where contacts are missing. A contact that is deleted
between the read and the write is made again: HubSpot has no conditional write.

The same read shows where a merchant edited the key by hand: an upsert would not find that contact, and make another one. It
gets the key back first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from relay.adapters.http import objects_in
from relay.adapters.hubspot.client import HubspotClient, HubspotReply
from relay.adapters.hubspot.contacts import read_request
from relay.adapters.hubspot.mapping import KEY
from relay.crm.address_rings import holder_key
from relay.errors import TransientError
from relay.ports.crm import ContactNotes
from relay.rules.crm_profile import CrmProfile

Call: TypeAlias = Callable[[str, str, Mapping[str, Any]], HubspotReply]

_EMAIL: Final = "email"
_NOT_FOUND: Final = "OBJECT_NOT_FOUND"


@dataclass(slots=True)
class _Read:
    """What one read says of its values: those that no contact has, and the keys of the contacts found, by id."""

    missing: set[str] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)


def deleted_members(
    client: HubspotClient, call: Call, profiles: Mapping[str, CrmProfile], notes: ContactNotes
) -> set[str]:
    """Return the keys of the members whose contact was deleted and must not be made again; put edited keys back.

    Raises:
        CrmUnavailableError: HubSpot does not answer.

    """
    homes = {
        key: home
        for key, profile in profiles.items()
        if "hubspot" not in profile.remake_contacts and (home := notes.home(key))
    }
    if not homes:
        return set()
    read = _read(client, call, list(homes.values()), "")
    _put_keys_back(client, call, _edited(homes, read.keys, notes))
    emails = {key: (profiles[key].email or "").lower() for key in homes}
    gone = [key for key, home in homes.items() if home in read.missing]
    for id_property, values in ((KEY, {key: key for key in homes}), (_EMAIL, emails)):
        if gone:
            missing = _read(client, call, [values[key] for key in gone], id_property).missing
            gone = [key for key in gone if values[key] in missing]
    return set(gone)


def _edited(homes: Mapping[str, str], held: Mapping[str, str], notes: ContactNotes) -> dict[str, str]:
    """Return by contact the members whose own contact bears no key, or one that a merchant edited.

    Emptied, with blanks around it, or changed to one of a member that has no claim to a contact any more.
    """
    edited: dict[str, str] = {}
    for key, home in homes.items():
        there = held.get(home, key)
        word = there.strip().lower()
        if there != key and home not in edited and (word in {"", key} or _gives_way(key, word, notes)):
            edited[home] = key
    return edited


def _gives_way(key: str, word: str, notes: ContactNotes) -> bool:
    holder = holder_key(key, word)
    try:
        return holder is not None and notes.gives_way(key, holder)
    except TransientError:
        return False  # the upsert finds out


def _put_keys_back(client: HubspotClient, call: Call, edited: Mapping[str, str]) -> None:
    """Write the keys of these contacts. A refusal is the upsert's to meet: another contact may have the key by now."""
    if edited:
        inputs = [
            {"id": contact, "objectWriteTraceId": contact, "properties": {KEY: key}}
            for contact, key in edited.items()
        ]
        call("POST", f"{client.paths.contacts}/batch/update", {"inputs": inputs})


def _read(client: HubspotClient, call: Call, values: Sequence[str], id_property: str) -> _Read:
    """Read contacts; an answer that does not say that a value is missing proves nothing."""
    body = read_request([{"id": value} for value in dict.fromkeys(values)], [KEY], id_property)
    reply = call("POST", f"{client.paths.contacts}/batch/read", body)
    read = _Read()
    for error in objects_in(reply.body, "errors"):
        context = error.get("context")
        named = context.get("ids") if isinstance(context, Mapping) else None
        if error.get("category") == _NOT_FOUND and isinstance(named, list):
            read.missing.update(map(str, named))
    for contact in objects_in(reply.body, "results"):
        properties = contact.get("properties")
        if isinstance(properties, Mapping) and contact.get("id"):
            read.keys[str(contact["id"])] = str(properties.get(KEY) or "")
    return read
