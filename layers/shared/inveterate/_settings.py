"""Settings of a client, and their checks: a setting that cannot be right is an error before the first call."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final, TypedDict
from urllib.parse import urlsplit

import httpx

from inveterate._errors import WrongSettingError
from inveterate._idempotency import Intents, MemoryIntents
from inveterate._rate_limit import RateLimiter
from inveterate._retries import Retries
from inveterate._transport import ClientConfig, Hook

BASE_URL: Final = "https://public.inveterateapi.com"
"""The host alone: the documented base ends in /v2.0, and the paths begin with it as well."""

TIMEOUT: Final = httpx.Timeout(connect=5.0, read=30.0, write=10.0, pool=10.0)
MAX_REPLY_BYTES: Final = 16 * 1024 * 1024

_VERSION_PATH: Final = "/v2.0"


class Settings(TypedDict, total=False):
    """Optional settings of a client; all have a default.

    `timeout` in seconds applies to each step of a request (default: connect 5, read 30, write 10, pool 10);
    `retries.deadline` limits the whole call (default 30). `max_reply_bytes` limits a decoded reply (default
    16 MiB). `requests_per_second` limits all threads and tasks of the client together (default: no limit);
    waiting for it does not count towards the deadline. `retries` is the retry policy. `intents` is the store
    of grants of credits (default: one in memory, per client). Each of `hooks` is called with a `RequestLog`
    after every request.
    """

    timeout: float | httpx.Timeout
    max_reply_bytes: int
    requests_per_second: float | None
    retries: Retries
    intents: Intents
    hooks: tuple[Hook, ...]


def client_config(api_key: str, base_url: str, settings: Settings, *, traces: bool) -> ClientConfig:
    """Return the checked settings of a client.

    Raises:
        WrongSettingError: for a setting that cannot be right. The text does not repeat the key.

    """
    if unknown := sorted(settings.keys() - Settings.__annotations__.keys()):
        raise WrongSettingError(f"no such setting: {', '.join(unknown)}")
    intents = settings.get("intents")
    return ClientConfig(
        address=_address(base_url),
        key=_key(api_key),
        timeout=_timeout(settings.get("timeout", TIMEOUT)),
        max_reply_bytes=_max_reply_bytes(settings.get("max_reply_bytes", MAX_REPLY_BYTES)),
        retries=_retries(settings.get("retries", Retries())),
        # Not by truth: an empty store may be false, and must not be replaced by one in memory.
        intents=MemoryIntents() if intents is None else intents,
        rate_limiter=_rate_limiter(settings.get("requests_per_second")),
        hooks=_hooks(settings.get("hooks", ())),
        traces=traces,
    )


def _key(api_key: object) -> str:
    # The HTTP library quotes a key with a line break in full in its own error.
    if not isinstance(api_key, str) or not api_key.isascii() or not api_key.isprintable():
        raise WrongSettingError("api_key has characters that a header cannot hold")
    if not api_key or " " in api_key:
        raise WrongSettingError("api_key is empty, or has a space")
    return api_key


def _retries(retries: object) -> Retries:
    if not isinstance(retries, Retries):
        raise WrongSettingError("retries is a Retries")
    return retries


def _hooks(hooks: object) -> tuple[Hook, ...]:
    if not isinstance(hooks, tuple | list) or not all(map(callable, hooks)):
        raise WrongSettingError("hooks is a tuple of functions")
    return tuple(hooks)


def _address(base_url: str) -> str:
    """Return the address that paths are appended to. Plain http is only for this machine: the key is in a header."""
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except (ValueError, AttributeError, TypeError):
        raise WrongSettingError("base_url is not an http(s) address") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise WrongSettingError("base_url is not an http(s) address")
    if parts.query or parts.fragment or parts.username or port == 0:
        raise WrongSettingError("base_url has more than a host and a path")
    if parts.scheme == "http" and not _is_loopback(host):
        raise WrongSettingError("base_url is https, except on the loopback interface")
    return base_url.rstrip("/").removesuffix(_VERSION_PATH)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _timeout(timeout: object) -> httpx.Timeout:
    if isinstance(timeout, httpx.Timeout):
        return timeout
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise WrongSettingError("timeout is a number of seconds above 0, or an httpx.Timeout")
    return httpx.Timeout(timeout)


def _max_reply_bytes(limit: object) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise WrongSettingError("max_reply_bytes is a whole number from 1")
    return limit


def _rate_limiter(per_second: object) -> RateLimiter:
    if per_second is None:
        return RateLimiter(None)
    if isinstance(per_second, bool) or not isinstance(per_second, int | float) or not per_second > 0:
        raise WrongSettingError("requests_per_second is a number above 0, or None")
    return RateLimiter(per_second)
