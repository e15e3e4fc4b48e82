"""Functions whose settings are wrong: messages are deferred and spend no receives; the log names every setting."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from relay.adapters.aws.boto import client
from relay.errors import MisconfiguredError
from relay.topics import FOLDERS

from tests.support.lambda_env import function_env, queued_count, queues, sent_at, sqs_record
from tests.support.port_fakes import FakeContext

QUEUE_FED = (*FOLDERS.values(), "notifier", "crm_sync", "reconcile", "grants")
READS_THE_ZONE = ("notifier", "clock")
COMPLETE = {
    "SHOP_DOMAIN": "acme.myshopify.com",
    "STACK_NAME": "relay-acme",
    "SOURCE_NAME": "own",
    "MEMBERS_TABLE": "members",
    "MIRRORS_TABLE": "mirrors",
    "GRANTS_TABLE": "grants",
    "INCIDENTS_TABLE": "incidents",
    "KPIS_TABLE": "figures",
    "JOURNAL_STREAM": "journal",
    "EMAIL_TOPIC": "arn:aws:sns:us-east-1:123456789012:email",
    "CHANGES_TOPIC": "arn:aws:sns:us-east-1:123456789012:changes",
    "INVETERATE_URL": "https://api.example.com",
    "INVETERATE_SECRET": "/relay/inveterate",
    "RECHECK_DELAY": "600",
    "TIME_ZONE": "Europe/Berlin",
    "CALLBACK_URL": "https://0123456789.execute-api.eu-west-1.amazonaws.com/webhooks",
    "KEY_DIGESTS": "a" * 64,
    "TARGET": "webhook",
    "WEBHOOK_URL": "https://hook.example.com",
    "WEBHOOK_SECRET": "/relay/webhook",
}

Handler = Callable[[Mapping[str, Any], Any], dict[str, Any]]


def handler_of(function: str) -> Handler:
    handler: Handler = importlib.import_module(f"functions.{function}.app").handler
    return handler


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """Set all settings of a function, its service named after the test's function; return its queue."""
    queue, dead = queues("own", "dead")
    urls = {f"QUEUE_{folder.upper()}": queue for folder in FOLDERS.values()}
    urls |= {"ALERTS_URL": queue, "UNCLAIMED_URL": queue}
    service = {"POWERTOOLS_SERVICE_NAME": f"misconfigured-{request.node.name}"}
    with function_env(
        monkeypatch, {**COMPLETE, **urls, **service, "SOURCE_URL": queue, "DEAD_LETTERS_URL": dead}
    ):
        yield queue


def call(function: str, age: timedelta = timedelta()) -> dict[str, Any]:
    """Call the function with a message of this age."""
    record = sent_at(sqs_record("m1", "{}"), datetime.now(UTC) - age)
    return handler_of(function)({"Records": [record]}, FakeContext(120_000))


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the log lines and metrics that were written."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("function", QUEUE_FED)
def test_a_missing_setting_defers_the_batch(
    function: str, own: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its receives are not spent; the log names both settings at once; the alarm's metric is measured."""
    monkeypatch.delenv("MEMBERS_TABLE")
    monkeypatch.setenv("DEAD_LETTERS_URL", "not a url")
    assert call(function) == {"batchItemFailures": []}
    assert queued_count(own) == 1
    lines = logged(capsys)
    [deferred] = [line for line in lines if line.get("message") == "deferred"]
    assert deferred["error"] == "MisconfiguredError"
    assert deferred["reason"] == "settings: DEAD_LETTERS_URL is no URL; MEMBERS_TABLE is missing"
    assert [line["stack"] for line in lines if "Misconfigured" in line] == [COMPLETE["STACK_NAME"]]


@pytest.mark.parametrize("function", ["cancelled", "reconcile"])
def test_a_mended_setting_is_taken(function: str, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the failed attempt is kept: the message is then worked on, and given up as unreadable."""
    with monkeypatch.context() as missing:
        missing.delenv("MEMBERS_TABLE")
        call(function)
    assert call(function) == {"batchItemFailures": []}
    assert queued_count(own) == 1
    assert queued_count(client("sqs").get_queue_url(QueueName="dead")["QueueUrl"]) == 1


def test_a_message_too_old_to_defer_is_returned(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where dead letters go may be the setting that is wrong: the queue's own policy gives it up."""
    monkeypatch.delenv("JOURNAL_STREAM")
    assert call("cancelled", age=timedelta(days=4)) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert queued_count(own) == 0


def test_without_its_queue_a_function_fails(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nowhere to defer to; the error names the setting."""
    monkeypatch.delenv("SOURCE_URL")
    with pytest.raises(MisconfiguredError) as raised:
        call("cancelled")
    assert raised.value.setting == "SOURCE_URL"


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("function", READS_THE_ZONE)
def test_a_folder_of_zones_is_no_time_zone(
    function: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`Europe` is a folder of the zone files: a named problem, and no IsADirectoryError."""
    monkeypatch.setenv("TIME_ZONE", "Europe")
    problem = "settings: TIME_ZONE is no time zone of the IANA database"
    if function == "clock":
        with pytest.raises(MisconfiguredError, match=problem):
            handler_of("clock")({"time": "2026-03-01T09:00:00Z"}, FakeContext())
        return
    assert call(function) == {"batchItemFailures": []}
    assert [line["reason"] for line in logged(capsys) if line.get("message") == "deferred"] == [problem]
