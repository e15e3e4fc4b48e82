"""Reads HubSpot's answer to a batch: the outcome of each member in it.

200, 207   a member in `results` is mirrored; one in `errors` is named by its trace id; one in neither was silently
           dropped, which a malformed batch can cause: refused
400, 409   for a single member: its own fault; for several, the fault could be any member's: retried in halves
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from relay.adapters.http import objects_in
from relay.adapters.hubspot.client import HubspotReply
from relay.adapters.hubspot.mapping import KEY
from relay.ports.crm import CrmOutcome

_EXISTING_ID: Final = re.compile(r"Existing ID: (\d+)")
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]{2,59}")
_PROPERTY: Final = re.compile(r"[a-z][a-z0-9_]{0,99}")
_IN_MESSAGE: Final = {
    "error": re.compile(r'"error":\s?"([A-Z][A-Z0-9_]{2,59})"'),
    "name": re.compile(r'"name":\s?"([a-z][a-z0-9_]{0,99})"'),
}
"""The message has the fault of a value as JSON after a sentence; only words of this form are taken from it."""

_RETRYABLE: Final = frozenset(
    {"RATE_LIMITS", "INTERNAL_ERROR", "SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"}
)
_UNKNOWN_PROPERTY: Final = "PROPERTY_DOESNT_EXIST"


@dataclass(slots=True)
class HubspotAnswer:
    """What is known after an answer: outcomes, and the member keys that need another call.

    `taken` is the id of the contact that has a member's e-mail address, by member key. `undefined` are members with a
    property that HubSpot does not know yet, `unclear` those of a failed batch.
    """

    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    undefined: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)


def read_answer(reply: HubspotReply, keys: Sequence[str]) -> HubspotAnswer:
    """Read the answer to an upsert of these members, whose trace ids are their keys."""
    answer = HubspotAnswer()
    if reply.status >= HTTPStatus.BAD_REQUEST:
        _read_error(answer, reply.body, keys)
        return answer
    for result in objects_in(reply.body, "results"):
        key = _key_of(result)
        if key in keys:
            answer.outcomes[key] = CrmOutcome(state="mirrored", id=_id_of(result))
    for error in objects_in(reply.body, "errors"):
        named = [key for key in _traces(error) if key in keys and key not in answer.outcomes]
        for key in named:
            _read_error(answer, error, [key])
    known = {*answer.outcomes, *answer.taken, *answer.undefined}
    missing = [key for key in keys if key not in known]
    unnamed_error = any(not list(_traces(error)) for error in objects_in(reply.body, "errors"))
    if unnamed_error and len(missing) > 1:
        answer.unclear += missing
    else:
        answer.outcomes |= dict.fromkeys(missing, CrmOutcome(state="refused", reason="silent_2xx"))
    return answer


def _read_error(answer: HubspotAnswer, error: Mapping[str, Any], keys: Sequence[str]) -> None:
    codes = list(_codes(error))
    existing = _EXISTING_ID.search(str(error.get("message", "")))
    if _UNKNOWN_PROPERTY in codes or _UNKNOWN_PROPERTY in str(error.get("message", "")):
        answer.undefined += keys
    elif len(keys) > 1:
        answer.unclear += keys
    elif existing:
        answer.taken[keys[0]] = existing[1]
    else:
        reason = " ".join([codes[0].lower() if codes else "no_reason", *_properties(error)][:2])
        again = bool(_RETRYABLE.intersection(codes))
        answer.outcomes[keys[0]] = CrmOutcome(
            state="retry" if again else "refused", reason=reason, member_only=again
        )


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    """Yield HubSpot's codes of an error, the most specific first; never its message, which quotes values."""
    for detail in objects_in(error, "errors"):
        yield from _code(detail.get("code"))
    yield from _IN_MESSAGE["error"].findall(str(error.get("message", "")))
    for name in ("subCategory", "category"):
        yield from _code(error.get(name))


def _properties(error: Mapping[str, Any]) -> Iterator[str]:
    """Yield the properties that an error is about: a merchant may require one that only the merchant can fill."""
    for detail in objects_in(error, "errors"):
        context = detail.get("context")
        named = context.get("propertyName") if isinstance(context, Mapping) else None
        yield from (name for name in named or () if _PROPERTY.fullmatch(str(name)))
    yield from _IN_MESSAGE["name"].findall(str(error.get("message", "")))


def _code(value: object) -> Iterator[str]:
    if isinstance(value, str) and _CODE.fullmatch(value):
        yield value


def _traces(error: Mapping[str, Any]) -> Iterator[str]:
    """Yield the trace ids that an error names: a list according to the documentation, sometimes a single one."""
    context = error.get("context")
    named = context.get("objectWriteTraceId") if isinstance(context, Mapping) else None
    if isinstance(named, str):
        yield named
    elif isinstance(named, list):
        yield from (name for name in named if isinstance(name, str))


def _key_of(result: Mapping[str, Any]) -> str:
    properties = result.get("properties")
    key = properties.get(KEY) if isinstance(properties, Mapping) else None
    return str(key or result.get("objectWriteTraceId") or "")


def _id_of(result: Mapping[str, Any]) -> str | None:
    return str(result["id"]) if result.get("id") else None
