"""The messages of Relay's own queues: changes for `crm_sync`, rechecks for `reconcile`, grants for `grants`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from relay.errors import PermanentError
from relay.model.effects import GrantCredits, effect_id
from relay.model.header import MessageHeader
from relay.model.member import member_key
from relay.model.messages import (
    CHANGE_TOPIC,
    RECHECK_TOPIC,
    GrantRequest,
    MemberChanged,
    Outbox,
    RecheckRequest,
    dump,
)
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.queues.batch import Message


def grants_of(outbox: Outbox | None) -> Iterator[GrantRequest]:
    """Yield the grants that the rules decided in one write."""
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
    """The queue of `grants`. A grant waits in it for `delay` seconds: before that, a reading proves nothing."""

    queue: MessageSender
    delay: int

    def message(self, grant: GrantRequest) -> OutgoingMessage:
        """Return a grant as it is sent."""
        header = MessageHeader(event_id=grant.event_id, topic=grant.topic)
        return OutgoingMessage(body=dump(grant), header=header, delay=self.delay)


@dataclass(frozen=True, slots=True)
class RecheckQueue:
    """The queue of `reconcile`. A request waits in it for `delay` seconds: later events may answer it."""

    queue: MessageSender
    delay: int

    def ask(self, requests: Sequence[RecheckRequest]) -> Sequence[Exception | None]:
        """Send requests; one answer for each, None where it was taken."""
        return self.queue.send([self.message(request) for request in requests]) if requests else []

    def message(self, request: RecheckRequest) -> OutgoingMessage:
        """Return a request as it is sent."""
        header = MessageHeader(topic=RECHECK_TOPIC)
        return OutgoingMessage(body=dump(request), header=header, delay=self.delay)


def change_message(change: MemberChanged) -> OutgoingMessage:
    """Return a change as it is sent."""
    return OutgoingMessage(body=dump(change), header=MessageHeader(topic=CHANGE_TOPIC))


def expect_topic(message: Message, *topics: str) -> None:
    """Accept a message of one of these topics, or of none: one that was sent by hand is known by its body alone.

    A message in a wrong queue is never read as that queue's: some kinds have the fields of others.

    Raises:
        PermanentError: `wrong_topic`.

    """
    if message.header.topic and message.header.topic not in topics:
        raise PermanentError("wrong_topic", "relay.topic")


def customer_of(member: str, shop: str) -> str:
    """Return the customer id in the key of one of this shop's members.

    Raises:
        PermanentError: `other_shop`, where it is no key of this shop's.

    """
    customer_id = member.rpartition(":")[2]
    if not customer_id or member != member_key(shop, customer_id):
        raise PermanentError("other_shop", "member")
    return customer_id
