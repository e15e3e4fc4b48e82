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
