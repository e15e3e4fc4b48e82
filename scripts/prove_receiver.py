"""Puts generated hostile requests to the receiver and lists every answer that is not as it has to be.

Judged are: no exception, the right status, one line of log, no value of the request in it, and the untouched body in a
queue where the answer is 202. Prints the progress and a last line `RESULT {json}`; fails if anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.support.hostile_run import faults_in

PROCESSES = 2
PART = 5_000
SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Put the requests; return 1 if an answer is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="the first part's seed; the others follow it")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    statuses, faults = Counter[int](), list[str]()
    sizes = [PART] * (options.requests // PART) + [rest for rest in [options.requests % PART] if rest]
    with ProcessPoolExecutor(PROCESSES) as pool:
        seeds = range(options.seed, options.seed + len(sizes))
        for done, (found, wrong) in enumerate(pool.map(faults_in, sizes, seeds), start=1):
            statuses += found
            faults += wrong
            print(f"{sum(sizes[:done])} requests, {len(faults)} wrong", flush=True)
    for fault in faults[:SHOWN]:
        print(fault)
    result = {
        "requests": sum(statuses.values()),
        "statuses": {str(status): number for status, number in sorted(statuses.items())},
        "wrong": len(faults),
        "seconds": round(time.monotonic() - started, 1),
    }
    print(f"RESULT {json.dumps(result)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
