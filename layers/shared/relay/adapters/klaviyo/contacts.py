"""Which profiles Klaviyo has under given addresses or ids, and whose key they bear: looked up before any write.

Klaviyo writes to whoever has the address. Two shops can share one account, so the look comes first: a
profile under another key is never written to. There is no conditional write; between our look and our
write another shop's may fall, and is found by its next one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from relay.adapters.crm_http import ClosedError, objects
from relay.adapters.klaviyo.client import KlaviyoClient, inner
from relay.adapters.klaviyo.mapping import KEY
from relay.ports.crm import CrmOutcome

PROFILES: Final = "/api/profiles"
_AT_ONCE: Final = 25
"""The longest addresses make a query of some ten thousand characters of these."""


@dataclass(frozen=True, slots=True)
class Found:
    """A profile: its id and address, whose key it bears, the merchant's own id for it, and its properties."""

    id: str
    email: str | None
    key: str | None
    external_id: str | None
    properties: Mapping[str, Any]


@dataclass(slots=True)
class Look:
    """What a look-up found, by what was asked for; `refused` says what Klaviyo would not look for, and why."""

    found: dict[str, Found]
    refused: dict[str, str]


def look(client: KlaviyoClient, by: Literal["email", "id"], values: Sequence[str]) -> Look:
    """Look profiles up by address or id.

    Raises:
        ClosedError: when Klaviyo cannot be asked.

    """
    result = Look({}, {})
    for some in _parts(values):
        _ask(client, by, some, result)
    return result


def found_in(resource: Mapping[str, Any]) -> Found:
    """Read a profile from an answer."""
    attributes = inner(resource, "attributes")
    properties = inner(attributes, "properties")
    return Found(
        id=str(resource.get("id") or ""),
        email=_text(attributes.get("email")),
        key=_text(properties.get(KEY)),
        external_id=_text(attributes.get("external_id")),
        properties=properties,
    )


def _ask(client: KlaviyoClient, by: Literal["email", "id"], values: Sequence[str], result: Look) -> None:
    """Ask for these; in halves where one of them makes Klaviyo refuse the question."""
    reply = client.get(
        PROFILES,
        {
            "filter": f"any({by},{json.dumps(list(values), ensure_ascii=False)})",
            "fields[profile]": "email,external_id,properties",
            "page[size]": "100",
        },
    )
    if reply.ok and isinstance(reply.body.get("data"), list):
        for found in map(found_in, objects(reply.body, "data")):
            result.found[found.id if by == "id" else (found.email or "").lower()] = found
    elif reply.ok:
        # Without an answer to who is there, everybody would pass for new.
        raise ClosedError(CrmOutcome(state="retry", reason="unreadable_answer"))
    elif len(values) == 1:
        result.refused[values[0]] = reply.code
    else:
        middle = len(values) // 2
        _ask(client, by, values[:middle], result)
        _ask(client, by, values[middle:], result)


def _parts(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE)]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
