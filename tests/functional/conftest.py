"""AWS in memory for every functional test: moto, with no real credentials anywhere near."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from moto import mock_aws
from relay.adapters.aws import boto
from relay.adapters.aws.client import use

from tests.support.shared_models import shared_loader


@dataclass
class OneSession:
    """A session that makes each client once: reading botocore's models costs more than most tests.

    A client holds nothing of a test: what it reaches is moto, which begins empty each time. A test that
    registers a handler on one takes it off again.
    """

    session: boto3.session.Session = field(default_factory=boto3.session.Session)
    made: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return the client of this service and these settings."""
        wanted = f"{service} {vars(config) if config else {}}"
        if wanted not in self.made:
            self.made[wanted] = self.session.client(service, config=config)  # type: ignore[call-overload]  # one for all
        return self.made[wanted]


def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.fixture(scope="session")
def _session() -> OneSession:
    return OneSession()


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch, _session: OneSession) -> Iterator[None]:
    _credentials(monkeypatch)
    with mock_aws(), monkeypatch.context() as patched:
        patched.setattr(boto, "_session", lambda: _session)
        patched.setattr(boto3, "DEFAULT_SESSION", _session)
        patched.setattr(botocore.session, "create_loader", shared_loader)
        boto.client.cache_clear()
        use(boto.BotoAws())
        yield
        use(None)
        boto.client.cache_clear()
