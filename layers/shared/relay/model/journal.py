"""The journal: one line of JSON for everything that was processed, with its content and its outcome.

A line has a `kind`: `event` for a webhook, `reading` for a member read from the API, `action` for what was done on
request or by a rule. It may be written twice (a crash between the journal and the acknowledgement): a reader takes
the first line of an id and outcome. Secrets that an event carries are removed before a line is made.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from inveterate.webhooks.body import UnreadableBodyError, read_body

from relay.model.delivery import Delivery
from relay.model.redaction import json_number, without_secrets

JournalOutcome: TypeAlias = Literal["applied", "stale", "repeat", "ignored", "probe", "unclaimed", "dead"]
JournalAction: TypeAlias = Literal[
    "erased", "lifted", "redriven", "dropped", "archived", "granted", "imported"
]

VERSION: Final = 1
"""The version of a line's columns (`v`). It grows when a reader has to know the difference."""

LARGEST_LINE: Final = 1_000 * 1024
"""Bytes of a line, and of lines together, that Firehose takes as one record."""


def event_line(  # noqa: PLR0913 - the columns of a line, each by its name
    delivery: Delivery,
    *,
    shop: str,
    outcome: JournalOutcome,
    customer: str | None = None,
    at: datetime | None = None,
    effects: Sequence[str] = (),
    body: object = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """Return the line of one delivery of a webhook; `body` is the delivery's JSON, where the caller has read it.

    A body that cannot be read may hide a secret anywhere: the line has its hash and length, and the body itself is
    in the encrypted queue alone. `at` is the event's own time, `effects` are the ids of its effects.
    """
    columns = _columns(
        "event",
        id=delivery.event_id,
        delivery_id=delivery.delivery_id,
        topic=delivery.topic,
        shop=shop,
        customer=customer,
        received_at=_time(delivery.received_at),
        at=_time(at) if at else None,
        outcome=outcome,
        reason=reason,
        effects=list(effects),
    )
    if body is None:
        try:
            body = read_body(delivery.body)
        except UnreadableBodyError:
            digest = hashlib.sha256(delivery.body).hexdigest()
            return {**columns, "body_sha256": digest, "body_bytes": len(delivery.body)}
    return {**columns, "body": without_secrets(body)}


def reading_line(  # noqa: PLR0913 - likewise
    reading_id: str,
    *,
    topic: str,
    shop: str,
    customer: str,
    received_at: datetime,
    at: datetime | None,
    reason: str,
    body: object,
) -> dict[str, Any]:
    """Return the line of a member as the API showed it (`body`), read for this reason and merged as of `at`."""
    return _columns(
        "reading",
        id=reading_id,
        topic=topic,
        shop=shop,
        customer=customer,
        received_at=_time(received_at),
        at=_time(at) if at else None,
        outcome="applied",
        reason=reason,
        effects=[],
        body=without_secrets(body),
    )


def action_line(  # noqa: PLR0913 - likewise
    action: JournalAction,
    action_id: str,
    *,
    topic: str,
    shop: str,
    outcome: JournalOutcome,
    received_at: datetime,
    customer: str | None = None,
    at: datetime | None = None,
    reason: str | None = None,
    body: object = None,
) -> dict[str, Any]:
    """Return the line of an action: `applied` where it was done, `ignored` with the reason where it was not."""
    return _columns(
        "action",
        action=action,
        id=action_id,
        topic=topic,
        shop=shop,
        customer=customer,
        received_at=_time(received_at),
        at=_time(at) if at else None,
        outcome=outcome,
        reason=reason,
        effects=[],
        body=without_secrets(body),
    )


def without_body(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line without what it says of a person: its body. `erased` marks it.

    What happened, when, to which customer id and with which effects stays: the same as the record of an erased member keeps.
    """
    rest = {name: value for name, value in line.items() if name not in _BODY}
    return {**rest, "erased": True}


_BODY: Final = frozenset({"body", "packed", "body_sha256", "body_bytes"})


def _columns(kind: Literal["event", "reading", "action"], **columns: Any) -> dict[str, Any]:
    return {
        "v": VERSION,
        "kind": kind,
        **{name: value for name, value in columns.items() if value is not None},
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dump(columns: Mapping[str, Any]) -> bytes:
    """Return a line as compact JSON that ends with a line feed and has no other.

    A body that would not fit comes as `packed`: base64 of zlib of its JSON. Numbers alone can make a body too long:
    `1e15` is written with all its zeros.
    """
    data = _write(columns)
    if len(data) <= LARGEST_LINE:
        return data
    rest = {name: value for name, value in columns.items() if name != "body"}
    packed = zlib.compress(_write(columns.get("body")))
    return _write({**rest, "packed": base64.b64encode(packed).decode("ascii")})


def records(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[list[int], bytes]]:
    """Join numbered lines, in their order, into as few Firehose records as they fit into; yield each with its numbers.

    Firehose bills every record as a multiple of 5 KiB, and most lines are smaller.
    """
    numbers: list[int] = []
    parts: list[bytes] = []
    size = 0
    for number, line in lines:
        if numbers and size + len(line) > LARGEST_LINE:
            yield numbers, b"".join(parts)
            numbers, parts, size = [], [], 0
        numbers.append(number)
        parts.append(line)
        size += len(line)
    if numbers:
        yield numbers, b"".join(parts)


def _write(value: object) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=json_number)
    # A lone surrogate has no UTF-8; what Python writes for it is just JSON's own escape.
    return text.encode("utf-8", "backslashreplace") + b"\n"
