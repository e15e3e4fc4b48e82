"""What the person at the terminal reads: progress with the seconds, a table, and how to go on."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from typing import Final

from relay_cli.judging import Row, Verdict
from relay_cli.local_aws import REGION, LocalAws
from relay_cli.reckoning import Reckoning
from relay_cli.staging import Stage

_HEADINGS: Final = ("event", "answer", "outcome", "member", "rules", "HubSpot")
_ACCOUNT: Final = """\
{sent} deliveries of {events} events, and {strays} forgeries
{accepted} accepted: {duplicates} again, {reordered} out of order, {stale} stale
{alerts} messages in Slack, {emails} e-mails
{crm_contacts} contacts in the CRM, {mirror_mismatches} fields of them differ from the truth"""
_LINES: Final = 30
_WELL: Final = re.compile(r'^\{"_aws"|"message": ?"(accepted|applied|stale)"')
"""Figures, and lines about what went as it should."""


@dataclass(slots=True)
class Progress:
    """Says what has happened, with the seconds since the start."""

    began: float = field(default_factory=time.monotonic)

    def __call__(self, text: str) -> None:
        """Print one line at once, also into a pipe."""
        print(f"{self.seconds():6.1f} s  {text}", flush=True)

    def seconds(self) -> float:
        """Return how long it has taken so far."""
        return time.monotonic() - self.began


def table(rows: Sequence[Row]) -> str:
    """Return the rows in columns."""
    cells = [_HEADINGS, *(astuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def account(reckoning: Reckoning) -> str:
    """Return what a person wants to read of a month: what was told, what was set aside, what nobody heard."""
    result = reckoning.verdict.result
    lines = [_ACCOUNT.format(**result)]
    fields = Counter(difference.field for difference in reckoning.compared.differences)
    lines += [f"differs from the truth for {many} members: {name}" for name, many in fields.most_common()]
    lines += [f"set aside: {count} {reason}" for reason, count in sorted(reckoning.set_aside.items())]
    if result["dropped_by_sim"]:
        lines.append(f"never sent by the simulator, on purpose: {result['dropped_by_sim']}")
    lines += [f"differs, and nobody was told of it: {one}" for one in reckoning.compared.unheard[:_LINES]]
    return "\n".join(lines)


def result_line(verdict: Verdict, seconds: float) -> str:
    """Return the line that programs read."""
    return f"RESULT {json.dumps({**verdict.result, 'seconds': round(seconds, 1)})}"


def how_to_go_on(stage: Stage) -> str:
    """Return what one wants to know of a stage that stays up."""
    return "\n".join(
        [
            "",
            "It stays up until Ctrl-C. Deliver another event:",
            f"  curl -sS -H 'Host: {stage.host}' -H 'content-type: application/json' \\",
            f"    --data-binary @events/customer.payment_failed.json {stage.callback}",
            "Let something happen in the programme:",
            f"  RELAY_SIM_URL={stage.sim.url} .venv/bin/relay sim advance --days 1",
            "See",
            f"  {stage.sim.url}/console   {stage.sim.url}/shop",
            f"  {stage.hubspot}/_standin/contacts",
            f"  {stage.slack}/_standin/messages",
            "Ask it with any of `relay`'s commands, after",
            f"  export AWS_ENDPOINT_URL={stage.aws.endpoint} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \\",
            f"    AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION} RELAY_STACK={stage.stack.name} \\",
            f"    RELAY_CALLBACK_KEY={stage.key}",
            f"  the local AWS's log: {stage.aws.log}",
            *(f"  {name}: {value}" for name, value in sorted(stage.stack.outputs.items())),
        ]
    )


def last_logs(aws: LocalAws, group: str) -> str:
    """Return the end of what the functions logged, less what merely went well."""
    events = aws.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    texts = [event["message"].rstrip() for page in events for event in page["events"]]
    lines = [
        text
        for text in texts
        if text and not text.startswith(("START ", "END ", "REPORT ")) and not _WELL.search(text)
    ]
    return "\n".join(lines[-_LINES:])
