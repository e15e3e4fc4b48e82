"""One stage for the end-to-end tests of a group, deployed once, the samples played once; and one browser for all pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from local_stack.console_feed import ConsoleFeed
from local_stack.environment import LocalEnvironment, local_environment, new_run_folder
from local_stack.observer import Observer
from local_stack.samples import play_samples

from tests.support.browser import browser, chromium
from tests.support.local_stage import Played

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def stage() -> Iterator[LocalEnvironment]:
    """Deploy, and leave it up for all tests of this worker's group."""
    folder = new_run_folder()
    with local_environment(folder, print) as stage:
        stage.sim.console.feed = ConsoleFeed(Observer(stage))
        yield stage
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def played(stage: LocalEnvironment) -> Played:
    """Post the 15 samples."""
    return Played(stage, Observer(stage), play_samples(stage, print))


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
