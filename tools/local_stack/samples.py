"""Post the documented events to the deployed callback URL, and wait until Relay has finished with them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from inveterate.webhooks import parse

from local_stack.build_cache import ROOT
from local_stack.environment import LocalEnvironment
from local_stack.observation import Observation
from local_stack.observer import Observer
from local_stack.progress import RemainingWork, ReportProgress
from local_stack.verdict_samples import PostedSample, SamplesVerdict, judge_samples

_CALM: Final = 3.0
"""Seconds without a change before a good end counts: a duplicate alert would have come by then."""

_STUCK: Final = 400.0
"""Seconds without a change after which the wait is given up while messages wait: SQS keeps one back for 360 s whose function
ran out of time, as it may on a slow machine."""

_STUCK_WHEN_EMPTY: Final = 90.0
"""The same while no message waits."""

_MAX_WAIT: Final = 900.0

_MAX_WAVE_WAIT: Final = 60.0
"""Seconds at most until the next wave is posted, while events of the one before are in the queues."""

_INTERVAL: Final = 2.0
"""Seconds between observations, which take CPU from the functions on the same machine."""


def play_samples(environment: LocalEnvironment, progress: ReportProgress) -> SamplesVerdict:
    """Post the samples, wait for the end and return the verdict."""
    observer = Observer(environment)
    progress("posting the documented events")
    posted = post_samples(environment, observer.idle)
    progress(f"posted {len(posted)} events")
    return judge_samples(posted, observe_until_done(observer.observe, posted, progress))


def post_samples(environment: LocalEnvironment, idle: Callable[[], bool]) -> list[PostedSample]:
    """Post each documented sample once, in waves with at most one event of each member.

    Several samples are about one member. Posted all at once, which of two applies and which is stale would
    vary from run to run, as in production; a demonstration shows the same each time.
    """
    posted: list[PostedSample] = []
    for wave in waves({path: path.read_bytes() for path in (ROOT / "events").glob("*.json")}):
        if posted:
            wait_until_idle(idle)
        for path, body in wave.items():
            reply = environment.post(body)
            posted.append(PostedSample(path.stem, reply.status_code, _event_id(reply.content)))
    return posted


def wait_until_idle(
    idle: Callable[[], bool],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait, at most 60 s, until two observations in a row are idle: one alone may fall between table and queue."""
    until, before = clock() + _MAX_WAVE_WAIT, False
    while clock() < until:
        now = idle()
        if now and before:
            return
        before = now
        sleep(_INTERVAL)


def waves(samples: Mapping[Path, bytes]) -> list[dict[Path, bytes]]:
    """Return the samples in groups without two events of one member, each member's oldest event first."""
    groups: list[dict[Path, bytes]] = []
    earlier: Counter[str] = Counter()
    events = {path: parse(body) for path, body in samples.items()}
    for path in sorted(samples, key=lambda path: (str(events[path].occurred_at), path.stem)):
        number = earlier[events[path].customer_id]
        earlier[events[path].customer_id] += 1
        if number == len(groups):
            groups.append({})
        groups[number][path] = samples[path]
    return groups


def observe_until_done(
    observe: Callable[[], Observation],
    posted: Sequence[PostedSample],
    progress: ReportProgress,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Observation:
    """Observe until all is well and nothing changes, or until nothing changes for long; return the last observation."""
    began = changed = clock()
    observed, remaining = observe(), RemainingWork(progress)
    while True:
        verdict = judge_samples(posted, observed)
        remaining(verdict)
        calm, well = clock() - changed, not verdict.problems
        longest = _STUCK if verdict.result["waiting"] else _STUCK_WHEN_EMPTY
        if calm > longest or clock() - began > _MAX_WAIT or (calm > _CALM and well):
            return observed
        sleep(_INTERVAL)
        before, observed = observed, observe()
        if observed != before:
            changed = clock()


def _event_id(answer: bytes) -> str:
    try:
        content = json.loads(answer)
    except ValueError:
        return ""
    return str(content.get("id", "")) if isinstance(content, dict) else ""
