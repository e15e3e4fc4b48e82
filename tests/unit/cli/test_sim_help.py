"""`relay sim … --help` lists every fault, switch, topic and scenario of the simulator, as it is typed."""

from __future__ import annotations

import pytest
from relay_cli.main import main
from sim import player
from sim.ambiguities import AMBIGUITIES
from sim.events import TOPICS
from sim.faults import FAULTS


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what `relay sim … --help` prints."""
    with pytest.raises(SystemExit) as ended:
        main(["sim", *words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_serve_names_every_fault_and_switch(capsys: pytest.CaptureFixture[str]) -> None:
    """Each fault and each switch with its values has a line, and below it the description."""
    lines = [line.strip() for line in help_of(capsys, "serve").splitlines()]
    for name, about in FAULTS.items():
        assert lines[[line.rstrip("*") for line in lines].index(name) + 1].startswith(about[:60])
    for name, switch in AMBIGUITIES.items():
        assert f"{name}={'|'.join(switch.choices)}" in lines


def test_the_topics_and_the_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    """`trigger` lists the 15 topics, `play` the scenarios, and `sim` itself names the help texts that list them."""
    assert help_of(capsys, "trigger").split("topics:")[1].split() == list(TOPICS)
    scenarios = help_of(capsys, "play").split("scenarios:")[1]
    assert all(f"\n  {name}\n" in scenarios for name in player.names())
    assert "serve --help" in help_of(capsys)
