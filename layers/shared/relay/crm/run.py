"""What one invocation of `crm_sync` knows: its messages, what they say, and where their members stand so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from relay.crm.circuit_breaker import CircuitPass
from relay.crm.claimed_write import SyncResult
from relay.model.messages import MemberChanged
from relay.ports.crm_state import SyncState
from relay.queues.batch import Context, Message
from relay.rules.crm_profile import CrmProfile

NEEDED_MS: Final = 25_000
"""One batch, with a conflict or a missing property to mend, takes no longer (`adapters/hubspot/upsert.py`)."""


@dataclass(slots=True)
class SyncRun:
    """Messages and changes are by message id; the rest by member. `stop` says why no further call is made."""

    door: CircuitPass
    context: Context
    messages: dict[str, Message] = field(default_factory=dict)
    changes: dict[str, MemberChanged] = field(default_factory=dict)
    known: Mapping[str, SyncState] = field(default_factory=dict)
    profiles: Mapping[str, CrmProfile] = field(default_factory=dict)
    standings: dict[str, SyncResult] = field(default_factory=dict)
    stop: SyncResult | None = None

    @property
    def members(self) -> list[str]:
        """The members that the messages name, each once."""
        return list(dict.fromkeys(change.member for change in self.changes.values()))

    @property
    def loud(self) -> frozenset[str]:
        """The members that a message names which is of no back-fill."""
        return frozenset(change.member for change in self.changes.values() if not change.backfill)

    @property
    def millis(self) -> int:
        """The milliseconds that are left."""
        return self.context.get_remaining_time_in_millis()

    def is_crowded(self, size: int) -> bool:
        """Say whether it is worth waiting for company: there is more than a call takes, and nobody waits for us."""
        return len(self.messages) > size and not self.door.probing

    def has_waited(self, message_id: str) -> bool:
        """Say whether a message has waited for company before."""
        return bool(self.messages[message_id].header.coalesced)

    def of(self, keys: Iterable[str]) -> dict[str, CrmProfile]:
        """Return the profiles of these members."""
        return {key: self.profiles[key] for key in keys}
