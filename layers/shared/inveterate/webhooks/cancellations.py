"""Cancellations: memberships that have ended, and those that will end (two topics)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from inveterate._wire_model import WireModel
from inveterate.webhooks.base import Event, Payload
from inveterate.webhooks.cleaning import Flag, Id, Label, Moment, Word

SOURCES: Final = frozenset({"FAILURE", "CUSTOMER", "MERCHANT"})
"""The sources in the documentation's examples. Any other word is unknown."""


class CancellationDetail(WireModel):
    """Why it ended: `cancellation_source` is FAILURE, CUSTOMER or MERCHANT in the samples."""

    cancellation_source: Word = None
    tier_name: Label = None


class CancelledPayload(Payload):
    """`tier_id` is the tier that was *left*."""

    tier_id: Id = None
    detail: CancellationDetail | None = None


class Cancelled(Event):
    """customer.cancelled: the membership has ended."""

    TOPIC: ClassVar[str] = "customer.cancelled"
    ABOUT: ClassVar[tuple[str, ...]] = ("tier_id",)
    WORDS: ClassVar[Mapping[str, frozenset[str]]] = {"detail.cancellation_source": SOURCES}

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

    status: Word = None
    cancel_date: Moment = None
    cancellation_source: Word = None
    billing_tier_id: Id = None
    contract_id: Id = None
    customer_id: Id = None
    merchant_id: Id = None
    next_segment_id: Id = None
    switch_to_free_tier: Flag = None
    created_at: Moment = None
    updated_at: Moment = None


class ScheduledCancellation(WireModel):
    """When the membership ends, and which tier follows."""

    effective_cancellation_date: Moment = None
    cancellation_source: Word = None
    switch_to_free_tier: Flag = None
    next_segment_id: Id = None
    cancel_request: CancelRequest | None = None


class PendingCancellationPayload(Payload):
    """The payload has no tier of its own: see `detail.cancel_request.billing_tier_id`."""

    detail: ScheduledCancellation | None = None


class PendingCancellation(Event):
    """customer.pending_cancellation: the member has cancelled; the membership lasts until the end of the cycle."""

    TOPIC: ClassVar[str] = "customer.pending_cancellation"
    ABOUT: ClassVar[tuple[str, ...]] = ("detail.effective_cancellation_date",)
    WORDS: ClassVar[Mapping[str, frozenset[str]]] = {
        "detail.cancellation_source": SOURCES,
        "detail.cancel_request.cancellation_source": SOURCES,
        "detail.cancel_request.status": frozenset({"PENDING_CANCELLATION"}),
    }

    payload: PendingCancellationPayload

    @property
    def detail(self) -> ScheduledCancellation:
        """The detail object; an empty one if the event has none."""
        return self.payload.detail or ScheduledCancellation()
