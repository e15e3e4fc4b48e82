"""Routes the deliveries in `unclaimed` again: one with a known topic goes to its queue, any other waits three days.

After a deployment that knows a new topic no command is needed: the next tick routes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from relay.errors import PermanentError
from relay.ingest.receive import place
from relay.model import journal
from relay.model.delivery import Delivery, pack, unpack
from relay.model.metrics import Outcome
from relay.ports.messaging import Journal, MessageSender, OutgoingMessage
from relay.ports.runtime import Telemetry
from relay.queues.batch import (
    RESERVE_MS,
    TOO_OLD,
    Context,
    Message,
    begin_anew_if_redriven,
    dead_letter,
)
from relay.topics import UNCLAIMED


class UnclaimedQueue(Protocol):
    """The queue, as it is read by calls."""

    def receive(self) -> Sequence[Message]:
        """Return a few messages, hidden from other readers for the queue's visibility timeout; none when empty."""
        ...

    def delete(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages."""
        ...

    def release(self, receipts: Sequence[str]) -> None:
        """Show messages to other readers again; one that is not shown appears when its visibility timeout is over."""
        ...


_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "placed": "unclaimed_placed",
    "given_up": "unclaimed_given_up",
    "kept": "unclaimed_kept",
}


def destination(shop: str, message: Message) -> tuple[str, Delivery] | None:
    """Return the topic's queue of a message of `unclaimed`, and its delivery as of now; None where it has none yet."""
    try:
        kept = unpack(message.body, message.header)
    except ValueError:
        return None
    queue, delivery = place(shop, kept.body, kept.received_at)
    return None if queue == UNCLAIMED else (queue, delivery)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclaimedDrain:
    """Routes the messages of the queue `unclaimed` again. `topics` are the topics' queues by name."""

    shop: str
    unclaimed: UnclaimedQueue
    topics: Mapping[str, MessageSender]
    dead_letters: MessageSender
    journal: Journal

    def run(self, now: datetime, telemetry: Telemetry, context: Context) -> dict[str, int]:
        """Handle every message once; return how many were `placed`, `given_up` and `kept`.

        What is kept stays hidden until the last message is handled, so that this loop does not receive it twice. Then
        it is shown again at once: hidden until the next tick, no person could list, place or drop it.
        """
        counts: Counter[str] = Counter()
        kept: dict[str, str] = {}
        try:
            while context.get_remaining_time_in_millis() > RESERVE_MS:
                messages = self.unclaimed.receive()
                if not messages:
                    break
                # A message that an error leaves in the middle of its batch is shown as well.
                kept |= {message.id: message.receipt for message in messages}
                for message in map(begin_anew_if_redriven, messages):
                    outcome = self._handle(message, now)
                    counts[outcome] += 1
                    if outcome != "kept":
                        kept.pop(message.id, None)
                    telemetry.outcome(
                        _OUTCOMES[outcome],
                        event_id=message.header.event_id,
                        topic=message.header.topic,
                        reason=message.header.reason,
                    )
        finally:
            self.unclaimed.release(list(kept.values()))
        return dict(counts)

    def _handle(self, message: Message, now: datetime) -> str:
        if outcome := self.place_again(message):
            return outcome
        try:
            kept = unpack(message.body, message.header)
        except ValueError:
            return self._give_up(message, None)
        kept = replace(kept, reason=kept.reason or place(self.shop, kept.body, kept.received_at)[1].reason)
        return self._give_up(message, kept) if now - message.waiting_since >= TOO_OLD else "kept"

    def place_again(self, message: Message) -> str | None:
        """Send a delivery to its topic's queue; return `placed`, `kept` where that failed for now, None where it has no queue."""
        found = destination(self.shop, message)
        if found is None or found[0] not in self.topics:
            return None
        # What is too large to be received can still wait here, packed or redriven by hand: it fits no topic's queue.
        return self._send_to_topic(
            message, unpack(message.body, message.header), found[1], self.topics[found[0]]
        )

    def _send_to_topic(
        self, message: Message, kept: Delivery, delivery: Delivery, topic: MessageSender
    ) -> str:
        """Send it to its topic's queue, under the event's id from now on, like any redelivery.

        The id in its sender's 202 was that of its bytes: a line in the journal leads from it to the event's.
        """
        line = journal.event_line(
            kept,
            shop=self.shop,
            outcome="unclaimed",
            reason=kept.reason,
            effects=[f"{delivery.event_id}.placed"],
        )
        if self.journal.write([line])[0] is not None:
            return "kept"
        text, header = pack(replace(delivery, delivery_id=delivery.delivery_id or kept.delivery_id))
        # Redriven after more than three days, it would be too old for its topic from the start.
        header = replace(header, since=message.header.since, redrives=message.header.redrives)
        if topic.send([OutgoingMessage(body=text, header=header)])[0] is not None:
            return "kept"
        self.unclaimed.delete([message])
        return "placed"

    def _give_up(self, message: Message, kept: Delivery | None) -> str:
        """Journal it and send it to the dead letters: the queue would delete it a day later."""
        if kept:
            line = journal.event_line(kept, shop=self.shop, outcome="unclaimed", reason=kept.reason)
            refusal = self.journal.write([line])[0]
            # What the journal will never take is safe with the dead letters; kept here, it would be deleted.
            if refusal is not None and not isinstance(refusal, PermanentError):
                return "kept"
        reason = (kept.reason if kept else None) or "unreadable_message"
        letter = dead_letter(message, PermanentError(reason), UNCLAIMED)
        if self.dead_letters.send([letter])[0] is not None:
            return "kept"
        self.unclaimed.delete([message])
        return "given_up"
