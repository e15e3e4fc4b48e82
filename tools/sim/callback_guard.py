"""Guard of callback URLs: by default the simulator sends webhooks to this machine only."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def resolve_callback(url: str) -> tuple[str, str | None]:
    """Return the URL to connect to, and the Host header if it differs: `*.localhost` is this machine."""
    parts = urlsplit(url)
    if parts.hostname and parts.hostname.endswith(".localhost"):
        port = f":{parts.port}" if parts.port else ""
        return urlunsplit(parts._replace(netloc=f"127.0.0.1{port}")), parts.netloc
    return url, None


def is_local(url: str) -> bool:
    """Return whether a URL is on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    local = host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")
    return parts.scheme in {"http", "https"} and local
