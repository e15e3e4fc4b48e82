"""`relay unclaimed` against queues of a stack: what this version knows is placed, the rest is looked at and dropped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from relay.adapters.aws.boto import client
from relay.ingest.receive import unclaimed as as_unclaimed
from relay.model.delivery import pack
from relay_cli.commands import unclaimed
from relay_cli.errors import ATTENTION, DONE, CliError, UsageError
from relay_cli.stack import Stack

from tests.support.command_line import parsed
from tests.support.moto_tables import make_table
from tests.support.port_fakes import NOW, SHOP
from tests.support.sample_events import content

STACK = "relay-acme"
KNOWN = json.dumps(content("cancelled", 1, customerId="7001")).encode()
FOREIGN = json.dumps({"metadata": {"topic": "customer.new", "shopDomain": SHOP}, "payload": {}}).encode()


@dataclass(frozen=True)
class StackWithQueues(Stack):
    """A stack with the outputs that the commands read."""

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The queues, the journal and the members."""
        return {
            "UnclaimedUrl": _url("unclaimed"),
            "DeadLettersUrl": _url("dead-letters"),
            "JournalStream": "journal",
            "MembersTable": "members",
        }

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The shop."""
        return {"ShopDomain": SHOP}


def _url(name: str) -> str:
    return str(client("sqs").create_queue(QueueName=f"{STACK}-{name}")["QueueUrl"])


def relay(*words: str) -> int:
    """Run `relay unclaimed …` with that stack."""
    return unclaimed.main(
        parsed(unclaimed.configure, *words, "--stack", STACK),
        lambda arguments: StackWithQueues(arguments.stack, StackWithQueues.of(arguments).access),
    )


@pytest.fixture
def _webhooks() -> None:
    """Put two webhooks there whose topic is known by now, one whose topic is not, and make the journal."""
    make_table("members")
    client("s3").create_bucket(Bucket="journal")
    client("firehose").create_delivery_stream(
        DeliveryStreamName="journal",
        ExtendedS3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::123456789012:role/journal",
            "BucketARN": "arn:aws:s3:::journal",
        },
    )
    _url("cancelled")
    for body, reason in (
        (KNOWN, "unknown_topic"),
        (KNOWN + b" ", "unknown_topic"),
        (FOREIGN, "unknown_topic"),
    ):
        text, header = pack(as_unclaimed(body, NOW, reason, "customer.new"))
        attributes = {
            name: {"DataType": "String", "StringValue": value} for name, value in header.attributes.items()
        }
        client("sqs").send_message(QueueUrl=_url("unclaimed"), MessageBody=text, MessageAttributes=attributes)


def waiting(name: str) -> list[Any]:
    """Return what is visible in a queue."""
    found = client("sqs").receive_message(
        QueueUrl=_url(name), MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
    )
    return list(found.get("Messages", ()))


@pytest.mark.usefixtures("_webhooks")
def test_from_the_alarm_to_an_empty_queue(capsys: pytest.CaptureFixture[str]) -> None:
    """List, look, try, place: what has a queue is there; the rest stays until it is dropped."""
    assert relay("list") == DONE
    text = capsys.readouterr().out
    assert "3        unknown  customer.new  unknown_topic" in text

    shown = as_unclaimed(KNOWN, NOW, "unknown_topic").event_id
    assert relay("show", shown[:12], "--json") == DONE
    assert json.loads(capsys.readouterr().out)["content"]["payload"]["customerId"] == "<str>"

    assert relay("place", "--dry-run", "--json") == ATTENTION
    planned = json.loads(capsys.readouterr().out)
    assert (planned["done"], planned["queues"], planned["skipped"]) == (0, {"cancelled": 2}, {"no_queue": 1})
    assert len(waiting("unclaimed")) == 3

    assert relay("place", "--yes") == ATTENTION
    assert "Placed 2 webhooks." in capsys.readouterr().out
    assert len(waiting("cancelled")) == 2
    header = json.loads(waiting("cancelled")[0]["MessageAttributes"]["relay"]["StringValue"])
    assert header["topic"] == "customer.cancelled"
    assert len(waiting("unclaimed")) == 1

    assert relay("drop", "--yes", "--json") == DONE
    assert json.loads(capsys.readouterr().out)["done"] == 1
    assert relay("list") == DONE
    assert capsys.readouterr().out == "no unclaimed webhooks\n"


@pytest.mark.usefixtures("_webhooks")
def test_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    """One of two that could be placed."""
    assert relay("place", "--yes", "--limit", "1", "--json") in {DONE, ATTENTION}
    assert json.loads(capsys.readouterr().out)["done"] == 1
    assert len(waiting("unclaimed")) == 2


@pytest.mark.usefixtures("_webhooks")
@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        (["show", "abc"], UsageError, "first 8 characters"),
        (["list", "--until", "noon"], UsageError, "noon is no time"),
        (["show", "ffffffff"], CliError, "no letter"),
    ],
)
def test_wrong_input(words: list[str], kind: type[CliError], says: str) -> None:
    """Each has its sentence."""
    with pytest.raises(kind, match=says):
        relay(*words)
