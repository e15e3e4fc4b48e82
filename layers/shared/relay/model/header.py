"""The header of a message: one attribute called `relay`, ASCII JSON with the keys that are set.

SQS takes at most ten attributes, so the header is a single one. Any sender may have written it: a value without its
expected shape counts as absent. Standard library only: the receiver imports this at every cold start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Self

ATTRIBUTE: Final = "relay"
"""The name of the attribute."""

_TOPIC: Final = r"[A-Za-z0-9_.\-]{1,100}"
_ID: Final = r"[A-Za-z0-9_.:+\-]{1,200}"
_WORD: Final = r"[A-Za-z0-9_.:+\-]{1,100}"
_MOST: Final = 10**9
_LONGEST: Final = 300


def topic_or_none(value: object) -> str | None:
    """Return a possible name of a topic: at most 100 letters, digits, `_`, `.` and `-`; None for any other value."""
    return value if isinstance(value, str) and re.fullmatch(_TOPIC, value) else None


def word_or_none(value: object) -> str | None:
    """Return a code or a sender's id: at most 100 letters, digits, `_`, `.`, `:`, `+` and `-`; None for any other value."""
    return value if isinstance(value, str) and re.fullmatch(_WORD, value) else None


def sentence(text: str) -> str:
    """Return a text as a header takes it: one line of at most 300 characters."""
    return "".join(char if char.isprintable() else " " for char in text)[:_LONGEST]


def _sentence_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value == sentence(value) else None


def _id_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(_ID, value) else None


def _time_or_none(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < _MOST else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeader:
    """What Relay knows of a message. Times are aware and UTC; text fields are None and counts 0 where unset.

    `received_at` is the delivery's first receipt: it never changes, through deferrals, dead letters and redrives.
    `since` is set by a redrive: the age of the message then counts from it. `receives` counts earlier receives of the same message
    that ended in no deferral; `survived` is how many of all receives ended in order, so that the function surely outlived
    them. `coalesced` marks a message that waited once for a fuller batch, `moved` one that was handed on to its own queue.
    `replays` counts how often an event was sent again from the journal: the record's memory of ids then does not count.
    `reason` says why
    a delivery is in `unclaimed` or a message among the dead letters; `source_queue` and `error` (what the error said, without
    a value of the message) are of dead letters alone.
    """

    event_id: str | None = None
    received_at: datetime | None = None
    topic: str | None = None
    delivery_id: str | None = None
    since: datetime | None = None
    receives: int = 0
    survived: int = 0
    deferrals: int = 0
    coalesced: int = 0
    moved: int = 0
    replays: int = 0
    encoding: str | None = None
    source_queue: str | None = None
    reason: str | None = None
    error: str | None = None
    redrives: int = 0

    @property
    def attributes(self) -> dict[str, str]:
        """The message attributes to send: one, or none where nothing is set."""
        values = {key: _json(getattr(self, name)) for key, (name, _) in _KEYS.items() if getattr(self, name)}
        return {ATTRIBUTE: json.dumps(values, separators=(",", ":"))} if values else {}

    @classmethod
    def read(cls, attributes: Mapping[str, str]) -> Self:
        """Return the header in message attributes (text by name); a value of another shape counts as absent."""
        try:
            values = json.loads(attributes.get(ATTRIBUTE, "{}"))
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(values, dict):
            return cls()
        found: dict[str, Any] = {name: read(values.get(key)) for key, (name, read) in _KEYS.items()}
        return cls(**found)

    def redriven(self, at: datetime) -> Self:
        """Return the header of a dead letter that was redriven to its queue at this time."""
        return replace(
            self,
            since=at,
            receives=0,
            survived=0,
            deferrals=0,
            coalesced=0,
            moved=0,
            source_queue=None,
            reason=None,
            error=None,
            redrives=self.redrives + 1,
        )


_KEYS: Final[dict[str, tuple[str, Callable[[object], object]]]] = {
    "id": ("event_id", _id_or_none),
    "at": ("received_at", _time_or_none),
    "topic": ("topic", topic_or_none),
    "delivery": ("delivery_id", word_or_none),
    "since": ("since", _time_or_none),
    "receives": ("receives", _count),
    "survived": ("survived", _count),
    "deferrals": ("deferrals", _count),
    "coalesced": ("coalesced", _count),
    "moved": ("moved", _count),
    "replay": ("replays", _count),
    "enc": ("encoding", word_or_none),
    "from": ("source_queue", word_or_none),
    "why": ("reason", word_or_none),
    "error": ("error", _sentence_or_none),
    "redrives": ("redrives", _count),
}
"""The keys of the JSON: the field of each, and how it is read."""


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
