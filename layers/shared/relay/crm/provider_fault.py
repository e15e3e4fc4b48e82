"""Tells a fault of the whole provider from faults of its members: one code that meets many of them.

A code that meets at least ten members and half of a call, in two calls in a row, is the provider's matter: a required
property, a full account. Where a call holds one member, it is a code of ten of the last twenty calls, for ten members.
The circuit then opens with that code, so that thousands of members do not wait one by one. What speaks for it is stored
with the circuit, because every environment sees a part of the calls; written only while something speaks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from relay.ports.crm import CrmOutcome

Evidence: TypeAlias = tuple[tuple[str, str], ...]
"""Calls, the oldest first, as pairs of a member key and a code; the code is empty for a member that was written."""

MEMBERS: Final = 10
_CALLS: Final = 20
_IN_A_ROW: Final = 2
_WHOLE_CALL: Final = ""
"""In place of a member key: the entry is of a call with many members."""


def add(evidence: Evidence, outcomes: Mapping[str, CrmOutcome], *, members_per_call: int) -> Evidence:
    """Return the evidence after one more call; empty if nothing speaks for a fault of the provider."""
    answered = {
        key: outcome
        for key, outcome in outcomes.items()
        if outcome.state in {"mirrored", "waiting", "refused"}
    }
    if not answered:
        return evidence
    if members_per_call > 1:
        code = _common_code(answered)
        return (*evidence, (_WHOLE_CALL, code))[-_IN_A_ROW:] if code else ()
    calls = [(key, _code(outcome)) for key, outcome in answered.items()]
    latest = (*evidence, *calls)[-_CALLS:]
    return latest if any(code for _, code in latest) else ()


def code_of(evidence: Evidence) -> str:
    """Return the code that is the provider's matter; empty if there is none."""
    whole = [code for key, code in evidence if key == _WHOLE_CALL]
    if len(whole) >= _IN_A_ROW and len(set(whole[-_IN_A_ROW:])) == 1:
        return whole[-1]
    members: dict[str, set[str]] = {}
    for key, code in evidence:
        if code and key != _WHOLE_CALL:
            members.setdefault(code, set()).add(key)
    return next((code for code, keys in members.items() if len(keys) >= MEMBERS), "")


def _common_code(outcomes: Mapping[str, CrmOutcome]) -> str:
    """Return the code of at least ten members and half of a call; empty if there is none."""
    codes: Sequence[tuple[str, int]] = Counter(filter(None, map(_code, outcomes.values()))).most_common(1)
    for code, number in codes:
        if number >= MEMBERS and 2 * number >= len(outcomes):
            return code
    return ""


def _code(outcome: CrmOutcome) -> str:
    """Return the code of a member that waits, without the field that it names."""
    return outcome.reason.partition(" ")[0] if outcome.state == "waiting" else ""
