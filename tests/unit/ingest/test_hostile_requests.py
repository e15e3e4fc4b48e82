"""The receiver under generated hostile requests: `make prove` puts 100,000, this test a few of them."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from functions.receiver import app
from tests.support.hostile_run import faults_in

FEW = 2_000


@pytest.mark.slow
def test_no_request_is_too_much() -> None:
    """No exception, the right status, one line of log without a value of the request, and the body in the queue."""
    statuses, faults = faults_in(FEW, seed=1)
    assert faults == []
    assert set(statuses) >= {200, 202, 204, 401, 405}


def test_a_fault_would_be_found() -> None:
    """A receiver that logs the key, answers 200 to everything or raises is noticed."""

    def key(event: dict[str, Any]) -> str:
        print(event["pathParameters"])  # noqa: T201 - the planted fault
        return ""

    with patch.object(app, "_key", key):
        found = " ".join(faults_in(60, seed=2)[1])
    assert "2 lines of log" in found
    assert "a value of the request in the log" in found
    assert "status 401 instead of 202" in found
    with patch.object(app, "_method", lambda event: event["nowhere"]):
        assert "raised KeyError" in " ".join(faults_in(5, seed=2)[1])
