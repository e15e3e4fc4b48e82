"""Plays any number of histories through the whole service and judges them: what no known fault explains is shrunk.

Each history is played as it happened, and once more in another order under faults. Prints the progress, the
violations by property, each new one as the smallest history that shows it, and a last line `RESULT {json}`; fails if
there is a new one. The shrunk histories are in .cache/judge.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.judge import known
from tests.judge.campaign import Fault, examine, smallest, write
from tests.judge.case import Violation
from tests.judge.generator import draw
from tests.judge.oddities import ALL
from tests.judge.rig import play

KEPT = Path(".cache/judge")
PROCESSES = 2
STEPS = 20


def judge_one(seed: int, *, rate: float, everything: bool) -> tuple[int, list[Fault]]:
    """Return the number of events of a seed's history, and all its violations."""
    history = draw(seed, switches=ALL if everything else known.HANDLED)
    return len(history.events), examine(play, history, rate=rate)


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the histories; return 1 if one shows a fault that is not known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="the first history's seed; the others follow it")
    parser.add_argument("--rate", type=float, default=0.05, help="how many of the calls fail")
    parser.add_argument(
        "--all", action="store_true", help="with the oddities that are known not to be handled"
    )
    options = parser.parse_args(arguments)
    started, events = time.monotonic(), 0
    explained, new = Counter[str](), Counter[str]()
    first: dict[str, Fault] = {}
    seeds = range(options.seed, options.seed + options.histories)
    work = partial(judge_one, rate=options.rate, everything=options.all)
    with ProcessPoolExecutor(PROCESSES) as pool:
        for done, (number, faults) in enumerate(pool.map(work, seeds, chunksize=5), start=1):
            events += number
            for fault in faults:
                reason = known.explanation(fault.violation)
                if reason is not None:
                    explained[reason] += 1
                    continue
                new[fault.name] += 1
                first.setdefault(fault.name, fault)
            if done % max(options.histories // STEPS, 1) == 0:
                print(f"{done} histories, {sum(new.values())} new violations", flush=True)
    for name, number in sorted(explained.items()):
        print(f"known: {name}: {number} violations")
    for _, fault in sorted(first.items()):
        small = smallest(play, fault, same=is_new)
        path = write(small, KEPT)
        print(
            f"NEW: seed {fault.history.seed}, {len(small.history.events)} events: {small.violation}: {path}"
        )
    result = {
        "histories": options.histories,
        "seed": options.seed,
        "events": events,
        "plays": 2 * options.histories,
        "known": dict(sorted(explained.items())),
        "new": dict(sorted(new.items())),
        "seconds": round(time.monotonic() - started, 1),
    }
    print("RESULT", json.dumps(result))
    return 1 if new else 0


def is_new(violation: Violation) -> bool:
    """Tell whether no known fault explains a violation."""
    return known.explanation(violation) is None


if __name__ == "__main__":
    sys.exit(main())
