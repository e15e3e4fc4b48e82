"""Whether a member is still about to leave: what the API says now, weighed against what the events told.

A reading is dated two minutes early (`reading.py`), so within two minutes of the event it proves nothing:
the platform's own copy may be older than its webhook. Then the question is put off, not answered.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from relay.errors import TransientError
from relay.model.member import Member
from relay.ports.inveterate import MemberReading
from relay.reconcile.api_facts import EARLY

LATEST: Final = timedelta(days=30)
"""An event older than this asks for no grant any more. A grant record is remembered for far longer."""

_STILL: Final = "pending_cancellation"
_NOT: Final = "ACTIVE"
"""The platform's word for "is not about to leave". It names three words as examples; any other proves nothing."""


def reasons_not_to_grant(now: Member, reading: MemberReading, date: datetime, since: datetime) -> str | None:
    """Return what speaks against a grant for the event of `since`; None where nothing does.

    `now` is the record with the reading in it, `date` when that was answered. The answer is `late`,
    `erased`, or the member's status.

    Raises:
        TransientError: the API and a newer event contradict each other.

    """
    if date - since > LATEST:
        return "late"
    if now.value("anonymized"):
        return "erased"
    if now.status != _STILL:
        return now.status
    if (reading.member.status or "").upper() == _NOT:
        raise TransientError("the API does not know of the cancellation", retry_after=EARLY.total_seconds())
    return None
