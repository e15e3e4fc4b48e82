"""Certificates are loaded once: that takes longer than a request, and longest where Lambda gives little CPU."""

from __future__ import annotations

from typing import Any

from relay.adapters.crm_http import Wire
from relay.adapters.http import http_client, trust
from relay.adapters.pacing import paced_transport
from relay.mirrors.pacing import Pace

from tests.fakes_crm import FakeClock, FakeTurnstiles


def trusted(transport: Any) -> Any:
    """Return whom a transport trusts."""
    return transport._pool._ssl_context


def test_all_trust_the_same() -> None:
    """What is told people and what goes to a CRM, at its pace or as it comes, share what was loaded."""
    clock = FakeClock()
    paced = paced_transport(Pace((), FakeTurnstiles(), clock, clock.forward))
    wire = Wire()
    transports = (http_client()._transport, wire._client()._transport, paced._inner)
    assert [trusted(transport) for transport in transports] == [trust()] * 3
    paced.close()
    wire.close()
