"""Post the documented events to the deployed callback URL, and wait until nothing moves any more."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Final

from relay_cli.deploying import ROOT
from relay_cli.judging import Posted, Seen, judge
from relay_cli.staging import Say, Stage

_CALM: Final = 3.0
"""Seconds without a change after which a good end is believed: a second alert would have come by then."""

_STUCK: Final = 30.0
"""Seconds without a change after which no good end is awaited any more."""

_LONGEST: Final = 180.0


def post_samples(stage: Stage) -> list[Posted]:
    """Post each documented sample once."""
    posted = []
    for sample in sorted((ROOT / "events").glob("*.json")):
        reply = stage.post(sample.read_bytes())
        posted.append(Posted(sample.stem, reply.status_code, _id(reply.content)))
    return posted


def settle(look: Callable[[], Seen], posted: list[Posted], say: Say) -> Seen:
    """Look until all is well and calm, or until nothing happens any more; return the last look."""
    began = changed = time.monotonic()
    seen = look()
    while True:
        now = time.monotonic()
        calm = now - changed
        if calm > _STUCK or now - began > _LONGEST or (calm > _CALM and not judge(posted, seen).problems):
            return seen
        time.sleep(2)  # looking costs the functions time: they run on the same machine
        before, seen = seen, look()
        if seen != before:
            changed = time.monotonic()
            result = judge(posted, seen).result
            say(
                "{journaled} journaled, {waiting} waiting, {alerts} alerts, {crm_contacts} contacts".format(
                    **result
                )
            )


def _id(answer: bytes) -> str:
    try:
        content = json.loads(answer)
    except ValueError:
        return ""
    return str(content.get("id", "")) if isinstance(content, dict) else ""
