"""Finds members whose contact was deleted in HubSpot: an upsert would make it again without a word.

A contact counts as deleted if HubSpot says that the one which held the member is not there, and that none bears the member's
key or has its address. So a merge of contacts is no deletion, and neither is a contact that the merchant made anew. One read
for each call of a hundred members that HubSpot has held before, two more where contacts are missing. A contact that is deleted
between the read and the write is made again: HubSpot has no conditional write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from relay.adapters.http import objects_in
from relay.adapters.hubspot.client import HubspotClient, HubspotReply
from relay.adapters.hubspot.contacts import read_request
from relay.adapters.hubspot.mapping import KEY
from relay.ports.crm import ContactNotes
from relay.rules.crm_profile import CrmProfile

Call: TypeAlias = Callable[[str, str, Mapping[str, Any]], HubspotReply]

_EMAIL: Final = "email"
_NOT_FOUND: Final = "OBJECT_NOT_FOUND"


def deleted_members(
    client: HubspotClient, call: Call, profiles: Mapping[str, CrmProfile], notes: ContactNotes
) -> set[str]:
    """Return the keys of the members whose contact was deleted and must not be made again.

    Raises:
        CrmUnavailableError: HubSpot does not answer.

    """
    homes = {
        key: home
        for key, profile in profiles.items()
        if "hubspot" not in profile.remake_contacts and (home := notes.home(key))
    }
    emails = {key: (profiles[key].email or "").lower() for key in homes}
    gone = list(homes)
    for id_property, values in (("", homes), (KEY, {key: key for key in homes}), (_EMAIL, emails)):
        if gone:
            missing = _missing(client, call, [values[key] for key in gone], id_property)
            gone = [key for key in gone if values[key] in missing]
    return set(gone)


def _missing(client: HubspotClient, call: Call, values: Sequence[str], id_property: str) -> set[str]:
    """Return those of these values that HubSpot says no contact has; an answer that does not say so proves nothing."""
    body = read_request([{"id": value} for value in dict.fromkeys(values)], [KEY], id_property)
    reply = call("POST", f"{client.paths.contacts}/batch/read", body)
    missing: set[str] = set()
    for error in objects_in(reply.body, "errors"):
        context = error.get("context")
        named = context.get("ids") if isinstance(context, Mapping) else None
        if error.get("category") == _NOT_FOUND and isinstance(named, list):
            missing.update(map(str, named))
    return missing
