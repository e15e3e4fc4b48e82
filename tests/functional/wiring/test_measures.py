"""What the functions measure of their messages: the age of what waits, and one log line for all that a batch defers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from relay.adapters.aws.telemetry import PowertoolsTelemetry
from relay.errors import MisconfiguredError, NotDueError, TransientError
from relay.queues.batch import Batch, Context, Message, Results, read_message
from relay.wiring import services
from relay.wiring.crms import CrmServices
from relay.wiring.functions import NotifierServices

from tests.support.lambda_env import drop_log
from tests.support.port_fakes import NOW, FakeContext, FakeOutgoing, FakeSource, FakeTelemetry, queued, sample

CONTENT = sample("customer.cancelled")


def records(*ages: timedelta) -> list[dict[str, Any]]:
    return [queued(CONTENT, message_id=f"m{n}", received_at=NOW - age) for n, age in enumerate(ages, start=1)]


def deferring(*errors: Exception, ages: Sequence[timedelta] = ()) -> None:
    """Run a batch in which the messages fail with these errors."""
    batch: Batch = services._batch(
        services.queue_at("https://sqs.us-east-1.amazonaws.com/1/own", "own"),
        FakeOutgoing(),
        PowertoolsTelemetry("notifier", "relay-acme"),
        lambda: NOW,
    )
    failing = {f"m{number}": error for number, error in enumerate(errors, start=1)}

    def work(_messages: Sequence[Message], _context: Context) -> Results:
        return failing

    event = {"Records": records(*(ages or [timedelta(minutes=1)] * len(errors)))}
    replace(batch, source=FakeSource()).run(event, FakeContext(), work)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what reads the lines that were logged."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "measures")
    drop_log("measures")
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    drop_log("measures")


def test_a_batch_logs_one_line_about_all_that_it_defers(lines: Any) -> None:
    """With the reasons by their number, and the events' ids; a foreign error's text may hold anything and stays out."""
    deferring(
        *[TransientError("slack: 503")] * 3, MisconfiguredError("hubspot: 401", setting="HubSpotSecret")
    )
    [line] = [line for line in lines() if line.get("message") == "deferred"]
    assert (line["messages"], line["error"], line["reason"]) == (4, "TransientError", "slack: 503")
    assert line["reasons"] == {"slack: 503": 3, "hubspot: 401": 1}
    assert len(line["event_ids"]) == len(line["message_ids"]) == 4


def test_the_line_of_a_large_batch_is_bounded(lines: Any) -> None:
    """A thousand messages of an outage are one line of some kilobytes."""
    deferring(*[TransientError(f"reason {number}") for number in range(1_000)])
    [line] = [line for line in lines() if line.get("message") == "deferred"]
    assert (line["messages"], len(line["reasons"]), len(line["event_ids"])) == (1_000, 10, 100)
    assert len(json.dumps(line)) < 20_000


@pytest.mark.parametrize(
    ("errors", "age", "misconfigured"),
    [
        ([TransientError("down"), TransientError("down")], 7_200.0, 0),
        ([MisconfiguredError("401", setting="X"), TransientError("down")], 7_200.0, 1),
        ([NotDueError("read a short while ago"), TransientError("down")], 60.0, 0),
        ([NotDueError("read a short while ago")], None, 0),
    ],
)
def test_the_age_of_what_waits(
    errors: list[Exception], age: float | None, misconfigured: int, lines: Any
) -> None:
    """That of the oldest, measured once; what waits by plan says nothing of a server that is down."""
    deferring(*errors, ages=[timedelta(hours=2), timedelta(minutes=1)][: len(errors)])
    found = lines()
    assert [line["WaitingAge"] for line in found if "WaitingAge" in line] == ([] if age is None else [age])
    assert sum("Misconfigured" in line for line in found) == misconfigured


def messages(*ages: timedelta) -> list[Message]:
    return [read_message(record) for record in records(*ages)]


def test_the_notifier_measures_at_every_batch() -> None:
    """Also where nothing is deferred: a series without a value is a notifier that does not run."""
    notifier = object.__new__(NotifierServices)
    telemetry = FakeTelemetry()
    vars(notifier).update(telemetry=telemetry, clock=lambda: NOW)
    notifier.observe_work(messages(timedelta(seconds=3), timedelta(seconds=40)), {"m1": None, "m2": None})
    assert telemetry.measured == [("WaitingAge", 40.0)]


def test_a_crm_measures_what_it_has_now() -> None:
    """The oldest change that was applied; one that failed or was not started is none."""
    crm = object.__new__(CrmServices)
    telemetry = FakeTelemetry()
    vars(crm).update(telemetry=telemetry, clock=lambda: NOW)
    waiting = messages(timedelta(seconds=9), timedelta(seconds=50), timedelta(seconds=70))
    crm.observe_work(waiting, {"m1": None, "m2": TransientError("down")})
    crm.observe_work(waiting, {"m2": TransientError("down")})
    assert telemetry.measured == [("CrmLag", 9.0)]
