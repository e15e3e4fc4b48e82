"""A CRM's rate, kept below its adapter: requests wait for their turn before they go out.

The turnstiles are items of the mirrors table, `rate#{target}#{number}`, with the moment (microseconds
since 1970) at which the next turn begins. Whoever takes turns moves it on by one update: one that adds,
where others are at it, so that they never get into each other's way; or one that begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from relay.adapters.aws.boto import aws_errors, client
from relay.adapters.http import ssl_context
from relay.crm.rate_limit import RateLimiter
from relay.errors import TransientError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DynamoRateLimits:
    """The turnstiles (`ports.Turnstiles`) of one target."""

    table: str
    target: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def lease(self, number: int, *, earliest: datetime, latest: datetime, span: timedelta) -> datetime | None:
        """Take the next span at a rate's turnstile; return when it begins."""
        first, last, micros = _micros(earliest), _micros(latest), span // _MICROSECOND
        moved = self._update(
            number,
            "SET free_at = free_at + :span",
            "free_at BETWEEN :first AND :last",
            {":span": micros, ":first": first, ":last": last},
        )
        if moved is None:
            moved = self._update(
                number,
                "SET free_at = :end",
                "attribute_not_exists(free_at) OR free_at < :first",
                {":end": first + micros, ":first": first},
            )
        return None if moved is None else _EPOCH + (moved - micros) * _MICROSECOND

    def _update(self, number: int, change: str, condition: str, values: dict[str, int]) -> int | None:
        with aws_errors(f"table {self.table}"):
            try:
                reply = self.dynamodb.update_item(
                    TableName=self.table,
                    Key={"key": {"S": f"rate#{self.target}#{number}"}},
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeValues={name: {"N": str(value)} for name, value in values.items()},
                    ReturnValues="UPDATED_NEW",
                )
            except self.dynamodb.exceptions.ConditionalCheckFailedException:
                return None
        return int(reply["Attributes"]["free_at"]["N"])


class RateLimitedTransport(httpx.BaseTransport):
    """A transport that lets requests out in their turn.

    Where the turn is too far away it answers 429 itself, with `Retry-After`: every adapter knows what to
    make of that, and the CRM never hears of it.
    """

    def __init__(self, pace: RateLimiter, inner: httpx.BaseTransport) -> None:
        self._pace = pace
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request in its turn."""
        try:
            self._pace.wait(request.url.path)
        except TransientError as error:
            wait = error.retry_after or 1.0
            return httpx.Response(429, headers={"Retry-After": f"{wait:g}"}, json={}, request=request)
        return self._inner.handle_request(request)

    def close(self) -> None:
        """End the connections."""
        self._inner.close()


def rate_limited_transport(pace: RateLimiter) -> RateLimitedTransport:
    """Return a transport to the network. Only a connection that was not made is tried again: nobody heard it."""
    return RateLimitedTransport(pace, httpx.HTTPTransport(retries=1, verify=ssl_context()))


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
