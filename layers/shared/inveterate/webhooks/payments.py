"""Payment events: orders, membership fees, failed payments, payment methods (five topics)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AliasChoices, ConfigDict, Field

from inveterate._scalars import Count, Flag, Money, Text, Timestamp
from inveterate._wire_model import WireModel
from inveterate.webhooks.base import Contact, Event, Payload


class ContactPayload(Payload):
    """A payload with a `customer` object beside its `customerId`."""

    customer: Contact | None = None


class _ContactEvent(Event):
    payload: ContactPayload

    @property
    def contact(self) -> Contact:
        """The `customer` object; an empty one if the event has none."""
        return self.payload.customer or Contact()


class Charge(WireModel):
    """A membership fee that was paid, and the next date of billing. The tier is in no sample: the failure topics name it."""

    amount: Money | None = None
    currency: Text | None = None
    new_billing_date: Timestamp | None = None
    billing_tier_id: Text | None = None


class PaymentSucceededPayload(ContactPayload):
    """`status` is `PAID` in the sample."""

    status: Text | None = None
    detail: Charge | None = None


class PaymentSucceeded(_ContactEvent):
    """customer.payment_succeeded: a membership fee was paid."""

    TOPIC: ClassVar[str] = "customer.payment_succeeded"

    payload: PaymentSucceededPayload

    @property
    def detail(self) -> Charge:
        """The detail object; an empty one if the event has none."""
        return self.payload.detail or Charge()


class FailedCharge(WireModel):
    """A membership fee that could not be taken.

    `billing_attempts` counts the attempts so far; their maximum is set per tier and is in no
    reply. The dates are for display only: in the documented sample they are a month after the event.
    """

    amount: Money | None = None
    currency: Text | None = None
    error_message: Text | None = None
    billing_date: Timestamp | None = None
    billing_attempts: Count | None = None
    billing_tier_id: Text | None = None
    is_final: Flag | None = None
    attempted_at: Timestamp | None = None
    # The page's field list and its example disagree on this name.
    last_attempted_at: Timestamp | None = Field(
        default=None, validation_alias=AliasChoices("lastAttemptedAt", "lastAttemptAt", "last_attempted_at")
    )


class FailurePayload(ContactPayload):
    """The payload of both failure topics."""

    detail: FailedCharge | None = None


class _FailureEvent(_ContactEvent):
    payload: FailurePayload

    @property
    def detail(self) -> FailedCharge:
        """The detail object; an empty one if the event has none."""
        return self.payload.detail or FailedCharge()


class PaymentFailed(_FailureEvent):
    """customer.payment_failed: the last attempt has failed; it is sent once."""

    TOPIC: ClassVar[str] = "customer.payment_failed"


class BillingAttemptFailed(_FailureEvent):
    """customer_billing.attempt.failed: one attempt failed. The last attempt sends it as well."""

    TOPIC: ClassVar[str] = "customer_billing.attempt.failed"


class PaymentMethod(WireModel):
    """The method now on file: a Shopify GID and a kind such as `CustomerCreditCard`."""

    payment_method_id: Text | None = None
    payment_method_type: Text | None = None


class PaymentMethodsPayload(ContactPayload):
    """The member and the new method."""

    detail: PaymentMethod | None = None


class PaymentMethodsUpdated(_ContactEvent):
    """customer.payment_methods.updated (also customer.payment_method.changed): a new payment method is on file."""

    TOPIC: ClassVar[str] = "customer.payment_methods.updated"

    payload: PaymentMethodsPayload


class _SnakeCaseModel(WireModel):
    model_config = ConfigDict(alias_generator=None)


class LineItem(_SnakeCaseModel):
    """One line of an order."""

    id: Text | None = None
    name: Text | None = None
    price: Money | None = None
    quantity: Count | None = None
    variant_id: Text | None = None
    product_id: Text | None = None


class OrderDetail(_SnakeCaseModel):
    """The order. Prices are text and keys are snake_case; the event has no order id or name."""

    subtotal_price: Money | None = None
    currency: Text | None = None
    line_items: tuple[LineItem, ...] | None = None


class OrderedPayload(ContactPayload):
    """An order of a member (`customer.id`, a number here). It cannot be joined to a Shopify order."""

    detail: OrderDetail | None = None


class Ordered(_ContactEvent):
    """customer.ordered: a member placed an order."""

    TOPIC: ClassVar[str] = "customer.ordered"

    payload: OrderedPayload
