"""One stage for all end-to-end tests: deployed once, the samples played once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from relay_cli import run
from relay_cli.observing import Observer
from relay_cli.staging import staged

from tests.e2e_stage import Played


@pytest.fixture(scope="session")
def played() -> Iterator[Played]:
    """Deploy, post the 15 samples, and leave it up for all tests."""
    folder = run.new_folder()
    with staged(folder, print) as stage:
        yield Played(stage, Observer(stage), run.play(stage, print))
    shutil.rmtree(folder, ignore_errors=True)
