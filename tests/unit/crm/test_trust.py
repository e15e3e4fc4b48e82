"""Certificates are loaded once: that takes longer than a request, and longest where Lambda gives little CPU."""

from __future__ import annotations

from typing import Any

from relay.adapters.crm_http import CrmHttpClient
from relay.adapters.dynamodb.rate_limit import rate_limited_transport
from relay.adapters.http import http_client, ssl_context
from relay.crm.rate_limit import RateLimiter

from tests.support.crm_fakes import FakeClock, FakeTurnstiles


def trusted(transport: Any) -> Any:
    """Return whom a transport trusts."""
    return transport._pool._ssl_context


def test_all_trust_the_same() -> None:
    """What is told people and what goes to a CRM, at its pace or as it comes, share what was loaded."""
    clock = FakeClock()
    paced = rate_limited_transport(RateLimiter((), FakeTurnstiles(), clock, clock.forward))
    wire = CrmHttpClient()
    transports = (http_client()._transport, wire._client()._transport, paced._inner)
    assert [trusted(transport) for transport in transports] == [ssl_context()] * 3
    paced.close()
    wire.close()
