"""Reads Salesforce's answer to a collection: the outcome of each member in it.

200       a list in the order of the request: `{id, success, created, errors[]}` for each record. A list of another
          length, or no list, confirms no member: they wait
300, 400  by the codes in `faults.py`: for a single member, what the code blames; for several, the same for all of them,
          unless one record can cause it: then retried in halves
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.fault_table import UNKNOWN, fault_of
from relay.adapters.salesforce.client import (
    UNKNOWN_PARTS,
    SalesforceReply,
    codes,
    fields_named,
)
from relay.adapters.salesforce.faults import FAULTS
from relay.adapters.salesforce.mapping import KEY, PERSON_FIELDS
from relay.ports.crm import CrmOutcome

_SILENT: Final = CrmOutcome(state="waiting", reason="silent_2xx")
_CONFLICT: Final = CrmOutcome(state="waiting", reason="identity_conflict")

_AMBIGUOUS: Final = frozenset({"duplicate_external_id", "multiple_records_found"})
_LOCK: Final = "unable_to_lock_row"
_TAKEN: Final = "duplicate_value"
_DUPLICATE: Final = re.compile(r"duplicate value found: ([A-Za-z][A-Za-z0-9_]{0,79}) duplicates value")
_MEMBERS_OWN: Final = frozenset({"Id", "Email", "PersonEmail", "Membership_Email__c"})
"""The fields whose value is the member's own, of any length: an address is never cut."""

_MULTIPLE_CHOICES: Final = 300


@dataclass(slots=True)
class SalesforceAnswer:
    """What is known after an answer: outcomes, and the member keys that need another call.

    `taken` are members whose key another record took since the query, `unclear` those of a call that was refused as a
    whole, with the reason. `unavailable` is the outcome of every member, if no further call may be made. `personal` are
    the fields of a refusal that is about names or phone alone: a record is not to lack all the others for them.
    """

    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    unclear: dict[str, str] = field(default_factory=dict)
    unavailable: CrmOutcome | None = None
    personal: dict[str, frozenset[str]] = field(default_factory=dict)


def read_answer(reply: SalesforceReply, keys: Sequence[str]) -> SalesforceAnswer:
    """Read the answer to a collection whose records belong to these members, in this order."""
    answer = SalesforceAnswer()
    if reply.status >= _MULTIPLE_CHOICES:
        _read_refusal(answer, reply, keys)
        return answer
    results = reply.body if isinstance(reply.body, list) else []
    if len(results) != len(keys):
        # Only their order connects results with members, so none of them can be used.
        answer.outcomes |= dict.fromkeys(keys, _SILENT)
        return answer
    for key, result in zip(keys, results, strict=True):
        _read_one(answer, key, result if isinstance(result, Mapping) else {})
    return answer


def _read_refusal(answer: SalesforceAnswer, reply: SalesforceReply, keys: Sequence[str]) -> None:
    found = [*codes(reply.body), f"http_{reply.status}"]
    reason = _reason(found, reply.body)
    fault = fault_of(FAULTS, found)
    conflict = reply.status == _MULTIPLE_CHOICES
    if len(keys) > 1 and (fault.one_record or conflict):
        answer.unclear |= dict.fromkeys(keys, reason)
    elif conflict:
        answer.outcomes[keys[0]] = _CONFLICT
    else:
        answer.outcomes |= dict.fromkeys(keys, fault.outcome(reason))


def _read_one(answer: SalesforceAnswer, key: str, result: Mapping[str, Any]) -> None:
    errors = result.get("errors")
    found = list(codes(errors))
    unknown = [UNKNOWN_PARTS[code] for code in found if code in UNKNOWN_PARTS]
    if result.get("success") is True:
        record = result.get("id")
        made = result.get("created") is True
        answer.outcomes[key] = CrmOutcome(state="mirrored", id=str(record), made=made) if record else _SILENT
    elif unknown:
        answer.unavailable = fault_of(FAULTS, found).outcome(unknown[0])
    elif _TAKEN in found and _unique_field(errors) == KEY:
        answer.taken.append(key)
    elif _AMBIGUOUS.intersection(found):
        answer.outcomes[key] = _CONFLICT
    else:
        # A lock within a trigger is told with the trigger's code first.
        decisive = [_LOCK] if _LOCK in found else found
        reason = _reason(decisive, errors) if decisive else "no_reason"
        fault = fault_of(FAULTS, decisive)
        named = frozenset(fields_named(errors))
        if fault.blames == "member" and not named <= _MEMBERS_OWN:
            # Relay keeps each text and number to its own definition: a field that takes less was made narrower, or a rule
            # of the merchant's fills it.
            fault = UNKNOWN
        answer.outcomes[key] = fault.outcome(reason, member_only=_LOCK in found)
        if named and named.issubset(PERSON_FIELDS):
            answer.personal[key] = named


def _unique_field(errors: object) -> str:
    """Return the field whose value another record has; our key where the answer does not say."""
    for error in errors if isinstance(errors, list) else ():
        named = _DUPLICATE.search(str(error.get("message", ""))) if isinstance(error, Mapping) else None
        if named:
            return named[1]
    return next(iter(fields_named(errors)), KEY)


def _reason(found: Sequence[str], errors: object) -> str:
    """Return the first code, and the field that the error names: a merchant may require one that only the merchant can fill."""
    unique = [_unique_field(errors)] if found[0] == _TAKEN else []
    return " ".join([found[0], *[*fields_named(errors), *unique][:1]])
