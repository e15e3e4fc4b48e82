"""One dead letter as an operator sees it: its queue, its member, its reason, and which letters a command is about.

Letters reach the queue in four ways, and each says something else about itself:

* by our hand: the header names the queue, the reason and the error;
* by SQS, after too many receives: SQS names the queue, and the header is that of the message before;
* by Lambda, for writes of the members table that the fan-out could not send: the body names a place in the stream
  and a window of time, and no member (`STREAM`);
* by SNS, for what a queue did not take: a change goes to the topic of all changes again (`CHANGES`), an alarm to the
  notifier's queue (`ALERTS`). SNS names neither.

The fan-out, which publishes changes, names the topic as the queue of what it could not publish.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from inveterate.webhooks.base import UnreadableEventError, member_id_in, read_json

from relay.model.delivery import Delivery, unpack
from relay.model.header import MessageHeader
from relay.model.messages import CHANGE_TOPIC
from relay.queues.batch import Message
from relay.topics import FOLDERS

STREAM: Final = "stream"
"""The source of a letter that stands for writes of the members table."""

CHANGES: Final = "changes"
"""The source of a change that the topic or one CRM's queue did not take. Sent again, it reaches every CRM's queue: one that has
the change already finds that it holds the profile, and knows the notes by their ids."""

ALERTS: Final = "alerts"
"""The notifier's queue."""

NOT_DELIVERED: Final = "not_delivered"
"""The reason of a letter that SNS could not deliver to a queue."""

RECEIVED_TOO_OFTEN: Final = "received_too_often"
"""The reason of a letter that SQS moved: its function ended without an answer each time."""

UNKNOWN: Final = "unknown"

_LONGEST_NAME: Final = 253
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.[A-Za-z_]+")
"""A topic or a domain: words with points between them, so no e-mail address, no phone number and no sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message of the dead letters. `window` is when the writes of a letter of the stream were made.

    `topic_in_body` is the topic that a webhook names itself, where Relay knows it: the header of one that could not be
    routed has none.
    """

    message: Message
    source: str | None
    reason: str
    customer: str | None = None
    topic_in_body: str | None = None
    window: tuple[datetime, datetime] | None = None

    @property
    def header(self) -> MessageHeader:
        """The message's header."""
        return self.message.header

    @property
    def id(self) -> str:
        """The id that commands take: the event's, else the message's."""
        return self.header.event_id or self.message.id

    @property
    def topic(self) -> str:
        """The topic of the event or of the message."""
        return self.header.topic or self.topic_in_body or UNKNOWN

    def row(self) -> dict[str, Any]:
        """Return what a list shows of the letter: no personal data."""
        return {
            "id": self.id,
            "source": self.source or UNKNOWN,
            "topic": self.topic,
            "reason": self.reason,
            "error": self.header.error,
            "customer": self.customer,
            "received_at": self.message.received_at.isoformat(timespec="seconds"),
            "receives": self.header.receives,
            "deferrals": self.header.deferrals,
            "redrives": self.header.redrives,
            **({"window": [moment.isoformat() for moment in self.window]} if self.window else {}),
        }

    def delivery(self) -> Delivery | None:
        """Return the webhook that the letter carries; None for a message between Relay's own functions."""
        try:
            return unpack(self.message.body, self.header)
        except ValueError:
            return None

    def content(self, *, reveal: bool = False) -> object:
        """Return the body as JSON, else as text; without `reveal`, each text and number in it as its kind alone.

        The topic and the shop's domain are shown: they are no member's data, and the advice is about them.
        """
        delivery = self.delivery()
        body = delivery.body if delivery else self.message.body.encode()
        try:
            found: object = json.loads(body)
        except (ValueError, RecursionError):
            return body.decode(errors="replace") if reveal else f"<{len(body)} bytes>"
        return found if reveal else _with_envelope(_shape(found), found)


def _with_envelope(shape: object, found: object) -> object:
    """Return the shape of a webhook with the topic and the shop that its metadata names, where they can be such."""
    metadata = found.get("metadata") if isinstance(found, Mapping) else None
    if not isinstance(shape, dict) or not isinstance(metadata, Mapping):
        return shape
    shown = {
        name: value
        for name in ("topic", "shopDomain")
        if isinstance(value := metadata.get(name), str)
        and len(value) <= _LONGEST_NAME
        and _NAME.fullmatch(value)
    }
    return shape | {"metadata": shape["metadata"] | shown}


def _shape(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shape(inner) for inner in value]
    return value if value is None or isinstance(value, bool) else f"<{type(value).__name__}>"


