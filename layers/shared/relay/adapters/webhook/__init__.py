"""A signed webhook: a system without an adapter of its own receives each member and each timeline event as one message.

One message for one member, and not a batch: so a repetition has the id of the first message, by which the receiver
recognises it, and one member's fault does not affect the others. Every message is delivered at least once. A 2xx is the
receiver's whole answer: it cannot be asked what it holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, Literal

from relay.adapters.http import READ_SECONDS, CrmHttpClient, CrmUnavailableError, SecretSource
from relay.adapters.webhook.client import WebhookClient
from relay.adapters.webhook.mapping import WebhookMessage, as_text, erased, event, removed, updated
from relay.errors import PermanentError
from relay.model.messages import MemberChanged, notes_in
from relay.ports.crm import (
    NO_NOTES,
    NOT_READABLE,
    BulkImport,
    ContactNotes,
    ContactRef,
    CrmOutcome,
    RateLimit,
)
from relay.rules.crm_profile import CrmProfile

if TYPE_CHECKING:
    import httpx

_ERASED: Final = CrmOutcome(state="skipped", reason="erased")


class Webhook:
    """A signed webhook as a `Crm`. `transport` replaces the network in tests, `clock` the time."""

    name: Final = "webhook"
    batch_size: Final = 1
    members_per_call: Final = 1
    version_ends: Final[date | None] = None
    notes_batch_size: Final = 1
    rate_limits: Sequence[RateLimit] = ()
    identified_by: Literal["key", "email"] = "key"
    automations: Final = "automations of your receiver"
    bulk: BulkImport | None = None

    def __init__(
        self,
        url: str,
        secret: SecretSource,
        transport: httpx.BaseTransport | None = None,
        read_seconds: float = READ_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http = CrmHttpClient(transport, read_seconds, "WebhookUrl")
        self._client = WebhookClient(url, secret, self._http, clock)
        self._clock = clock

    def upsert(
        self,
        profiles: Sequence[CrmProfile],
        notes: ContactNotes = NO_NOTES,  # noqa: ARG002 - the port's argument: a receiver has one contact for a key
    ) -> Mapping[str, CrmOutcome]:
        """Send each member as it is now, also one without an e-mail address: the key identifies it.

        An erased member that the receiver was told to erase is not sent again.
        """
        latest = {profile.key: profile for profile in profiles}
        gone = {key: _ERASED for key, profile in latest.items() if profile.erased == "delete"}
        return gone | self._send(
            (key, updated(profile)) for key, profile in latest.items() if key not in gone
        )

    def record(
        self,
        changes: Sequence[MemberChanged],
        contacts: Mapping[str, ContactRef] | None = None,  # noqa: ARG002 - the port's argument
    ) -> Mapping[str, CrmOutcome]:
        """Send each note."""
        return self._send(
            (note_id, event(change.member, event_effects, note, backfill=change.backfill))
            for note_id, change, event_effects, note in notes_in(changes)
        )

    def clear(self, contacts: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Ask the receiver to remove these members, or to erase them.

        All that a receiver holds of a member is from Relay, so `made` is no question here.
        """
        at = datetime.fromtimestamp(self._clock(), UTC)
        return self._send((contact.key, _removal(contact, at)) for contact in contacts)

    def read(self, contacts: Sequence[ContactRef]) -> Mapping[str, Mapping[str, str]]:  # noqa: ARG002 - the port's argument
        """Refuse: a receiver cannot be read.

        Raises:
            PermanentError: `NOT_READABLE`, always.

        """
        raise PermanentError(NOT_READABLE, "a webhook's receiver cannot be asked what it holds")

    def expected_fields(self, profile: CrmProfile) -> Mapping[str, str]:
        """Return the fields with a value, as texts."""
        fields = {name: as_text(value) for name, value in profile.values.items()}
        return {name: text for name, text in fields.items() if text is not None}

    def fill_names(self, profiles: Sequence[CrmProfile], contacts: Sequence[ContactRef]) -> None:
        """Do nothing: a receiver's own fields cannot be read."""

    def check(self) -> None:
        """Do nothing: the receiver would process any message as an event."""

    def ensure_schema(self, *, dry_run: bool = False) -> Sequence[str]:  # noqa: ARG002 - the port's argument
        """Define nothing: the schema is ours (`docs/webhook.schema.json`)."""
        return ()

    def close(self) -> None:
        """Close the connections. A function never does: they end with its environment."""
        self._http.close()

    def _send(self, messages: Iterable[tuple[str, WebhookMessage]]) -> dict[str, CrmOutcome]:
        """Send one after the other. After `CrmUnavailableError` no other is sent, and the rest has its outcome."""
        outcomes: dict[str, CrmOutcome] = {}
        stopped: CrmOutcome | None = None
        for name, message in messages:
            if stopped is None:
                try:
                    outcomes[name] = self._client.send(message)
                    continue
                except CrmUnavailableError as error:
                    stopped = error.outcome
            outcomes[name] = stopped
        return outcomes


def _removal(contact: ContactRef, at: datetime) -> WebhookMessage:
    """Return the message that ends a member at the receiver."""
    make = erased if contact.erased == "delete" else removed
    return make(contact.key, at, contact.version)
