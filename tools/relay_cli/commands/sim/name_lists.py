"""The names that `relay sim --help` lists: faults, switches with their values, topics, scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

_WIDTH = 100
_INDENT = "      "


def faults_and_switches() -> str:
    """Return the faults and the switches, each with its description."""
    from sim.ambiguities import AMBIGUITIES
    from sim.faults import DEFAULT_RATES, FAULTS, SETS

    lines = [f"faults (--fault NAME=RATE, a rate from 0 to 1; or set={'|'.join(SETS)}; * is in set=default):"]
    for name, about in FAULTS.items():
        lines += _entry(f"{name}{'*' if name in DEFAULT_RATES else ''}", about)
    lines += ["", "switches (--switch NAME=VALUE; the first value is the default):"]
    for name, switch in AMBIGUITIES.items():
        lines += _entry(f"{name}={'|'.join(switch.choices)}", switch.about)
    return "\n".join(lines)


def topics() -> str:
    """Return the topics that can be triggered."""
    from sim.events import TOPICS

    return "\n".join(("topics:", *(f"  {topic}" for topic in TOPICS)))


def scenarios() -> str:
    """Return the scenarios, each with its description."""
    from sim import player

    lines = ["scenarios:"]
    for name in player.names():
        lines += _entry(name, player.load(name).about)
    return "\n".join(lines)


def _entry(name: str, about: str) -> Iterator[str]:
    yield f"  {name}"
    yield from wrap(about, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
