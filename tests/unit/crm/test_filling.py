"""A fill names every member to the target's queue, and knows whom it could not name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from relay.crm.backfill import Backfill
from relay.errors import TransientError
from relay.model.messages import MemberChanged, load
from relay.ports.crm_state import SyncStatePage

from tests.contract.crm.profiles import key_of
from tests.support.crm_fakes import FakeClock
from tests.support.port_fakes import FakeOutgoing

PAGES: Mapping[str | None, tuple[Sequence[str], str | None]] = {
    None: ([key_of(1), key_of(2)], "second"),
    "second": ([key_of(3)], None),
}


class TwoPages:
    """A roll of three members."""

    def keys(self, cursor: str | None = None) -> tuple[Sequence[str], str | None]:
        """Return a page."""
        return PAGES[cursor]


@dataclass
class Notes:
    """What is noted of the run."""

    noted: dict[str, Any] = field(default_factory=dict)

    def page(self, cursor: str | None = None) -> SyncStatePage:
        """Have no members."""
        raise AssertionError(cursor)

    def run(self, name: str) -> Mapping[str, Any]:
        """Return it."""
        assert name == "fill"
        return self.noted

    def note(self, name: str, run: Mapping[str, Any]) -> None:
        """Keep it."""
        assert name == "fill"
        self.noted = dict(run)


def fill(queue: FakeOutgoing, notes: Notes) -> dict[str, Any]:
    """Fill the target behind this queue."""
    filling = Backfill(roll=TwoPages(), queue=queue, inventory=notes, clock=FakeClock())
    return filling.run(afresh=False, progress=lambda _: None)


def named(queue: FakeOutgoing) -> list[str]:
    """Return whom the queue was told of."""
    return [load(MemberChanged, sent.body).member for sent in queue.sent]


def test_one_that_the_queue_refused_is_named_again() -> None:
    """A refusal of one message is its own: it is tried again, and the others are not."""
    queue = FakeOutgoing(refuse={0})
    assert fill(queue, Notes())["sent"] == 3
    assert named(queue) == [key_of(2), key_of(1), key_of(3)]


def test_a_queue_that_takes_nothing_ends_the_fill_where_it_is() -> None:
    """It stops before the page that could not be named, and the next run begins with that page."""
    queue, notes = FakeOutgoing(refuse=set(range(2, 100))), Notes()
    with pytest.raises(TransientError):
        fill(queue, notes)
    assert (notes.noted["cursor"], notes.noted["sent"], notes.noted["finished"]) == ("second", 2, "")
    queue.refuse = set()
    assert fill(queue, notes)["sent"] == 3
    assert named(queue) == [key_of(1), key_of(2), key_of(3)]
