"""`relay dead-letters` against queues of a stack: from the alarm to an empty queue."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from relay.errors import PermanentError
from relay.model.delivery import Delivery, pack
from relay.queues.batch import Message, dead_letter
from relay_cli.commands import dead_letters
from relay_cli.errors import ATTENTION, DONE, CliError, UsageError

from tests.support.command_line import parsed
from tests.support.letter_queues import STACK, StackWithQueues, hold, make_journal, put, queue_url, waiting
from tests.support.port_fakes import NOW
from tests.support.sample_events import content


def relay(*words: str) -> int:
    """Run `relay dead-letters …` with that stack."""
    return dead_letters.main(
        parsed(dead_letters.configure, *words, "--stack", STACK),
        StackWithQueues.opened,
    )


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put three letters of two queues there, one of them a grant, and make the journal."""
    make_journal()
    monkeypatch.setattr("relay_cli.letters.pause", lambda _seconds: None)
    for queue, customer in (("cancelled", "7001"), ("cancelled", "7002"), ("grants", "7003")):
        put_letter(queue, customer)


def put_letter(queue: str, customer: str, redrives: int = 0) -> None:
    """Put a letter there that a function has given up."""
    queue_url(queue)
    body = json.dumps(content("cancelled", 1, customerId=customer)).encode()
    text, header = pack(
        Delivery(event_id=f"{int(customer):032x}", body=body, received_at=NOW, topic="customer.cancelled")
    )
    message = Message(id="m", body=text, receives=1, receipt="", sent_at=NOW, header=header)
    letter = dead_letter(message, PermanentError("no_member", "payload.customerId"), queue)
    put("dead-letters", letter.body, replace(letter.header, redrives=redrives))


@pytest.mark.usefixtures("letters")
def test_from_the_alarm_to_an_empty_queue(capsys: pytest.CaptureFixture[str]) -> None:
    """List, look, try, redrive: the letters are in their queue again, and the grant stays until it is asked for."""
    assert relay("list") == DONE
    text = capsys.readouterr().out
    assert "2        cancelled  customer.cancelled  no_member" in text
    assert "7001" in text

    assert relay("show", f"{7001:032x}") == DONE
    shown = capsys.readouterr().out
    assert "mia.keller" not in shown
    assert "error: no_member: payload.customerId\n" in shown
    assert "advice: Relay cannot read it" in shown

    assert relay("redrive", "--dry-run") == ATTENTION
    assert "Would send back 2 letters." in capsys.readouterr().out
    assert len(waiting("dead-letters")) == 3

    assert relay("redrive", "--yes", "--json") == ATTENTION
    result = json.loads(capsys.readouterr().out)
    assert (result["done"], result["failed"], result["skipped"]) == (2, 0, {"grants": 1})
    assert len(waiting("cancelled")) == 2
    assert len(waiting("dead-letters")) == 1

    assert relay("drop", "--yes") == DONE
    assert "Dropped 1 letter." in capsys.readouterr().out
    assert relay("list") == DONE
    assert capsys.readouterr().out == "no dead letters\n"


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize("words", [("list",), ("redrive", "--yes"), ("drop", "--yes")])
def test_a_choice_that_fits_none(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped reason does not read as an empty queue."""
    assert relay(*words, "--reason", "no_membre") == DONE
    shown = capsys.readouterr().out
    assert "none of the 3 fits the choice (reasons: no_member)" in shown


@pytest.mark.usefixtures("letters")
def test_two_letters_of_one_id(capsys: pytest.CaptureFixture[str]) -> None:
    """Two deliveries of one event have one id: both are shown, and no more characters are asked for than there are."""
    put_letter("cancelled", "7001")
    assert relay("show", f"{7001:032x}") == DONE
    shown = capsys.readouterr().out
    assert shown.startswith("2 letters have this id")
    assert ("1 of 2\nid: " in shown, "2 of 2\nid: " in shown) == (True, True)
    assert relay("show", f"{7001:032x}", "--json") == DONE
    value = json.loads(capsys.readouterr().out)
    assert [one["customer"] for one in value["letters"]] == ["7001", "7001"]


@pytest.mark.usefixtures("letters")
def test_letters_that_another_command_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """They are not gone."""
    hold("dead-letters", 3)
    for words in (("list",), ("redrive", "--yes"), ("drop", "--yes")):
        assert relay(*words) == ATTENTION
        assert "3 more letters are held by the clock or by another command" in capsys.readouterr().out


@pytest.mark.usefixtures("letters")
def test_what_was_redriven_three_times_did_fit_the_choice(capsys: pytest.CaptureFixture[str]) -> None:
    """Its own sentence says why it stays."""
    put_letter("cancelled", "7004", redrives=3)
    assert relay("redrive", "--yes", f"{7004:032x}") == ATTENTION
    shown = capsys.readouterr().out
    assert shown.startswith("no dead letter can go back\n1 stays: redriven three times already")
    assert "fits the choice" not in shown


@pytest.mark.usefixtures("letters")
def test_without_a_terminal_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `--yes` and a terminal the command asks for `--yes`."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(CliError, match="--yes"):
        relay("redrive")
    assert len(waiting("dead-letters")) == 3


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        (["list", "abc"], UsageError, "first 8 characters"),
        (["list", "--since", "yesterday"], UsageError, "yesterday is no time"),
        (["show", "ffffffff"], CliError, "no letter"),
        (["show", "00000000"], CliError, "ids of 3 letters begin with 00000000"),
    ],
)
def test_wrong_input(words: list[str], kind: type[CliError], says: str) -> None:
    """Each has its sentence."""
    with pytest.raises(kind, match=says):
        relay(*words)


def test_wrong_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """A rate and a limit are above zero."""
    for words in (["--rate", "0"], ["--limit", "0"], ["--rate", "many"]):
        with pytest.raises(SystemExit) as done:
            parsed(dead_letters.configure, "redrive", *words)
        assert done.value.code == 2
    assert "--rate" in capsys.readouterr().err
