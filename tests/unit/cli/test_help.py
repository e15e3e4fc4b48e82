"""`relay --help` lists the commands in groups, and every command's help has a description and an example."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module

import pytest
from relay_cli import main
from relay_cli.help import HelpFormatter


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what `relay … --help` prints."""
    with pytest.raises(SystemExit) as done:
        main.main([*words, "--help"])
    assert done.value.code == 0
    return capsys.readouterr().out


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser, then those of its actions."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from parsers(sub)


def configured(command: main.Command) -> list[argparse.ArgumentParser]:
    """Return the parsers of a command and its actions."""
    parser = argparse.ArgumentParser(prog=f"relay {command.name}", formatter_class=HelpFormatter)
    import_module(f"relay_cli.commands.{command.module}").configure(parser)
    return list(parsers(parser))


def test_help_lists_every_command_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    """Each group has a heading, and below it a line with the name and the summary of each command."""
    lines = help_of(capsys).splitlines()
    for title, group in main.COMMAND_GROUPS.items():
        start = lines.index(f"{title}:") + 1
        listed = [line.split(maxsplit=1) for line in lines[start : start + len(group)]]
        assert listed == [[command.name, command.summary] for command in group]


@pytest.mark.parametrize("command", main.COMMANDS, ids=lambda command: command.name)
def test_every_command_has_a_description(command: main.Command, capsys: pytest.CaptureFixture[str]) -> None:
    """`relay COMMAND --help` works, so the command's module exists and its arguments are valid."""
    assert f"{command.summary}." in " ".join(help_of(capsys, command.name).split())


@pytest.mark.parametrize("command", main.COMMANDS, ids=lambda command: command.name)
def test_every_command_and_action_has_an_example(command: main.Command) -> None:
    """Each example begins with the command that it is about."""
    for parser in configured(command):
        title, *lines = (parser.epilog or "").splitlines()
        assert title in {"example:", "examples:"}, parser.prog
        assert lines[0].startswith(f"  {parser.prog}"), parser.prog


@pytest.mark.parametrize("command", main.COMMANDS, ids=lambda command: command.name)
def test_every_argument_is_explained(command: main.Command) -> None:
    """Each argument has a help text, and each value a name in capitals or a list of choices."""
    for parser in configured(command):
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                continue
            assert action.help, (parser.prog, action.dest)
            if action.nargs != 0:
                assert action.choices or str(action.metavar).isupper(), (parser.prog, action.dest)


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the commands that exist."""
    assert main.main(["rum"]) == 2
    assert "run" in capsys.readouterr().err
