"""Reads Salesforce's answer to a collection: the outcome of each member in it.

200       a list in the order of the request: `{id, success, created, errors[]}` for each record. A list of another
          length, or no list, confirms no member: refused
300, 400  for a single member: its own fault; for several, the fault could be any member's: retried in halves
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.salesforce.client import LOCK_SECONDS, UNKNOWN, SalesforceReply, codes, wait_for
from relay.ports.crm import CrmOutcome

_SILENT: Final = CrmOutcome(state="refused", reason="silent_2xx")
_CONFLICT: Final = CrmOutcome(state="refused", reason="identity_conflict")

_RETRYABLE: Final = frozenset({"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
_AMBIGUOUS: Final = frozenset({"DUPLICATE_EXTERNAL_ID", "MULTIPLE_RECORDS_FOUND"})
_TAKEN: Final = "DUPLICATE_VALUE"
_MULTIPLE_CHOICES: Final = 300


@dataclass(slots=True)
class SalesforceAnswer:
    """What is known after an answer: outcomes, and the member keys that need another call.

    `taken` are members whose key another record took since the query, `unclear` those of a call that was refused as a
    whole. `unavailable` is the outcome of every member, if no further call may be made.
    """

    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    unavailable: CrmOutcome | None = None


def read_answer(reply: SalesforceReply, keys: Sequence[str]) -> SalesforceAnswer:
    """Read the answer to a collection whose records belong to these members, in this order."""
    answer = SalesforceAnswer()
    if reply.status >= _MULTIPLE_CHOICES:
        if len(keys) > 1:
            answer.unclear += keys
        else:
            answer.outcomes[keys[0]] = _refused(reply)
        return answer
    results = reply.body if isinstance(reply.body, list) else []
    if len(results) != len(keys):
        # Only their order connects results with members, so none of them can be used.
        answer.outcomes |= dict.fromkeys(keys, _SILENT)
        return answer
    for key, result in zip(keys, results, strict=True):
        _read_one(answer, key, result if isinstance(result, Mapping) else {})
    return answer


def _read_one(answer: SalesforceAnswer, key: str, result: Mapping[str, Any]) -> None:
    found = list(codes(result.get("errors")))
    unknown = [UNKNOWN[code] for code in found if code in UNKNOWN]
    if result.get("success") is True:
        record = result.get("id")
        answer.outcomes[key] = CrmOutcome(state="mirrored", id=str(record)) if record else _SILENT
    elif unknown:
        answer.unavailable = CrmOutcome(state="unauthorised", reason=unknown[0])
    elif _TAKEN in found:
        answer.taken.append(key)
    elif _AMBIGUOUS.intersection(found):
        answer.outcomes[key] = _CONFLICT
    elif _RETRYABLE.intersection(found):
        answer.outcomes[key] = CrmOutcome(
            state="retry",
            reason=found[0].lower(),
            retry_after=wait_for(found) or LOCK_SECONDS,
            member_only="UNABLE_TO_LOCK_ROW" in found,
        )
    else:
        answer.outcomes[key] = CrmOutcome(state="refused", reason=found[0].lower() if found else "no_reason")


def _refused(reply: SalesforceReply) -> CrmOutcome:
    if reply.status == _MULTIPLE_CHOICES:
        return _CONFLICT
    found = list(codes(reply.body))
    return CrmOutcome(state="refused", reason=found[0].lower() if found else f"http_{reply.status}")
