"""A short time limit for an adapter that already works: only a test of a silent CRM has one.

On a busy machine an answer of a fake takes a second and more: a short limit everywhere would be a fault of its own.
"""

from __future__ import annotations

from typing import Final, Protocol

from relay.adapters.http import CrmHttpClient

SHORT: Final = 0.2


class _Adapter(Protocol):
    _http: CrmHttpClient

    def close(self) -> None: ...


def hurry(crm: _Adapter) -> None:
    """Wait for each answer for at most `SHORT` seconds from now on, on new connections."""
    crm.close()
    crm._http.read_seconds = SHORT
