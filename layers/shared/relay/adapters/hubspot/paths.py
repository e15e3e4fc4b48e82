"""Where HubSpot keeps things, by the version of its API.

A table and not a template: the version moves about within the path, and events have a prefix of their
own in each. Versions v1 to v4 end in September 2027.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class HubspotPaths:
    """The roots below which contacts, their property definitions, event occurrences and event definitions live."""

    contacts: str
    properties: str
    events: str
    definitions: str


DEFAULT_VERSION: Final = "2026-09"

PATHS: Final[dict[str, HubspotPaths]] = {
    "v3": HubspotPaths(
        "/crm/v3/objects/contacts",
        "/crm/v3/properties/contacts",
        "/events/v3/send",
        "/events/v3/event-definitions",
    ),
    "2026-03": HubspotPaths(
        "/crm/objects/2026-03/contacts",
        "/crm/properties/2026-03/contacts",
        "/events/2026-03/send",
        "/events/2026-03/event-definitions",
    ),
    "2026-09": HubspotPaths(
        "/crm/objects/2026-09/contacts",
        "/crm/properties/2026-09/contacts",
        "/events/custom/2026-09/send",
        "/events/custom/2026-09/event-definitions",
    ),
}
