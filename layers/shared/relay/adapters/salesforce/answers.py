"""What Salesforce's answer to a collection means for each member in it.

200       a list in the order of the request: `{id, success, created, errors[]}` for each record. One that is
          shorter, or no list, names nobody: refused
300, 400  for a single member: its own matter; for more, nobody can say whose: ask again in halves
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.salesforce.client import LOCK_SECONDS, UNKNOWN, SalesforceReply, codes, wait_for
from relay.ports.crm import CrmOutcome

_SILENT: Final = CrmOutcome(state="refused", reason="silent_2xx")
_CONFLICT: Final = CrmOutcome(state="refused", reason="identity_conflict")

_NOT_NOW: Final = frozenset({"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
_SEVERAL: Final = frozenset({"DUPLICATE_EXTERNAL_ID", "MULTIPLE_RECORDS_FOUND"})
_TAKEN: Final = "DUPLICATE_VALUE"
_MULTIPLE_CHOICES: Final = 300


@dataclass(slots=True)
class SalesforceAnswer:
    """What is known after an answer: outcomes, and whose writing goes on.

    `taken` are members whose key another record took since we looked; `unclear` those of a call that was
    refused as a whole; `closed` is what closes the door to everybody.
    """

    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    closed: CrmOutcome | None = None


def read(reply: SalesforceReply, keys: Sequence[str]) -> SalesforceAnswer:
    """Read the answer to a collection whose records belong to these members, in this order."""
    reading = SalesforceAnswer()
    if reply.status >= _MULTIPLE_CHOICES:
        if len(keys) > 1:
            reading.unclear += keys
        else:
            reading.outcomes[keys[0]] = _refused(reply)
        return reading
    results = reply.body if isinstance(reply.body, list) else []
    if len(results) != len(keys):
        # Whose the answers are that came is not known either: their order is all there is.
        reading.outcomes |= dict.fromkeys(keys, _SILENT)
        return reading
    for key, result in zip(keys, results, strict=True):
        _read_one(reading, key, result if isinstance(result, Mapping) else {})
    return reading


def _read_one(reading: SalesforceAnswer, key: str, result: Mapping[str, Any]) -> None:
    words = list(codes(result.get("errors")))
    unknown = [UNKNOWN[word] for word in words if word in UNKNOWN]
    if result.get("success") is True:
        known = result.get("id")
        reading.outcomes[key] = CrmOutcome(state="mirrored", id=str(known)) if known else _SILENT
    elif unknown:
        reading.closed = CrmOutcome(state="unauthorised", reason=unknown[0])
    elif _TAKEN in words:
        reading.taken.append(key)
    elif _SEVERAL.intersection(words):
        reading.outcomes[key] = _CONFLICT
    elif _NOT_NOW.intersection(words):
        reading.outcomes[key] = CrmOutcome(
            state="retry",
            reason=words[0].lower(),
            retry_after=wait_for(words) or LOCK_SECONDS,
            alone="UNABLE_TO_LOCK_ROW" in words,
        )
    else:
        reading.outcomes[key] = CrmOutcome(state="refused", reason=words[0].lower() if words else "no_reason")


def _refused(reply: SalesforceReply) -> CrmOutcome:
    if reply.status == _MULTIPLE_CHOICES:
        return _CONFLICT
    words = list(codes(reply.body))
    return CrmOutcome(state="refused", reason=words[0].lower() if words else f"http_{reply.status}")
