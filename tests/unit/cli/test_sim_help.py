"""`relay sim … --help`: every name that the simulator knows can be read there, as it has to be typed."""

from __future__ import annotations

import pytest
from relay_cli.main import main
from sim import player
from sim.ambiguities import AMBIGUITIES
from sim.events import TOPICS
from sim.faults import FAULTS


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what `relay sim … --help` prints."""
    with pytest.raises(SystemExit) as ended:
        main(["sim", *words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_serve_names_every_fault_and_switch(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has a line of its own that begins with its name, switches with their readings."""
    lines = [line.strip() for line in said(capsys, "serve").splitlines()]
    for name, about in FAULTS.items():
        assert lines[[line.rstrip("*") for line in lines].index(name) + 1].startswith(about[:60])
    for name, switch in AMBIGUITIES.items():
        assert f"{name}={'|'.join(switch.choices)}" in lines


def test_the_topics_and_the_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    """`trigger` lists the 15 topics, `play` the scenarios, and `sim` itself where to look."""
    assert said(capsys, "trigger").split("topics:")[1].split() == list(TOPICS)
    scenarios = said(capsys, "play").split("scenarios:")[1]
    assert all(f"\n  {name}\n" in scenarios for name in player.names())
    assert "serve --help" in said(capsys)
