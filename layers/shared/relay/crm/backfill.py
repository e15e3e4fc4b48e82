"""Writes every member to a CRM that is added to a running stack, without starting the merchant's automations.

Each member is sent to the target's own queue as a change without notes, marked as a back-fill. So a back-fill is
processed among the changes that happen meanwhile, skips members that are mirrored already, keeps the CRM's rate limits and
uses its bulk jobs if it has them (`claimed_write.py`). An interrupted back-fill continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from relay.errors import TransientError
from relay.model.messages import MemberChanged
from relay.ports.crm_state import MemberKeyScan, SyncStateScan
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.ports.runtime import Clock
from relay.ports.scans import Page
from relay.queues.requests import change_message

_MAX_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """The back-fill of one CRM. `queue` is the target's own; `sync_state_scan` keeps the progress."""

    member_keys: MemberKeyScan
    queue: MessageSender
    sync_state_scan: SyncStateScan
    clock: Clock

    def run(self, *, afresh: bool, report: Callable[[int], None]) -> dict[str, Any]:
        """Send every member to the target's queue; return the stored progress. `report` is called with the members sent.

        An unfinished run continues, unless `afresh` is set.

        Raises:
            TransientError: a table or the queue does not answer; the next run continues from there.

        """
        progress = dict(self.sync_state_scan.load_run("backfill"))
        if afresh or not progress or progress["finished"]:
            progress = {"started": self._now(), "finished": "", "cursor": None, "sent": 0}
        self.sync_state_scan.save_run("backfill", progress)
        for page in self._pages(progress["cursor"]):
            self._send(page.items)
            progress |= {"cursor": page.cursor, "sent": progress["sent"] + len(page.items)}
            if page.cursor is None:
                progress["finished"] = self._now()
            self.sync_state_scan.save_run("backfill", progress)
            report(progress["sent"])
        return progress

    def _pages(self, cursor: str | None) -> Iterator[Page[str]]:
        while True:
            page = self.member_keys.page(cursor)
            yield page
            cursor = page.cursor
            if cursor is None:
                return

    def _send(self, keys: Sequence[str]) -> None:
        unsent = [backfill_change(key) for key in keys]
        for _ in range(_MAX_ATTEMPTS):
            refusals = self.queue.send(unsent) if unsent else []
            unsent = [message for message, refusal in zip(unsent, refusals, strict=True) if refusal]
        if unsent:
            raise TransientError("the target's queue does not take its messages")

    def _now(self) -> str:
        moment: datetime = self.clock()
        return moment.isoformat(timespec="seconds")


def backfill_change(key: str) -> OutgoingMessage:
    """Return the message by which a member is written without starting an automation."""
    return change_message(MemberChanged(member=key, backfill=True))
