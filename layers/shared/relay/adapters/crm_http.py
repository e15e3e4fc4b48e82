"""One HTTP request to somebody who mirrors our members, and what the lack of an answer means to everybody in it.

Nothing is tried again here, but a connection that could not be made: patience is the queue's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol

from relay.adapters.http import ssl_context
from relay.errors import MisconfiguredError, TransientError
from relay.ports.crm import CrmOutcome

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 8.0

FROM_A_GATEWAY: Final = frozenset({408, 502, 504, 520, 522, 523, 524})
"""Answers of somebody in between: the server itself may still be at work."""

_LONGEST_WAIT: Final = 86_400.0


class AccessToken(Protocol):
    """A secret that can be read anew."""

    def value(self) -> str:
        """Return it."""
        ...

    def forget(self) -> None:
        """Read it anew next time."""
        ...


class ClosedError(Exception):
    """Nobody gets through; `outcome` is that of every member in the request."""

    def __init__(self, outcome: CrmOutcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


@dataclass(slots=True)
class CrmHttpClient:
    """Connections, made on first use and kept. `transport` stands in for the network in tests."""

    transport: httpx.BaseTransport | None = None
    read_seconds: float = READ_SECONDS
    _http: httpx.Client | None = field(default=None, repr=False)

    def send(self, method: str, url: str, **how: Any) -> httpx.Response:
        """Make one request; `how` is httpx's.

        Raises:
            ClosedError: without an answer.

        """
        import httpx

        try:
            return self._client().request(method, url, **how)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ClosedError(CrmOutcome(state="retry", reason="unreachable")) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            # Their texts quote the address, which may hold a key.
            raise ClosedError(CrmOutcome(state="unauthorised", reason="not_a_url")) from None
        except httpx.TransportError as error:
            reason = "timeout" if isinstance(error, httpx.TimeoutException) else "broken_off"
            raise ClosedError(CrmOutcome(state="retry", reason=reason, unanswered=True)) from error
        except httpx.HTTPError as error:
            raise ClosedError(CrmOutcome(state="retry", reason="unreadable", unanswered=True)) from error

    def close(self) -> None:
        """End the connections; the next call makes new ones."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _client(self) -> httpx.Client:
        import httpx

        if self._http is None:
            # They log each request with its address, in which questions name people and a receiver's key may stand.
            for chatty in ("httpx", "httpcore"):
                logging.getLogger(chatty).setLevel(logging.WARNING)
            self._http = httpx.Client(
                timeout=httpx.Timeout(self.read_seconds, connect=CONNECT_SECONDS),
                # Only a connection that was not made is tried again: no request can have been heard.
                transport=self.transport or httpx.HTTPTransport(retries=1, verify=ssl_context()),
                verify=ssl_context(),
                headers={"User-Agent": "relay"},
            )
        return self._http


def told(token: AccessToken) -> str:
    """Return a secret.

    Raises:
        ClosedError: when it is missing, or cannot be read now.

    """
    try:
        return token.value()
    except MisconfiguredError as error:
        raise ClosedError(CrmOutcome(state="unauthorised", reason="no_secret")) from error
    except TransientError as error:
        raise ClosedError(CrmOutcome(state="retry", reason="secret_not_read")) from error


def json_of(reply: httpx.Response) -> Any:
    """Return an answer's JSON, amounts exactly; None where it is none."""
    try:
        return json.loads(reply.content, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def object_of(reply: httpx.Response) -> Mapping[str, Any]:
    """Return an answer's JSON object; an empty one where it is none."""
    body = json_of(reply)
    return body if isinstance(body, Mapping) else {}


def objects(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects in a list of the answer, whatever else is in it; none where it is no list."""
    value = body.get(name)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def wait_of(
    reply: httpx.Response, header: str = "Retry-After", longest: float = _LONGEST_WAIT
) -> float | None:
    """Return the seconds to wait that an answer asks for, where that is a sane number."""
    try:
        asked = float(reply.headers.get(header, ""))
    except ValueError:
        return None
    return asked if 0 <= asked <= longest else None


@contextmanager
def changing_nothing() -> Iterator[None]:
    """Make requests that only ask: one without an answer has changed nothing."""
    try:
        yield
    except ClosedError as closed:
        raise ClosedError(replace(closed.outcome, unanswered=False)) from closed


@contextmanager
def in_our_words(name: str, setting: str) -> Iterator[None]:
    """Tell a closed door as the errors that a port promises; `setting` is the one to look at.

    Raises:
        MisconfiguredError: not until somebody mends it.
        TransientError: not now.

    """
    try:
        yield
    except ClosedError as closed:
        text, wait = f"{name}: {closed.outcome.reason}", closed.outcome.retry_after
        if closed.outcome.state == "unauthorised":
            raise MisconfiguredError(text, setting=setting, retry_after=wait) from closed
        raise TransientError(text, retry_after=wait) from closed
