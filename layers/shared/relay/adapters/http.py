"""HTTP for every adapter: connections, certificates, JSON, `Retry-After`, and what a failed request means.

Nothing here repeats a request, except for a connection that could not be made: retrying is the queue's work.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import cache
from math import nan
from typing import TYPE_CHECKING, Any, Final, Protocol

from relay.errors import MisconfiguredError, NoReplyError, TransientError
from relay.model.formats import number_text
from relay.ports.crm import CrmOutcome

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx

CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 8.0

GATEWAY_STATUSES: Final = frozenset({408, 502, 504, 520, 522, 523, 524})
"""Statuses of a gateway: the server behind it may still be working on the request."""

_MAX_RETRY_AFTER: Final = 86_400.0


@cache
def ssl_context() -> SSLContext:
    """Return the trusted certificates, for all clients: loading them takes longer than a request, so it is done once."""
    import httpx

    return httpx.create_ssl_context()


@cache
def http_client() -> httpx.Client:
    """Return the client of all alert channels: connect 2 s, read 8 s, no redirects, no kept connections.

    A connection that the server closes while the environment is frozen looks just like a lost reply, and would cost
    a message marked as a repeat.
    """
    import httpx

    limits = httpx.Limits(max_keepalive_connections=0)
    return new_client(httpx.HTTPTransport(verify=ssl_context(), limits=limits, trust_env=False))


def new_client(transport: httpx.BaseTransport, read_seconds: float = READ_SECONDS) -> httpx.Client:
    """Return a client that sends through `transport`: no redirects, no proxy or credentials from the environment."""
    import httpx

    # They log each request with its address, which may hold a secret, or a member's e-mail address in its query.
    for logger in ("httpx", "httpcore"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    return httpx.Client(
        timeout=httpx.Timeout(read_seconds, connect=CONNECT_SECONDS),
        transport=transport,
        trust_env=False,
        headers={"User-Agent": "relay"},
    )


def network_transport() -> httpx.HTTPTransport:
    """Return a transport that keeps connections, and retries one that could not be made: no server received anything."""
    import httpx

    return httpx.HTTPTransport(retries=1, verify=ssl_context())


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a request has no answer: a code, and whether the server may have received it or the URL is none."""

    reason: str
    sent: bool = False
    not_a_url: bool = False


def _failure_of(error: Exception) -> _Failure:
    import httpx

    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.PoolTimeout():
            return _Failure("unreachable")
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return _Failure("not_a_url", not_a_url=True)
        case httpx.TimeoutException():
            return _Failure("timeout", sent=True)
        case httpx.TransportError():
            return _Failure("broken_off", sent=True)
        case _:
            return _Failure("unreadable", sent=True)


@contextmanager
def http_errors(name: str, setting: str) -> Iterator[None]:
    """Raise our own errors for a request without an answer; `setting` is the URL's.

    Raises:
        TransientError: nothing was sent.
        NoReplyError: the server may have received it.
        MisconfiguredError: the setting is not a URL.

    """
    import httpx

    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        failure = _failure_of(error)
        if failure.not_a_url:
            # The error's text quotes the URL, which may be the secret.
            raise MisconfiguredError(f"{name}: not a URL", setting=setting) from None
        kind = NoReplyError if failure.sent else TransientError
        raise kind(f"{name}: {failure.reason}") from error


