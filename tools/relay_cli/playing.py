"""Post the documented events to the deployed callback URL, and wait until nothing moves any more."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from inveterate.webhooks import parse

from relay_cli.awaiting import Awaiting
from relay_cli.deploying import ROOT
from relay_cli.judging import Posted, Seen, judge
from relay_cli.staging import Say, Stage

_CALM: Final = 3.0
"""Seconds without a change after which a good end is believed: a second alert would have come by then."""

_STUCK: Final = 90.0
"""Seconds without a change after which no good end is awaited any more."""

_LONGEST: Final = 300.0

_NEXT_WAVE: Final = 60.0
"""Seconds to wait for a member's earlier event to be taken, and told."""

_PAUSE: Final = 2.0
"""Seconds between two looks: they cost the functions time, which run on the same machine."""


def post_samples(stage: Stage, idle: Callable[[], bool]) -> list[Posted]:
    """Post each documented sample once, every member's in the order of the events' own time.

    The samples tell of a few members several times. Were a member's all posted at once, which of two
    applies and which is stale would be a matter of chance, as in life; a demonstration shows the same
    each time. So the next of a member is posted when the queues are empty, or after a while all the same.
    """
    posted: list[Posted] = []
    for wave in waves({path: path.read_bytes() for path in (ROOT / "events").glob("*.json")}):
        if posted:
            wait(idle)
        for path, body in wave.items():
            reply = stage.post(body)
            posted.append(Posted(path.stem, reply.status_code, _id(reply.content)))
    return posted


def wait(
    idle: Callable[[], bool],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until nothing was under way in two looks running: between two queues is the table's stream, which no look shows."""
    until, before = clock() + _NEXT_WAVE, False
    while clock() < until:
        now = idle()
        if now and before:
            return
        before = now
        sleep(_PAUSE)


def waves(samples: Mapping[Path, bytes]) -> list[dict[Path, bytes]]:
    """Part the samples so that no part has two of one member, a member's oldest first."""
    parted: list[dict[Path, bytes]] = []
    earlier: Counter[str] = Counter()
    events = {path: parse(body) for path, body in samples.items()}
    for path in sorted(samples, key=lambda path: (str(events[path].occurred_at), path.stem)):
        number = earlier[events[path].customer_id]
        earlier[events[path].customer_id] += 1
        if number == len(parted):
            parted.append({})
        parted[number][path] = samples[path]
    return parted


def settle(
    look: Callable[[], Seen],
    posted: Sequence[Posted],
    say: Say,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Seen:
    """Look until all is well and calm, or until nothing happens any more; return the last look."""
    began = changed = clock()
    seen, awaiting = look(), Awaiting(say)
    while True:
        verdict = judge(posted, seen)
        awaiting(verdict)
        calm, well = clock() - changed, not verdict.problems
        if calm > _STUCK or clock() - began > _LONGEST or (calm > _CALM and well):
            return seen
        sleep(_PAUSE)
        before, seen = seen, look()
        if seen != before:
            changed = clock()


def _id(answer: bytes) -> str:
    try:
        content = json.loads(answer)
    except ValueError:
        return ""
    return str(content.get("id", "")) if isinstance(content, dict) else ""
