"""What only its delivery dates is told once: a second delivery, later, does not happen again after what has followed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.in_memory_relay import Programme, day
from tests.support.sample_events import CUSTOMER, content

FOLLOWED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("lost", "paid", {}),
    ("attempt", "paid", {"billingAttempts": 1}),
    ("cancelled", "joined", {}),
    ("pending", "joined", {"effectiveCancellationDate": "2026-05-01T07:00:00Z"}),
    ("free", "joined", {}),
    ("credits", "credits", {"previousBalance": 0, "newBalance": 10}),
    ("paid", "cancelled", {"tierId": None}),
)
UNDATED: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("no time at all", {}, {}),
    ("impossible times", {"createdAt": "9999-12-31T23:59:59Z"}, {"triggerredAt": "1900-01-01T00:00:00Z"}),
    ("the time of a retry", {}, {"triggerredAt": "2026-03-05T12:00:00Z", "retryCount": 1}),
)


@pytest.mark.parametrize(("name", "followed_by", "differs"), FOLLOWED)
@pytest.mark.parametrize(("why", "times", "metadata"), UNDATED)
def test_a_second_delivery_does_not_happen_again(  # noqa: PLR0917 - a table of two dimensions
    name: str,
    followed_by: str,
    differs: dict[str, Any],
    why: str,
    times: dict[str, Any],
    metadata: dict[str, Any],
) -> None:
    """A failure that was paid since stays paid, an ended membership that began again goes on."""
    relay = Programme()
    relay.deliver(json.dumps(content("joined", 1)).encode(), day(1))
    body = content(name, 2, **differs)
    if why != "the time of a retry":
        del body["metadata"]["triggerredAt"]
    for time in ("createdAt", "updatedAt", "expiredAt"):
        body["payload"].pop(time, None)
    body["payload"] |= times
    relay.deliver(json.dumps(body).encode(), day(2))
    later = content(followed_by, 4)
    if followed_by == "credits":
        later["payload"] |= {"previousBalance": 10, "newBalance": 3}
    relay.deliver(json.dumps(later).encode(), day(4))
    shown, told = dict(relay.shows(CUSTOMER)), len(relay.sent)

    body["metadata"] |= metadata
    relay.deliver(json.dumps(body).encode(), day(5))
    assert relay.world.journal.lines[-1]["outcome"] == "repeat"
    assert dict(relay.shows(CUSTOMER)) == shown
    assert len(relay.sent) == told
