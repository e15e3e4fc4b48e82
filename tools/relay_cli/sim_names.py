"""What the simulator has names for, as `--help` lists it: faults, switches with their readings, topics, scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

_WIDE = 100
_INDENT = "      "


def serving() -> str:
    """Return the faults and the switches."""
    from sim.ambiguities import AMBIGUITIES
    from sim.faults import DEFAULT_RATES, FAULTS, SETS

    lines = [f"faults (--fault NAME=RATE, from 0 to 1; or set={'|'.join(SETS)}; * is in set=default):"]
    for name, about in FAULTS.items():
        lines += _entry(f"{name}{'*' if name in DEFAULT_RATES else ''}", about)
    lines += ["", "switches (--switch NAME=VALUE; the first reading holds unless another is chosen):"]
    for name, switch in AMBIGUITIES.items():
        lines += _entry(f"{name}={'|'.join(switch.choices)}", switch.about)
    return "\n".join(lines)


def topics() -> str:
    """Return the topics that can be triggered."""
    from sim.events import TOPICS

    return "\n".join(("topics:", *(f"  {topic}" for topic in TOPICS)))


def scenarios() -> str:
    """Return the scenarios."""
    from sim import player

    lines = ["scenarios:"]
    for name in player.names():
        lines += _entry(name, player.load(name).about)
    return "\n".join(lines)


def _entry(name: str, about: str) -> Iterator[str]:
    yield f"  {name}"
    yield from wrap(about, _WIDE, initial_indent=_INDENT, subsequent_indent=_INDENT)
