"""mypy and pyright, both strict: they accept and infer every right use, and refuse every wrong one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mypy import api

ROOT = Path(__file__).parents[3]
SAMPLES = Path(__file__).parent / "typing_samples"
RIGHT = [SAMPLES / "right.py", *sorted((ROOT / "docs" / "examples").glob("*.py"))]
WRONG = SAMPLES / "wrong.py.txt"  # without .py, since the checkers have to refuse it
WRONG_USES = 29

Problem = tuple[str, int, str]
"""File, line and code."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all samples and the documented examples."""
    folder = tmp_path_factory.mktemp("typing")
    for sample in RIGHT:
        shutil.copy(sample, folder)
    shutil.copy(WRONG, folder / "wrong.py")
    return folder


@pytest.fixture(scope="module")
def mypy(folder: Path) -> set[Problem]:
    """What mypy strict reports."""
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".cache/mypy-sample")]
    out, err, _ = api.run([*options, *map(str, sorted(folder.glob("*.py")))])
    assert err == ""
    found = re.findall(r"(\w+\.py):(\d+): error: .*\[([a-z-]+)\]", out)
    return {(name, int(line), code) for name, line, code in found}


@pytest.fixture(scope="module")
def pyright(folder: Path) -> set[Problem]:
    """What pyright strict reports."""
    settings = {
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "extraPaths": [str(ROOT / "layers" / "shared")],
        "venvPath": str(Path(sys.prefix).parent),
        "venv": Path(sys.prefix).name,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    ran = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "-p", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    report: dict[str, Any] = json.loads(ran.stdout)
    assert report["summary"]["filesAnalyzed"] == len(RIGHT) + 1
    return {
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1, one.get("rule", ""))
        for one in report["generalDiagnostics"]
    }


def marked(column: int) -> dict[int, str]:
    """Return the marked lines of the wrong sample, with the code of mypy (0) or pyright (1)."""
    lines = enumerate(WRONG.read_text().splitlines(), 1)
    found = {number: re.search(r"# error: ([a-z-]+) / (\w+)$", line) for number, line in lines}
    return {number: match[column + 1] for number, match in found.items() if match}


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_right_uses_and_examples_are_accepted(checker: str, request: pytest.FixtureRequest) -> None:
    """`assert_type` in the sample has the type of every reply; the examples are those of docs/sdk.md."""
    problems: set[Problem] = request.getfixturevalue(checker)
    assert [problem for problem in problems if problem[0] != "wrong.py"] == []


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_each_wrong_use_is_refused(checker: str, request: pytest.FixtureRequest) -> None:
    """Each of 29 marked lines is refused with its code, and no other line is."""
    problems: set[Problem] = request.getfixturevalue(checker)
    wrong = marked(["mypy", "pyright"].index(checker))
    assert len(wrong) == WRONG_USES
    assert {line for name, line, _ in problems if name == "wrong.py"} == set(wrong)
    for line, code in wrong.items():
        assert ("wrong.py", line, code) in problems


def test_every_operation_is_in_the_sample() -> None:
    """A new operation has to be typed there, on both clients."""
    from inveterate import operations

    text = RIGHT[0].read_text()
    for row in operations():
        assert f"client.{row['name']}(" in text, row["name"]
    assert text.count("client.") >= 2 * len(operations())
