"""An erasure is heard in whatever word it is told: who missed one would keep a person's data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.in_memory_relay import Programme, day
from tests.support.sample_events import CUSTOMER, content


@pytest.mark.parametrize("told", [True, "true", "TRUE", 1, "1", 1.0, "yes", "on", " Y "])
def test_an_erasure_in_any_word(told: Any) -> None:
    """Names that still stand in the snapshot are not taken, and those that were known are gone."""
    relay = Programme()
    relay.deliver(json.dumps(content("updated", 1, email="mia@example.com")).encode(), day(1))
    erased = content("updated", 2, email="mia@example.com", firstName="Mia", anonymized=told)
    for received in (2, 3):
        relay.deliver(json.dumps(erased).encode(), day(received))
        member = relay.member(CUSTOMER)
        assert member.is_erased
        assert [member.text(name) for name in ("email", "first_name", "last_name", "phone")] == [None] * 4


@pytest.mark.parametrize("told", [False, "false", 0, "0", "no", None, "", "maybe", [], {}])
def test_any_other_word_erases_no_member(told: Any) -> None:
    """A word that says neither is left out like any value that cannot be read."""
    relay = Programme()
    relay.deliver(
        json.dumps(content("updated", 1, email="mia@example.com", anonymized=told)).encode(), day(1)
    )
    assert relay.member(CUSTOMER).text("email") == "mia@example.com"


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize("triggered", [None, "1970-01-01T00:00:00Z", "soon", day(5).isoformat()])
def test_an_erasure_is_as_new_as_its_trigger_or_its_receipt(triggered: str | None, retries: int) -> None:
    """Never as old as the snapshot: a joining of the meantime would undo it."""
    relay = Programme()
    for name, at in (("joined", 3), ("updated", 4)):
        relay.deliver(json.dumps(content(name, at)).encode(), day(at))
    erased = content("updated", 5, anonymized=True, updatedAt=day(1).isoformat())
    erased["metadata"] |= {"triggerredAt": triggered, "retryCount": retries}
    erased["payload"]["createdAt"] = day(1).isoformat()
    relay.deliver(json.dumps(erased).encode(), day(5))
    member = relay.member(CUSTOMER)
    assert (member.is_erased, member.text("email")) == (True, None)
