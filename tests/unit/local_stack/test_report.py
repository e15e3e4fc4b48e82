"""The report of `relay run`: a table for people, and one RESULT line for programs."""

from __future__ import annotations

import json

from local_stack.environment import STACK_NAME
from local_stack.report import advice, notable, result_line, table
from local_stack.simulator import SUBSCRIPTION_NAME
from local_stack.verdict import Verdict
from local_stack.verdict_samples import EventRow


def test_the_table_is_in_columns() -> None:
    """Each column is as wide as its widest cell."""
    heading, row = table([EventRow("a.long.topic", "accepted", "applied", "1", "-", "101")]).splitlines()
    assert heading.index("answer") == row.index("accepted")
    assert heading.index("HubSpot") == row.index("101")


def test_the_result_is_one_line_of_json() -> None:
    """The line is `RESULT` and a JSON object with the numbers and the seconds."""
    word, _, text = result_line(Verdict({"posted": 15}, ()), 12.345).partition(" ")
    assert word == "RESULT"
    assert json.loads(text) == {"posted": 15, "seconds": 12.3}


def test_metrics_are_no_notable_lines() -> None:
    """What is shown of the log says that something went another way; a metric of any function is left out."""
    metric = '{"stack": "relay-local", "service": "hubspot", "CrmLag": 71.4, "_aws": {"Timestamp": 1}}'
    deferred = '{"level": "WARNING", "message": "deferred", "service": "notifier"}'
    lines = [metric, "START RequestId: 1", '{"message": "accepted"}', deferred, "", "REPORT RequestId: 1"]
    assert notable(lines) == [deferred]


def test_a_run_that_did_not_finish_is_told_apart_from_one_that_failed() -> None:
    """Messages that still wait are what a slow machine leaves; nothing that waits is a failed check."""
    assert "run it again" in advice(Verdict(result={"waiting": 1}, problems=("x",)))
    assert "troubleshooting" in advice(Verdict(result={"waiting": 0}, problems=("x",)))


def test_the_local_run_subscribes_under_the_name_of_its_stack() -> None:
    """Else `relay subscriptions apply` in a stack that stays up would subscribe every topic once more."""
    assert f"relay {STACK_NAME}" == SUBSCRIPTION_NAME
