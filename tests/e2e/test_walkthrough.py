"""The walkthrough of docs is what a person sees: every command of it is played, and shows what the page shows."""

from __future__ import annotations

import pytest

from scripts.walkthrough import MOST_COMMANDS, differences, played

pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.xdist_group("walkthrough")]


def test_the_walkthrough_shows_what_its_page_shows() -> None:
    """From `relay init` to `relay uninstall`, with every exit code; the first alert after ten commands at most."""
    walk = played()
    found = differences(walk.page.text())
    print(  # noqa: T201 - the figures, for whoever runs it with -s
        f"\n{walk.commands} commands, the first alert after {walk.commands_to_the_alert}; "
        f"{len(found)} lines differ from docs/walkthrough.md"
    )
    assert walk.commands_to_the_alert <= MOST_COMMANDS
    assert found == [], "scripts/walkthrough writes the page anew"
