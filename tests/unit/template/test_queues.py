"""template.yaml gives every queue its readers, its patience and its way out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from relay.queues.batch import TOO_OLD
from relay.topics import queue_variable

from tests.support.port_fakes import ROOT
from tests.support.template_data import (
    FUNCTIONS,
    QUEUES,
    TEMPLATE,
    allowed,
    environment,
    role_of,
    text,
    timeout,
)
from tests.unit.template.deployed import CONSUMERS, LOG, POLL, queue_events

DAY = 86_400


READERS = [function for function in FUNCTIONS if queue_events(function)]


@pytest.mark.parametrize(("folder", "name"), CONSUMERS.items())
def test_every_topic_has_a_queue_a_role_and_a_function(folder: str, name: str) -> None:
    """A topic's function is its folder's, reads its own queue, and knows everything that it needs to know."""
    function = f"{name}Function"
    assert FUNCTIONS[function]["CodeUri"] == f"functions/{folder}"
    assert [text(event["Queue"]) for event in queue_events(function)] == [f"{name}Queue.Arn"]
    assert environment(function) == {
        "POWERTOOLS_SERVICE_NAME": folder,
        "SOURCE_URL": {"Ref": f"{name}Queue"},
        "SOURCE_NAME": folder,
        "DEAD_LETTERS_URL": {"Ref": "DeadLetters"},
        "TRIES_TABLE": {"Ref": "Incidents"},
        "MEMBERS_TABLE": {"Ref": "Members"},
        "JOURNAL_STREAM": {"Ref": "Journal"},
        **{queue_variable(other): {"Ref": f"{logical}Queue"} for other, logical in CONSUMERS.items()},
        # The one topic that can tell an erasure knows whether the API can confirm it.
        **({"ASKS_API": {"Fn::If": ["HasInveterate", "yes", ""]}} if folder == "updated" else {}),
    }
    own = {f"sqs:{call}" for call in ("SendMessage", "SendMessageBatch", "DeleteMessageBatch")} | POLL
    assert allowed(role_of(function)) == {
        *((action, f"{name}Queue.Arn") for action in own),
        *(
            (f"sqs:{call}", f"{other}Queue.Arn")
            for other in CONSUMERS.values()
            for call in ("SendMessage", "SendMessageBatch")
        ),
        ("sqs:SendMessage", "DeadLetters.Arn"),
        ("sqs:SendMessageBatch", "DeadLetters.Arn"),
        ("dynamodb:BatchGetItem", "Members.Arn"),
        ("dynamodb:PutItem", "Members.Arn"),
        ("dynamodb:UpdateItem", "Incidents.Arn"),
        ("firehose:PutRecordBatch", "Journal.Arn"),
        *LOG,
    }


@pytest.mark.parametrize("function", ["ReceiverFunction", "ClockFunction"])
def test_the_receiver_and_the_clock_know_every_queue(function: str) -> None:
    """Whatever can be placed can be sent: 15 topic queues and `unclaimed`, by the names that routing gives them."""
    known = {name: text(value) for name, value in environment(function).items() if name.startswith("QUEUE_")}
    assert known == {
        **{queue_variable(folder): f"{name}Queue" for folder, name in CONSUMERS.items()},
        "QUEUE_UNCLAIMED": "Unclaimed",
    }


@pytest.mark.parametrize("function", READERS)
def test_whoever_reads_a_queue_reads_it_well(function: str) -> None:
    """The poller's permissions, partial failures, six timeouts of visibility, and deferrals that are no loop."""
    [event] = queue_events(function)
    queue = text(event["Queue"]).partition(".")[0]
    assert {(action, f"{queue}.Arn") for action in POLL} <= allowed(role_of(function))
    assert ("sqs:SendMessage", f"{queue}.Arn") in allowed(role_of(function))
    assert event["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert QUEUES[queue]["VisibilityTimeout"] >= 6 * timeout(function)
    assert FUNCTIONS[function]["RecursiveLoop"] == "Allow"
    assert environment(function)["SOURCE_URL"] == {"Ref": queue}
    assert environment(function)["DEAD_LETTERS_URL"] == {"Ref": "DeadLetters"}


@pytest.mark.parametrize("queue", QUEUES)
def test_nothing_leaves_a_queue_by_itself(queue: str) -> None:
    """Four days in a queue, then 14 in the dead letters; five receives, more where a receive says little.

    A throttled batch of a topic is received every three minutes, and each reading of `unclaimed` is a receive.
    """
    properties = QUEUES[queue]
    assert properties["SqsManagedSseEnabled"] is True
    if queue == "DeadLetters":
        assert properties["MessageRetentionPeriod"] == 14 * DAY
        return
    assert properties["MessageRetentionPeriod"] == 4 * DAY
    assert text(properties["RedrivePolicy"]["deadLetterTargetArn"]) == "DeadLetters.Arn"
    receives = {"Unclaimed": 1000, **{f"{name}Queue": 20 for name in CONSUMERS.values()}}
    assert properties["RedrivePolicy"]["maxReceiveCount"] == receives.get(queue, 5)


def test_unclaimed_is_hidden_for_longer_than_the_clock_works() -> None:
    """A tick looks at each message once: it must not come back before the function has ended."""
    assert QUEUES["Unclaimed"]["VisibilityTimeout"] >= 6 * timeout("ClockFunction")


def test_no_tick_moves_an_unclaimed_webhook_by_its_receives() -> None:
    """A tick shows again what it leaves, so Lambda's two further tries of one that fails receive it as well."""
    ticks = TOO_OLD / timedelta(minutes=15)
    assert 3 * ticks < QUEUES["Unclaimed"]["RedrivePolicy"]["maxReceiveCount"]


def test_a_doubt_waits_no_longer_than_a_queue_can() -> None:
    """SQS delays by 15 minutes at most."""
    delay = TEMPLATE["Parameters"]["RecheckDelay"]
    assert (delay["Default"], delay["MaxValue"]) == (600, 900)


def test_every_folder_is_deployed() -> None:
    """A function without a block in the template would be dead code."""
    folders = {f"functions/{path.parent.name}" for path in (ROOT / "functions").glob("*/app.py")}
    assert {properties["CodeUri"] for properties in FUNCTIONS.values()} == folders
