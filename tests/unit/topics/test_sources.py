"""The source of a cancellation is one word in every spelling, in the record as in the note and the alert."""

from __future__ import annotations

import pytest
from relay.model.effects import Note
from relay.rules.settings import Rules

from tests.support.sample_events import after, effects_of, event


@pytest.mark.parametrize("source", ["FAILURE", "failure", " Failure ", "failure\n"])
def test_an_ending_has_its_source_in_upper_case(source: str) -> None:
    """A list in a CRM that filters by FAILURE finds all of them."""
    member = after(event("joined", 1), event("cancelled", 5, cancellationSource=source))
    assert (member.text("cancel_reason"), member.text("cancel_type")) == ("FAILURE", "involuntary")


@pytest.mark.parametrize("source", ["CUSTOMER", "customer", " Customer "])
def test_so_has_an_announced_end(source: str) -> None:
    """The record says what the note says."""
    pending = event("pending", 5, cancellationSource=source)
    member = after(event("joined", 1), pending)
    assert (member.text("cancel_reason"), member.text("pending_cancel_source")) == ("CUSTOMER", "CUSTOMER")
    (noted,) = [
        each for each in effects_of(pending, after(event("joined", 1)), Rules()) if isinstance(each, Note)
    ]
    assert noted.properties["reason"] == "CUSTOMER"


def test_a_null_source_clears_what_an_earlier_request_said() -> None:
    """The event is about it."""
    known = event("pending", 5, cancellationSource="CUSTOMER")
    null = event("pending", 6, cancellationSource=None)
    assert after(event("joined", 1), known, null).text("pending_cancel_source") is None
