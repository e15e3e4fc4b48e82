"""`relay` as `pipx install` puts it on a machine: a wheel with an extra, in an environment without the checkout."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from relay_cli.known_errors import _EXTRAS
from relay_cli.main import COMMANDS

from tests.support.port_fakes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.stack]  # over a minute: pip installs twice

_PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_DISTRIBUTIONS: Final = {
    "yaml": "pyyaml",
    "ruamel": "ruamel.yaml",
    "botocore": "boto3",
    "pydantic_core": "pydantic",
}
"""The distribution of a module whose name differs."""

_OWN: Final = {"relay", "inveterate", "relay_cli", "local_stack", "stack_template", "sim", "fakes"}

_MANY: Final = """
import contextlib, io, json, sys, traceback
from relay_cli.main import main

done = []
for words in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code
        except Exception:
            code = 1
            traceback.print_exc()
    done.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""
"""Runs many command lines in one process of the installed Python: each of its own would take half a second."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command line ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the installed command, and an empty folder to run it in."""

    programs: Path
    place: Path

    def relay(self, *words: str) -> Done:
        """Run one command line as a person does."""
        done = self._run([self.programs / "relay", *words], "")
        return Done(done.returncode, done.stdout, done.stderr)

    def each(self, lines: Iterable[Sequence[str]]) -> Iterator[tuple[Sequence[str], Done]]:
        """Run many command lines; yield each with its end."""
        listed = list(lines)
        done = self._run([self.programs / "python", "-c", _MANY], json.dumps(listed))
        assert done.returncode == 0, done.stderr
        for words, [code, out, err] in zip(listed, json.loads(done.stdout), strict=True):
            yield words, Done(code, out, err)

    def _run(self, command: Sequence[str | Path], stdin: str) -> subprocess.CompletedProcess[str]:
        # Nothing of this process's environment: no region, no credentials, no stack.
        clean = {"HOME": str(self.place), "PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}
        return subprocess.run(
            command, cwd=self.place, env=clean, input=stdin, capture_output=True, text=True, timeout=120, check=False
        )  # fmt: skip


def _install(folder: Path, wheel: Path, extra: str) -> Path:
    """Install the wheel with an extra, in the versions of our lock; return where its programs are."""
    constraints = folder.with_suffix(".txt")
    pins = re.findall(r"^(\S+==[^ ;\\]+)", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE)
    constraints.write_text("\n".join(pins))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "--quiet",
         "--disable-pip-version-check", "--no-compile", "--constraint", constraints, f"{wheel}{extra}"],
        check=True,
    )  # fmt: skip
    return folder / "bin"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--no-build-isolation", "--wheel-dir", folder, ROOT],
        check=True,
    )  # fmt: skip
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The command with the extra `cli`."""
    place = tmp_path_factory.mktemp("cli")
    return Installed(_install(place / "venv", wheel, "[cli]"), place)


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The command without an extra."""
    place = tmp_path_factory.mktemp("bare")
    return Installed(_install(place / "venv", wheel, ""), place)


def test_every_command_has_its_help(installed: Installed) -> None:
    """`relay COMMAND --help` needs neither the checkout nor AWS."""
    for [name, _], done in installed.each((command.name, "--help") for command in COMMANDS):
        assert (done.code, done.stderr) == (0, ""), name
        assert f"relay {name}" in done.stdout


def test_what_needs_no_stack_works(installed: Installed) -> None:
    """The versions, the operations of the API, and the scenarios of the simulator, which are data of the package."""
    version = installed.relay("version")
    assert (version.code, version.stderr) == (0, "")
    assert version.stdout.startswith(f"relay {_PROJECT['version']}\n")
    assert "aws-sam-cli is not installed" in version.stdout
    shown = [done.stdout for _, done in installed.each([["operations"], ["sim", "play", "list"]])]
    assert ["members.get" in shown[0], "month" in shown[1]] == [True, True]


def test_what_needs_the_checkout_says_so(installed: Installed) -> None:
    """One sentence with the remedy, exit code 1, no traceback."""
    lines = ("run --samples", "deploy acme --yes", "init acme --non-interactive")
    for words, done in installed.each(line.split() for line in lines):
        assert done.code == 1, words
        assert "needs Relay's sources" in done.stderr, words
        assert "in a checkout of Relay" in done.stderr, words
        assert "Traceback" not in done.stderr, words


def test_what_needs_a_stack_gets_as_far_as_aws(installed: Installed) -> None:
    """Every other command loads all its parts, and ends in a sentence: here the region is missing."""
    lines = (
        "alerts", "status", "doctor", "tiers", "import", "privacy", "reconcile", "test-alert slack",
        "subscriptions plan", "rules show", "dead-letters list", "unclaimed list", "mirror status hubspot",
        "keys show", "uninstall --yes", "ack one", "mute one --days 1", "erase 1", "recover --yes",
    )  # fmt: skip
    for words, done in installed.each(line.split() for line in lines):
        assert (done.code, "--region" in done.stderr) == (1, True), (words, done.stderr)
        assert "Traceback" not in done.stderr, words


def test_the_simulator_says_which_extra_it_needs(installed: Installed) -> None:
    """Without starlette it cannot serve."""
    done = installed.relay("sim", "serve")
    assert done.code == 1
    assert "its extra sim" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_an_extra_each_command_works_or_names_it(bare: Installed) -> None:
    """The base has what the Lambda layer needs, and the command says what it lacks."""
    assert bare.relay("version").code == 0
    for words, done in bare.each([["alerts"], ["deploy", "acme"], ["doctor"], ["sim", "play", "list"]]):
        assert done.code == 1
        assert "its extra cli" in done.stderr, words
        assert "Traceback" not in done.stderr


def _imported(package: str) -> Iterator[str]:
    for path in (ROOT / "tools" / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield str(node.module).partition(".")[0]


@pytest.mark.parametrize(
    ("package", "extras"), [("relay_cli", ("cli",)), ("sim", ("sim",)), ("fakes", ("sim",))]
)
def test_a_package_imports_what_is_declared(package: str, extras: Sequence[str]) -> None:
    """What the code imports is a base dependency or in the extra, and a missing one of these is named to people."""
    optional = _PROJECT["optional-dependencies"]
    declared = [*_PROJECT["dependencies"], *(one for extra in extras for one in optional[extra])]
    names = {re.split(r"[>=<\[]", one)[0] for one in declared}
    base = {re.split(r"[>=<\[]", one)[0] for one in _PROJECT["dependencies"]}
    others = set(_imported(package)) - _OWN - set(sys.stdlib_module_names)
    assert {name for name in others if _DISTRIBUTIONS.get(name, name) not in names} == set()
    assert {name for name in others if _DISTRIBUTIONS.get(name, name) not in base} <= _EXTRAS.keys()
