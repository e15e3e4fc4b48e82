"""Duplicate alerts: messages about an incident and level that an earlier message was about already.

Incidents are the simulator's own. A message names its customer (by link), its level or its outcome (the first words of
the heading) and, on its last line of that kind, its moment, by the shop's clock: the local stack's is UTC. The simulator
knows which incident that customer's event then belongs to.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

_CUSTOMER: Final = re.compile(r"/customers/(\d+)")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SHOWN_DAY: Final = re.compile(rf"\b(\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}})(?:,(?= \d\d:\d\d))?")
_MINUTE: Final = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC")
_LEVEL: Final = re.compile(r"\b(info|warning|error|critical|over)\b", re.IGNORECASE)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_REPEAT_MARK: Final = " (may be a repeat)"
_FIRST: Final = ("dunning", "leaving")
"""Incidents of several events sort first: another event of the same minute is rarely what an alert is about."""

IncidentsByMoment: TypeAlias = Mapping[tuple[str, str], Sequence[str]]
"""The simulator's incidents by customer id and minute (`2026-03-01 07:10`)."""


def incidents_by_moment(events: Iterable[Mapping[str, Any]]) -> IncidentsByMoment:
    """Index the events that the simulator lists at `/_sim/incidents`, each with its incident."""
    index: dict[tuple[str, str], list[str]] = {}
    for event in events:
        minute = str(event["at"])[:16].replace("T", " ")
        index.setdefault((event["customer_id"], minute), []).append(event["incident_key"])
    return {
        key: sorted(set(names), key=lambda name: (not name.startswith(_FIRST), name))
        for key, names in index.items()
    }


def duplicate_messages(messages: Iterable[str], incidents: IncidentsByMoment) -> list[str]:
    """Return the heading of each message beyond the first of its incident and level, and what both are."""
    counts: Counter[tuple[str, ...]] = Counter()
    duplicates = []
    for text in messages:
        key = _key(text, incidents)
        counts[key] += 1
        if counts[key] > 1:
            duplicates.append(f"{text.splitlines()[0]} ({', '.join(key)})")
    return duplicates


def message_minute(text: str) -> str:
    """Return the minute that a message is about, its last one, since details may name others; empty for none."""
    found = _MINUTE.findall(_with_iso_days(text))
    return " ".join(found[-1]) if found else ""


def _with_iso_days(text: str) -> str:
    """Return a text with its days as ISO 8601 has them: `Sun 1 Mar 2026, 07:10` becomes `Sun 2026-03-01 07:10`."""
    return _SHOWN_DAY.sub(
        lambda found: f"{found[3]}-{_MONTHS.index(found[2]) + 1:02}-{int(found[1]):02}", text
    )


def slack_text(payload: Mapping[str, Any]) -> str:
    """Return a Slack message as text: its summary, then the text of every block, one a line."""
    return "\n".join((str(payload.get("text", "")), *_texts(payload.get("blocks", ()))))


def _key(text: str, incidents: IncidentsByMoment) -> tuple[str, ...]:
    customers, minute = set(_CUSTOMER.findall(text)), message_minute(text)
    # A message marked as a possible repeat is a duplicate as well.
    title = text.splitlines()[0].replace(_REPEAT_MARK, "")
    level = _LEVEL.search(title)
    if len(customers) != 1 or not minute:
        # A summary. One that names a day exists once for that day, any other once for its minute.
        return ("summary", title) if _DAY.search(_with_iso_days(title)) else ("summary", title, minute)
    [customer] = customers
    [incident, *_] = incidents.get((customer, minute), (f"{minute} {title}",))
    return (customer, incident, level.group().lower() if level else title.partition(":")[0])


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("text"), str):
            yield part["text"]
        part = [value for value in part.values() if isinstance(value, Mapping | list)]
    if isinstance(part, Sequence) and not isinstance(part, str):
        for item in part:
            yield from _texts(item)
