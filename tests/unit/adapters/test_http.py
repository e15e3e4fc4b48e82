"""The HTTP client of every adapter: one set of certificates, one reading of `Retry-After`, one meaning of each failure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest
from relay.adapters.dynamodb.rate_limit import rate_limited_transport
from relay.adapters.http import (
    CrmHttpClient,
    CrmUnavailableError,
    http_client,
    http_errors,
    network_transport,
    retry_after,
    ssl_context,
    write_json,
)
from relay.crm.rate_limit import RateLimiter
from relay.errors import MisconfiguredError, NoReplyError, TransientError

from tests.support.crm_fakes import FakeClock, FakeRateLimits

FAILURES = [
    (httpx.ConnectError("no"), "unreachable", TransientError),
    (httpx.ConnectTimeout("no"), "unreachable", TransientError),
    (httpx.PoolTimeout("no"), "unreachable", TransientError),
    (httpx.ReadTimeout("no"), "timeout", NoReplyError),
    (httpx.RemoteProtocolError("no"), "broken_off", NoReplyError),
    (httpx.DecodingError("no"), "unreadable", NoReplyError),
    (httpx.UnsupportedProtocol("no"), "not_a_url", MisconfiguredError),
]


def context_of(transport: Any) -> Any:
    """Return the certificates that a transport trusts."""
    return transport._pool._ssl_context


def test_all_share_one_context() -> None:
    """The clients of alert channels and of CRMs, with and without rate limits, share the certificates.

    Loading them takes longer than a request, and longest with Lambda's smallest CPU.
    """
    clock = FakeClock()
    limited = rate_limited_transport(RateLimiter((), FakeRateLimits(), clock, clock.forward))
    network = network_transport()
    transports = (http_client()._transport, network, limited._inner)
    assert [context_of(transport) for transport in transports] == [ssl_context()] * 3
    limited.close()
    network.close()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("86400", 86_400.0),
        ("86401", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        (None, None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    """The header counts if it is a number of seconds within a day."""
    headers = {} if header is None else {"Retry-After": header}
    assert retry_after(httpx.Response(429, headers=headers)) == seconds


@pytest.mark.parametrize(("error", "reason", "kind"), FAILURES, ids=lambda value: type(value).__name__)
def test_a_request_without_an_answer(error: Exception, reason: str, kind: type[TransientError]) -> None:
    """A failure means the same for a channel and for a CRM: whether the server may have received the request."""
    with pytest.raises(kind) as caught, http_errors("slack", "SLACK_URL"):
        raise error
    assert type(caught.value) is kind

    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(CrmUnavailableError) as unavailable:
        CrmHttpClient(httpx.MockTransport(fail)).send("GET", "https://crm.example")
    outcome = unavailable.value.outcome
    assert outcome.reason == reason
    assert outcome.unanswered == (kind is NoReplyError)
    assert outcome.state == ("unauthorised" if kind is MisconfiguredError else "retry")


def test_json_is_exact_and_ascii() -> None:
    """A `Decimal` keeps its digits, and any text can be sent."""
    value = {"amount": Decimal("24.90"), "many": [Decimal("1E+3"), True, None, 7], "name": "Zoë"}
    assert write_json(value) == b'{"amount":24.9,"many":[1000,true,null,7],"name":"Zo\\u00eb"}'
