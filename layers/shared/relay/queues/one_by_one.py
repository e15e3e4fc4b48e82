"""Messages about single members, one after the other: what goes wrong with one is not the others' matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from relay.errors import PermanentError, TransientError
from relay.model.member import member_key
from relay.queues.batch import Context, Message, Results


def for_each_message(
    messages: Sequence[Message], context: Context, needed_ms: int, handle: Callable[[Message], None]
) -> Results:
    """Handle these messages; those for which fewer than `needed_ms` are left are put off."""
    answers: dict[str, Exception | None] = {}
    for message in messages:
        if context.get_remaining_time_in_millis() < needed_ms:
            # Put off rather than handed back: nothing is wrong with it, so it must spend no receives.
            answers[message.id] = TransientError("no time left in this invocation", retry_after=1)
            continue
        try:
            handle(message)
            answers[message.id] = None
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one message is not the others' matter
            answers[message.id] = error
    return answers


def customer_of(member: str, shop: str) -> str:
    """Return the customer id in the key of one of this shop's members.

    Raises:
        PermanentError: `other_shop`, where it is no key of this shop's.

    """
    customer_id = member.rpartition(":")[2]
    if not customer_id or member != member_key(shop, customer_id):
        raise PermanentError("other_shop", "member")
    return customer_id
