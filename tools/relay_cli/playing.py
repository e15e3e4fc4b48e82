"""Post the documented events to the deployed callback URL, and wait until nothing moves any more."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Final

from relay_cli.deploying import ROOT
from relay_cli.judging import Posted, Seen, judge
from relay_cli.staging import Say, Stage

_CALM: Final = 3.0
"""Seconds without a change after which a good end is believed: a second alert would have come by then."""

_STUCK: Final = 90.0
"""Seconds without a change after which no good end is awaited any more."""

_LONGEST: Final = 300.0

_PAUSE: Final = 2.0
"""Seconds between two looks: they cost the functions time, which run on the same machine."""

_PROGRESS: Final = "{journaled} journaled, {waiting} waiting, {alerts} alerts, {crm_contacts} contacts"


def post_samples(stage: Stage) -> list[Posted]:
    """Post each documented sample once."""
    posted = []
    for sample in sorted((ROOT / "events").glob("*.json")):
        reply = stage.post(sample.read_bytes())
        posted.append(Posted(sample.stem, reply.status_code, _id(reply.content)))
    return posted


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
    seen = look()
    while True:
        calm = clock() - changed
        well = not judge(posted, seen).problems
        if calm > _STUCK or clock() - began > _LONGEST or (calm > _CALM and well):
            return seen
        sleep(_PAUSE)
        before, seen = seen, look()
        if seen != before:
            changed = clock()
            say(_PROGRESS.format(**judge(posted, seen).result))


def _id(answer: bytes) -> str:
    try:
        content = json.loads(answer)
    except ValueError:
        return ""
    return str(content.get("id", "")) if isinstance(content, dict) else ""
