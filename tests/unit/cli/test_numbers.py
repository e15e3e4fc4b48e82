"""A number that is none, or out of range, is refused with the range, and exit code 2."""

from __future__ import annotations

import pytest
from relay_cli.main import main


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("dead-letters list --limit -1", "-1 is no whole number of 1 or more"),
        ("dead-letters list --limit few", "few is no whole number of 1 or more"),
        ("dead-letters redrive --rate 0", "0 is no number from 0.1 to 1,000"),
        ("dead-letters redrive --rate nan", "nan is no number from 0.1 to 1,000"),
        ("unclaimed list --limit 0", "0 is no whole number of 1 or more"),
        ("mirror diff hubspot --limit -3", "-3 is no whole number of 1 or more"),
        ("status --hours -1", "-1 is no whole number from 1 to 720"),
        ("doctor --wait -1", "-1 is no number from 0 to 3,600"),
        ("test-alert slack --wait inf", "inf is no number from 0 to 3,600"),
        ("deploy acme --minutes 181", "181 is no whole number from 0 to 180"),
        ("run --members 0", "0 is no whole number from 1 to 100,000"),
    ],
)
def test_the_range_is_named(words: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No name of a function of the program."""
    assert main(words.split()) == 2
    assert expected in capsys.readouterr().err
