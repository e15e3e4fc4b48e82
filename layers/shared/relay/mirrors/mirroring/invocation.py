"""What one invocation of `crm_sync` knows: its messages, what they say, and where their members stand so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from relay.batch import HELD, Context, Message
from relay.canonical import Profile
from relay.changes import Change
from relay.mirrors.breaker import Door
from relay.mirrors.writing import Standing
from relay.ports.mirrors import Mirror

NEEDED_MS: Final = 25_000
"""One batch, with a conflict or a missing property to mend, takes no longer (`adapters/hubspot/upsert.py`)."""


@dataclass(slots=True)
class Invocation:
    """Messages and changes are by message id; the rest by member. `stop` says why no further call is made."""

    door: Door
    context: Context
    messages: dict[str, Message] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    known: Mapping[str, Mirror] = field(default_factory=dict)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    stop: Standing | None = None

    @property
    def members(self) -> list[str]:
        """The members that the messages name, each once."""
        return list(dict.fromkeys(change.member for change in self.changes.values()))

    @property
    def loud(self) -> frozenset[str]:
        """The members that a message names which is of no back-fill."""
        return frozenset(change.member for change in self.changes.values() if not change.quiet)

    @property
    def millis(self) -> int:
        """The milliseconds that are left."""
        return self.context.get_remaining_time_in_millis()

    def is_crowded(self, size: int) -> bool:
        """Say whether it is worth waiting for company: there is more than a call takes, and nobody waits for us."""
        return len(self.messages) > size and not self.door.probing

    def has_waited(self, message_id: str) -> bool:
        """Say whether a message has waited for company before."""
        return HELD in self.messages[message_id].attributes

    def of(self, keys: Iterable[str]) -> dict[str, Profile]:
        """Return the profiles of these members."""
        return {key: self.profiles[key] for key in keys}
