"""AWS behind one call, in memory and in virtual time: what the seam's fakes are put together to.

`before` and `after` are the places of an adversary: either may raise, as a crash, a refusal or a lost answer, before a
call is carried out or after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.support.aws.dynamodb import FakeDynamoDb
from tests.support.aws.firehose import FakeFirehose
from tests.support.aws.sns import FakeSns
from tests.support.aws.sqs import FakeSqs
from tests.support.aws.ssm import FakeSsm
from tests.support.aws.virtual_clock import VirtualClock

Hook: TypeAlias = Callable[[str, str, Mapping[str, Any]], None]


def _nothing(_service: str, _operation: str, _body: Mapping[str, Any]) -> None:
    """Leave the call alone."""


@dataclass(slots=True)
class FakeAws:
    """All services of one account and region. It stands where `AwsClient` does."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    before: Hook = _nothing
    after: Hook = _nothing
    ends_at: float | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)
    sqs: FakeSqs = field(init=False)
    dynamodb: FakeDynamoDb = field(init=False)
    sns: FakeSns = field(default_factory=FakeSns)
    firehose: FakeFirehose = field(default_factory=FakeFirehose)
    ssm: FakeSsm = field(default_factory=FakeSsm)

    def __post_init__(self) -> None:
        """Give all services one clock."""
        self.sqs = FakeSqs(self.clock)
        self.dynamodb = FakeDynamoDb(self.clock)

    def call(
        self,
        service: str,
        operation: str,
        body: Mapping[str, Any],
        *,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        """Carry out a call as AWS would."""
        self.calls.append((service, operation))
        self.before(service, operation, body)
        reply: dict[str, Any] = getattr(self, service).call(operation, body)
        self.after(service, operation, body)
        return reply
