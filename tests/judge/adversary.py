"""What goes wrong in a play: the order of arrival, repeats, and a fault at one call of one event.

A fault is drawn from the seed, the event, the call and its occurrence alone, so that a play can be repeated and
its faults taken away one by one. What struck is kept as a `Plan`, which replays without chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.judge.history import History

# A crash drops the state of every module. `lost_answer`: the call is done and its answer does not come.
AWS_FAULTS = ("crash_before", "crash_after", "throttled", "conflict", "lost_answer", "refused")
HTTP_FAULTS = ("crash_before", "crash_after", "http_429", "http_500", "timeout_before", "timeout_after")
ORDERS = ("as_happened", "shuffled", "reversed", "delayed")
# A call of one event is struck this often at most, so that every play ends.
MOST_STRIKES = 2
# What no retry can mend is drawn only where a rig asks for it by name.
LASTING = frozenset({"refused"})


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault: at the nth time that work on the event makes the call (`dynamodb.PutItem`, `http.hubspot`)."""

    event: str
    call: str
    occurrence: int
    kind: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to play a history: which delivery arrives when, and which faults strike.

    `arrivals` names (event, number of its delivery); a pair that stands twice is a repeat by the queue, a pair that
    stands late was dropped and delivered again.
    """

    arrivals: tuple[tuple[str, int], ...]
    faults: frozenset[Fault] = frozenset()

    def within(self, history: History) -> Plan:
        """Return the plan without the arrivals and faults of events that the history lacks."""
        there = {event.name: len(event.deliveries) for event in history.events}
        return Plan(
            tuple(pair for pair in self.arrivals if pair[1] < there.get(pair[0], 0)),
            frozenset(fault for fault in self.faults if fault.event in there or fault.event == "*"),
        )


def as_happened(history: History) -> Plan:
    """Return the plan of a kind world: each delivery once, by the time of its event, and no fault."""
    happened = {event.name: n for n, event in enumerate(history.events)}
    sent = sorted(history.sent(), key=lambda s: (s.number, happened[s.event]))
    return Plan(tuple((s.event, s.number) for s in sent))


def draw_arrivals(history: History, seed: int, order: str = "shuffled", repeats: float = 0.1) -> Plan:
    """Return a plan with the arrivals in another order, some of them twice."""
    rng = Random(f"arrivals {seed}")
    pairs = list(as_happened(history).arrivals)
    pairs += [pair for pair in pairs if rng.random() < repeats]
    if order == "shuffled":
        rng.shuffle(pairs)
    elif order == "reversed":
        pairs.reverse()
    elif order == "delayed":
        # A tenth is dropped and delivered again, up to twenty arrivals later.
        late = {n: n + rng.uniform(1, 20) if rng.random() < repeats else n for n in range(len(pairs))}
        pairs = [pairs[n] for n in sorted(late, key=late.__getitem__)]
    elif order != "as_happened":
        raise ValueError(f"no such order: {order}")
    return Plan(tuple(pairs))


@dataclass(slots=True)
class Adversary:
    """Decides at each call whether a fault strikes: by chance from a seed, or exactly those of a plan.

    `struck` has the faults so far; `Plan(arrivals, frozenset(struck))` replays the play.
    """

    seed: int = 0
    rate: float = 0.0
    kinds: frozenset[str] = frozenset({*AWS_FAULTS, *HTTP_FAULTS}) - LASTING
    planned: frozenset[Fault] | None = None
    struck: list[Fault] = field(default_factory=list)
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    _strikes: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def replaying(cls, plan: Plan) -> Adversary:
        """Return an adversary that strikes as the plan says and never else."""
        return cls(planned=plan.faults)

    def strike(self, event: str, call: str) -> str | None:
        """Return the kind of fault that strikes this call of this event, or None."""
        self._seen[event, call] += 1
        occurrence = self._seen[event, call]
        kind = self._planned(event, call, occurrence) if self.planned is not None else None
        if self.planned is None and self._strikes[event, call] < MOST_STRIKES:
            kind = self._drawn(event, call, occurrence)
        if kind is not None:
            self._strikes[event, call] += 1
            self.struck.append(Fault(event, call, occurrence, kind))
        return kind

    def _planned(self, event: str, call: str, occurrence: int) -> str | None:
        found = (
            f for f in self.planned or () if (f.event, f.call, f.occurrence) == (event, call, occurrence)
        )
        return next((fault.kind for fault in sorted(found)), None)

    def _drawn(self, event: str, call: str, occurrence: int) -> str | None:
        rng = Random(f"{self.seed} {event} {call} {occurrence}")
        fit = [k for k in (HTTP_FAULTS if call.startswith("http") else AWS_FAULTS) if k in self.kinds]
        return rng.choice(fit) if fit and rng.random() < self.rate else None


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON values."""
    return {
        "arrivals": [list(pair) for pair in plan.arrivals],
        "faults": [[f.event, f.call, f.occurrence, f.kind] for f in sorted(plan.faults)],
    }


def plan_from_json(data: dict[str, Any]) -> Plan:
    """Return the plan that `plan_to_json` wrote."""
    faults: Iterable[Any] = data["faults"]
    return Plan(
        tuple((name, number) for name, number in data["arrivals"]), frozenset(Fault(*f) for f in faults)
    )
