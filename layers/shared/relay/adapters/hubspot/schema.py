"""Defines the property group and the properties that our contacts need, and what HubSpot lacks of those it has.

A definition grows: a newer version of Relay may need another option of a choice. What stands there is compared in every
part that Relay needs; labels, descriptions and groups belong to the merchant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from relay.adapters.http import CrmUnavailableError, objects_in
from relay.adapters.hubspot.client import HubspotClient, HubspotReply
from relay.adapters.hubspot.mapping import GROUP, GROUP_LABEL, KEY, definitions
from relay.ports.crm import CrmOutcome

_PARTLY_DEFINED: Final = frozenset({207, 409})
"""Another invocation defined something a moment ago, or a definition was not possible at all."""

_DEFINED: Final = frozenset({200, 201, 204, *_PARTLY_DEFINED})

_LIMIT: Final = re.compile(r"limit|maximum|too many|exceed", re.IGNORECASE)
"""HubSpot tells a plan's limit in a sentence; only that it is one is taken from there."""


def missing(client: HubspotClient) -> list[dict[str, Any]]:
    """Return our definitions that HubSpot does not have, or has without all of our options.

    Raises:
        CrmUnavailableError: HubSpot does not answer, has a `membership_key` that is not unique, or has one of our names
            as a property of another type, whose values it would refuse member by member.

    """
    existing = _existing(client)
    return [wanted for wanted in definitions() if _lacks(existing.get(wanted["name"]), wanted)]


def define(client: HubspotClient) -> list[str]:
    """Define what is missing, first the group, then the properties and options; return the names of the properties.

    Raises:
        CrmUnavailableError: that is not possible now, or not in this portal: the outcome names what, and a plan's limit.

    """
    existing = _existing(client)
    wanted = [each for each in definitions() if _lacks(existing.get(each["name"]), each)]
    new = [each for each in wanted if each["name"] not in existing]
    for each in wanted:
        if each["name"] in existing:
            _grow(client, existing[each["name"]], each)
    if new:
        group = {"name": GROUP, "label": GROUP_LABEL}
        _check(client.call("POST", f"{client.paths.properties}/groups", group), "group_not_made")
        reply = client.call("POST", f"{client.paths.properties}/batch/create", {"inputs": new})
        if reply.status not in _DEFINED:
            raise _unmade(reply, len(new))
        if reply.status in _PARTLY_DEFINED and (left := missing(client)):
            raise _unmade(reply, len(left))
    return [definition["name"] for definition in wanted]


def _existing(client: HubspotClient) -> dict[str, Mapping[str, Any]]:
    """Return the portal's properties by name, if ours among them can hold our values."""
    reply = client.call("GET", client.paths.properties)
    _check(reply, "properties_not_read")
    existing = {str(known.get("name")): known for known in objects_in(reply.body, "results")}
    for wanted in definitions():
        known = existing.get(wanted["name"])
        if known is None:
            continue
        if wanted["name"] == KEY and known.get("hasUniqueValue") is not True:
            raise _differs("membership_key_is_not_unique", KEY)
        if not _same_type(str(known.get("type")), wanted["type"]):
            raise _differs(f"{wanted['name']}_is_no_{wanted['type']}", wanted["name"])
    return existing


def _lacks(known: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Return whether a property is not there, is archived, or is there without one of our options."""
    return known is None or known.get("archived") is True or bool(_missing_options(known, wanted))


def _missing_options(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    values = {str(option.get("value")) for option in objects_in(known, "options")}
    # A checkbox of HubSpot's older type lists no options.
    if not values and known.get("type") == "bool":
        return []
    return [option for option in wanted.get("options", ()) if option["value"] not in values]


def _grow(client: HubspotClient, known: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Add our options to a property; HubSpot replaces the whole list, so that the merchant's are sent as well.

    HubSpot refuses two options of one label: where the merchant's own bears ours, the value is added to it.
    """
    there = objects_in(known, "options")
    labels = {str(option.get("label")).strip().lower() for option in there}
    options = [
        *there,
        *(
            {**option, "label": f"{option['label']} ({option['value']})"}
            if option["label"].lower() in labels
            else option
            for option in _missing_options(known, wanted)
        ),
    ]
    body: dict[str, Any] = {
        "options": [
            {"label": "", "hidden": False, **option, "displayOrder": number}
            for number, option in enumerate(options)
        ]
    }
    if known.get("archived") is True:
        body["archived"] = False
    reply = client.call("PATCH", f"{client.paths.properties}/{wanted['name']}", body)
    if reply.status not in _DEFINED:
        raise _unmade(reply, 1, wanted["name"])


def _unmade(reply: HubspotReply, number: int, name: str = "") -> CrmUnavailableError:
    """Return the error for definitions that the portal did not take; it names a plan's limit."""
    texts = [reply.body, *objects_in(reply.body, "errors")]
    words = " ".join(
        str(text.get(field, "")) for text in texts for field in ("message", "subCategory", "category")
    )
    what = "property_limit_reached" if _LIMIT.search(words) else "properties_not_made"
    return CrmUnavailableError(
        CrmOutcome(state="waiting", reason=f"{what} {name or number}", setting="HubSpot's properties")
    )


def _differs(reason: str, name: str) -> CrmUnavailableError:
    outcome = CrmOutcome(state="waiting", reason=reason, setting=f"the property {name} in HubSpot")
    return CrmUnavailableError(outcome)


def _check(reply: HubspotReply, reason: str) -> None:
    if reply.status not in _DEFINED:
        outcome = CrmOutcome(state="waiting", reason=reason, setting="HubSpot's properties")
        raise CrmUnavailableError(outcome)


def _same_type(theirs: str, ours: str) -> bool:
    """Return whether two types are the same: HubSpot has two names for a checkbox."""
    return theirs == ours or {theirs, ours} == {"bool", "enumeration"}
