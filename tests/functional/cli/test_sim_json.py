"""`relay sim ACTION --json` prints JSON and nothing else, as every command does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from relay_cli.main import main

from tests.functional.sim.sim_server import running_simulator


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a simulator."""
    with running_simulator() as platform:
        yield str(platform.http.base_url).rstrip("/")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """Return what a command printed, read as JSON."""
    assert main(["sim", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_each_action_prints_json(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Triggered events, the advanced clock, the list of scenarios, and the steps of one that is played."""
    events = printed(capsys, "trigger", "customer.joined.paid_tier", "--url", url)
    assert "customer.joined.paid_tier" in {event["topic"] for event in events}
    assert set(printed(capsys, "advance", "--days", "1", "--url", url)) >= {"now", "caused"}
    assert "dunning_lost" in printed(capsys, "play", "list")
    assert {"step", "body"} <= set(printed(capsys, "play", "joining", "--url", url)[0])


def test_a_topic_that_is_none_is_refused_with_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    """The list is long, so the sentence names the help that has it. No simulator is needed to know."""
    assert main(["sim", "trigger", "customer.cancelld"]) == 2
    assert "relay sim trigger --help" in capsys.readouterr().err
