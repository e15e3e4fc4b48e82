"""Check of the whole way: a probe of every topic through the public URL, until the journal has it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from relay_cli.callback_key import VARIABLE, digest, stored_key
from relay_cli.checks.line import CheckLine, ok
from relay_cli.output import progress
from relay_cli.secrets import cleaned
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from relay_cli.deployment.probe import ProbeResult

TOKEN_VARIABLE: Final = "RELAY_WEBHOOK_TOKEN"  # noqa: S105 - a name

_REMEDIES: Final = {
    "ConnectError": "check this machine's network; `relay status` says whether webhooks arrive all the same",
    "ConnectTimeout": "check this machine's network; `relay status` says whether webhooks arrive all the same",
}


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
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if stack.parameters.get("TokenDigests") and not token:
        yield CheckLine(
            "probe",
            "unknown",
            "the stack demands a token of each delivery, and it is not at hand",
            f"set {TOKEN_VARIABLE}, or leave it out: --no-probe",
        )
        return
    prober = Prober(
        callback=f"{stack.outputs['CallbackBaseUrl']}/{key}",
        shop=stack.parameters["ShopDomain"],
        journaled=journaled_probes(stack),
        seconds=seconds,
        token=token,
    )
    with progress("probing the topics") as step:
        result = prober.run(step)
    yield from probe_lines(result)


def probe_lines(result: ProbeResult) -> Iterator[CheckLine]:
    """Yield one line for all topics that arrived, and one for each reason for which others did not."""
    total = len(result.seen) + len(result.missing) + len(result.refused)
    if result.complete:
        yield ok("probe", f"all {total} topics arrive in the journal through the public URL")
    by_reason: dict[str, list[str]] = {}
    for topic, reason in sorted(result.refused.items()):
        by_reason.setdefault(reason, []).append(topic)
    for reason, topics in by_reason.items():
        yield CheckLine(
            "probe",
            "bad",
            f"the public URL does not take {_named(topics, total)}: {reason}",
            _REMEDIES.get(reason, "docs/operations.md, sections refused and api-5xx"),
        )
    if result.missing:
        yield CheckLine(
            "probe",
            "bad",
            f"{_named(sorted(result.missing), total)}: accepted, and not in the journal",
            "`relay status` shows what waits; the saved query *errors* shows why",
        )


def _named(topics: list[str], total: int) -> str:
    return "a probe of any topic" if len(topics) == total else f"a probe of {', '.join(topics)}"
