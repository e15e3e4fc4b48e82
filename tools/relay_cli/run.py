"""`relay run`: the deployed template and a month of a programme, or the documented events, and what became of it all."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final

from relay_cli import month, showing
from relay_cli.deploying import ROOT
from relay_cli.judging import Verdict, judge
from relay_cli.observing import Observer
from relay_cli.pipeline import Pipeline
from relay_cli.playing import post_samples, settle
from relay_cli.staging import Say, Stage, staged

_MOST_MEMBERS: Final = 100_000
_ENDINGS: Final = (signal.SIGINT, signal.SIGTERM)


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    parser.add_argument("--members", type=_count, default=200, help="how many join (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed plays the same month")
    parser.add_argument(
        "--faults",
        choices=("default", "all", "none"),
        default="default",
        help="what goes wrong on purpose: what loses nothing, all there is, or nothing",
    )
    parser.add_argument(
        "--samples",
        action="store_true",
        help="post each documented event once instead, and show what became of it",
    )
    parser.add_argument("--keep", action="store_true", help="leave everything up until Ctrl-C")


def main(arguments: argparse.Namespace) -> int:
    """Run; 0 when nothing was lost or given up and every expected effect was seen."""
    for number in _ENDINGS:
        signal.signal(number, _stop)
    say = showing.Progress()
    folder = new_folder()
    try:
        verdict = _run(folder, say, arguments)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if verdict.problems:
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _run(folder: Path, say: showing.Progress, arguments: argparse.Namespace) -> Verdict:
    keep: bool = arguments.keep
    with staged(folder, say, seed=arguments.seed) as stage:
        observer = Observer(stage)
        stage.sim.pipeline.ask = Pipeline(observer)
        say(f"the console: {stage.sim.url}/console")
        if arguments.samples:
            verdict = play(stage, say)
            shown = showing.table(verdict.rows)
        else:
            wanted = month.Wanted(members=arguments.members, seed=arguments.seed, faults=arguments.faults)
            reckoning = month.play(stage, wanted, say, observer)
            verdict, shown = reckoning.verdict, showing.account(reckoning)
        result = showing.result_line(verdict, say.seconds())
        print(f"\n{shown}\n")
        if verdict.problems:
            _explain(stage, verdict)
        if keep:
            print(f"{showing.how_to_go_on(stage)}\n{result}", flush=True)
            _until_stopped()
    if not keep:
        print(result, flush=True)
    return verdict


def _count(text: str) -> int:
    """Read how many members there shall be.

    Raises:
        ValueError: when it is not from 1 to 100,000.

    """
    if not 0 < int(text) <= _MOST_MEMBERS:
        raise ValueError(text)
    return int(text)


def _until_stopped() -> None:
    """Wait for Ctrl-C, which is how a stage that stays up ends well."""
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)


def play(stage: Stage, say: Say) -> Verdict:
    """Post the samples, wait for the end and judge it."""
    observer = Observer(stage)
    say("posting the documented events")
    posted = post_samples(stage, observer.idle)
    say(f"posted {len(posted)} events")
    return judge(posted, settle(observer.look, posted, say))


def new_folder() -> Path:
    """Return a folder of this run's own, so that another run, or another checkout, is not disturbed."""
    folder = ROOT / ".run" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    folder.mkdir(parents=True)
    return folder


def _explain(stage: Stage, verdict: Verdict) -> None:
    for problem in verdict.problems:
        print(f"NOT AS IT MUST BE: {problem}", file=sys.stderr)
    print(showing.last_logs(stage.aws, stage.stack.outputs["LogGroup"]), file=sys.stderr)
    print(f"the local AWS's log: {stage.aws.log}", file=sys.stderr)


def _stop(_number: int, _frame: FrameType | None) -> None:
    """End politely, once: who is impatient must not cut the cleaning up short."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
