"""Reads Salesforce's answer to a collection: the outcome of each member in it.

200       a list in the order of the request: `{id, success, created, errors[]}` for each record. A list of another
          length, or no list, confirms no member: they wait
300, 400  by the codes in `faults.py`: for a single member, what the code blames; for several, the same for all of them,
          unless one record can cause it: then retried in halves
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.fault_table import fault_of
from relay.adapters.salesforce.client import (
    UNKNOWN_PARTS,
    SalesforceReply,
    codes,
    fields_named,
)
from relay.adapters.salesforce.faults import FAULTS
from relay.ports.crm import CrmOutcome

_SILENT: Final = CrmOutcome(state="waiting", reason="silent_2xx")
_CONFLICT: Final = CrmOutcome(state="waiting", reason="identity_conflict")

_AMBIGUOUS: Final = frozenset({"duplicate_external_id", "multiple_records_found"})
_LOCK: Final = "unable_to_lock_row"
_TAKEN: Final = "duplicate_value"
_MULTIPLE_CHOICES: Final = 300


@dataclass(slots=True)
class SalesforceAnswer:
    """What is known after an answer: outcomes, and the member keys that need another call.

    `taken` are members whose key another record took since the query, `unclear` those of a call that was refused as a
    whole, with the reason. `unavailable` is the outcome of every member, if no further call may be made.
    """

    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    unclear: dict[str, str] = field(default_factory=dict)
    unavailable: CrmOutcome | None = None


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
    elif _TAKEN in found:
        answer.taken.append(key)
    elif _AMBIGUOUS.intersection(found):
        answer.outcomes[key] = _CONFLICT
    else:
        # A lock within a trigger is told with the trigger's code first.
        decisive = [_LOCK] if _LOCK in found else found
        reason = _reason(decisive, errors) if decisive else "no_reason"
        answer.outcomes[key] = fault_of(FAULTS, decisive).outcome(reason, member_only=_LOCK in found)


def _reason(found: Sequence[str], errors: object) -> str:
    """Return the first code, and the field that the error names: a merchant may require one that only the merchant can fill."""
    return " ".join([found[0], *list(fields_named(errors))[:1]])
