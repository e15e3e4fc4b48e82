"""Sends signed messages to a webhook's receiver, and reads what its answers mean. Signatures follow Standard Webhooks.

`webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`; by it the receiver knows that a
message is ours and is new. While a secret is rotated there are two secrets and a signature with each, because the
receiver may know either.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from relay.adapters.fault_table import UNKNOWN, Fault, fault_of
from relay.adapters.http import (
    GATEWAY_STATUSES,
    CrmHttpClient,
    CrmUnavailableError,
    SecretSource,
    read_secret,
    retry_after,
)
from relay.adapters.webhook.faults import FAULTS
from relay.adapters.webhook.mapping import WebhookMessage
from relay.ports.crm import CrmOutcome

if TYPE_CHECKING:
    import httpx

_MIRRORED: Final = CrmOutcome(state="mirrored")
_DOWN: Final = Fault("later", "https://www.rfc-editor.org/rfc/rfc9110#section-15.6")
_CRASHES: Final = 3
"""This many answers 500 in a row mean that the receiver is down; fewer, that it cannot take this member."""

_PREFIX: Final = "whsec_"
_MIN_KEY_BYTES: Final = 24
_MAX_KEY_BYTES: Final = 64


@dataclass(slots=True)
class WebhookClient:
    """One receiver. `clock` returns the seconds since 1970."""

    url: str
    secret: SecretSource
    http: CrmHttpClient
    clock: Callable[[], float]
    _crashes: int = 0

    def send(self, message: WebhookMessage) -> CrmOutcome:
        """Send one message.

        Raises:
            CrmUnavailableError: the answer, or the lack of one, concerns every message.

        """
        try:
            keys = keys_of(read_secret(self.secret))
        except ValueError:
            self.secret.forget()
            outcome = CrmOutcome(state="unauthorised", reason="secret_is_not_whsec")
            raise CrmUnavailableError(outcome) from None
        # The timestamp is that of sending, also of a repetition: a receiver rejects an old one.
        headers = signed(message.id, int(self.clock()), message.body, keys)
        headers["Content-Type"] = "application/json"
        return self._read(self.http.send("POST", self.url, content=message.body, headers=headers))

    def _read(self, reply: httpx.Response) -> CrmOutcome:
        status = reply.status_code
        reason = f"http_{status}"
        self._crashes = self._crashes + 1 if status == HTTPStatus.INTERNAL_SERVER_ERROR else 0
        if reply.is_success:
            return _MIRRORED
        fault = fault_of(FAULTS, [reason])
        if not reply.is_client_error and fault is UNKNOWN:
            fault = _DOWN
        outcome = fault.outcome(reason, asked=retry_after(reply), member_only=0 < self._crashes < _CRASHES)
        outcome = replace(outcome, unanswered=status in GATEWAY_STATUSES)
        if outcome.state == "unauthorised":
            self.secret.forget()
        if outcome.state == "waiting" or outcome.member_only:
            return outcome
        raise CrmUnavailableError(outcome)


def keys_of(secret: str) -> list[bytes]:
    """Return the keys of one or more secrets `whsec_…`, separated by spaces or commas, the newest first.

    Raises:
        ValueError: one of them is not a secret; the error's text does not quote it.

    """
    keys = [_key(word) for word in secret.replace(",", " ").split()]
    if not keys:
        raise ValueError("no secret")
    return keys


def signed(message_id: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """Return the signature headers of a message that is sent at `timestamp` (seconds since 1970)."""
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    signatures = (base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _key(word: str) -> bytes:
    try:
        key = base64.b64decode(word.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a secret is not base64") from None
    if not word.startswith(_PREFIX) or not _MIN_KEY_BYTES <= len(key) <= _MAX_KEY_BYTES:
        raise ValueError("a secret is not whsec_ and 24 to 64 bytes")
    return key
