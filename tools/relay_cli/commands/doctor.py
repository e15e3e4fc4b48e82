"""`relay doctor`: look at every part that a stack depends on; a line for each, green or with what to do."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from relay_cli.checks.account import (
    check_alarms,
    check_event_sources,
    check_lambda_limit,
    check_secrets,
    check_stack,
    runtime_line,
)
from relay_cli.checks.channels import check_email, check_pagerduty, check_slack
from relay_cli.checks.crms import check_crm, targets_of, version_lines
from relay_cli.checks.line import Check, CheckLine
from relay_cli.checks.platform import check_platform
from relay_cli.checks.probe import check_probe
from relay_cli.checks.queues import check_queues
from relay_cli.errors import ATTENTION, DONE
from relay_cli.help import describe
from relay_cli.numbers import number
from relay_cli.output import show
from relay_cli.resources import Resource, resources_of
from relay_cli.stack import Stack

_PROBE_SECONDS: Final = 120.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay doctor --stack relay-acme",
        "relay doctor --no-probe --json",
        notes="The exit code is 0 where every line is green, and 3 otherwise. Nothing is changed. A probe is a delivery\n"
        "of Relay's own through the public URL: it is journaled, and counts in no figure.",
    )
    parser.add_argument("--no-probe", action="store_true", help="post no probe to the callback URL")
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=number(0, 3_600),
        default=_PROBE_SECONDS,
        help="seconds until a probe must be in the journal (default: %(default)g)",
    )


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Make every check and print its lines; return the exit code.

    With `--json`: an object with `green`, and `checks`: a list of objects with `name`, `state` (ok, warning, bad,
    unknown), `text` and `remedy`.
    """
    stack = open_stack(arguments)
    checks = checks_of(stack, probe=not arguments.no_probe, seconds=arguments.wait)
    lines = [line for check in checks for line in check.lines()]
    green = all(line.state == "ok" for line in lines)
    show(arguments, {"green": green, "checks": [line.value() for line in lines]}, as_text(lines))
    return DONE if green else ATTENTION


def checks_of(stack: Stack, *, probe: bool, seconds: float = _PROBE_SECONDS) -> list[Check]:
    """Return the checks of a stack.

    Raises:
        CliError: there is no such stack, it lacks parts, or AWS does not answer: then no check can be made.

    """
    parameters = stack.parameters
    resources = _Resources(stack)
    today = datetime.now(UTC).date()
    checks = [
        Check("stack", lambda: check_stack(stack)),
        Check("secrets", lambda: check_secrets(stack)),
        Check("API key", lambda: check_platform(stack)),
        *([Check("probe", lambda: check_probe(stack, seconds))] if probe else []),
        Check("event sources", lambda: check_event_sources(stack, resources())),
        Check("queues", lambda: check_queues(stack, resources())),
        Check("alarms", lambda: check_alarms(stack, resources())),
        Check("e-mail", lambda: check_email(stack)),
        Check("Slack", lambda: check_slack(stack)),
        Check("PagerDuty", lambda: check_pagerduty(stack)),
    ]
    checks += [_crm_check(stack, name) for name in targets_of(parameters)]
    checks += [
        Check("API versions", lambda: version_lines(parameters, today)),
        Check("Lambda limit", lambda: check_lambda_limit(stack)),
        Check("runtime", lambda: [runtime_line(parameters.get("Runtime", ""), today)]),
    ]
    return checks


def _crm_check(stack: Stack, name: str) -> Check:
    def lines() -> Iterator[CheckLine]:
        return check_crm(stack, name)

    return Check(name, lines)


class _Resources:
    """The stack's resources, read at the first use: a failure belongs to the check that needs them."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._found: Sequence[Resource] | None = None

    def __call__(self) -> Sequence[Resource]:
        """Return them."""
        if self._found is None:
            self._found = resources_of(self._stack)
        return self._found


def as_text(lines: Sequence[CheckLine]) -> str:
    """Return the lines for the terminal, with their sum below."""
    width = max((len(line.name) for line in lines), default=0)
    states: Counter[str] = Counter(line.state for line in lines)
    counts = [
        f"{states[state]} {word}"
        for state, word in (("bad", "bad"), ("warning", "to look at"), ("unknown", "not known"))
        if states[state]
    ]
    total = f"all {len(lines)} green" if not counts else f"{states['ok']} green, {', '.join(counts)}"
    return "\n".join([*(line.shown(width) for line in lines), "", total])
