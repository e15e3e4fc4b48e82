"""AWS in memory for every functional test: moto, with no real credentials anywhere near."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws
from relay.adapters import aws


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        aws.client.cache_clear()
        aws._session.cache_clear()
        yield
        aws.client.cache_clear()
        aws._session.cache_clear()
