"""The agreed cases, by their names: each adapter shows them, or has a reason why it cannot."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.contract.crm.setups import CASES, NOT_APPLICABLE, PORT, SETUPS

SHARED: Final = (
    "answers",
    "deleted",
    "edited_keys",
    "erasure",
    "identity",
    "port",
    "refusals",
    "swaps",
    "timeline",
    "values",
)
"""The modules whose tests run over every adapter."""


def promises() -> set[str]:
    """Return the names of the tests that run over every adapter."""
    folder = Path(__file__).parent
    texts = [(folder / f"test_{module}.py").read_text() for module in SHARED]
    return {name for text in texts for name in re.findall(r"^def test_(\w+)\(", text, re.MULTILINE)}


@pytest.mark.parametrize("adapter", SETUPS)
def test_every_case_is_shown_or_excused(adapter: str) -> None:
    """Each agreed case has a test of its name, or a reason why this provider cannot show it."""
    excused = NOT_APPLICABLE.get(adapter, {})
    assert {*CASES, *PORT} <= promises()
    assert excused.keys() <= promises()
    assert all(excused.values())


def test_every_excuse_is_of_an_existing_adapter() -> None:
    """Only an adapter with a test setup is excused."""
    assert NOT_APPLICABLE.keys() <= SETUPS.keys()
