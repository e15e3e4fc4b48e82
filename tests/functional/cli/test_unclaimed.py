"""`relay unclaimed` against queues of a stack: what this version knows is placed, the rest is looked at and dropped."""

from __future__ import annotations

import json

import pytest
from relay.ingest.receive import unclaimed as as_unclaimed
from relay.model.delivery import pack
from relay_cli.commands import unclaimed
from relay_cli.errors import ATTENTION, DONE, CliError, UsageError

from tests.support.command_line import parsed
from tests.support.letter_queues import STACK, StackWithQueues, hold, make_journal, put, queue_url, waiting
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
    # The advice about another shop's is about its domain, which is no member's data.
    assert one["content"]["metadata"]["shopDomain"] == SHOP
    assert "knows no such topic" in one["advice"]

    assert relay("place", "--dry-run", "--json") == ATTENTION
    planned = json.loads(capsys.readouterr().out)
    assert (planned["done"], planned["queues"], planned["skipped"]) == (0, {"cancelled": 2}, {"no_queue": 1})
    assert len(waiting("unclaimed")) == 3

    assert relay("place", "--yes") == ATTENTION
    placed = capsys.readouterr().out
    assert "Placed 2 webhooks.\n2 go to cancelled\n1 stays: this version knows no queue" in placed
    assert len(waiting("cancelled")) == 2
    header = json.loads(waiting("cancelled")[0]["MessageAttributes"]["relay"]["StringValue"])
    assert header["topic"] == "customer.cancelled"
    assert len(waiting("unclaimed")) == 1

    assert relay("drop", "--yes", "--json") == DONE
    assert json.loads(capsys.readouterr().out)["done"] == 1
    assert relay("list") == DONE
    assert capsys.readouterr().out == "no unclaimed webhooks\n"


@pytest.mark.usefixtures("_webhooks")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("list",), "no unclaimed webhooks that can be read now\n"),
        (("place", "--yes"), "nothing can be placed\n"),
        (("drop", "--yes"), "no unclaimed webhooks to drop that can be read now\n"),
    ],
)
def test_what_the_clock_holds_is_not_gone(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person who reads `no unclaimed webhooks` believes that it is mended."""
    hold("unclaimed", 3)
    assert relay(*words) == ATTENTION
    shown = capsys.readouterr().out
    assert shown.startswith(says)
    assert "3 more webhooks are held by the clock or by another command" in shown
    assert relay(*words, "--json") == ATTENTION
    assert json.loads(capsys.readouterr().out)["held"] == 3


@pytest.mark.usefixtures("_webhooks")
def test_what_is_held_beside_what_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Two are listed, one is held; the id of one that cannot be read has no wrong sentence."""
    hold("unclaimed", 1)
    assert relay("list") == ATTENTION
    shown = capsys.readouterr().out
    assert "2         customer.new  unknown_topic" in shown
    assert "1 more webhook is held by" in shown
    with pytest.raises(CliError, match=r"that can be read now\n.*1 more webhook is held"):
        relay("show", "ffffffff")


@pytest.mark.usefixtures("_webhooks")
def test_another_shops_webhook_names_its_topic(capsys: pytest.CaptureFixture[str]) -> None:
    """By its body, where Relay knows it."""
    body = json.dumps(
        {"metadata": {"topic": "customer.ordered", "shopDomain": "other.myshopify.com"}, "payload": {}}
    ).encode()
    text, header = pack(as_unclaimed(body, NOW, "other_shop"))
    put("unclaimed", text, header)
    assert relay("list", "--reason", "other_shop") == DONE
    assert "1         customer.ordered  other_shop" in capsys.readouterr().out


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
