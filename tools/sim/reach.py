"""Where a callback leads: to this machine, under whichever of its names, or to a stranger."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def reachable(url: str) -> tuple[str, str | None]:
    """Return the address to connect to, and the Host header where that differs: `*.localhost` is this machine."""
    parts = urlsplit(url)
    if parts.hostname and parts.hostname.endswith(".localhost"):
        port = f":{parts.port}" if parts.port else ""
        return urlunsplit(parts._replace(netloc=f"127.0.0.1{port}")), parts.netloc
    return url, None


def is_local(url: str) -> bool:
    """Tell whether a URL leads to this machine: a simulator does not post to strangers."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    local = host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")
    return parts.scheme in {"http", "https"} and local
