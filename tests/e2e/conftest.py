"""One stage for all end-to-end tests, deployed once, the samples played once; and one browser for all pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from relay_cli import run
from relay_cli.observing import Observer
from relay_cli.pipeline import Pipeline
from relay_cli.staging import staged

from tests.browsing import browser, chromium
from tests.e2e_stage import Played

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def played() -> Iterator[Played]:
    """Deploy, post the 15 samples, and leave it up for all tests."""
    folder = run.new_folder()
    with staged(folder, print) as stage:
        stage.sim.pipeline.ask = Pipeline(Observer(stage))
        yield Played(stage, Observer(stage), run.play(stage, print))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """One browser for a module; where none can be had CI fails, and a laptop skips.

    No longer: while it is there an event loop runs in this thread, and other tests have loops of their own.
    """
    if chromium() is None:
        reason = "no Chromium: scripts/system-packages installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with browser() as started:
        yield started
