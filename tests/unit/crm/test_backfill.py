"""A back-fill names every member to the target's queue, and continues after a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from relay.crm.backfill import Backfill
from relay.errors import TransientError
from relay.model.messages import MemberChanged, load
from relay.ports.scans import Page

from tests.contract.crm.profiles import key_of
from tests.support.crm_fakes import FakeClock, FakeSyncStateScan
from tests.support.port_fakes import FakeOutgoing

PAGES: Mapping[str | None, Page[str]] = {
    None: Page(items=[key_of(1), key_of(2)], cursor="second"),
    "second": Page(items=[key_of(3)]),
}


class TwoPages:
    """The keys of three members."""

    def page(self, cursor: str | None = None) -> Page[str]:
        """Return a page."""
        return PAGES[cursor]


def run_backfill(queue: FakeOutgoing, scan: FakeSyncStateScan) -> dict[str, Any]:
    """Back-fill the target behind this queue."""
    backfill = Backfill(member_keys=TwoPages(), queue=queue, sync_state_scan=scan, clock=FakeClock())
    return backfill.run(afresh=False, report=lambda _: None)


def enqueued(queue: FakeOutgoing) -> list[str]:
    """Return the members that the queue was given."""
    return [load(MemberChanged, sent.body).member for sent in queue.sent]


def test_a_refused_message_is_sent_again() -> None:
    """Only the refused message is sent again."""
    queue = FakeOutgoing(refuse={0})
    assert run_backfill(queue, FakeSyncStateScan(name="backfill"))["sent"] == 3
    assert enqueued(queue) == [key_of(2), key_of(1), key_of(3)]


def test_a_queue_that_takes_nothing_ends_the_backfill() -> None:
    """It stops before the page that could not be sent, and the next run begins with that page."""
    queue, scan = FakeOutgoing(refuse=set(range(2, 100))), FakeSyncStateScan(name="backfill")
    with pytest.raises(TransientError):
        run_backfill(queue, scan)
    assert (scan.progress["cursor"], scan.progress["sent"], scan.progress["finished"]) == ("second", 2, "")
    queue.refuse = set()
    assert run_backfill(queue, scan)["sent"] == 3
    assert enqueued(queue) == [key_of(1), key_of(2), key_of(3)]
