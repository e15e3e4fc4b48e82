"""Plays many histories in several orders under faults, and shrinks the first violation of each property.

What plays a history is a parameter: the rig plays the service, the judge's own tests play a toy.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from tests.judge.adversary import (
    ORDERS,
    Adversary,
    Plan,
    as_happened,
    draw_arrivals,
    plan_from_json,
    plan_to_json,
)
from tests.judge.case import Violation
from tests.judge.generator import draw
from tests.judge.history import History, from_json, to_json
from tests.judge.observed import Observed
from tests.judge.oddities import ALL
from tests.judge.properties import PROPERTIES, compare, judge
from tests.judge.shrink import shrink

Play: TypeAlias = Callable[[History, Plan, Adversary], Observed]
# The property that needs two plays.
SAME = "same_for_all_orders"
NAMES = (*PROPERTIES, SAME)


@dataclass(frozen=True, slots=True)
class Fault:
    """A play that violates a property: enough to play it again."""

    name: str
    history: History
    plan: Plan
    violation: Violation


@dataclass(slots=True)
class Campaign:
    """What many histories have shown: how many were played, and the violations by property."""

    histories: int = 0
    plays: int = 0
    events: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, Fault] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return the result for a person to read: one line per property."""
        head = f"{self.histories} histories, {self.events} events, {self.plays} plays"
        return [head, *(f"{name}: {self.counts.get(name, 0)} violations" for name in NAMES)]


def run(
    play: Play,
    seeds: Iterable[int],
    *,
    switches: Collection[str] = ALL,
    rate: float = 0.05,
    seconds: float | None = None,
) -> Campaign:
    """Return what the histories of the seeds show; stop when the time is up.

    Each history is played as it happened without a fault, and once in another order under faults.
    """
    found, started = Campaign(), time.monotonic()
    for seed in seeds:
        if seconds is not None and time.monotonic() - started > seconds:
            break
        history = draw(seed, switches=switches)
        faults = examine(play, history, rate=rate)
        found.histories += 1
        found.plays += 2
        found.events += len(history.events)
        for fault in faults:
            found.counts[fault.name] = found.counts.get(fault.name, 0) + 1
            found.first.setdefault(fault.name, fault)
    return found


def examine(play: Play, history: History, *, rate: float, kinds: frozenset[str] | None = None) -> list[Fault]:
    """Return every violation of a history in its two plays, each with the plan that plays it again.

    `kinds` are the faults that may strike, where they are not all.
    """
    calm = play(history, as_happened(history), Adversary())
    plan = rough_plan(history, history.seed)
    adversary = Adversary(history.seed, rate)
    adversary.kinds = adversary.kinds if kinds is None else kinds
    rough = play(history, plan, adversary)
    struck = replace(plan, faults=frozenset(adversary.struck))
    return [
        Fault(violation.name, history, used, violation)
        for used, violations in (
            (calm.plan, judge(history, calm)),
            (struck, judge(history, rough)),
            (struck, compare(history, [calm, rough])),
        )
        for violation in violations
    ]


def rough_plan(history: History, seed: int) -> Plan:
    """Return the plan of a history's second play: each order in turn, and now and then the natural one alone."""
    order = ORDERS[seed % len(ORDERS)]
    return draw_arrivals(history, seed, order, repeats=0.0 if seed % (2 * len(ORDERS)) == 0 else 0.1)


def violations(play: Play, history: History, plan: Plan) -> list[Violation]:
    """Return the violations of one plan, played once, and once more in the natural order to compare the two."""
    observed = play(history, plan, Adversary.replaying(plan))
    calm = play(history, as_happened(history), Adversary())
    return [*judge(history, observed), *compare(history, [calm, observed])]


def smallest(
    play: Play,
    fault: Fault,
    *,
    most_plays: int = 300,
    same: Callable[[Violation], bool] = lambda _violation: True,
) -> Fault:
    """Return the same fault with the fewest events, arrivals and faults that were found.

    What violates the same property is the same fault, unless `same` denies it.
    """

    def those(history: History, plan: Plan) -> list[Violation]:
        return [v for v in violations(play, history, plan) if v.name == fault.name and same(v)]

    def fails(history: History, plan: Plan) -> bool:
        return bool(those(history, plan))

    found = shrink(fault.history, fault.plan, fails, most_plays=most_plays)
    said = those(found.history, found.plan)[0]
    return Fault(fault.name, found.history, found.plan, said)


def write(fault: Fault, folder: Path, name: str = "") -> Path:
    """Write a fault to `<name>.json`, by default the property's, and return its path."""
    path = folder / f"{name or fault.name}.json"
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "property": fault.name,
        "about": fault.violation.about,
        "found": fault.violation.found,
        "plan": plan_to_json(fault.plan),
        "history": to_json(fault.history),
    }
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return path


def read_fault(path: Path) -> Fault:
    """Return the fault that `write` has written."""
    data = json.loads(path.read_text())
    said = Violation(data["property"], data["about"], data["found"])
    return Fault(data["property"], from_json(data["history"]), plan_from_json(data["plan"]), said)
