"""The journal's lines: what they say, and that they are whole, small, and JSON whatever a body holds."""

from __future__ import annotations

import base64
import json
import zlib
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from relay.model.delivery import Delivery
from relay.model.journal import LARGEST_LINE, action_line, dump, event_line, reading_line, records

from tests.support.port_fakes import NOW, SHOP


def test_the_line_of_an_event() -> None:
    """Version and kind first; what is not known is left out; times in UTC, to the millisecond."""
    delivery = Delivery(event_id="a" * 32, body=b"{}", received_at=NOW, topic="customer.cancelled")
    line = event_line(
        delivery, shop=SHOP, outcome="applied", customer="7", at=NOW, effects=["e.rule"], body={"a": 1}
    )
    assert line == {
        "v": 1,
        "kind": "event",
        "id": "a" * 32,
        "topic": "customer.cancelled",
        "shop": SHOP,
        "customer": "7",
        "received_at": "2025-07-01T12:00:00.000Z",
        "at": "2025-07-01T12:00:00.000Z",
        "outcome": "applied",
        "effects": ["e.rule"],
        "body": {"a": 1},
    }


def test_the_line_of_a_reading() -> None:
    """A member as the API showed it, and why it was read."""
    line = reading_line(
        "r1", topic="relay.reconcile", shop=SHOP, customer="7", received_at=NOW, at=NOW, reason="no_email",
        body={"token": "s3cret"},
    )  # fmt: skip
    assert (line["v"], line["kind"], line["outcome"], line["reason"]) == (1, "reading", "applied", "no_email")
    assert line["body"] == {}


def test_the_line_of_an_action() -> None:
    """What was done, or why it was not."""
    line = action_line(
        "granted", "g1", topic="relay.grant", shop=SHOP, outcome="ignored", received_at=NOW, reason="gone"
    )
    assert (line["v"], line["kind"], line["action"]) == (1, "action", "granted")
    assert (line["outcome"], line["reason"]) == ("ignored", "gone")
    assert "body" not in line


@settings(deadline=None)
@given(st.lists(st.integers(1, 30_000), max_size=12))
def test_records_hold_the_lines_in_order_and_are_few(sizes: list[int]) -> None:
    """As large as Firehose takes, and no line would have fitted into the record before its own."""
    scale = LARGEST_LINE // 30_000
    lines = [(number, bytes([number % 256]) * size * scale) for number, size in enumerate(sizes)]
    packed = list(records(lines))
    assert [number for numbers, _ in packed for number in numbers] == [number for number, _ in lines]
    assert b"".join(data for _, data in packed) == b"".join(data for _, data in lines)
    assert all(len(data) <= LARGEST_LINE for _, data in packed)
    firsts = [len(dict(lines)[numbers[0]]) for numbers, _ in packed[1:]]
    assert all(len(data) + first > LARGEST_LINE for (_, data), first in zip(packed, firsts, strict=False))


def test_half_a_surrogate_pair_costs_its_own_escape() -> None:
    """It stays as it came, and the rest of the line is not blown up to three times its size for it."""
    columns = {"body": {"name": "\ud800", "note": "Ж" * 1000}}
    line = dump(columns)
    assert json.loads(line) == columns
    assert len(line) < 2100


def test_a_body_that_outgrows_its_line_is_packed() -> None:
    """Written anew a body can be larger than it came; packed it fits, and nothing of it is missing."""
    body = {"payload": {"numbers": [Decimal("1e15")] * 200_000}}
    kept = Delivery(event_id="a" * 32, body=b"{}", received_at=NOW)
    written = dump(event_line(kept, shop=SHOP, outcome="applied", body=body))
    assert len(written) < LARGEST_LINE
    columns = json.loads(written)
    assert (columns["id"], columns["outcome"]) == ("a" * 32, "applied")
    assert json.loads(zlib.decompress(base64.b64decode(columns["packed"]))) == {
        "payload": {"numbers": [1e15] * 200_000}
    }
