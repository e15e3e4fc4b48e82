"""Check of the whole way: a probe of every topic through the public URL, until the journal has it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from relay_cli.callback_key import VARIABLE, digest, stored_key
from relay_cli.checks.line import CheckLine, ok
from relay_cli.output import progress
from relay_cli.secrets import cleaned
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay_cli.deployment.probe import ProbeResult


def check_probe(stack: Stack, seconds: float) -> Iterator[CheckLine]:
    """Yield whether a delivery of each topic arrives in the journal. The callback key is never asked for."""
    from relay_cli.deployment.probe import Prober, journaled_probes

    found = os.environ.get(VARIABLE) or stored_key(stack)
    if not found:
        yield CheckLine(
            "probe",
            "unknown",
            "the callback key is not at hand",
            f"set {VARIABLE}, or leave it out: --no-probe",
        )
        return
    key = cleaned(found, "callback key")
    if digest(key) not in stack.parameters["KeyDigests"].split(","):
        yield CheckLine(
            "probe",
            "bad",
            "the callback key at hand is not one of those that the stack takes",
            f"is it the key of another shop? check {VARIABLE}",
        )
        return
    prober = Prober(
        callback=f"{stack.outputs['CallbackBaseUrl']}/{key}",
        shop=stack.parameters["ShopDomain"],
        journaled=journaled_probes(stack),
        seconds=seconds,
    )
    with progress("probing the topics") as step:
        result = prober.run(step)
    yield from probe_lines(result)


def probe_lines(result: ProbeResult) -> Iterator[CheckLine]:
    """Yield one line for all topics that arrived, and one for each that did not."""
    total = len(result.seen) + len(result.missing) + len(result.refused)
    if result.complete:
        yield ok("probe", f"all {total} topics arrive in the journal through the public URL")
    for topic, reason in sorted(result.refused.items()):
        yield CheckLine(
            f"probe {topic}",
            "bad",
            f"the public URL refuses it: {reason}",
            "docs/operations.md, sections refused and api-5xx",
        )
    for topic in sorted(result.missing):
        yield CheckLine(
            f"probe {topic}",
            "bad",
            "was accepted, and is not in the journal",
            "`relay status` shows what waits; the saved query *errors* shows why",
        )
