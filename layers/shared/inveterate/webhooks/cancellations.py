"""Memberships that end, or are about to: the two cancellation topics."""

from __future__ import annotations

from typing import ClassVar

from inveterate._scalars import Flag, Text, Timestamp
from inveterate.webhooks.base import Event, Part, Payload


class Ending(Part):
    """Why it ended: `cancellation_source` has been seen as FAILURE, CUSTOMER and MERCHANT."""

    cancellation_source: Text | None = None
    tier_name: Text | None = None


class CancelledPayload(Payload):
    """`tier_id` is the tier that was *left*."""

    tier_id: Text | None = None
    detail: Ending | None = None


class Cancelled(Event):
    """customer.cancelled: the membership has ended."""

    TOPIC: ClassVar[str] = "customer.cancelled"

    payload: CancelledPayload

    @property
    def detail(self) -> Ending:
        """The detail object; an empty one where the event has none."""
        return self.payload.detail or Ending()


class CancelRequest(Part):
    """The request as the platform keeps it.

    The wire's `cancelToken` can confirm a cancellation: it is not modelled here, so that no code
    comes to rely on it, and whoever stores the raw delivery has to take it out.
    """

    status: Text | None = None
    cancel_date: Timestamp | None = None
    cancellation_source: Text | None = None
    billing_tier_id: Text | None = None
    contract_id: Text | None = None
    customer_id: Text | None = None
    merchant_id: Text | None = None
    next_segment_id: Text | None = None
    switch_to_free_tier: Flag | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class Scheduled(Part):
    """When it will end, and what follows."""

    effective_cancellation_date: Timestamp | None = None
    cancellation_source: Text | None = None
    switch_to_free_tier: Flag | None = None
    next_segment_id: Text | None = None
    cancel_request: CancelRequest | None = None


class PendingCancellationPayload(Payload):
    """It has no tier of its own: that is `detail.cancel_request.billing_tier_id`."""

    detail: Scheduled | None = None


class PendingCancellation(Event):
    """customer.pending_cancellation: the member asked to go and still has until the end of the cycle."""

    TOPIC: ClassVar[str] = "customer.pending_cancellation"

    payload: PendingCancellationPayload

    @property
    def detail(self) -> Scheduled:
        """The detail object; an empty one where the event has none."""
        return self.payload.detail or Scheduled()
