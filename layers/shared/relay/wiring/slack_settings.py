"""The settings of `slack_actions`, apart from those of other functions. Standard library only: it starts cold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from relay.wiring.environment import Settings, SettingsReader


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackActionSettings(Settings):
    """`stack` is what a button names; `team` the workspace or organisation that may act, empty for any."""

    stack: str
    signing_secret: str
    team: str
    alerts_url: str
    slack_url: str

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        return cls(
            stack=reader.text("STACK_NAME"),
            signing_secret=reader.text("SLACK_SIGNING_SECRET"),
            team=reader.optional("SLACK_TEAM_ID"),
            alerts_url=reader.url("ALERTS_URL"),
            slack_url=reader.url("SLACK_URL"),
        )
