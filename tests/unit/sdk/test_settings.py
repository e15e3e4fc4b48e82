"""Settings of a client: a wrong one is a typed error of the constructor, and the key is sent over TLS only."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest
from inveterate import AsyncClient, Client, InveterateError, Retries, WrongSettingError, v1

from tests.support.sdk.scripted_platform import KEY


@pytest.mark.parametrize("make", [Client, AsyncClient, v1.Client, v1.AsyncClient])
@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": "30"},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": math.nan},
        {"timeout": True},
        {"max_reply_bytes": 0},
        {"max_reply_bytes": 1.5},
        {"max_reply_bytes": None},
        {"requests_per_second": "10"},
        {"requests_per_second": 0},
        {"requests_per_second": math.nan},
        {"retries": 3},
        {"retries": None},
        {"hooks": print},
        {"hooks": ("x",)},
        {"time_out": 3},
        {"base_url": 7},
        {"base_url": "https://[::1"},
        {"base_url": "https://api.example:port"},
    ],
)
def test_a_wrong_setting_is_a_typed_error(make: Any, settings: dict[str, Any]) -> None:
    """It is a `ValueError` as well, names the setting, and comes before the first call."""
    with pytest.raises(WrongSettingError) as caught:
        make(KEY, **settings)
    assert isinstance(caught.value, ValueError | InveterateError)
    assert next(iter(settings)) in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"max_attempts": 0},
        {"max_attempts": 1.5},
        {"max_attempts": True},
        {"base_delay": -1},
        {"max_delay": math.nan},
        {"deadline": 0},
        {"deadline": math.inf},
        {"deadline": "30"},
        {"max_retry_after": -1},
        {"jitter": 0.5},
    ],
)
def test_a_wrong_retry_policy_is_a_typed_error(values: dict[str, Any]) -> None:
    """It names the field."""
    with pytest.raises(WrongSettingError) as caught:
        Retries(**values)
    assert next(iter(values)) in str(caught.value)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8000",
        "http://localhost:8000/v2.0",
        "http://[::1]:1",
        "http://sim.localhost",
        "https://x",
    ],
)
def test_https_and_the_loopback_interface_are_allowed(base_url: str) -> None:
    """A simulator on this machine needs no certificate."""
    Client(KEY, base_url=base_url).close()


@pytest.mark.parametrize(
    "base_url",
    [
        "http://public.inveterateapi.com",
        "http://10.0.0.1",
        "http://192.168.1.1:80",
        "http://127.0.0.1.example",
    ],
)
def test_plain_http_is_refused_elsewhere(base_url: str) -> None:
    """The key is in a header of every request."""
    with pytest.raises(WrongSettingError):
        Client(KEY, base_url=base_url)


@pytest.mark.parametrize("kind", [Client, AsyncClient, v1.Client, v1.AsyncClient])
def test_a_half_built_client_has_a_repr(kind: Any) -> None:
    """An error tracker shows the client whose constructor failed."""
    assert repr(kind.__new__(kind)) == f"<{kind.__name__} (not made)>"


def test_all_settings_are_accepted() -> None:
    """Each with a right value."""
    Client(
        KEY,
        timeout=httpx.Timeout(3),
        max_reply_bytes=1,
        requests_per_second=0.5,
        retries=Retries(),
        intents=None,  # type: ignore[arg-type] # as if it were absent
        hooks=(print,),
    ).close()
