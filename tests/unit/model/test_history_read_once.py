"""What the milestones say is read once for a record, and anew for the record after a change."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from relay.model.facts import Facts
from relay.model.member import Member, merge
from relay.model.milestones import Milestone

AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_record_after_a_change_is_read_anew() -> None:
    """A joining after an ending is a rejoining, also where the record before was asked."""
    ended = merge(
        Member(shop="acme.myshopify.com", customer_id="7001"),
        Facts(event_id="e1", at=AT, milestone=Milestone(kind="ended")),
    )
    assert ended.history.rejoinings == ()
    assert ended.history is ended.history
    joined = merge(
        ended,
        Facts(event_id="e2", at=AT + timedelta(days=1), milestone=Milestone(kind="joined", detail="paid")),
    )
    assert len(joined.history.rejoinings) == 1
    assert replace(joined, milestones=ended.milestones).history.rejoinings == ()


def test_a_record_that_was_asked_equals_one_that_was_not() -> None:
    """Neither its equality nor its text shows what was read."""
    asked, fresh = (Member(shop="acme.myshopify.com", customer_id="7001") for _ in range(2))
    assert asked.history.cycles == ()
    assert asked._history is not None
    assert fresh._history is None
    assert (asked, repr(asked)) == (fresh, repr(fresh))
    assert pickle.loads(pickle.dumps(asked)) == fresh  # noqa: S301 - our own bytes
