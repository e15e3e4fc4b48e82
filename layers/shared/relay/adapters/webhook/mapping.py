"""What a message says, and under which id: the contract with whoever receives it (`docs/webhook.md`).

member.updated  the member as it is now, all fields, null for what is unknown; whether it is of a back-fill
member.event    a moment in its membership
member.removed  the receiver is to forget what it was told of the member
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from relay.model.effects import Note, effect_id
from relay.model.fields import Value, ValueKind
from relay.model.formats import json_value, number_text
from relay.model.messages import EventEffects
from relay.rules.crm_profile import CRM_FIELDS, CrmField, CrmProfile

_BACKFILL: Final = "backfill"

_FIELD_SCHEMAS: Final[dict[ValueKind, dict[str, Any]]] = {
    ValueKind.TEXT: {"type": ["string", "null"]},
    ValueKind.MONEY: {"type": ["number", "null"]},
    ValueKind.COUNT: {"type": ["integer", "null"]},
    ValueKind.FLAG: {"type": ["boolean", "null"]},
    ValueKind.MOMENT: {"type": ["string", "null"], "format": "date-time"},
    ValueKind.DAY: {"type": ["string", "null"], "format": "date"},
}


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """One message: its id is the same whenever the same is told again."""

    id: str
    body: bytes


def updated(profile: CrmProfile) -> WebhookMessage:
    """Tell a member as it is now. A receiver starts nothing for one that is told in a back-fill.

    The id follows from what is told and from the newest fact behind it: a repetition of the same has the
    same id, and a return to an earlier state has another.
    """
    told = f"{profile.key}|{profile.digest}|{in_json(profile.values['last_event_at'])}"
    data = {name: in_json(value) for name, value in profile.values.items()} | {_BACKFILL: profile.backfill}
    return WebhookMessage(_id("member", told), _body("member.updated", data["mirror_updated_at"], data))


def event(key: str, event_effects: EventEffects, note: Note, *, backfill: bool) -> WebhookMessage:
    """Tell a moment. A receiver starts nothing for one that is told in a back-fill."""
    at = in_json(event_effects.at)
    data = {
        "key": key,
        "name": note.name,
        "event_id": event_effects.event_id,
        "topic": event_effects.topic,
        "occurred_at": at,
        "properties": {name: in_json(value) for name, value in note.properties.items()},
        _BACKFILL: backfill,
    }
    return WebhookMessage(
        _id("event", effect_id(event_effects.event_id, note)), _body("member.event", at, data)
    )


def removed(key: str, at: datetime) -> WebhookMessage:
    """Ask to forget a member; a member may come back and be removed again, so each time is another message."""
    return WebhookMessage(
        _id("removed", uuid.uuid4().hex), _body("member.removed", in_json(at), {"key": key})
    )


def schema() -> dict[str, Any]:
    """Return the JSON schema of all messages."""
    fields = {name: _field(name, column) for name, column in CRM_FIELDS.items()}
    fields[_BACKFILL] = {"type": "boolean"}
    event_data = {
        "key": {"type": "string"},
        "name": {"type": "string"},
        "event_id": {"type": "string"},
        "topic": {"type": "string"},
        "occurred_at": {"type": "string", "format": "date-time"},
        "properties": {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "integer", "boolean", "null"]},
        },
        _BACKFILL: {"type": "boolean"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Messages of Relay's signed webhook",
        "oneOf": [
            _message_schema("member.updated", fields),
            _message_schema("member.event", event_data),
            _message_schema("member.removed", {"key": {"type": "string"}}),
        ],
    }


def _field(name: str, column: CrmField) -> dict[str, Any]:
    if name == "key":
        return {"type": "string"}
    choices = {"enum": [*column.choices, None]} if column.choices else {}
    return {**_FIELD_SCHEMAS[column.kind], **choices}


def _message_schema(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return one message's schema; open, for a later version may say more."""
    return {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": kind},
            "timestamp": {"type": ["string", "null"], "format": "date-time"},
            "data": {"type": "object", "required": list(data), "properties": data},
        },
    }


def _body(kind: str, at: Any, data: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "timestamp": at, "data": data}, separators=(",", ":")).encode()


def _id(prefix: str, what: str) -> str:
    """Return an id without a full stop, which separates it from the rest where it is signed."""
    return f"{prefix}_{hashlib.sha256(what.encode('utf-8', 'replace')).hexdigest()[:32]}"


def as_text(value: Value) -> str | None:
    """Write a value as a text; None for none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return number_text(value)
    return None if value is None else str(in_json(value))


def in_json(value: Value) -> str | int | float | bool | None:
    """Write a value in JSON's own types; an amount is a number, whole where it is."""
    written = json_value(value)
    if isinstance(written, Decimal):
        return int(written) if written == written.to_integral_value() else float(written)
    return written
