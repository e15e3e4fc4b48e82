"""Requests to Relay's own slow functions: rechecks for `reconcile` and grants for `grants`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from relay.model.effects import GrantCredits, effect_id
from relay.model.messages import GrantRequest, Outbox, RecheckRequest, dump
from relay.ports.messaging import MessageSender, OutgoingMessage


def grants_of(outbox: Outbox | None) -> Iterator[GrantRequest]:
    """Yield the credits that the rules asked for in one write."""
    if outbox is None:
        return
    for event_effects in outbox.events:
        for effect in event_effects.effects:
            if isinstance(effect, GrantCredits):
                yield GrantRequest(
                    id=effect_id(event_effects.event_id, effect),
                    event_id=event_effects.event_id,
                    topic=event_effects.topic,
                    member=outbox.member,
                    at=event_effects.at,
                    rule=effect.rule,
                    key=effect.key,
                    amount=effect.amount,
                )


@dataclass(frozen=True, slots=True)
class GrantQueue:
    """The queue of `grants`, and how many seconds a grant waits in it: a reading proves nothing before that."""

    queue: MessageSender
    delay: int

    def message(self, grant: GrantRequest) -> OutgoingMessage:
        """Return a grant as it is sent."""
        attributes = {"event_id": grant.event_id, "topic": grant.topic}
        return OutgoingMessage(body=dump(grant), attributes=attributes, delay=self.delay)


@dataclass(frozen=True, slots=True)
class RecheckQueue:
    """The queue of `reconcile`, and how many seconds a doubt waits in it before it is looked at."""

    queue: MessageSender
    delay: int

    def ask(self, doubts: Sequence[RecheckRequest]) -> Sequence[Exception | None]:
        """Ask; one answer for each doubt, None where it was taken."""
        return self.queue.send([self.message(doubt) for doubt in doubts]) if doubts else []

    def message(self, doubt: RecheckRequest) -> OutgoingMessage:
        """Return a doubt as it is sent."""
        return OutgoingMessage(body=dump(doubt), attributes={"topic": "relay.recheck"}, delay=self.delay)
