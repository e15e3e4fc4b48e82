"""Finds the profiles that Klaviyo has under given addresses or ids, and their keys, before anything is written.

Klaviyo writes to any profile with the address. Two shops can share one account, so the query comes first: a profile under
another key is never written. There is no conditional write; another shop's write can fall between our query and our
write, and that shop's next write finds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Literal
from urllib.parse import quote

from relay.adapters.http import CrmUnavailableError, objects_in
from relay.adapters.klaviyo.client import KlaviyoClient, KlaviyoReply, inner
from relay.adapters.klaviyo.mapping import KEY
from relay.ports.crm import CrmOutcome

PROFILES: Final = "/api/profiles"
PERSON: Final = ("first_name", "last_name")
"""The profile's own attributes of a person that Relay writes."""

_VALUES_PER_CALL: Final = 25
"""With the longest addresses, a query of this many has some ten thousand characters."""


_VALID: Final = {"email": "no-member@example.com", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
"""Values of the right form, which no profile needs to have."""


@dataclass(frozen=True, slots=True)
class KlaviyoProfile:
    """A profile as Klaviyo holds it: `key` is ours, `external_id` the merchant's own, `person` its names.

    `created` is when Klaviyo made it, where the answer has that.
    """

    id: str
    email: str | None
    key: str | None
    external_id: str | None
    properties: Mapping[str, Any]
    person: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None


@dataclass(slots=True)
class ProfileLookup:
    """The profiles found, by address or id; and by value the reason why Klaviyo refused to search for it."""

    found: dict[str, KlaviyoProfile]
    refused: dict[str, str]


def find_profiles(
    client: KlaviyoClient, by: Literal["email", "id"], values: Sequence[str], *, person: bool = False
) -> ProfileLookup:
    """Find profiles by address or id; with `person` their names as well.

    Raises:
        CrmUnavailableError: Klaviyo does not answer, or refuses a search whatever is searched for: that is no fault of
            these values, and they wait.

    """
    lookup = ProfileLookup({}, {})
    fields = ",".join(("email", "external_id", "properties", *(PERSON if person else ())))
    for start in range(0, len(values), _VALUES_PER_CALL):
        _find(client, by, values[start : start + _VALUES_PER_CALL], lookup, fields)
    return lookup


def is_deleted(client: KlaviyoClient, profile: str) -> bool:
    """Return whether Klaviyo says that there is no profile with this id. A search would not do: it may lag behind.

    Raises:
        CrmUnavailableError: Klaviyo does not answer.

    """
    path = f"{PROFILES}/{quote(profile, safe='')}"
    return client.get(path, {"fields[profile]": "email"}).status == HTTPStatus.NOT_FOUND


def read_profile(resource: Mapping[str, Any]) -> KlaviyoProfile:
    """Read a profile from an answer."""
    attributes = inner(resource, "attributes")
    properties = inner(attributes, "properties")
    return KlaviyoProfile(
        id=str(resource.get("id") or ""),
        email=_text(attributes.get("email")),
        # Ours has no capital and no blank: an edited one is still the member's.
        key=(_text(properties.get(KEY)) or "").strip().lower() or None,
        external_id=_text(attributes.get("external_id")),
        properties=properties,
        person={name: text for name in PERSON if (text := _text(attributes.get(name)))},
        created=moment(attributes.get("created")),
    )


def _find(
    client: KlaviyoClient,
    by: Literal["email", "id"],
    values: Sequence[str],
    lookup: ProfileLookup,
    fields: str,
) -> None:
    """Find these; in halves if one of them makes Klaviyo refuse the query."""
    reply = _search(client, by, values, fields)
    if not reply.ok and not lookup.refused:
        _check_that_it_searches(client, by, fields)
    if reply.ok and isinstance(reply.body.get("data"), list):
        for profile in map(read_profile, objects_in(reply.body, "data")):
            lookup.found[profile.id if by == "id" else (profile.email or "").lower()] = profile
    elif reply.ok:
        # Without a list of profiles, every member would pass for new.
        raise CrmUnavailableError(CrmOutcome(state="retry", reason="unreadable_answer"))
    elif len(values) == 1:
        lookup.refused[values[0]] = reply.code
    else:
        middle = len(values) // 2
        _find(client, by, values[:middle], lookup, fields)
        _find(client, by, values[middle:], lookup, fields)


def _search(
    client: KlaviyoClient, by: Literal["email", "id"], values: Sequence[str], fields: str
) -> KlaviyoReply:
    return client.get(
        PROFILES,
        {
            "filter": f"any({by},{json.dumps(list(values), ensure_ascii=False)})",
            "fields[profile]": fields,
            "page[size]": "100",
        },
    )


def _check_that_it_searches(client: KlaviyoClient, by: Literal["email", "id"], fields: str) -> None:
    """Search for a value that is certainly valid: refused as well, the query itself is at fault, for every member."""
    reply = _search(client, by, [_VALID[by]], fields)
    if not reply.ok:
        raise CrmUnavailableError(CrmOutcome(state="waiting", reason=f"search_refused {reply.code}"))


def moment(value: object) -> datetime | None:
    """Return a moment of Klaviyo's; None if it is none."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return read if read and read.tzinfo else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
