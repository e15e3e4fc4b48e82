"""HubSpot: members become contacts, a hundred at a time, each under its unique `membership_key`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from relay.adapters.hubspot.client import READ_SECONDS, ClosedError, HubspotClient, Token
from relay.adapters.hubspot.paths import DEFAULT_VERSION, PATHS
from relay.adapters.hubspot.schema import missing, provide
from relay.adapters.hubspot.upsert import Upsert
from relay.canonical import Profile
from relay.changes import Change
from relay.effects import effect_id
from relay.errors import MisconfiguredError
from relay.ports import Outcome

if TYPE_CHECKING:
    import httpx

_NO_EMAIL: Final = Outcome(state="skipped", reason="no_email")
_EVENTS_OFF: Final = Outcome(state="skipped", reason="custom events are off")


class Hubspot:
    """HubSpot as a `Crm`. `version` names a row of `PATHS`; `transport` stands in for the network in tests."""

    name: Final = "hubspot"
    batch_size: Final = 100

    def __init__(
        self,
        base_url: str,
        token: Token,
        version: str = DEFAULT_VERSION,
        transport: httpx.BaseTransport | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        if version not in PATHS:
            raise MisconfiguredError("not a version of HubSpot's API that we know", setting="HUBSPOT_VERSION")
        self._paths = PATHS[version]
        self._client = HubspotClient(base_url, token, transport, read_seconds)

    def upsert(self, profiles: Sequence[Profile]) -> Mapping[str, Outcome]:
        """Write the members' contacts.

        A member without an e-mail address is skipped: such a contact could not be written to, and
        HubSpot bills for it.
        """
        # By key: HubSpot refuses a batch as a whole that names one twice. The last is the newest.
        latest = {wanted.key: wanted for wanted in profiles}
        homeless = {key: _NO_EMAIL for key, wanted in latest.items() if not wanted.email}
        sendable = [wanted for key, wanted in latest.items() if key not in homeless]
        outcomes: dict[str, Outcome] = dict(homeless)
        for start in range(0, len(sendable), self.batch_size):
            run = Upsert(self._client, self._paths)
            batch = {wanted.key: wanted for wanted in sendable[start : start + self.batch_size]}
            try:
                run.run(batch)
            except ClosedError as closed:
                # Nobody gets through: those of later batches stand like this one, and are not asked for.
                waiting = dict.fromkeys((wanted.key for wanted in sendable[start:]), closed.outcome)
                return outcomes | waiting | run.outcomes
            outcomes |= run.outcomes
        return outcomes

    def record(self, changes: Sequence[Change]) -> Mapping[str, Outcome]:
        """Skip the notes: custom events need an Enterprise hub, and are off until a setting says otherwise."""
        return {
            effect_id(happening.event_id, effect): _EVENTS_OFF
            for change in changes
            for happening in change.happenings
            for effect in happening.effects
            if effect.kind == "note"
        }

    def missing_properties(self) -> list[str]:
        """Return the properties that are not defined yet.

        Raises:
            ClosedError: when HubSpot cannot be asked.

        """
        return [definition["name"] for definition in missing(self._client, self._paths)]

    def ensure_schema(self) -> list[str]:
        """Define the group and the properties that are missing; return the names made.

        Raises:
            ClosedError: when HubSpot cannot be asked, or does not let us.

        """
        return provide(self._client, self._paths)

    def close(self) -> None:
        """End the connections. A function never does: they end with its environment."""
        self._client.close()
