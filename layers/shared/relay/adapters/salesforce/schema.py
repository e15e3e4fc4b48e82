"""Finds the fields that our contacts need and that the org lacks.

Relay does not define them. The right to define fields is the right to customise the whole org, and a field that is
defined through the API stays hidden until a user grants it; so an administrator deploys them, once
(`docs/salesforce.md`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from relay.adapters.http import CrmUnavailableError, objects_in, without_effect
from relay.adapters.salesforce.client import SalesforceClient
from relay.adapters.salesforce.faults import OBJECT
from relay.adapters.salesforce.mapping import KEY, FieldDefinition, definitions
from relay.adapters.salesforce.upsert import time_limit
from relay.ports.crm import CrmOutcome

_TYPES: Final = {
    "Text": ("string", "text", "textarea", "picklist"),
    "Email": ("email", "string", "text"),
    "Picklist": ("picklist", "string", "text"),
    "Number": ("double", "number", "currency", "int", "percent"),
    "Checkbox": ("boolean", "checkbox"),
    "DateTime": ("datetime",),
    "Date": ("date",),
}
"""The types, as a describe call names them, that hold our values."""


def missing(client: SalesforceClient) -> list[str]:
    """Return our fields that the object does not have, that our user may not see, or that differ from what we write.

    A newer version of Relay may need another value of a restricted picklist, or a longer text.

    Raises:
        CrmUnavailableError: Salesforce does not answer, or our key's field is not unique.

    """
    with without_effect():
        reply = client.call("GET", f"/sobjects/{client.org.object_name}/describe", until=time_limit())
    fields = reply.body.get("fields") if isinstance(reply.body, Mapping) else None
    if not isinstance(fields, list):
        raise CrmUnavailableError(CrmOutcome(state="retry", reason="fields_not_read"))
    existing = {str(each.get("name")): each for each in fields if isinstance(each, Mapping)}
    key = existing.get(KEY)
    if key and not (key.get("externalId") is True and key.get("unique") is True):
        raise CrmUnavailableError(
            CrmOutcome(state="unauthorised", reason="membership_key_is_not_unique", setting=OBJECT)
        )
    lacking = [_lacking(existing.get(wanted.name), wanted) for wanted in definitions(client.org.object_name)]
    return [text for text in lacking if text]


def _lacking(known: Mapping[str, Any] | None, wanted: FieldDefinition) -> str:
    """Return what a field lacks, by its name; empty if nothing."""
    if known is None:
        return wanted.name
    kind = str(known.get("type", "")).lower()
    if kind and kind not in _TYPES[wanted.type]:
        return f"{wanted.name} (is no {wanted.type})"
    if wanted.length and 0 < int(known.get("length") or 0) < wanted.length:
        return f"{wanted.name} (shorter than {wanted.length})"
    values = {
        str(value.get("value"))
        for value in objects_in(known, "picklistValues")
        if value.get("active") is not False
    }
    if known.get("restrictedPicklist") is True and (
        missing_ := [v for v in wanted.choices if v not in values]
    ):
        return f"{wanted.name} (without {', '.join(missing_)})"
    return ""
