"""The `relay` command: its help, its errors and what it prints."""

from __future__ import annotations

import json

import pytest
from relay_cli import main, showing
from relay_cli.judging import Row, Verdict


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`relay --help` knows each command by its line in the table."""
    with pytest.raises(SystemExit) as done:
        main.main(["--help"])
    assert done.value.code == 0
    said = capsys.readouterr().out
    assert all(command.name in said for command in main.COMMANDS)


@pytest.mark.parametrize("command", main.COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself(command: main.Command, capsys: pytest.CaptureFixture[str]) -> None:
    """`relay COMMAND --help` works, so the command's module is there and can be configured."""
    with pytest.raises(SystemExit) as done:
        main.main([command.name, "--help"])
    assert done.value.code == 0
    assert command.summary in " ".join(capsys.readouterr().out.split())


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A typing mistake is named, with what there is instead."""
    with pytest.raises(SystemExit) as done:
        main.main(["rum"])
    assert done.value.code == 2
    assert "run" in capsys.readouterr().err


def test_the_table_is_in_columns() -> None:
    """Columns are as wide as their widest cell, so that they line up without a terminal."""
    heading, row = showing.table([Row("a.long.topic", "accepted", "applied", "1", "-", "101")]).splitlines()
    assert heading.index("answer") == row.index("accepted")
    assert heading.index("HubSpot") == row.index("101")


def test_the_result_is_one_line_of_json() -> None:
    """Programs read the last line: RESULT and a JSON object."""
    word, _, text = showing.result_line(Verdict((), {"posted": 15}, ()), 12.345).partition(" ")
    assert word == "RESULT"
    assert json.loads(text) == {"posted": 15, "seconds": 12.3}
