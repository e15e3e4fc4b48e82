"""`relay run`: deploy the template to a local AWS, play a month or the documented events, and check the result."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final

from local_stack import report
from local_stack.console_feed import ConsoleFeed
from local_stack.environment import LocalEnvironment, local_environment, new_run_folder
from local_stack.errors import LocalStackError
from local_stack.observer import Observer
from local_stack.progress import Progress
from local_stack.samples import play_samples
from local_stack.scenario import ScenarioOptions, play_scenario
from local_stack.small_programme import play_small_programme
from local_stack.verdict import Verdict

from relay_cli.deployment.package import require_checkout
from relay_cli.errors import CliError
from relay_cli.help import describe
from relay_cli.numbers import whole_number

_MAX_MEMBERS: Final = 100_000
_OLDER: Final = 50
"""Members of a played month that are older than the subscriptions."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(parser, "relay run --members 50 --faults all", "relay run --samples --keep")
    parser.add_argument(
        "--members",
        metavar="COUNT",
        type=whole_number(1, _MAX_MEMBERS),
        default=200,
        help="members that join, 1 to 100000 (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", metavar="SEED", type=int, default=0, help="the same seed plays the same month"
    )
    parser.add_argument(
        "--faults",
        choices=("default", "all", "refusals", "none"),
        default="default",
        help="faults to inject: those that lose no event, all of them, the former with a HubSpot that refuses everybody "
        "for half of the month, or none (default: %(default)s)",
    )
    parser.add_argument(
        "--samples", action="store_true", help="post each documented event once instead of a month"
    )
    parser.add_argument("--keep", action="store_true", help="keep the environment up until Ctrl-C")


def main(arguments: argparse.Namespace) -> int:
    """Run; return the exit code: 0 when no event was lost and every check passed."""
    require_checkout("`relay run`")
    for number in _SIGNALS:
        signal.signal(number, _stop)
    progress = Progress()
    folder = new_run_folder()
    try:
        verdict = _run(folder, progress, arguments)
    except LocalStackError as error:
        raise CliError(str(error), error.remedy) from error
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if verdict.problems:
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _run(folder: Path, progress: Progress, arguments: argparse.Namespace) -> Verdict:
    keep: bool = arguments.keep
    older = 0 if arguments.samples else _OLDER
    with local_environment(folder, progress, seed=arguments.seed, older=older) as environment:
        observer = Observer(environment)
        environment.sim.console.feed = ConsoleFeed(observer)
        progress(f"the console: {environment.sim.url}/console")
        verdict, text = _play(environment, progress, observer, arguments)
        result = report.result_line(verdict, progress.seconds())
        print(f"\n{text}\n")
        if verdict.problems:
            _explain(environment, verdict)
        if keep:
            if arguments.samples:
                play_small_programme(environment, observer, progress)
            print(f"{report.next_steps(environment)}\n{result}", flush=True)
            _wait_for_interrupt()
    if not keep:
        print(result, flush=True)
    return verdict


def _play(
    environment: LocalEnvironment, progress: Progress, observer: Observer, arguments: argparse.Namespace
) -> tuple[Verdict, str]:
    """Return the verdict, and its text for the terminal."""
    if arguments.samples:
        samples = play_samples(environment, progress)
        return samples, report.table(samples.rows)
    options = ScenarioOptions(
        members=arguments.members, seed=arguments.seed, faults=arguments.faults, older=_OLDER
    )
    month = play_scenario(environment, options, progress, observer)
    return month, report.summary(month)


def _wait_for_interrupt() -> None:
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)


def _explain(environment: LocalEnvironment, verdict: Verdict) -> None:
    """Print the functions' log first, and at the end what a person should read."""
    lines = [
        "The last lines of the functions' log that say more than that all went well:",
        report.last_logs(environment.aws, environment.stack.outputs["LogGroup"]),
        f"The local AWS's log: {environment.aws.log}",
        *(f"PROBLEM: {problem}" for problem in verdict.problems),
        report.advice(verdict),
    ]
    print("\n".join(lines), file=sys.stderr, flush=True)


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Stop once: a second signal must not interrupt the cleanup."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
