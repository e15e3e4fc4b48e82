"""How often people were told the same thing: counted by the platform's own idea of what is one matter.

A message says whom it is about (the link to the customer), how bad it is (the first word of its heading) and,
after all else, when it happened. The simulator knows what happened to that customer then, and to which matter it belongs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

_CUSTOMER: Final = re.compile(r"/customers/(\d+)")
_MINUTE: Final = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC")
_LEVEL: Final = re.compile(r"\b(info|warning|error|critical|over)\b", re.IGNORECASE)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_REPEAT: Final = " (may be a repeat)"
_OF_A_LIFE: Final = ("dunning", "leaving")
"""Matters that have several events come first: another event of the same minute is rarely what is told of."""

Matters: TypeAlias = Mapping[tuple[str, str], Sequence[str]]
"""By customer and minute: the matters of what happened then."""


def matters(incidents: Iterable[Mapping[str, Any]]) -> Matters:
    """Arrange what the simulator tells at /_sim/incidents."""
    found: dict[tuple[str, str], list[str]] = {}
    for told in incidents:
        minute = str(told["at"])[:16].replace("T", " ")
        found.setdefault((told["customer_id"], minute), []).append(told["incident_key"])
    return {
        key: sorted(set(names), key=lambda name: (not name.startswith(_OF_A_LIFE), name))
        for key, names in found.items()
    }


def doubles(messages: Iterable[str], known: Matters) -> list[str]:
    """Return the first lines of the messages that told once more what had been told."""
    told: Counter[tuple[str, ...]] = Counter()
    again = []
    for text in messages:
        key = _key(text, known)
        told[key] += 1
        if told[key] > 1:
            again.append(f"{text.splitlines()[0]} ({', '.join(key)})")
    return again


def when(text: str) -> str:
    """Return the minute of which a message tells; empty where it names none. Its details may name others before."""
    found = _MINUTE.findall(text)
    return " ".join(found[-1]) if found else ""


def _key(text: str, known: Matters) -> tuple[str, ...]:
    customers, minute, level = set(_CUSTOMER.findall(text)), when(text), _LEVEL.search(text)
    # A repeat that is marked as one is nevertheless told again.
    title = text.splitlines()[0].replace(_REPEAT, "")
    if len(customers) != 1 or not minute:
        # A summary of several, or of the programme: of a day that it names, else of a moment, whatever it counts.
        return ("summary", title) if _DAY.search(title) else ("summary", title, minute)
    [customer] = customers
    [matter, *_] = known.get((customer, minute), (f"{minute} {title}",))
    return (customer, matter, level.group().lower() if level else "")


def plain(payload: Mapping[str, Any]) -> str:
    """Return a Slack message as text: its summary, then the text of every block."""
    return "\n".join((str(payload.get("text", "")), *_texts(payload.get("blocks", ()))))


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("text"), str):
            yield part["text"]
        part = [value for value in part.values() if isinstance(value, Mapping | list)]
    if isinstance(part, Sequence) and not isinstance(part, str):
        for item in part:
            yield from _texts(item)
