"""The messages of the signed webhook and their ids: the contract with the receiver (`docs/webhook.md`).

member.updated  the member as it is now: all fields, null for unknown ones, and whether it is part of a back-fill
member.event    an event in its membership
member.removed  the receiver is to remove all that it holds of the member
member.erased   the same, because the person asked for it: an erasure
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from relay.adapters.http import write_json
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
    """One message: a repetition has the same id."""

    id: str
    body: bytes


def updated(profile: CrmProfile) -> WebhookMessage:
    """Return the message of a member as it is now. A receiver starts nothing for one of a back-fill.

    The id follows from the fields and from the newest fact behind them: a repetition has the same id, and a return to
    an earlier state has another.
    """
    identity = f"{profile.key}|{profile.digest}|{json_value(profile.values['last_event_at'])}"
    data = {name: json_value(value) for name, value in profile.values.items()} | {_BACKFILL: profile.backfill}
    return WebhookMessage(_id("member", identity), _body("member.updated", data["mirror_updated_at"], data))


def event(key: str, event_effects: EventEffects, note: Note, *, backfill: bool) -> WebhookMessage:
    """Return the message of a note. A receiver starts nothing for one of a back-fill."""
    at = json_value(event_effects.at)
    data = {
        "key": key,
        "name": note.name,
        "event_id": event_effects.event_id,
        "topic": event_effects.topic,
        "occurred_at": at,
        "properties": {name: json_value(value) for name, value in note.properties.items()},
        _BACKFILL: backfill,
    }
    return WebhookMessage(
        _id("event", effect_id(event_effects.event_id, note)), _body("member.event", at, data)
    )


def removed(key: str, at: datetime, version: str = "") -> WebhookMessage:
    """Return the request to remove a member.

    A member may come back and be removed again: each removal has an id of its own, by its `version`, and every try of it
    has the same one.
    """
    identity = f"{key}|{version}" if version else uuid.uuid4().hex
    return WebhookMessage(_id("removed", identity), _body("member.removed", json_value(at), {"key": key}))


def erased(key: str, at: datetime, version: str) -> WebhookMessage:
    """Return the request to erase a person. Its id as in `removed`."""
    return WebhookMessage(
        _id("erased", f"{key}|{version}"), _body("member.erased", json_value(at), {"key": key})
    )


def schema() -> dict[str, Any]:
    """Return the JSON schema of all messages."""
    fields = {name: _field(name, crm_field) for name, crm_field in CRM_FIELDS.items()}
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
            _message_schema("member.erased", {"key": {"type": "string"}}),
        ],
    }


def _field(name: str, crm_field: CrmField) -> dict[str, Any]:
    if name == "key":
        return {"type": "string"}
    choices = {"enum": [*crm_field.choices, None]} if crm_field.choices else {}
    return {**_FIELD_SCHEMAS[crm_field.kind], **choices}


def _message_schema(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return one message's schema; it allows more fields, which a later version may add."""
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
    return write_json({"type": kind, "timestamp": at, "data": data})


def _id(prefix: str, what: str) -> str:
    """Return an id without a full stop, which separates the parts of the signed text."""
    return f"{prefix}_{hashlib.sha256(what.encode('utf-8', 'replace')).hexdigest()[:32]}"


def as_text(value: Value) -> str | None:
    """Return a value as text; None for none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return number_text(value)
    return None if value is None else str(json_value(value))
