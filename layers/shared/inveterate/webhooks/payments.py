"""Payment events: orders, membership fees, failed payments, payment methods (five topics)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Self

from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field, model_validator

from inveterate._wire_model import MOST_BAD_ELEMENTS, WireModel
from inveterate.webhooks.base import Contact, Event, Payload
from inveterate.webhooks.body import MOST_ITEMS
from inveterate.webhooks.cleaning import (
    Attempt,
    Count,
    Currency,
    Day,
    Flag,
    Id,
    Label,
    Line,
    Moment,
    Money,
    Word,
    round_money,
)


class ContactPayload(Payload):
    """A payload with a `customer` object beside its `customerId`."""

    customer: Contact | None = None


class _ContactEvent(Event):
    payload: ContactPayload

    @property
    def contact(self) -> Contact:
        """The `customer` object; an empty one if the event has none."""
        return self.payload.customer or Contact()


class _Priced(WireModel):
    """A part with a currency, to whose minor unit its amounts are rounded."""

    currency: Currency = None

    @model_validator(mode="after")
    def _round(self) -> Self:
        round_money(self, self.currency)
        return self


class Charge(_Priced):
    """A membership fee that was paid, and the next date of billing. The tier is in no sample: the failure topics name it."""

    amount: Money = None
    new_billing_date: Day = None
    billing_tier_id: Id = None


class PaymentSucceededPayload(ContactPayload):
    """`status` is `PAID` in the sample. No sample names a tier."""

    tier_id: Id = None
    status: Word = None
    detail: Charge | None = None


class PaymentSucceeded(_ContactEvent):
    """customer.payment_succeeded: a membership fee was paid."""

    TOPIC: ClassVar[str] = "customer.payment_succeeded"
    ABOUT: ClassVar[tuple[str, ...]] = ("detail.amount",)
    WORDS: ClassVar[Mapping[str, frozenset[str]]] = {"status": frozenset({"PAID"})}

    payload: PaymentSucceededPayload

    @property
    def detail(self) -> Charge:
        """The detail object; an empty one if the event has none."""
        return self.payload.detail or Charge()


class FailedCharge(_Priced):
    """A membership fee that could not be taken.

    `amount` has no sign: what fails to be charged is no refund, however it is written. `billing_attempts` counts
    the attempts so far; their maximum is set per tier and is in no reply. The dates are for display only: in the documented sample they are a month after the event.
    """

    amount: Money = None
    error_message: Line = None
    billing_date: Day = None
    billing_attempts: Attempt = None
    billing_tier_id: Id = None
    is_final: Flag = None
    attempted_at: Moment = None
    # The page's field list and its example disagree on this name.
    last_attempted_at: Moment = Field(
        default=None, validation_alias=AliasChoices("lastAttemptedAt", "lastAttemptAt", "last_attempted_at")
    )

    @model_validator(mode="after")
    def _unsigned(self) -> Self:
        if self.amount is not None:
            self.__dict__["amount"] = abs(self.amount)
        return self


class FailurePayload(ContactPayload):
    """The payload of both failure topics."""

    detail: FailedCharge | None = None


class _FailureEvent(_ContactEvent):
    ABOUT: ClassVar[tuple[str, ...]] = ("detail.billing_attempts",)

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

    payment_method_id: Id = None
    payment_method_type: Word = None


class PaymentMethodsPayload(ContactPayload):
    """The member and the new method."""

    detail: PaymentMethod | None = None


PAYMENT_METHODS: Final = frozenset(
    {"CUSTOMERCREDITCARD", "CUSTOMERPAYPALBILLINGAGREEMENT", "CUSTOMERSHOPPAYAGREEMENT"}
)
"""Shopify's types of a customer's payment method, of which the documentation's example is one."""


class PaymentMethodsUpdated(_ContactEvent):
    """customer.payment_methods.updated (also customer.payment_method.changed): a new payment method is on file."""

    TOPIC: ClassVar[str] = "customer.payment_methods.updated"
    ABOUT: ClassVar[tuple[str, ...]] = ("detail.payment_method_id",)
    WORDS: ClassVar[Mapping[str, frozenset[str]]] = {"detail.payment_method_type": PAYMENT_METHODS}

    payload: PaymentMethodsPayload


class LineItem(WireModel):
    """One line of an order."""

    model_config = ConfigDict(alias_generator=None)

    id: Id = None
    name: Label = None
    price: Money = None
    quantity: Count = None
    variant_id: Id = None
    product_id: Id = None


def _readable_items(value: object) -> object:
    """Refuse a list as a whole where reading it item by item would cost more than it says."""
    if isinstance(value, list) and (
        len(value) > MOST_ITEMS or sum(not isinstance(item, dict) for item in value) > MOST_BAD_ELEMENTS
    ):
        raise ValueError("too many items, or too many that are none")
    return value


class OrderDetail(_Priced):
    """The order. Prices are text and keys are snake_case; the event has no order id or name."""

    model_config = ConfigDict(alias_generator=None)

    subtotal_price: Money = None
    line_items: Annotated[tuple[LineItem, ...] | None, BeforeValidator(_readable_items)] = None

    @model_validator(mode="after")
    def _round_items(self) -> Self:
        for item in self.line_items or ():
            round_money(item, self.currency)
        return self


class OrderedPayload(ContactPayload):
    """An order of a member (`customer.id`, a number here). It cannot be joined to a Shopify order."""

    detail: OrderDetail | None = None


class Ordered(_ContactEvent):
    """customer.ordered: a member placed an order."""

    TOPIC: ClassVar[str] = "customer.ordered"
    ABOUT: ClassVar[tuple[str, ...]] = ("detail.subtotal_price",)

    payload: OrderedPayload
