"""Inveterate's API through our own SDK: a member, read once and dated by the answer; credits, granted once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from inveterate import (
    BadKeyError,
    BadRequestError,
    Client,
    CustomerId,
    GrantStatus,
    Intents,
    InveterateError,
    NoRecordError,
    NotFoundError,
    RateLimitError,
    RequestLog,
    Retries,
)

from relay.errors import ConflictError, MisconfiguredError, PermanentError, TransientError
from relay.ports.inveterate import MemberReading

if TYPE_CHECKING:
    from relay.adapters.aws.ssm import Secret

_TIMEOUT: Final = 8.0
_PATIENCE: Final = Retries(max_attempts=2, base_delay=0.3, deadline=15.0, max_retry_after=2.0)
"""Short: the queue has the patience, and a function that waits is paid for."""

_NO_SUCH_ID: Final = 400

LOOKS: Final = (0.5, 2.0)
"""Pauses before the ledger is read: the queue asks again later, and a function that sleeps is paid for."""

SETTLED_AFTER: Final = 600.0
"""Seconds after which the SDK may take a request for lost, if the ledger proves it."""


@dataclass(slots=True)
class InveterateApi:
    """`ports.Api`. `connect` makes a client of an address and a key; the SDK's own unless a test says otherwise."""

    url: str
    secret: Secret
    connect: Callable[[str, str, Callable[[RequestLog], object]], Client] = field(
        default=lambda url, key, hook: Client(
            key, base_url=url, timeout=_TIMEOUT, retries=_PATIENCE, hooks=(hook,)
        )
    )
    looks: Sequence[float] = LOOKS
    _client: Client | None = field(default=None, repr=False)
    _key: str = field(default="", repr=False)
    _last: RequestLog | None = None

    def read(self, customer_id: str) -> MemberReading | None:
        """Read a member; None where the API knows none by this id."""
        client = self._connected()
        with self._errors():
            try:
                member = client.members.get(CustomerId(customer_id))
            except (NotFoundError, NoRecordError):
                return None
            except BadRequestError as error:
                # What the platform says of unknown ids is undocumented; 400 is all that it documents. The id
                # is one that it sent itself, so "malformed" is not a reading of it.
                if error.status == _NO_SUCH_ID:
                    return None
                raise
        last = self._last
        return MemberReading(
            member=member, date=last.date if last else None, seconds=last.seconds if last else _TIMEOUT
        )

    def grant(  # noqa: PLR0913 - what, to whom, once per what, and whether to try again
        self, customer_id: str, amount: Decimal, *, key: str, note: str, intents: Intents, again: bool
    ) -> GrantStatus:
        """Grant credits once for the key; without `again` a request that may have been lost stays so."""
        client = self._connected()
        with self._errors():
            try:
                return client.members.credits.grant(
                    CustomerId(customer_id),
                    amount,
                    key=key,
                    note=note,
                    intents=intents,
                    looks=self.looks,
                    settled_after=SETTLED_AFTER if again else math.inf,
                ).status
            except (BadRequestError, NotFoundError) as error:
                raise PermanentError("grant_refused", _named(error)) from error
            except ValueError as error:
                # The amount is checked before, so it is this: the key was claimed for another amount just now.
                raise ConflictError("the key was claimed for another grant") from error

    def close(self) -> None:
        """Close the pooled connections."""
        if self._client:
            self._client.close()
            self._client = None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Say what the SDK's errors mean to us."""
        try:
            yield
        except BadKeyError as error:
            self.secret.forget()
            raise MisconfiguredError(f"Inveterate: {_named(error)}", setting=self.secret.name) from error
        except RateLimitError as error:
            raise TransientError(f"Inveterate: {_named(error)}", retry_after=error.retry_after) from error
        except InveterateError as error:
            raise TransientError(f"Inveterate: {_named(error)}") from error

    def _connected(self) -> Client:
        """Return a client with the key as it is now: a rotated one needs another."""
        key = self.secret.value()
        if self._client is None or key != self._key:
            self.close()
            self._key = key
            try:
                self._client = self.connect(self.url, key, self._remember)
            except ValueError:
                # The SDK says which of the two cannot be one; its text does not repeat the key.
                raise MisconfiguredError(
                    "Inveterate: no such key or address", setting=self.secret.name
                ) from None
        return self._client

    def _remember(self, exchange: RequestLog) -> None:
        self._last = exchange


def _named(error: InveterateError) -> str:
    """Name an error without its text: path and message may hold a member's id."""
    return f"{type(error).__name__} {error.status or ''}".strip()
