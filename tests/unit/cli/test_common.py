"""The options of every command work before and after its name, and in the help of each command and action."""

from __future__ import annotations

import json

import pytest
from relay_cli import main
from relay_cli.common import take_common
from relay_cli.errors import UsageError


@pytest.mark.parametrize(
    "words",
    [
        "--stack relay-acme --json alerts",
        "alerts --json --stack relay-acme",
        "--stack=relay-acme alerts --json",
    ],
)
def test_options_stand_anywhere(words: str) -> None:
    """The place of an option does not matter, and the command keeps its own words."""
    common, own = take_common(words.split())
    assert (common.stack, common.json, own) == ("relay-acme", True, ["alerts"])


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack is the variable's, else `relay`; an empty variable counts as none."""
    monkeypatch.setenv("RELAY_STACK", "relay-acme")
    assert take_common([])[0].stack == "relay-acme"
    monkeypatch.setenv("RELAY_STACK", "")
    common = take_common([])[0]
    assert (common.stack, common.profile, common.region, common.endpoint_url, common.json) == (
        "relay",
        None,
        None,
        None,
        False,
    )


def test_no_option_is_guessed() -> None:
    """A prefix of an option stays with the command: `--re` may be one of its own."""
    assert take_common(["mirror", "--re"])[1] == ["mirror", "--re"]


def test_an_option_without_its_value() -> None:
    """The error is one of wrong usage."""
    with pytest.raises(UsageError, match="--region"):
        take_common(["alerts", "--region"])


def test_wrong_usage_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code says that nothing was changed; with `--json` the error is JSON as well."""
    assert main.main(["--json", "mute", "dun:x:1", "--days", "900"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "error": "--days must be between 0 and 366",
        "remedy": "to mute for good, switch the rule off",
    }
    assert printed.err.startswith("relay: --days must be between 0 and 366\n")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["erase"], "the following arguments are required: CUSTOMER"),
        (["mirror", "diff"], "the following arguments are required: TARGET"),
        (["alerts", "--yaml"], "unrecognized arguments: --yaml"),
        (["nothing"], "invalid choice: 'nothing'"),
    ],
)
def test_wrong_arguments_are_an_object_with_json(
    words: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As every other error; a person reads the usage as well."""
    assert main.main([*words, "--json"]) == 2
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert said["error"].partition(" (")[0].endswith(error)
    assert "--help` explains the arguments" in said["remedy"]
    assert printed.err.startswith("usage: relay")


@pytest.mark.parametrize("words", [["alerts"], ["mirror", "fill"], ["rules", "validate"], []])
def test_help_lists_them(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each command and each action of a command lists the common options once."""
    with pytest.raises(SystemExit):
        main.main([*words, "--help"])
    text = capsys.readouterr().out
    assert text.count("options of every command:") == 1
    assert all(f"--{name}" in text for name in ("stack", "profile", "region", "endpoint-url", "json"))
