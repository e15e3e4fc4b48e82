"""The local AWS behaves as AWS does where Relay relies on it, or is known not to. Relay's own client calls it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from local_stack.local_aws import LocalAws, local_aws
from relay.adapters.aws.client import AwsClient

from tests.contract.aws.behaviours import BEHAVIOURS, LACKS
from tests.support.aws.moto_account import SERVICES, make_account

pytestmark = pytest.mark.e2e

NUMBERS = count()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """Start a local AWS; this process talks to it as its root user."""
    with local_aws(tmp_path_factory.mktemp("aws")) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment.items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        yield aws


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_the_local_aws(name: str, aws: LocalAws, request: pytest.FixtureRequest) -> None:
    """What the local AWS lacks is named, and fails: when it has learnt it, the name goes."""
    if name in LACKS["local"]:
        request.applymarker(pytest.mark.xfail(reason=LACKS["local"][name], strict=True))
    client = AwsClient()
    try:
        clients = {service: aws.client(service) for service in SERVICES}
        BEHAVIOURS[name](make_account(clients, client.call, f"t{next(NUMBERS)}"))
    finally:
        client.connections.close()
