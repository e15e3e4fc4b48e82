"""The property group and the properties that our contacts need, made where they are missing."""

from __future__ import annotations

from typing import Any

from relay.adapters.crm_http import ClosedError, objects
from relay.adapters.hubspot.client import HubspotClient, HubspotReply
from relay.adapters.hubspot.mapping import GROUP, GROUP_LABEL, KEY, definitions
from relay.adapters.hubspot.paths import HubspotPaths
from relay.ports.crm import CrmOutcome

_IN_PART = frozenset({207, 409})
"""Something is there already, made by another invocation a moment ago; or could not be made at all."""

_MADE = frozenset({200, 201, 204, *_IN_PART})


def missing(client: HubspotClient, paths: HubspotPaths) -> list[dict[str, Any]]:
    """Return the definitions of ours that HubSpot does not have.

    Raises:
        ClosedError: when it cannot be asked, has `membership_key` as something that identifies nobody, or
            one of our names as a property of another type, whose values it would refuse member by member.

    """
    reply = client.call("GET", paths.properties)
    _check(reply, "properties_not_read")
    there = {str(known.get("name")): known for known in objects(reply.body, "results")}
    if KEY in there and there[KEY].get("hasUniqueValue") is not True:
        raise ClosedError(CrmOutcome(state="unauthorised", reason="membership_key_is_not_unique"))
    for wanted in definitions():
        known = there.get(wanted["name"])
        if known and not _alike(str(known.get("type")), wanted["type"]):
            raise ClosedError(
                CrmOutcome(state="unauthorised", reason=f"{wanted['name']}_is_no_{wanted['type']}")
            )
    return [wanted for wanted in definitions() if wanted["name"] not in there]


def provide(client: HubspotClient, paths: HubspotPaths) -> list[str]:
    """Make what is missing, in the order group, properties; return the names made.

    Raises:
        ClosedError: when that is not possible now, or not with this token.

    """
    wanted = missing(client, paths)
    if not wanted:
        return []
    group = {"name": GROUP, "label": GROUP_LABEL}
    _check(client.call("POST", f"{paths.properties}/groups", group), "group_not_made")
    made = client.call("POST", f"{paths.properties}/batch/create", {"inputs": wanted})
    _check(made, "properties_not_made")
    if made.status in _IN_PART and missing(client, paths):
        raise ClosedError(CrmOutcome(state="retry", reason="properties_not_made"))
    return [definition["name"] for definition in wanted]


def _check(reply: HubspotReply, reason: str) -> None:
    if reply.status not in _MADE:
        raise ClosedError(CrmOutcome(state="retry", reason=reason))


def _alike(theirs: str, ours: str) -> bool:
    """Say whether two types are one: HubSpot calls a checkbox either of two."""
    return theirs == ours or {theirs, ours} == {"bool", "enumeration"}
