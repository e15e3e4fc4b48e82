"""The service as a whole, judged over 32 histories: each property, in two orders, with faults in one of them.

What the service is known not to keep is in `known.py`; here it is expected to fail, by name, on a shrunk history.
`make prove` plays any number of histories more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest

from tests.judge import known
from tests.judge.campaign import NAMES, Fault, examine, read_fault, violations
from tests.judge.generator import draw
from tests.judge.oddities import ALL
from tests.judge.rig import play

HISTORIES = 32
CHUNKS = 8
RATE = 0.05

pytestmark = pytest.mark.slow


@cache
def faults(chunk: int) -> Sequence[Fault]:
    """Return every violation of a chunk of the histories; played once for all properties."""
    seeds = range(chunk, HISTORIES, CHUNKS)
    return [f for seed in seeds for f in examine(play, draw(seed, switches=known.HANDLED), rate=RATE)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "chunk",
    [pytest.param(n, marks=pytest.mark.xdist_group(f"histories-{n}")) for n in range(CHUNKS)],
)
def test_a_property_holds(chunk: int, name: str) -> None:
    """No history violates the property, but for what the known faults explain."""
    new = [
        f"seed {fault.history.seed}: {fault.violation}"
        for fault in faults(chunk)
        if fault.name == name and known.explanation(fault.violation) is None
    ]
    assert new == []


def samples() -> list[str]:
    """Return the names of all that has a shrunk history."""
    return sorted(path.stem for path in known.FOLDER.glob("*.json"))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.xfail(reason=f"known: {name}", strict=True)) for name in samples()],
)
def test_a_known_fault_is_mended(name: str) -> None:
    """The shrunk history of a known fault does not violate its property any more; then its line in `known.py` goes."""
    kept = read_fault(known.FOLDER / f"{name}.json")
    found = violations(play, kept.history, kept.plan)
    assert not [v for v in found if (v.name, v.about) == (kept.name, kept.violation.about)]


def test_every_known_fault_has_its_history() -> None:
    """Each known fault and each oddity that is not handled has a history of at most six events, and no other has."""
    named = {fault.name for fault in known.KNOWN} | {known.ODDITY + switch for switch in known.NOT_HANDLED}
    assert set(samples()) == named
    assert named >= {known.ODDITY + switch for switch in known.NOT_HANDLED & ALL}
    for name in named:
        assert 1 <= len(read_fault(known.FOLDER / f"{name}.json").history.events) <= 6, name


def test_a_play_can_be_repeated() -> None:
    """The same history, plan and seed lead to the same violations: otherwise none could be shrunk."""
    history = draw(3, switches=ALL)
    assert examine(play, history, rate=0.2) == examine(play, history, rate=0.2)
