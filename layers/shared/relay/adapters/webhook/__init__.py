"""A signed webhook: whoever has no adapter of its own is told of each member and moment, one message each.

One message for one member, and not a batch: so a repetition has the id of the first delivery, by which the
receiver knows it, and one member's fault keeps nobody else out. A receiver is told at least once. Its 2xx is
all that can be known of it: it cannot be asked what it holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal

from relay.adapters.crm_http import (
    FROM_A_GATEWAY,
    READ_SECONDS,
    AccessToken,
    ClosedError,
    CrmHttpClient,
    told,
    wait_of,
)
from relay.adapters.webhook.mapping import WebhookMessage, as_text, event, removed, updated
from relay.adapters.webhook.signing import keys_of, signed
from relay.errors import PermanentError
from relay.model.messages import MemberChanged, notes_in
from relay.ports.crm import NOT_READABLE, BulkImport, ContactRef, CrmOutcome, RateLimit
from relay.rules.crm_profile import CrmProfile

if TYPE_CHECKING:
    import httpx

_MIRRORED: Final = CrmOutcome(state="mirrored")
_ENDPOINT_IS_WRONG: Final = frozenset({401, 403, 404, 405, 410})
_NOT_NOW: Final = {423: 2.0, 425: 2.0, 429: 10.0}
_CRASHES: Final = 3
"""So many answers 500 in a row are taken for a receiver that is down; fewer, for a member that it cannot take."""


class Webhook:
    """A signed webhook as a `Crm`. `transport` stands in for the network in tests, `clock` for the time."""

    name: Final = "webhook"
    batch_size: Final = 1
    notes_batch_size: Final = 1
    rates: Sequence[RateLimit] = ()
    homes_by: Literal["key", "email"] = "key"
    automations: Final = "automations of your receiver"
    bulk: BulkImport | None = None

    def __init__(
        self,
        url: str,
        secret: AccessToken,
        transport: httpx.BaseTransport | None = None,
        read_seconds: float = READ_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._secret = secret
        self._wire = CrmHttpClient(transport, read_seconds)
        self._clock = clock
        self._crashes = 0

    def upsert(self, profiles: Sequence[CrmProfile]) -> Mapping[str, CrmOutcome]:
        """Tell each member as it is now; one without an e-mail address too: the key says who it is."""
        latest = {wanted.key: wanted for wanted in profiles}
        return self._tell((key, updated(wanted)) for key, wanted in latest.items())

    def record(
        self,
        changes: Sequence[MemberChanged],
        homes: Mapping[str, ContactRef] | None = None,  # noqa: ARG002 - the port's
    ) -> Mapping[str, CrmOutcome]:
        """Tell each note."""
        return self._tell(
            (note_id, event(change.member, event_effects, note, backfill=change.backfill))
            for note_id, change, event_effects, note in notes_in(changes)
        )

    def clear(self, homes: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Ask the receiver to forget these members."""
        at = datetime.fromtimestamp(self._clock(), UTC)
        return self._tell((home.key, removed(home.key, at)) for home in homes)

    def read(self, homes: Sequence[ContactRef]) -> Mapping[str, Mapping[str, str]]:  # noqa: ARG002 - the port's
        """Refuse: a receiver can be told and not asked.

        Raises:
            PermanentError: `NOT_READABLE`, always.

        """
        raise PermanentError(NOT_READABLE, "a webhook's receiver cannot be asked what it holds")

    def shown(self, profile: CrmProfile) -> Mapping[str, str]:
        """Return the fields that are told with a value, as texts."""
        told_ = {name: as_text(value) for name, value in profile.values.items()}
        return {name: value for name, value in told_.items() if value is not None}

    def check(self) -> None:
        """Do nothing: any message would be taken for news."""

    def ensure_schema(self, *, dry_run: bool = False) -> Sequence[str]:  # noqa: ARG002 - the port's
        """Define nothing: the schema is ours (`docs/webhook.schema.json`)."""
        return ()

    def close(self) -> None:
        """End the connections. A function never does: they end with its environment."""
        self._wire.close()

    def _tell(self, messages: Iterable[tuple[str, WebhookMessage]]) -> dict[str, CrmOutcome]:
        """Send one after the other, until the receiver says stop: the rest then stands like that one."""
        outcomes: dict[str, CrmOutcome] = {}
        closed: CrmOutcome | None = None
        for name, message in messages:
            if closed is None:
                try:
                    outcomes[name] = self._send(message)
                    continue
                except ClosedError as error:
                    closed = error.outcome
            outcomes[name] = closed
        return outcomes

    def _send(self, message: WebhookMessage) -> CrmOutcome:
        try:
            keys = keys_of(told(self._secret))
        except ValueError:
            self._secret.forget()
            raise ClosedError(CrmOutcome(state="unauthorised", reason="secret_is_not_whsec")) from None
        # The time is that of sending, a repetition's too: a receiver turns an old one away.
        headers = signed(message.id, int(self._clock()), message.body, keys)
        headers["Content-Type"] = "application/json"
        return self._judge(self._wire.send("POST", self._url, content=message.body, headers=headers))

    def _judge(self, reply: httpx.Response) -> CrmOutcome:
        status = reply.status_code
        reason = f"http_{status}"
        self._crashes = self._crashes + 1 if status == HTTPStatus.INTERNAL_SERVER_ERROR else 0
        if reply.is_success:
            return _MIRRORED
        # A redirect is not followed: it would send members to an address that nobody set.
        if reply.is_redirect or status in _ENDPOINT_IS_WRONG:
            self._secret.forget()
            raise ClosedError(CrmOutcome(state="unauthorised", reason=reason))
        asked = wait_of(reply)
        later = CrmOutcome(
            state="retry",
            reason=reason,
            retry_after=_NOT_NOW.get(status) if asked is None else asked,
            unanswered=status in FROM_A_GATEWAY,
            alone=0 < self._crashes < _CRASHES,
        )
        if later.alone:
            return later
        if status in _NOT_NOW or status in FROM_A_GATEWAY or not reply.is_client_error:
            raise ClosedError(later)
        return CrmOutcome(state="refused", reason=reason)
