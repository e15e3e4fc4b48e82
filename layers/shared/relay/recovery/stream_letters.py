"""Sends once more what the writes behind a letter of the stream had to send.

Such a letter names a window of time and no member. The journal names them: every write of a member is followed by a line
within seconds, in a file that was begun about then. For each event of those files:

* what the member's record still has in its outbox is sent again;
* an event that no outbox has any more, since the member was written again, is replayed from the journal into its topic's
  queue. Its rule decides again, and its effects have their old ids.

Each of these members is sent to the CRMs as it is now. Events beside the window are sent again as well: alerts, notes, counts
and grants are known by their ids, so what was sent before does nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from relay.errors import TransientError
from relay.ingest.fanout import fan_out
from relay.model.delivery import Delivery, pack
from relay.model.member import member_key
from relay.model.messages import MemberChanged, Outbox, dump
from relay.ports.archive import JournalArchive
from relay.ports.kpis import KpiStore
from relay.ports.members import OutboxReader
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.ports.runtime import Clock, Telemetry
from relay.queues.requests import GrantQueue, RecheckQueue, change_message
from relay.recovery.journal_files import body_of, files_between, read_lines, time_in
from relay.topics import FOLDERS

BEFORE: Final = timedelta(minutes=2)
"""A file holds the lines of a minute: the line of a write may lie in one that was begun shortly before it."""

AFTER: Final = timedelta(minutes=15)
"""A line follows its write at once; where the journal did not take it, with the message's next receives."""

_AT_ONCE: Final = 100

_WRITTEN: Final = frozenset({"applied", "stale", "repeat"})
"""The outcomes of events that were written. An event whose first line was lost has only a `repeat`."""


@dataclass(slots=True)
class _Found:
    """What the journal says of a window: the members that were written, and the events behind it by id."""

    members: set[str] = field(default_factory=set)
    events: dict[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRepair:
    """Fans writes out again. `queue_named` returns a topic's queue by its folder; the rest is the fan-out's."""

    shop: str
    archive: JournalArchive
    outboxes: OutboxReader
    changes: MessageSender
    alerts: MessageSender
    queue_named: Callable[[str], MessageSender | None]
    telemetry: Telemetry
    clock: Clock
    rechecks: RecheckQueue | None = None
    grants: GrantQueue | None = None
    kpis: KpiStore | None = None

    def fan_out_again(self, window: tuple[datetime, datetime]) -> int:
        """Send what the writes of this window had to send; return how many members they were of.

        Raises:
            TransientError: something could not be sent, or AWS does not answer. All of it may be sent again.

        """
        found = self._find(window)
        members = sorted(found.members)
        sent: set[str] = set()
        for start in range(0, len(members), _AT_ONCE):
            sent |= self._send_outboxes(members[start : start + _AT_ONCE])
        lost = [line for event_id, line in found.events.items() if event_id not in sent]
        self._replay(lost)
        return len(members)

    def _find(self, window: tuple[datetime, datetime]) -> _Found:
        begin, end = window
        found = _Found()
        for stored in files_between(self.archive, begin - BEFORE, end + AFTER):
            for line in read_lines(self.archive.read(stored.name) or b""):
                if customer := line.get("customer"):
                    self._take(line, str(customer), found)
        return found

    def _take(self, line: Mapping[str, Any], customer: str, found: _Found) -> None:
        is_event = line.get("kind") == "event"
        if is_event and line.get("outcome") not in _WRITTEN:
            return
        found.members.add(member_key(self.shop, customer))
        if is_event and line.get("topic") in FOLDERS:
            found.events.setdefault(str(line.get("id")), line)

    def _send_outboxes(self, members: Sequence[str]) -> AbstractSet[str]:
        """Send what the outboxes of these members have, and that the members changed; return the ids of their events."""
        outboxes = self.outboxes.outboxes(members)
        failed = fan_out(
            [_as_record(outbox) for outbox in outboxes.values()],
            self.changes,
            self.alerts,
            self.telemetry,
            self.rechecks,
            kpis=self.kpis,
            grants=self.grants,
        )
        if failed is not None:
            raise TransientError("an outbox could not be sent again")
        _send(self.changes, [change_message(MemberChanged(member=member)) for member in members])
        return {event.event_id for outbox in outboxes.values() for event in outbox.events}

    def _replay(self, lines: Iterable[Mapping[str, Any]]) -> None:
        by_folder: dict[str, list[OutgoingMessage]] = {}
        for line in lines:
            if message := replayed(line, self.clock()):
                by_folder.setdefault(FOLDERS[line["topic"]], []).append(message)
        for folder, messages in by_folder.items():
            queue = self.queue_named(folder)
            if queue is None:
                raise TransientError(f"there is no queue {folder}")
            _send(queue, messages)


def replayed(line: Mapping[str, Any], now: datetime) -> OutgoingMessage | None:
    """Return an event of the journal as a message for its topic's queue; None where its body is erased or unreadable."""
    body, received_at = body_of(line), time_in(line, "received_at")
    if not isinstance(body, dict) or received_at is None:
        return None
    text, header = pack(
        Delivery(
            event_id=line["id"],
            body=json.dumps(body, separators=(",", ":")).encode(),
            received_at=received_at,
            topic=line["topic"],
            delivery_id=line.get("delivery_id"),
        )
    )
    return OutgoingMessage(body=text, header=replace(header, since=now, replays=1))


def _as_record(outbox: Outbox) -> Mapping[str, Any]:
    """Return an outbox as a record of the stream. What is counted by hour was counted by its webhooks: not once more."""
    uncounted = replace(outbox, newest_webhook_at=None)
    return {"dynamodb": {"SequenceNumber": "1", "NewImage": {"o": {"S": dump(uncounted)}}}}


def _send(target: MessageSender, messages: Sequence[OutgoingMessage]) -> None:
    """Send messages; raise the first refusal."""
    for refusal in target.send(messages) if messages else ():
        if refusal is not None:
            raise refusal
