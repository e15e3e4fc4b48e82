"""How many messages of a queue others hold, from SQS's approximate counts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from relay.queues.batch import Message
from relay_cli.letters import WatchedInbox
from relay_cli.resources import QueueDepth

from tests.support.port_fakes import NOW


class FewMessages:
    """A queue that hands out some messages, all at once."""

    def __init__(self, count: int) -> None:
        self.left = [Message(id=str(n), body="", receives=1, receipt="", sent_at=NOW) for n in range(count)]

    def receive(self) -> Sequence[Message]:
        """Return what is left."""
        found, self.left = self.left, []
        return found


@pytest.mark.parametrize(
    ("waiting", "in_flight", "readable", "held"),
    [
        (0, 4, 0, 4),  # all are held
        (3, 1, 3, 1),
        (0, 4, 4, 0),  # SQS still counts what the command before this one held
        (4, 0, 4, 0),
        (2, 3, 4, 1),
        (0, 0, 2, 0),  # sent since
    ],
)
def test_what_could_be_read_was_held_by_none(waiting: int, in_flight: int, readable: int, held: int) -> None:
    """The count of the moment before the first reading, less what was read."""
    depth = QueueDepth(name="unclaimed", url="", waiting=waiting, delayed=0, in_flight=in_flight)
    asked: list[QueueDepth] = []

    def read() -> QueueDepth:
        asked.append(depth)
        return depth

    inbox = WatchedInbox(FewMessages(readable), read)  # type: ignore[arg-type]  # it is read alone
    assert inbox.held_by_others() == 0
    inbox.receive()
    inbox.receive()
    assert (inbox.held_by_others(), len(asked)) == (held, 1)
