"""`relay status`: one screen for the night: what comes in, what waits and since when, what is open, how far the CRMs are."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from relay_cli.checks.crms import targets_of
from relay_cli.errors import DONE
from relay_cli.help import describe
from relay_cli.incidents import incident_store
from relay_cli.known_errors import known_error
from relay_cli.numbers import whole_number
from relay_cli.output import age_text, progress, show, table
from relay_cli.overview.deferrals import read_reasons
from relay_cli.overview.deliveries import DeliveryCounter, log_reader
from relay_cli.overview.incidents import incident_blocks, incident_rows
from relay_cli.overview.queues import Ages, read_ages, waiting_rows
from relay_cli.resources import QUEUE, names_of, queue_depths, resources_of
from relay_cli.stack import STATES, Stack

_HOURS: Final = 24
_SHOWN: Final = 15
_NO_AGES: Final = Ages(queues={}, deferred=None, crm_lag={})


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments."""
    describe(
        parser,
        "relay status --stack relay-acme",
        "relay status --hours 72 --json",
        notes="Nothing is changed. Deliveries are counted in the receiver's log, newest first, for 20 s at most.",
    )
    parser.add_argument(
        "--hours",
        metavar="HOURS",
        type=whole_number(1, 30 * 24),
        default=_HOURS,
        help="count the deliveries of these hours (default: %(default)s)",
    )


def main(arguments: argparse.Namespace, open_stack: Callable[[argparse.Namespace], Stack] = Stack.of) -> int:
    """Print the screen; return the exit code.

    With `--json`: an object with `stack`, `state`, `deliveries` (`since`, `complete`, `topics`), `waiting`, `incidents`,
    `crms`, and `failed`: by part, why it could not be read.
    """
    stack, now = open_stack(arguments), datetime.now(UTC)
    value = gather(stack, now, timedelta(hours=arguments.hours))
    show(arguments, value, as_text(value, now))
    return DONE


def gather(stack: Stack, now: datetime, back: timedelta) -> dict[str, Any]:
    """Return everything that the screen shows. A part that cannot be read is in `failed`, and hides no other part.

    Raises:
        CliError: there is no such stack, or AWS does not answer at all.

    """
    value: dict[str, Any] = {"stack": stack.name, "state": stack.state, "failed": {}}
    if stack.state is None or stack.state in STATES:
        _ = stack.parameters
    targets = targets_of(stack.parameters)
    parts: dict[str, Callable[[], Any]] = {
        "deliveries": lambda: _deliveries(stack, now, back),
        "waiting": lambda: _waiting(stack, targets, now),
        "incidents": lambda: _incidents(stack, now),
    }
    for name, read in parts.items():
        value[name] = _part(value["failed"], name, read)
    ages: Ages = (value["waiting"] or {}).pop("ages", _NO_AGES)
    value["crms"] = [
        _part(value["failed"], target, lambda target=target: _crm(stack, target, ages))  # type: ignore[misc]  # mypy reads no default of a lambda
        or {"target": target}
        for target in targets
    ]
    return value


