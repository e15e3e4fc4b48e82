"""What a write asks to have granted goes to a queue of its own: giving money away is slow, and done with care."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from relay.changes import Grant, Outbox, dump
from relay.effects import GrantCredits, effect_id
from relay.ports.outgoing import Outgoing, OutgoingMessage


def grants_of(outbox: Outbox | None) -> Iterator[Grant]:
    """Yield the credits that the rules asked for in one write."""
    if outbox is None:
        return
    for happening in outbox.happenings:
        for effect in happening.effects:
            if isinstance(effect, GrantCredits):
                yield Grant(
                    id=effect_id(happening.event_id, effect),
                    event_id=happening.event_id,
                    topic=happening.topic,
                    member=outbox.member,
                    at=happening.at,
                    rule=effect.rule,
                    key=effect.key,
                    amount=effect.amount,
                )


@dataclass(frozen=True, slots=True)
class GrantQueue:
    """The queue of `grants`, and how many seconds a grant waits in it: a reading proves nothing before that."""

    queue: Outgoing
    delay: int

    def message(self, grant: Grant) -> OutgoingMessage:
        """Return a grant as it is sent."""
        attributes = {"event_id": grant.event_id, "topic": grant.topic}
        return OutgoingMessage(body=dump(grant), attributes=attributes, delay=self.delay)
