"""Reads HubSpot's answer to a batch: the outcome of each member in it.

200, 207   a member in `results` is mirrored; one in `errors` is named by its trace id; one in neither is the one of an
           error without a trace id, if there is one, else it was silently dropped, which a malformed batch can cause: it
           waits
400, 409   by the codes in `faults.py`: for a single member, what the code blames; for several, the same for all of them,
           unless one record can cause it: then retried in halves
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final

from relay.adapters.fault_table import UNKNOWN, fault_of
from relay.adapters.http import objects_in
from relay.adapters.hubspot.client import HubspotReply
from relay.adapters.hubspot.faults import FAULTS
from relay.adapters.hubspot.mapping import KEY
from relay.ports.crm import CrmOutcome

_EXISTING_ID: Final = re.compile(r"Existing ID: (\d+)|(\d+) already has that value\.?$")
"""HubSpot's two sentences for an address that a contact has. The second one quotes the address, which a member chooses: only
its end counts."""

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]{2,59}")
_PROPERTY: Final = re.compile(r"[a-z][a-z0-9_]{0,99}")
_IN_MESSAGE: Final = {
    "error": re.compile(r'"error":\s?"([A-Z][A-Z0-9_]{2,59})"'),
    "name": re.compile(r'"name":\s?"([a-z][a-z0-9_]{0,99})"'),
}
"""The message has the fault of a value as JSON after a sentence; only words of this form are taken from it."""

_EMAIL: Final = "email"
_UNDEFINED: Final = frozenset({"property_doesnt_exist", "invalid_option"})


@dataclass(slots=True)
class HubspotAnswer:
    """What is known after an answer: outcomes, and the member keys that need another call.

    `taken` is the id of the contact that has a member's e-mail address, by member key. `undefined` are members with a
    property or an option that HubSpot does not know yet, and the code; `unclear` those of a failed batch, and the code.
    """

    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    unclear: dict[str, str] = field(default_factory=dict)


def read_answer(reply: HubspotReply, keys: Sequence[str]) -> HubspotAnswer:
    """Read the answer to an upsert of these members, whose trace ids are their keys."""
    answer = HubspotAnswer()
    if reply.status >= HTTPStatus.BAD_REQUEST:
        _read_error(answer, reply.body, keys, f"http_{reply.status}")
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
    unnamed = [error for error in objects_in(reply.body, "errors") if not list(_traces(error))]
    if unnamed and missing:
        _read_unnamed(answer, unnamed, missing)
    else:
        answer.outcomes |= dict.fromkeys(missing, CrmOutcome(state="waiting", reason="silent_2xx"))
    return answer


def _read_unnamed(answer: HubspotAnswer, errors: Sequence[Mapping[str, Any]], missing: Sequence[str]) -> None:
    """Read errors that name no member: they are of those that are in no other part of the answer."""
    undefined = next((error for error in errors if _is_undefined(error)), None)
    if undefined is not None:
        _read_error(answer, undefined, missing)
    elif len(missing) == 1:
        _read_error(answer, errors[0], missing)
    else:
        answer.unclear |= dict.fromkeys(missing, "unnamed_error")


def refusals(reply: HubspotReply, keys: Sequence[str]) -> dict[str, CrmOutcome]:
    """Return the outcomes of the members that an answer refuses by name, or all of them together; of no others."""
    answer = HubspotAnswer()
    if reply.status >= HTTPStatus.BAD_REQUEST:
        _read_error(answer, reply.body, keys, f"http_{reply.status}")
    for error in objects_in(reply.body, "errors"):
        for key in _traces(error):
            if key in keys:
                _read_error(answer, error, [key])
    unclear = answer.undefined | answer.unclear | dict.fromkeys(answer.taken, "conflict")
    waiting = {key: CrmOutcome(state="waiting", reason=reason) for key, reason in unclear.items()}
    return {**waiting, **answer.outcomes}


def _read_error(
    answer: HubspotAnswer, error: Mapping[str, Any], keys: Sequence[str], status: str = ""
) -> None:
    codes = [code.lower() for code in _codes(error)] + [status]
    existing = _EXISTING_ID.search(str(error.get("message", "")))
    reason = " ".join([codes[0] or "no_reason", *_properties(error)][:2])
    fault = fault_of(FAULTS, codes)
    named = set(_properties(error))
    if fault.blames == "member" and named and _EMAIL not in named:
        fault = replace(
            UNKNOWN, one_record=True
        )  # a rule for a property of the merchant's, which a workflow may fill
    if _is_undefined(error):
        answer.undefined |= dict.fromkeys(keys, reason)
    elif len(keys) > 1 and (fault.one_record or existing):
        answer.unclear |= dict.fromkeys(keys, reason)
    elif existing:
        answer.taken[keys[0]] = existing[1] or existing[2]
    else:
        answer.outcomes |= dict.fromkeys(keys, fault.outcome(reason, member_only=fault.blames == "later"))


def _is_undefined(error: Mapping[str, Any]) -> bool:
    codes = {code.lower() for code in _codes(error)}
    return bool(_UNDEFINED & codes) or "PROPERTY_DOESNT_EXIST" in str(error.get("message", ""))


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
