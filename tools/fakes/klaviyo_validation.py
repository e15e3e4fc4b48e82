"""Validation of the fake Klaviyo: profiles, events and filters, with Klaviyo's error bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

MOST_EVENT_PROPERTIES: Final = 400
LONGEST_METRIC: Final = 127
IDENTIFIERS: Final = ("email", "phone_number", "external_id")
PROFILE_FIELDS: Final = {
    *IDENTIFIERS,
    *("_kx", "first_name", "last_name", "organization", "locale", "title", "image", "location", "properties"),
}
_EVENT_FIELDS: Final = {
    *("properties", "time", "value", "value_currency", "unique_id", "backfill", "metric", "profile"),
}
_EMAIL: Final = re.compile(r"[^@\s,]+@[^@\s,]+\.[A-Za-z]{2,}")
_FILTER: Final = re.compile(r"(any|equals)\((id|email|phone_number|external_id),(.+)\)", re.DOTALL)
_FIRST_YEAR: Final = 1990


class KlaviyoError(Exception):
    """A request that Klaviyo refuses: the status, and the parts of the error."""

    def __init__(self, status: int, code: str, detail: str, pointer: str = "/data", **meta: str) -> None:
        super().__init__(detail)
        self.status = status
        self.pointer = pointer
        self.meta = meta
        self.error = {
            "id": "00000000-0000-4000-8000-000000000000",
            "status": status,
            "code": code,
            "title": _TITLES.get(status, "Error."),
            "detail": detail,
            "source": {"pointer": pointer},
            "links": {},
            "meta": meta,
        }

    def body(self) -> dict[str, Any]:
        """Return the error body."""
        return {"errors": [self.error]}


_TITLES: Final = {400: "Invalid input.", 404: "Not found.", 409: "Conflict.", 413: "Payload too large."}


def check_profile(data: object, pointer: str, *, emails: bool = True) -> Mapping[str, Any]:
    """Return the attributes of a valid profile resource; refuse an invalid one."""
    if not isinstance(data, Mapping) or data.get("type") != "profile":
        raise KlaviyoError(400, "invalid", "'type' must be 'profile'.", f"{pointer}/type")
    attributes = data.get("attributes")
    if not isinstance(attributes, Mapping):
        raise KlaviyoError(400, "invalid", "'attributes' is required.", f"{pointer}/attributes")
    for name in attributes:
        if name not in PROFILE_FIELDS:
            detail = f"'{name}' is not a valid field for the resource 'profile'."
            raise KlaviyoError(400, "invalid", detail, f"{pointer}/attributes/{name}")
    if not isinstance(attributes.get("properties") or {}, Mapping):
        raise KlaviyoError(400, "invalid", "An object is required.", f"{pointer}/attributes/properties")
    for by in IDENTIFIERS:
        value = attributes.get(by)
        if value is not None and (
            not isinstance(value, str) or (by == "email" and emails and not _is_email(value))
        ):
            raise KlaviyoError(
                400, "invalid", f"{value!r} is not a valid {by}.", f"{pointer}/attributes/{by}"
            )
    return attributes


def check_event(data: object, now: datetime) -> Mapping[str, Any]:
    """Return the attributes of a valid event resource; refuse an invalid one."""
    if not isinstance(data, Mapping) or data.get("type") != "event":
        raise KlaviyoError(400, "invalid", "'type' must be 'event'.", "/data/type")
    attributes = data.get("attributes")
    at = "/data/attributes"
    if not isinstance(attributes, Mapping) or not set(attributes) <= _EVENT_FIELDS:
        raise KlaviyoError(400, "invalid", "Not the attributes of an event.", at)
    properties = attributes.get("properties")
    if not isinstance(properties, Mapping) or len(properties) > MOST_EVENT_PROPERTIES:
        raise KlaviyoError(400, "invalid", "'properties' is required, of at most 400.", f"{at}/properties")
    metric = inner(attributes, "metric", "data")
    name = inner(metric, "attributes").get("name")
    if metric.get("type") != "metric" or not isinstance(name, str) or not 0 < len(name) <= LONGEST_METRIC:
        raise KlaviyoError(400, "invalid", "A metric needs a name.", f"{at}/metric/data/attributes/name")
    check_profile(inner(attributes, "profile").get("data"), f"{at}/profile/data")
    value = attributes.get("value")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise KlaviyoError(400, "invalid", "A number is required.", f"{at}/value")
    for text, form in (("unique_id", ".+"), ("value_currency", "[A-Z]{3}")):
        given = attributes.get(text)
        if given is not None and not (isinstance(given, str) and re.fullmatch(form, given)):
            raise KlaviyoError(400, "invalid", f"Not a {text}.", f"{at}/{text}")
    if not isinstance(attributes.get("backfill", False), bool | None):
        raise KlaviyoError(400, "invalid", "A boolean is required.", f"{at}/backfill")
    moment = parse_time(attributes.get("time")) if attributes.get("time") is not None else now
    if moment is None or moment.year <= _FIRST_YEAR or moment > now + timedelta(days=366):
        raise KlaviyoError(400, "invalid", "The time is out of range.", f"{at}/time")
    return attributes


def unset_properties(data: Mapping[str, Any], pointer: str) -> list[str]:
    """Return the properties that the `meta` of a resource removes."""
    patch = inner(data, "meta", "patch_properties")
    if set(patch) - {"unset"}:
        raise KlaviyoError(400, "invalid", "This fake supports `unset` only.", f"{pointer}/meta")
    names = patch.get("unset") or []
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise KlaviyoError(
            400, "invalid", "A list of names is required.", f"{pointer}/meta/patch_properties/unset"
        )
    return names


def _is_email(value: str) -> bool:
    return bool(_EMAIL.fullmatch(value))


def inner(body: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return the object at a path of nested objects; an empty one if it is missing."""
    for name in path:
        found = body.get(name)
        body = found if isinstance(found, Mapping) else {}
    return body


def parse_time(value: object) -> datetime | None:
    """Parse an ISO-8601 text, in UTC if it names no zone; None if it is invalid."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_filter(written: str) -> tuple[str, list[str]]:
    """Parse a filter into its field and its values: `any(email,["a@b.co"])` or `equals(id,"01…")`."""
    parts = _FILTER.fullmatch(written)
    try:
        values = json.loads(parts[3]) if parts else None
    except ValueError:
        values = None
    values = [values] if isinstance(values, str) else values
    if parts is None or not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise KlaviyoError(400, "invalid", "Invalid filter provided", "filter")
    return parts[2], [value.lower() if parts[2] == "email" else value for value in values]
