"""Keeps a CRM's rate limits: each request of its adapter waits for a slot before it is sent.

Each rate limit is one item of the mirrors table, `rate#{target}#{number}`, with the moment (microseconds since 1970) at
which the next slot begins. A reservation moves it on by one update: one that adds, while other environments reserve as
well, so that they never conflict; or one that begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx

from relay.adapters.aws.client import AwsCaller, aws
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.versioned import conditional_write
from relay.adapters.http import network_transport
from relay.crm.rate_limit import RateLimiter
from relay.errors import ConflictError, TransientError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DynamoRateLimits:
    """`RateLimitStore` of one target."""

    table: str
    target: str
    aws: AwsCaller = field(default_factory=aws)

    def reserve(
        self, number: int, *, earliest: datetime, latest: datetime, span: timedelta
    ) -> datetime | None:
        """Reserve the next span of a rate limit; return when it begins."""
        first, last, micros = _micros(earliest), _micros(latest), span // _MICROSECOND
        end = self._update(
            number,
            "SET free_at = free_at + :span",
            "free_at BETWEEN :first AND :last",
            {":span": micros, ":first": first, ":last": last},
        )
        if end is None:
            end = self._update(
                number,
                "SET free_at = :end",
                "attribute_not_exists(free_at) OR free_at < :first",
                {":end": first + micros, ":first": first},
            )
        return None if end is None else _EPOCH + (end - micros) * _MICROSECOND

    def _update(self, number: int, change: str, condition: str, values: dict[str, int]) -> int | None:
        """Return the new `free_at`; None if the condition does not hold."""
        try:
            with conditional_write(f"table {self.table}"):
                reply = self.aws.call(
                    "dynamodb",
                    "UpdateItem",
                    {
                        "TableName": self.table,
                        "Key": {"key": {"S": keys.rate_limit(self.target, number)}},
                        "UpdateExpression": change,
                        "ConditionExpression": condition,
                        "ExpressionAttributeValues": {
                            name: {"N": str(value)} for name, value in values.items()
                        },
                        "ReturnValues": "UPDATED_NEW",
                    },
                )
        except ConflictError:
            return None
        return int(reply["Attributes"]["free_at"]["N"])


class RateLimitedTransport(httpx.BaseTransport):
    """A transport that sends each request in its slot.

    If the slot is too far away it answers 429 itself, with `Retry-After`: every adapter handles that, and the CRM
    never receives the request.
    """

    def __init__(self, limiter: RateLimiter, inner: httpx.BaseTransport) -> None:
        self._limiter = limiter
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request in its slot."""
        try:
            self._limiter.wait(request.url.path)
        except TransientError as error:
            wait = error.retry_after or 1.0
            return httpx.Response(429, headers={"Retry-After": f"{wait:g}"}, json={}, request=request)
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def rate_limited_transport(limiter: RateLimiter) -> RateLimitedTransport:
    """Return a transport to the network that keeps the limits."""
    return RateLimitedTransport(limiter, network_transport())


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
