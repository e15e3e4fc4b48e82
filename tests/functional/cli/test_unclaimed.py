"""`relay unclaimed` against queues of a stack: what this version knows is placed, the rest is looked at and dropped."""

from __future__ import annotations

import json

import pytest
from relay.ingest.receive import unclaimed as as_unclaimed
from relay.model.delivery import pack
from relay_cli.commands import unclaimed
from relay_cli.errors import ATTENTION, DONE, CliError, UsageError

from tests.support.command_line import parsed
from tests.support.letter_queues import STACK, StackWithQueues, make_journal, put, queue_url, waiting
from tests.support.port_fakes import NOW, SHOP
from tests.support.sample_events import content

KNOWN = json.dumps(content("cancelled", 1, customerId="7001")).encode()
FOREIGN = json.dumps({"metadata": {"topic": "customer.new", "shopDomain": SHOP}, "payload": {}}).encode()


def relay(*words: str) -> int:
    """Run `relay unclaimed …` with that stack."""
    return unclaimed.main(
        parsed(unclaimed.configure, *words, "--stack", STACK),
        StackWithQueues.opened,
    )


@pytest.fixture
def _webhooks() -> None:
    """Put two webhooks there whose topic is known by now, one whose topic is not, and make the journal."""
    make_journal()
    queue_url("cancelled")
    for body, reason in (
        (KNOWN, "unknown_topic"),
        (KNOWN + b" ", "unknown_topic"),
        (FOREIGN, "unknown_topic"),
    ):
        text, header = pack(as_unclaimed(body, NOW, reason, "customer.new"))
        put("unclaimed", text, header)


@pytest.mark.usefixtures("_webhooks")
def test_from_the_alarm_to_an_empty_queue(capsys: pytest.CaptureFixture[str]) -> None:
    """List, look, try, place: what has a queue is there; the rest stays until it is dropped."""
    assert relay("list") == DONE
    text = capsys.readouterr().out
    # An unclaimed webhook comes from no queue, and is not redriven.
    columns = [line.split() for line in text.splitlines() if "(UTC)" in line]
    assert columns == [
        ["webhooks", "topic", "reason", "first", "(UTC)", "last", "(UTC)"],
        ["id", "received", "(UTC)", "topic", "reason", "customer"],
    ]
    assert "3         customer.new  unknown_topic" in text

    shown = as_unclaimed(KNOWN, NOW, "unknown_topic").event_id
    assert relay("show", shown[:12], "--json") == DONE
    one = json.loads(capsys.readouterr().out)
    assert one["content"]["payload"]["customerId"] == "<str>"
    assert "knows no such topic" in one["advice"]

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
