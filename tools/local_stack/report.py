"""The end of a run on the terminal: a table or a summary, the RESULT line, the last logs, and what to try next."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from typing import Final

from local_stack.environment import LocalEnvironment
from local_stack.local_aws import REGION, LocalAws
from local_stack.verdict import FAULT, Result, ScenarioVerdict, Verdict
from local_stack.verdict_samples import EventRow

_HEADINGS: Final = ("event", "answer", "outcome", "member", "rules", "HubSpot")
_SUMMARY: Final = """\
{sent} deliveries of {events} events, and {strays} forged requests
{accepted} accepted: {duplicates} repeats, {reordered} out of order, {stale} stale
{alerts} messages in Slack, {emails} e-mails
{older_in_crm} members were there before the subscriptions and were imported
{crm_contacts} contacts in the CRM, {mirror_mismatches} fields of them differ from the truth"""
_MAX_LINES: Final = 30
_QUESTIONS: Final = (
    ("relay status", "what came in, what waits, what is open"),
    ("relay alerts", "open incidents"),
    ("relay tiers", "the programme's tiers beside their settings"),
    ("relay mirror status hubspot", "how far the CRM is"),
)
"""Commands to try, and what each shows."""

_SUCCESS: Final = re.compile(r'"_aws": ?\{|"message": ?"(accepted|applied|stale)"')
"""Metrics, and the log lines of events that were processed normally."""


def table(rows: Sequence[EventRow]) -> str:
    """Return the rows in columns."""
    cells = [_HEADINGS, *(astuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def summary(verdict: ScenarioVerdict) -> str:
    """Return the numbers of a scenario in sentences, with the fields that differ and what was set aside."""
    result = verdict.result
    lines = [_SUMMARY.format(**result)]
    fields = Counter(difference.field for difference in verdict.crm.differences)
    lines += [f"{name} differs from the truth for {count} members" for name, count in fields.most_common()]
    lines += list(_faults(result))
    lines += [f"set aside: {count} {reason}" for reason, count in sorted(verdict.set_aside.items())]
    if result["dropped_by_sim"]:
        lines.append(f"never sent by the simulator, on purpose: {result['dropped_by_sim']}")
    lines += [f"differs, and Relay never received it: {one}" for one in verdict.crm.unheard[:_MAX_LINES]]
    return "\n".join(lines)


def _faults(result: Result) -> Iterator[str]:
    """Yield how often each fault struck, and which ones that could have did not."""
    counts = {
        name.removeprefix(FAULT).replace("_", " "): n for name, n in result.items() if name.startswith(FAULT)
    }
    if struck := [f"{count} {name}" for name, count in counts.items() if count]:
        yield f"faults that struck: {', '.join(struck)}"
    if missed := [name for name, count in counts.items() if not count]:
        yield f"faults that struck nothing: {', '.join(missed)}"


def result_line(verdict: Verdict, seconds: float) -> str:
    """Return the line that programs read: `RESULT` and a JSON object."""
    return f"RESULT {json.dumps({**verdict.result, 'seconds': round(seconds, 1)})}"


def next_steps(environment: LocalEnvironment) -> str:
    """Return addresses to open and commands to try in an environment that stays up. A test runs each of them."""
    return "\n".join(
        [
            "",
            "The environment stays up until Ctrl-C. Open:",
            *(f"  {address:<48} {what}" for address, what in _addresses(environment)),
            "In another terminal, in this folder, once:",
            f"  export AWS_ENDPOINT_URL={environment.aws.endpoint} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \\",
            f"    AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION} RELAY_STACK={environment.stack.name} \\",
            f"    RELAY_CALLBACK_KEY={environment.key} \\",
            f"    RELAY_SIM_URL={environment.sim.url} PATH=$PWD/.venv/bin:$PATH",
            "Then let something happen, and watch the console:",
            "  relay sim trigger customer.payment_failed   # every attempt fails: a warning, then the loss",
            "  relay sim advance --days 3                  # three days pass in the programme",
            *_webhook_by_hand(environment),
            "Ask Relay:",
            *(f"  {command:<43} # {what}" for command, what in _QUESTIONS),
            f"The local AWS's log: {environment.aws.log}",
        ]
    )


def _addresses(environment: LocalEnvironment) -> list[tuple[str, str]]:
    return [
        (f"{environment.sim.url}/console", "members, deliveries, and what Relay made of them"),
        (f"{environment.sim.url}/shop", "join as a customer"),
        (f"{environment.slack}/_standin/messages", "the messages that Slack got"),
        (f"{environment.hubspot}/_standin/contacts", "the contacts in HubSpot"),
    ]


def _webhook_by_hand(environment: LocalEnvironment) -> list[str]:
    """Return a command that posts the documented lost payment, for a customer that Relay has never heard of."""
    return [
        '  sed "s/7733560541315/77335$RANDOM/g" events/customer.payment_failed.json | \\',
        f"    curl -sS -w '\\n' -H 'Host: {environment.host}' -H 'content-type: application/json' \\",
        f"    --data-binary @- {environment.aws.endpoint}/webhooks/$RELAY_CALLBACK_KEY",
    ]


def last_logs(aws: LocalAws, group: str) -> str:
    """Return the last 30 log lines of the functions, without those of normal processing."""
    events = aws.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    return "\n".join(notable(event["message"].rstrip() for page in events for event in page["events"]))


def notable(lines: Iterable[str]) -> list[str]:
    """Return the last of the lines that say something went another way: no metric, and nothing that Lambda or success says."""
    found = [
        line
        for line in lines
        if line and not line.startswith(("START ", "END ", "REPORT ")) and not _SUCCESS.search(line)
    ]
    return found[-_MAX_LINES:]


def advice(verdict: Verdict) -> str:
    """Return what to do about a run that did not end well."""
    if verdict.result.get("waiting"):
        return (
            "Relay had not finished: messages still waited in the queues. On a slow or busy machine that is no "
            "defect: run it again with nothing else running, or with fewer MEMBERS."
        )
    return "`docs/troubleshooting.md` has a section on `make run`."
