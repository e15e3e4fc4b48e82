"""A claim whose reply was lost is one's own: AWS carried it out, and the client's second try finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from relay.adapters.aws.client import RefusedCallError
from relay.adapters.dynamodb.crm_state import DynamoSyncStates
from relay.adapters.dynamodb.throttle import DynamoReadThrottle

from tests.support.aws.fake_aws import FakeAws

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
MEMBER = "acme.myshopify.com:1"


@dataclass
class LosesReplies:
    """AWS as the client shows it where the reply to a call is lost: carried out, and tried again."""

    aws: FakeAws
    ends_at: float | None = None
    lost: list[str] = field(default_factory=list)

    def call(
        self, service: str, operation: str, body: Mapping[str, Any], *, repeatable: bool = True
    ) -> dict[str, Any]:
        """Return the second reply, or the refusal that the first try brought about."""
        assert repeatable
        if operation == "UpdateItem":
            self.aws.call(service, operation, body)
            self.lost.append(operation)
        try:
            return self.aws.call(service, operation, body)
        except RefusedCallError as refusal:
            raise RefusedCallError(
                refusal.code, refusal.status, refusal.fields, after_lost_reply=True
            ) from None


def account() -> FakeAws:
    aws = FakeAws()
    aws.dynamodb.table("mirrors", "key")
    return aws


def test_a_read_is_claimed_in_spite_of_a_lost_reply() -> None:
    """Otherwise the member would wait an hour for a reader that is this very invocation."""
    aws = account()
    assert DynamoReadThrottle("mirrors", LosesReplies(aws)).claim(MEMBER, now=NOW, until=NOW + HOUR)
    assert not DynamoReadThrottle("mirrors", aws).claim(MEMBER, now=NOW, until=NOW + HOUR)


def test_a_member_is_claimed_in_spite_of_a_lost_reply() -> None:
    """Otherwise it would wait for its own claim to end."""
    aws = account()
    states = DynamoSyncStates("mirrors", "hubspot", LosesReplies(aws))
    claims = states.claim([MEMBER], now=NOW, until=NOW + HOUR, emails={MEMBER: "m@example.com"})
    assert list(claims) == [MEMBER]
    assert claims[MEMBER].sync_state.claimed_until == NOW + HOUR


@pytest.mark.parametrize("loses", [True, False])
def test_another_ones_claim_is_never_ones_own(loses: bool) -> None:  # noqa: FBT001 - parametrised
    """Of the same moment, with the same end: it is known by its token."""
    aws = account()
    assert DynamoReadThrottle("mirrors", aws).claim(MEMBER, now=NOW, until=NOW + HOUR)
    DynamoSyncStates("mirrors", "hubspot", aws).claim([MEMBER], now=NOW, until=NOW + HOUR)

    class Refuses(LosesReplies):
        def call(
            self, service: str, operation: str, body: Mapping[str, Any], *, repeatable: bool = True
        ) -> Any:
            try:
                return self.aws.call(service, operation, body)
            except RefusedCallError as refusal:
                raise RefusedCallError(
                    refusal.code, refusal.status, refusal.fields, after_lost_reply=loses
                ) from None

    other = Refuses(aws)
    assert not DynamoReadThrottle("mirrors", other).claim(MEMBER, now=NOW, until=NOW + HOUR)
    assert DynamoSyncStates("mirrors", "hubspot", other).claim([MEMBER], now=NOW, until=NOW + HOUR) == {}
