"""Certificates are loaded once: loading takes longer than a request, and longest with Lambda's smallest CPU."""

from __future__ import annotations

from typing import Any

from relay.adapters.dynamodb.rate_limit import rate_limited_transport
from relay.adapters.http import http_client, network_transport, ssl_context
from relay.crm.rate_limit import RateLimiter

from tests.support.crm_fakes import FakeClock, FakeRateLimits


def context_of(transport: Any) -> Any:
    """Return the certificates that a transport trusts."""
    return transport._pool._ssl_context


def test_all_share_one_context() -> None:
    """The clients of alert channels and of CRMs, with and without rate limits, share the certificates."""
    clock = FakeClock()
    limited = rate_limited_transport(RateLimiter((), FakeRateLimits(), clock, clock.forward))
    network = network_transport()
    transports = (http_client()._transport, network, limited._inner)
    assert [context_of(transport) for transport in transports] == [ssl_context()] * 3
    limited.close()
    network.close()
