"""A CRM that is added to a running stack gets every member, and nobody's flows are started for it.

Each member is named to the target's own queue by a change without notes, marked quiet. So a fill takes
its turn beside what happens meanwhile, skips who is mirrored already, keeps the CRM's rate, and uses its
bulk jobs where it has them (`writing.py`). It stops where it is stopped, and goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from relay.errors import TransientError
from relay.model.messages import MemberChanged, dump
from relay.ports.crm_state import SyncStateScan
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.ports.runtime import Clock

_TRIES: Final = 5


class MemberKeyScan(Protocol):
    """All members' keys, page by page."""

    def keys(self, cursor: str | None = None) -> tuple[Sequence[str], str | None]:
        """Return a page of keys, and the cursor of the next; None where this was the last.

        Raises:
            TransientError: when the table does not answer.

        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """One CRM's fill."""

    roll: MemberKeyScan
    queue: MessageSender
    inventory: SyncStateScan
    clock: Clock

    def run(self, *, afresh: bool, progress: Callable[[int], None]) -> dict[str, Any]:
        """Name every member to the target; return what was noted of the run.

        An unfinished run is continued, unless it is to begin `afresh`.

        Raises:
            TransientError: when a table or the queue does not answer; the next run goes on from there.

        """
        noted = dict(self.inventory.run("fill"))
        if afresh or not noted or noted["finished"]:
            noted = {"started": self._now(), "finished": "", "cursor": None, "sent": 0}
        self.inventory.note("fill", noted)
        for keys, cursor in self._pages(noted["cursor"]):
            self._send(keys)
            noted |= {"cursor": cursor, "sent": noted["sent"] + len(keys)}
            if cursor is None:
                noted["finished"] = self._now()
            self.inventory.note("fill", noted)
            progress(noted["sent"])
        return noted

    def _pages(self, cursor: str | None) -> Iterator[tuple[Sequence[str], str | None]]:
        while True:
            keys, cursor = self.roll.keys(cursor)
            yield keys, cursor
            if cursor is None:
                return

    def _send(self, keys: Sequence[str]) -> None:
        left = [backfill_change(key) for key in keys]
        for _ in range(_TRIES):
            answers = self.queue.send(left) if left else []
            left = [message for message, refusal in zip(left, answers, strict=True) if refusal]
        if left:
            raise TransientError("the target's queue does not take its messages")

    def _now(self) -> str:
        moment: datetime = self.clock()
        return moment.isoformat(timespec="seconds")


def backfill_change(key: str) -> OutgoingMessage:
    """Return the message that has a member mirrored and starts nothing."""
    return OutgoingMessage(body=dump(MemberChanged(member=key, backfill=True)))