def read_letter(message: Message, stack: str) -> Letter:
    """Return a message of the dead letters as a letter; `stack` is the prefix of all queues' names."""
    if window := _stream_window(message.body):
        return Letter(message=message, source=STREAM, reason="not_fanned_out", window=window)
    header = message.header
    moved_from = (message.moved_from or "").rpartition(":")[2].removeprefix(f"{stack}-") or None
    source, reason = header.source_queue or moved_from, header.reason
    if source is None and (source := _subscriber(message)):
        reason = reason or NOT_DELIVERED
    customer, topic = _named_in_body(message)
    return Letter(
        message=message,
        source=source,
        reason=reason or (RECEIVED_TOO_OFTEN if moved_from else UNKNOWN),
        customer=customer,
        topic_in_body=topic,
    )


def _subscriber(message: Message) -> str | None:
    """Return where a letter of SNS goes back to; None for a letter that SNS cannot have sent."""
    if message.header.topic == CHANGE_TOPIC:
        return CHANGES
    try:
        alarm = json.loads(message.body)
    except (ValueError, RecursionError):
        return None
    return ALERTS if isinstance(alarm, dict) and {"AlarmName", "NewStateValue"} <= alarm.keys() else None


def _stream_window(body: str) -> tuple[datetime, datetime] | None:
    """Return when the first and the last write of a letter of the stream were made; None for any other letter.

    Source: the Lambda developer guide, "Retain discarded records": `DDBStreamBatchInfo` has these two times.
    """
    try:
        info = json.loads(body)["DDBStreamBatchInfo"]
        first, last = (
            datetime.fromisoformat(info[f"approximateArrivalOf{which}Record"]) for which in ("First", "Last")
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return first.astimezone(UTC), last.astimezone(UTC)


def _named_in_body(message: Message) -> tuple[str | None, str | None]:
    """Return the customer id of the letter's member, and the webhook's topic where Relay knows it, as far as they can be read."""
    try:
        body = read_json(unpack(message.body, message.header).body)
    except (ValueError, UnreadableEventError):
        return _customer_of_ours(message.body), None
    payload, metadata = (
        (body.get("payload"), body.get("metadata")) if isinstance(body, dict) else (None, None)
    )
    topic = metadata.get("topic") if isinstance(metadata, dict) else None
    known = topic if isinstance(topic, str) and topic in FOLDERS else None
    try:
        return (str(member_id_in(payload)) if isinstance(payload, dict) else None), known
    except UnreadableEventError:
        return None, known


def _customer_of_ours(body: str) -> str | None:
    """Return the customer id in a message between Relay's own functions: they name the member by its key."""
    try:
        member = json.loads(body).get("member")
    except (ValueError, AttributeError, RecursionError):
        return None
    return member.rpartition(":")[2] or None if isinstance(member, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which letters a command is about: those that have one of the values of each field that is given.

    An id may be shortened to its first eight characters or more. `since` and `until` are times of receipt.
    """

    ids: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    customers: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, letter: Letter) -> bool:
        """Return whether the command is about this letter."""
        at = letter.message.received_at
        return (
            (not self.ids or any(letter.id.startswith(one) for one in self.ids))
            and (not self.sources or (letter.source or UNKNOWN) in self.sources)
            and (not self.topics or letter.topic in self.topics)
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.customers or letter.customer in self.customers)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


@dataclass(frozen=True, slots=True)
class LetterGroup:
    """Letters of one source, topic and reason: how many, and when the first and the last were received."""

    source: str
    topic: str
    reason: str
    count: int
    first: datetime
    last: datetime


@dataclass(slots=True)
class LetterCounts:
    """Counts letters by source, topic and reason while they are read: memory for the groups alone."""

    _counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _times: dict[tuple[str, str, str], tuple[datetime, datetime]] = field(default_factory=dict)

    def add(self, letter: Letter) -> None:
        """Count one letter."""
        group, at = (letter.source or UNKNOWN, letter.topic, letter.reason), letter.message.received_at
        self._counts[group] += 1
        first, last = self._times.get(group, (at, at))
        self._times[group] = min(first, at), max(last, at)

    def groups(self) -> list[LetterGroup]:
        """Return the groups, the largest first."""
        return [
            LetterGroup(*group, count, *self._times[group])
            for group, count in sorted(self._counts.items(), key=lambda pair: (-pair[1], pair[0]))
        ]


def counted(letters: Iterable[Letter]) -> list[LetterGroup]:
    """Return the groups of these letters, the largest first."""
    counts = LetterCounts()
    for letter in letters:
        counts.add(letter)
    return counts.groups()


def as_new(letter: Letter, at: datetime) -> MessageHeader:
    """Return the header with which a letter goes back to its queue: the age and the counts of a new message.

    The time of the first receipt stays: events are dated by it.
    """
    header = replace(letter.header, received_at=letter.message.received_at)
    return header.redriven(at)
