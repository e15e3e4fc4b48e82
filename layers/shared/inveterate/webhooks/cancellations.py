"""Cancellations: memberships that have ended, and those that will end (two topics)."""

from __future__ import annotations

from typing import ClassVar

from inveterate._scalars import Flag, Text, Timestamp
from inveterate._wire_model import WireModel
from inveterate.webhooks.base import Event, Payload


class CancellationDetail(WireModel):
    """Why it ended: `cancellation_source` is FAILURE, CUSTOMER or MERCHANT in the samples."""

    cancellation_source: Text | None = None
    tier_name: Text | None = None


class CancelledPayload(Payload):
    """`tier_id` is the tier that was *left*."""

    tier_id: Text | None = None
    detail: CancellationDetail | None = None


class Cancelled(Event):
    """customer.cancelled: the membership has ended."""

    TOPIC: ClassVar[str] = "customer.cancelled"

    payload: CancelledPayload

    @property
    def detail(self) -> CancellationDetail:
        """The detail object; an empty one if the event has none."""
        return self.payload.detail or CancellationDetail()


class CancelRequest(WireModel):
    """The platform's record of the request.

    The wire's `cancelToken` can confirm a cancellation: it is not modelled, so that no code
    depends on it. Remove it before you store the raw delivery.
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


class ScheduledCancellation(WireModel):
    """When the membership ends, and which tier follows."""

    effective_cancellation_date: Timestamp | None = None
    cancellation_source: Text | None = None
    switch_to_free_tier: Flag | None = None
    next_segment_id: Text | None = None
    cancel_request: CancelRequest | None = None


class PendingCancellationPayload(Payload):
    """The payload has no tier of its own: see `detail.cancel_request.billing_tier_id`."""

    detail: ScheduledCancellation | None = None


class PendingCancellation(Event):
    """customer.pending_cancellation: the member has cancelled; the membership lasts until the end of the cycle."""

    TOPIC: ClassVar[str] = "customer.pending_cancellation"

    payload: PendingCancellationPayload

    @property
    def detail(self) -> ScheduledCancellation:
        """The detail object; an empty one if the event has none."""
        return self.payload.detail or ScheduledCancellation()
