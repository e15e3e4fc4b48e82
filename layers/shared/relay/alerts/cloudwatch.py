"""CloudWatch alarms as alerts: an alarm opens its incident, its OK resolves it.

An alarm's description says how to alert: `critical payfail-spike: Payments fail. Look at …` is the level, the
condition, a title up to the first full stop, and what to do. The condition names the incident,
`inv:{shop}:{condition}`, under which PagerDuty knows it; one alarm has one condition. An alarm with another description
is an error, and its incident has the alarm's name.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from relay.errors import PermanentError
from relay.model.effects import Alert, AlertAction, Level
from relay.model.messages import AlertMessage

TOPIC: Final = "relay.alarm"

_DESCRIPTION: Final = re.compile(
    r"(info|warning|error|critical)(?: ([a-z0-9][a-z0-9:-]{0,80}))?: +(.+)", re.DOTALL
)
_RULES: Final = {
    "payfail-spike": "programme.failure_spike",
    "cancel-spike": "programme.cancel_spike",
    "manual-credits": "programme.manual_credits",
    "silence": "programme.silence",
}
"""The conditions of the programme: a merchant sets them like every other rule."""

_ACTIONS: Final[dict[str, AlertAction]] = {"ALARM": "open", "OK": "resolve"}


class Alarm(BaseModel):
    """The message that CloudWatch publishes when an alarm changes its state."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: str = Field(alias="AlarmName", min_length=1, max_length=255)
    state: str = Field(alias="NewStateValue")
    at: datetime = Field(alias="StateChangeTime")
    description: str = Field(default="", alias="AlarmDescription")

    @field_validator("description", mode="before")
    @classmethod
    def _text_or_empty(cls, value: Any) -> Any:
        return value or ""

    @field_validator("at")
    @classmethod
    def _with_zone(cls, value: datetime) -> datetime:
        return value if value.tzinfo else value.replace(tzinfo=UTC)


def is_alarm(body: str) -> bool:
    """Return whether CloudWatch wrote a message: a message of ours begins differently."""
    return '"AlarmName"' in body[:200]


def alarm_message(body: str, shop: str) -> AlertMessage | None:
    """Return an alarm as an alert message; None where it only lacks data.

    Raises:
        PermanentError: `unreadable_message`.

    """
    try:
        alarm = Alarm.model_validate_json(body)
    except ValidationError:
        raise PermanentError("unreadable_message", "alarm") from None
    action = _ACTIONS.get(alarm.state)
    if action is None:
        return None
    parts = _DESCRIPTION.fullmatch(alarm.description.strip())
    level = Level[parts[1].upper()] if parts else Level.ERROR
    condition = parts[2] if parts else None
    title, advice = _title_and_advice((parts[3] if parts else alarm.description) or alarm.name)
    # CloudWatch may deliver a change twice, and gives it no id.
    change = f"{alarm.name}|{alarm.state}|{alarm.at.isoformat()}"
    event_id = hashlib.sha256(change.encode()).hexdigest()[:32]
    rule = _RULES.get(condition or "") or f"alarm.{condition or alarm.name}"
    return AlertMessage(
        id=f"{event_id}.{rule}",
        event_id=event_id,
        topic=TOPIC,
        member="",
        at=alarm.at,
        alert=Alert(
            rule=rule,
            incident_key=f"inv:{shop}:{condition}" if condition else f"alarm:{alarm.name}",
            level=level,
            title=title,
            action=action,
            details=(("Alarm", alarm.name),),
            advice=advice if action == "open" else "",
        ),
    )


def _title_and_advice(text: str) -> tuple[str, str]:
    title, stop, rest = text.strip().partition(". ")
    return (title if stop else title.rstrip(".")), rest.strip()
