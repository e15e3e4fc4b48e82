"""CloudWatch's alarms as alerts: an alarm opens its incident, its OK closes it.

An alarm's description says how it is to be told: `critical payfail-spike: Payments fail. Look at …` is the
level, the matter, a title up to the first full stop, and what to do. The matter names the incident,
`inv:{shop}:{matter}`, under which PagerDuty knows it; one alarm has one matter. Without these words an
alarm is an error, and the incident goes by the alarm's name.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from relay.errors import PermanentError
from relay.model.effects import Action, Alert, Level
from relay.model.messages import AlertMessage

TOPIC: Final = "relay.alarm"

_WORDED: Final = re.compile(
    r"(info|warning|error|critical)(?: ([a-z0-9][a-z0-9:-]{0,80}))?: +(.+)", re.DOTALL
)
_RULES: Final = {
    "payfail-spike": "programme.failure_spike",
    "cancel-spike": "programme.cancel_spike",
    "manual-credits": "programme.manual_credits",
    "silence": "programme.silence",
}
"""The matters that are conditions of the programme: a merchant sets them like every other rule."""

_ACTIONS: Final[dict[str, Action]] = {"ALARM": "open", "OK": "close"}


class Alarm(BaseModel):
    """What CloudWatch tells a topic when an alarm changes its state."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: str = Field(alias="AlarmName", min_length=1, max_length=255)
    state: str = Field(alias="NewStateValue")
    at: datetime = Field(alias="StateChangeTime")
    description: str = Field(default="", alias="AlarmDescription")

    @field_validator("description", mode="before")
    @classmethod
    def _described(cls, value: Any) -> Any:
        return value or ""

    @field_validator("at")
    @classmethod
    def _aware(cls, value: datetime) -> datetime:
        return value if value.tzinfo else value.replace(tzinfo=UTC)


def is_alarm(body: str) -> bool:
    """Tell whether a message is CloudWatch's: nothing of ours begins like that."""
    return '"AlarmName"' in body[:200]


def alarm_message(body: str, shop: str) -> AlertMessage | None:
    """Return what an alarm tells; None where it has merely lost sight of its figure.

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
    worded = _WORDED.fullmatch(alarm.description.strip())
    level = Level[worded[1].upper()] if worded else Level.ERROR
    matter = worded[2] if worded else None
    title, advice = _sentences((worded[3] if worded else alarm.description) or alarm.name)
    # CloudWatch may deliver a change twice; nothing else of it is an id.
    change = f"{alarm.name}|{alarm.state}|{alarm.at.isoformat()}"
    event_id = hashlib.sha256(change.encode()).hexdigest()[:32]
    rule = _RULES.get(matter or "") or f"alarm.{matter or alarm.name}"
    return AlertMessage(
        id=f"{event_id}.{rule}",
        event_id=event_id,
        topic=TOPIC,
        member="",
        at=alarm.at,
        alert=Alert(
            rule=rule,
            incident_key=f"inv:{shop}:{matter}" if matter else f"alarm:{alarm.name}",
            level=level,
            title=title,
            action=action,
            details=(("Alarm", alarm.name),),
            advice=advice if action == "open" else "",
        ),
    )


def _sentences(text: str) -> tuple[str, str]:
    title, stop, rest = text.strip().partition(". ")
    return (title if stop else title.rstrip(".")), rest.strip()
