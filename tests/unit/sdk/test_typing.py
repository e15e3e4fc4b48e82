"""mypy strict finds the usual mistakes, and infers every reply on both clients."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[3]
RIGHT = Path(__file__).parent / "typing_samples" / "right.py"
WRONG = Path(__file__).parent / "typing_samples" / "wrong.py.txt"  # without .py, since mypy has to refuse it


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Let mypy read both samples, once."""
    wrong = tmp_path_factory.mktemp("typing") / "wrong.py"
    wrong.write_text(WRONG.read_text())
    out, err, _ = api.run(
        [
            "--config-file",
            str(ROOT / "pyproject.toml"),
            "--cache-dir",
            str(ROOT / ".cache" / "mypy-sample"),
            str(RIGHT),
            str(wrong),
        ]
    )
    assert err == ""
    return out


def test_right_uses_are_accepted_and_inferred(found: str) -> None:
    """`assert_type` in the sample has the type of every reply."""
    assert [line for line in found.splitlines() if "right.py" in line] == []


def test_wrong_uses_are_refused_line_by_line(found: str) -> None:
    """Each line of the sample that is marked is refused with that code, and no other line is."""
    expected = {
        (number, code)
        for number, line in enumerate(WRONG.read_text().splitlines(), 1)
        for code in re.findall(r"# error: ([a-z-]+)", line)
    }
    reported = {
        (int(line), code) for line, code in re.findall(r"wrong\.py:(\d+): error: .*\[([a-z-]+)\]", found)
    }
    assert len(expected) >= 12
    assert reported == expected


def test_every_operation_is_in_the_sample() -> None:
    """A new operation has to be typed there, on both clients."""
    from inveterate import operations

    text = RIGHT.read_text()
    for row in operations():
        assert f"client.{row['name']}(" in text, row["name"]
    assert text.count("client.") >= 2 * len(operations())