def _part(failed: dict[str, str], name: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:  # noqa: BLE001 - the other parts of the screen are shown all the same
        known = known_error(error)
        # The text of an unknown error may repeat a request.
        failed[name] = known.message if known else type(error).__name__
        return None


def _deliveries(stack: Stack, now: datetime, back: timedelta) -> dict[str, Any]:
    with progress("reading the log") as step:
        found = DeliveryCounter(log_reader(stack)).count(now, back, step)
    topics = [{"topic": topic, "count": count, "last": last} for topic, count, last in found.rows()]
    return {"since": found.since, "complete": found.complete, "topics": topics}


def _waiting(stack: Stack, targets: Sequence[str], now: datetime) -> dict[str, Any]:
    depths = list(queue_depths(stack, names_of(resources_of(stack), QUEUE)))
    ages = read_ages(stack, [depth.name for depth in depths], targets, now)
    reasons = read_reasons(stack, now) if any(depth.delayed for depth in depths) else {}
    return {
        "queues": waiting_rows(depths, ages, reasons),
        "oldest_deferred_seconds": ages.deferred,
        "ages": ages,
    }


def _incidents(stack: Stack, now: datetime) -> list[dict[str, Any]]:
    return incident_rows(incident_store(stack).open_incidents(), now)


def _crm(stack: Stack, name: str, ages: Ages) -> dict[str, Any]:
    from relay_cli.commands.mirror.target import Target
    from relay_cli.overview.crms import crm_row

    target = Target(stack, name)
    target.load_settings()
    return crm_row(target, ages.crm_lag.get(name))


def as_text(value: Mapping[str, Any], now: datetime) -> str:
    """Return the screen."""
    blocks = [f"{value['stack']}: {value['state']}, {now:%Y-%m-%d %H:%M} UTC"]
    for name, block in (
        ("deliveries", _deliveries_text),
        ("waiting", _waiting_text),
        ("incidents", _incidents_text),
    ):
        if value[name] is None:
            blocks.append(f"{name}: could not be read: {value['failed'][name]}")
        else:
            blocks.append(block(value[name], now))
    if value["crms"]:
        blocks.append(_crms_text(value["crms"], value["failed"]))
    return "\n\n".join(blocks)


def _deliveries_text(part: Mapping[str, Any], now: datetime) -> str:
    rows = [(one["topic"], f"{one['count']:,}", _ago(one["last"], now)) for one in part["topics"]]
    total = sum(one["count"] for one in part["topics"])
    short = "" if part["complete"] else "; the log was not read any further back"
    head = f"Deliveries since {part['since']:%Y-%m-%d %H:%M} UTC: {total:,}{short}"
    return f"{head}\n{table(('topic', 'accepted', 'last'), rows)}"


def _waiting_text(part: Mapping[str, Any], _: datetime) -> str:
    rows = [
        (
            one["queue"],
            one["waiting"],
            one["deferred"],
            one["in_flight"],
            age_text(one["oldest_seconds"]) if one["oldest_seconds"] is not None else "-",
            one["why"],
        )
        for one in part["queues"]
    ]
    shown = table(
        ("queue", "waiting", "deferred", "in flight", "oldest", "why deferred"), rows, empty="Nothing waits."
    )
    if rows and all(one["oldest_seconds"] is None for one in part["queues"]):
        shown += "\nOldest: CloudWatch has no age of these queues from the last half hour. A local AWS measures none."
    deferred = part["oldest_deferred_seconds"]
    return f"{shown}\nThe oldest deferred message is {age_text(deferred)} old." if deferred else shown


def _incidents_text(rows: Sequence[Mapping[str, Any]], _: datetime) -> str:
    if not rows:
        return "No open incidents."
    head = f"Open incidents: {len(rows):,}\n{incident_blocks(rows[:_SHOWN])}"
    more = len(rows) - _SHOWN
    return f"{head}\n{more:,} more: `relay alerts` lists all." if more > 0 else head


def _crms_text(rows: Sequence[Mapping[str, Any]], failed: Mapping[str, str]) -> str:
    cells = []
    for one in rows:
        if len(one) == 1:
            cells.append((one["target"], "-", "-", "-", "-", f"could not be read: {failed[one['target']]}"))
            continue
        lag = age_text(one["lag_seconds"]) if one["lag_seconds"] is not None else "-"
        least = "" if one["complete"] else "at least "
        members = [f"{least}{one[state]:,}" for state in ("waiting", "refused")]
        remark = "" if one["circuit"] == "closed" else f"circuit {one['circuit']}: {one['circuit_reason']}"
        cells.append((one["target"], lag, f"{one['messages_waiting']:,}", *members, remark))
    shown = table(("CRM", "behind", "messages waiting", "members waiting", "refused", ""), cells)
    stuck = [one["target"] for one in rows if one.get("waiting") or one.get("refused")]
    return "\n".join(
        [shown, *(f"`relay mirror status {name} --who` says which members, and why." for name in stuck)]
    )


def _ago(moment: datetime | None, now: datetime) -> str:
    return "-" if moment is None else f"{age_text((now - moment).total_seconds())} ago"
