"""Defines the property group and the properties that our contacts need, if HubSpot lacks them."""

from __future__ import annotations

from typing import Any

from relay.adapters.http import CrmUnavailableError, objects_in
from relay.adapters.hubspot.client import HubspotClient, HubspotReply
from relay.adapters.hubspot.mapping import GROUP, GROUP_LABEL, KEY, definitions
from relay.ports.crm import CrmOutcome

_PARTLY_DEFINED = frozenset({207, 409})
"""Another invocation defined something a moment ago, or a definition was not possible at all."""

_DEFINED = frozenset({200, 201, 204, *_PARTLY_DEFINED})


def missing(client: HubspotClient) -> list[dict[str, Any]]:
    """Return our definitions that HubSpot does not have.

    Raises:
        CrmUnavailableError: HubSpot does not answer, has a `membership_key` that is not unique, or has one of our names
            as a property of another type, whose values it would refuse member by member.

    """
    reply = client.call("GET", client.paths.properties)
    _check(reply, "properties_not_read")
    existing = {str(known.get("name")): known for known in objects_in(reply.body, "results")}
    if KEY in existing and existing[KEY].get("hasUniqueValue") is not True:
        raise CrmUnavailableError(CrmOutcome(state="unauthorised", reason="membership_key_is_not_unique"))
    for wanted in definitions():
        known = existing.get(wanted["name"])
        if known and not _same_type(str(known.get("type")), wanted["type"]):
            reason = f"{wanted['name']}_is_no_{wanted['type']}"
            raise CrmUnavailableError(CrmOutcome(state="unauthorised", reason=reason))
    return [wanted for wanted in definitions() if wanted["name"] not in existing]


def define(client: HubspotClient) -> list[str]:
    """Define what is missing, first the group, then the properties; return the names of the properties.

    Raises:
        CrmUnavailableError: that is not possible now, or not with this token.

    """
    wanted = missing(client)
    if not wanted:
        return []
    group = {"name": GROUP, "label": GROUP_LABEL}
    _check(client.call("POST", f"{client.paths.properties}/groups", group), "group_not_made")
    reply = client.call("POST", f"{client.paths.properties}/batch/create", {"inputs": wanted})
    _check(reply, "properties_not_made")
    if reply.status in _PARTLY_DEFINED and missing(client):
        raise CrmUnavailableError(CrmOutcome(state="retry", reason="properties_not_made"))
    return [definition["name"] for definition in wanted]


def _check(reply: HubspotReply, reason: str) -> None:
    if reply.status not in _DEFINED:
        raise CrmUnavailableError(CrmOutcome(state="retry", reason=reason))


def _same_type(theirs: str, ours: str) -> bool:
    """Return whether two types are the same: HubSpot has two names for a checkbox."""
    return theirs == ours or {theirs, ours} == {"bool", "enumeration"}
