"""What a person does with an incident, in Slack or with a command of `relay`: acknowledge it, mute it, end its mute.

The notifier gets it as a message of the alerts queue. Standard library only: `slack_actions` imports it at every cold
start.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

INCIDENT_ACTION_TOPIC: Final = "relay.incident_action"

MUTE_PERIOD: Final = timedelta(days=7)
"""How long a mute lasts that names no end: the button in Slack, and the default of `relay mute`."""

MAX_NAME_LENGTH: Final = 80
"""Characters of a person's name that an incident keeps."""

Verb: TypeAlias = Literal["acknowledge", "mute", "unmute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentAction:
    """A person's action on an incident. Its topic is `INCIDENT_ACTION_TOPIC`; the same `id` is the same action.

    `by` is the person's name, `until` the end of a mute. `thread_id` names the opening whose message had the button:
    an incident that has opened anew since is another one to people; empty acts on the incident as it is.
    `response_url` is where Slack takes an answer that only this person sees; empty where there is none.
    """

    id: str
    at: datetime
    incident_key: str
    verb: Verb
    by: str
    until: datetime | None = None
    thread_id: str = ""
    response_url: str = ""

    def __post_init__(self) -> None:
        """Refuse times without an offset, and a mute without an end."""
        times = [time for time in (self.at, self.until) if time is not None]
        if any(time.tzinfo is None for time in times):
            raise ValueError("a time has no offset")
        if (self.until is not None) != (self.verb == "mute"):
            raise ValueError("a mute has an end, and nothing else has one")

    def as_json(self) -> str:
        """Return the message's body: ASCII JSON, since SQS refuses some characters."""
        values = {name: value for name, value in asdict(self).items() if value not in {None, ""}}
        return json.dumps(
            {
                name: value.isoformat() if isinstance(value, datetime) else value
                for name, value in values.items()
            }
        )