class CrmUnavailableError(Exception):
    """No member of the request was written; `outcome` is that of each."""

    def __init__(self, outcome: CrmOutcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


@dataclass(slots=True)
class CrmHttpClient:
    """Connections to one CRM, made on first use and kept. `transport` replaces the network in tests.

    `url_setting` is the name of the address in the stack.
    """

    transport: httpx.BaseTransport | None = None
    read_seconds: float = READ_SECONDS
    url_setting: str = ""
    _http: httpx.Client | None = field(default=None, repr=False)

    def send(self, method: str, url: str, **request: Any) -> httpx.Response:
        """Make one request; `request` are httpx's own arguments.

        Raises:
            CrmUnavailableError: there is no answer.

        """
        import httpx

        if self._http is None:
            self._http = new_client(self.transport or network_transport(), self.read_seconds)
        try:
            return self._http.request(method, url, **request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = _failure_of(error)
            if failure.not_a_url:
                # The error's text quotes the address, which may hold a key.
                outcome = CrmOutcome(state="unauthorised", reason=failure.reason, setting=self.url_setting)
                raise CrmUnavailableError(outcome) from None
            outcome = CrmOutcome(state="retry", reason=failure.reason, unanswered=failure.sent)
            raise CrmUnavailableError(outcome) from error

    def close(self) -> None:
        """Close the connections; the next call makes new ones."""
        if self._http is not None:
            self._http.close()
            self._http = None


@contextmanager
def without_effect() -> Iterator[None]:
    """Mark the requests inside as ones that only read: without an answer, they have changed nothing."""
    try:
        yield
    except CrmUnavailableError as error:
        raise CrmUnavailableError(replace(error.outcome, unanswered=False)) from error


@contextmanager
def port_errors(name: str, setting: str) -> Iterator[None]:
    """Raise `CrmUnavailableError` as the errors of the port; `setting` is the one to look at.

    Raises:
        MisconfiguredError: no call succeeds until the setting is corrected.
        TransientError: not now.

    """
    try:
        yield
    except CrmUnavailableError as error:
        text, wait = f"{name}: {error.outcome.reason}", error.outcome.retry_after
        if error.outcome.state in {"unauthorised", "waiting"}:
            named = error.outcome.setting or setting
            raise MisconfiguredError(text, setting=named, retry_after=wait) from error
        raise TransientError(text, retry_after=wait) from error


class SecretSource(Protocol):
    """A secret that can be read again."""

    def value(self) -> str:
        """Return the secret."""
        ...

    def forget(self) -> None:
        """Drop the value: the next use reads it again."""
        ...


def read_secret(secret: SecretSource) -> str:
    """Return a secret's value.

    Raises:
        CrmUnavailableError: it is missing, or cannot be read now.

    """
    try:
        return secret.value()
    except MisconfiguredError as error:
        raise CrmUnavailableError(CrmOutcome(state="unauthorised", reason="no_secret")) from error
    except TransientError as error:
        raise CrmUnavailableError(CrmOutcome(state="retry", reason="secret_not_read")) from error


def retry_after(
    reply: httpx.Response, header: str = "Retry-After", longest: float = _MAX_RETRY_AFTER
) -> float | None:
    """Return the seconds that an answer asks to wait; None unless the header is a number, or a date, from 0 to `longest` ahead.

    RFC 9110, 10.2.3: a server may name the time itself.
    """
    text = reply.headers.get(header, "")
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds_until(text)
    return seconds if 0 <= seconds <= longest else None


def _seconds_until(text: str) -> float:
    """Return the seconds until an HTTP date, not a number if it is none."""
    try:
        at = parsedate_to_datetime(text)
        return (at - datetime.now(UTC)).total_seconds() if at.tzinfo else nan
    except (TypeError, ValueError, OverflowError):
        return nan


def read_json(reply: httpx.Response) -> Any:
    """Return an answer's JSON, with amounts as `Decimal`; None if it is not JSON."""
    try:
        return json.loads(reply.content, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def is_foreign_success(reply: httpx.Response) -> bool:
    """Return whether a success has a body that is no JSON: an edge's page in place of the provider's answer."""
    return reply.is_success and reply.content.strip() not in {b"", b"null"} and read_json(reply) is None


def edge_page(reason: str) -> CrmUnavailableError:
    """Return the error for a page of an edge in place of a success: whether the provider got the request is unknown."""
    return CrmUnavailableError(CrmOutcome(state="retry", reason=reason, unanswered=True))


def read_object(reply: httpx.Response) -> Mapping[str, Any]:
    """Return an answer's JSON object; an empty one if it is none."""
    body = read_json(reply)
    return body if isinstance(body, Mapping) else {}


def objects_in(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects in the list `name` of an answer, and nothing else in it; empty if it is no list."""
    value = body.get(name)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def write_json(value: object) -> bytes:
    """Return ASCII JSON without spaces; a `Decimal` becomes a plain number: `24.99`, not `24.989999…` or `"24.99"`."""
    return _json_text(value).encode()


def _json_text(value: object) -> str:
    match value:
        case Decimal():
            return number_text(value)
        case Mapping():
            members = (f"{json.dumps(str(name))}:{_json_text(item)}" for name, item in value.items())
            return "{" + ",".join(members) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_json_text, value)) + "]"
        case _:
            return json.dumps(value)
