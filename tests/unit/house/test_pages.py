"""What README, the changelog and the pages under docs/ name is there: files, links, make targets and commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

import pytest
from relay.model.metrics import METRICS, Outcome
from relay_cli.main import COMMANDS, main

from tests.support.port_fakes import ROOT

PAGES: Final = (
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
)

BASES: Final = (ROOT, ROOT / "layers/shared", ROOT / "layers/shared/relay")
"""Where a path begins: a page writes `relay/errors.py` and `crm/` for short."""

_CODE: Final = re.compile(r"`([^`\n]+)`")
_PATH: Final = re.compile(r"\.?[a-zA-Z_<][\w<>*.-]*(?:/[\w<>*.-]+)*/?")
_LINK: Final = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
_MAKE: Final = re.compile(r"(?:^|`)make ([a-z]+)", re.MULTILINE)
_RELAY: Final = re.compile(r"(?:^|`|\.venv/bin/)relay ([a-z][^`#\n]*)", re.MULTILINE)


def paths_in(text: str) -> Iterator[str]:
    """Yield what stands in backticks and is a path: it has a slash, or the name of a Python file."""
    for code in _CODE.findall(text):
        word = code.split()[0]
        if _PATH.fullmatch(word) and ("/" in word or word.endswith(".py")):
            yield word


def is_there(path: str) -> bool:
    """Return whether a path exists; `<name>` stands for any name, and a file alone may be in any folder."""
    pattern = re.sub(r"<\w+>", "*", path.rstrip("/"))
    if "/" not in path:
        pattern = f"**/{pattern}"
    return any(next(base.glob(pattern), None) for base in BASES)


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield the words of each `relay` command. `show | diff` are two; what is in brackets is left out."""
    for command in _RELAY.findall(text):
        first, *others = re.sub(r"\[.*?\]", "", command).split(" | ")
        words = shlex.split(first)
        yield words
        for other in others:
            yield [*words[:-1], *shlex.split(other)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    """A reader who looks for a file that a page names finds it."""
    assert [path for path in paths_in(page.read_text()) if not is_there(path)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    """Links within the repository; those to the web are not followed."""
    assert [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    """As the Makefile has them."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(_MAKE.findall(page.read_text())) - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line takes each command with its action, and its help has each option."""
    for words in commands_in(page.read_text()):
        with pytest.raises(SystemExit) as ended:
            pytest.fail(f"relay {shlex.join(words)}: exit code {main([*words, '--help'])}")
        shown = capsys.readouterr()
        assert ended.value.code == 0, f"relay {shlex.join(words)}: {shown.err}"
        options = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert options - set(re.findall(r"--?[a-z][a-z-]*", shown.out)) == set(), words


def test_every_command_has_its_rights() -> None:
    """The page on security says of each command what it may do in AWS."""
    table = (ROOT / "docs/security.md").read_text().partition("## The rights of each command")[2]
    named = set(re.findall(r"`relay ([a-z-]+)`", table))
    assert {command.name for command in COMMANDS} - named == set()


def test_ci_calls_make_targets() -> None:
    """Hosted CI runs what a person runs: each step is a target, or a script that the targets have beside them."""
    steps = re.findall(r"- run: (.+)", (ROOT / ".github/workflows/ci.yml").read_text())
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = {step.removeprefix("make ") for step in steps if step.startswith("make ")}
    assert {"setup", "check", "test", "audit"} == made & targets
    assert {step for step in steps if not step.startswith("make ")} == {"scripts/system-packages"}


def test_metrics_and_log_lines_are_those_of_the_service() -> None:
    """The page for operators lists every metric, and names no outcome that is never logged."""
    page = (ROOT / "docs/operations.md").read_text().partition("## Metrics")[2]
    table = "".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert set(_CODE.findall(table)) == {metric.name for metric in METRICS}
    logged = page.partition("Everything else is a log line")[2]
    assert {word for word in _CODE.findall(logged) if "/" not in word} <= set(get_args(Outcome))


def test_what_is_gone_is_found() -> None:
    """Each check sees what is not there."""
    text = "`relay/breaker.py` `mirrors/` `crm/` `functions/<topic>/app.py` `door.py` `topics.py` `/webhooks`"
    assert [path for path in paths_in(text) if not is_there(path)] == [
        "relay/breaker.py",
        "mirrors/",
        "door.py",
    ]
    assert list(
        commands_in("relay mirror diff hubspot [CUSTOMER …]   # all\n`relay rules show | diff FILE`")
    ) == [
        ["mirror", "diff", "hubspot"],
        ["rules", "show"],
        ["rules", "diff", "FILE"],
    ]
    assert main(["mirror", "inspect", "--help"]) == 2


def test_the_files_that_a_stranger_looks_for_are_there() -> None:
    """Licence, security and contributing, with what each must say."""
    texts = {name: (ROOT / name).read_text() for name in ("LICENSE", "SECURITY.md", "CONTRIBUTING.md")}
    assert "MIT License" in texts["LICENSE"]
    assert "the Relay authors" in texts["LICENSE"]
    assert "private advisory" in texts["SECURITY.md"]
    assert "make check" in texts["CONTRIBUTING.md"]


_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ANCHOR: Final = re.compile(r"\]\(([^)#:\s]*)#([^)\s]+)\)")


def anchors_of(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_anchor_leads_to_a_heading(page: Path) -> None:
    """A link to a section of a page finds it, on the page itself and on another."""
    for target, anchor in _ANCHOR.findall(page.read_text()):
        other = page.parent / target if target else page
        assert anchor in anchors_of(other.read_text()), f"{target}#{anchor}"
