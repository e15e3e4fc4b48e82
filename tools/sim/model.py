"""The simulated data: the shop, its tiers and benefits, members with their credits and contracts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, Final

CENT: Final = Decimal("0.01")
ZERO: Final = Decimal(0)


def money(value: Any) -> Decimal:
    """Return an amount in the currency of the shop, rounded to the cent."""
    return Decimal(str(value)).quantize(CENT, ROUND_HALF_UP)


def number(amount: Decimal) -> int | float:
    """Format an amount as the platform does: 25 or 24.99."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


class TierKind(StrEnum):
    """How a customer gets into a tier."""

    PAID = "PAID"
    FREE = "FREE"
    LIFETIME = "LIFETIME"
    SPEND = "SPEND"


class Status(StrEnum):
    """The status of a membership, in the words of the platform."""

    ACTIVE = "ACTIVE"
    PENDING = "PENDING_CANCELLATION"
    CANCELLED = "CANCELLED"


@dataclass(slots=True)
class Tier:
    """A tier, also called a segment. `months` is the billing interval; `retry_days` count from the due date."""

    id: str
    name: str
    kind: TierKind
    rank: int
    fee: Decimal = ZERO
    months: int = 1
    trial_days: int = 0
    retry_days: tuple[int, ...] = (0, 1, 2)
    threshold: Decimal = ZERO
    expiry_days: int | None = None
    benefits: dict[str, dict[str, Any]] = field(default_factory=dict)
    product_id: int = 0
    variant_id: int = 0
    selling_plan_id: int | None = None

    @property
    def billed(self) -> bool:
        """Return whether members pay a recurring fee."""
        return self.kind is TierKind.PAID

    def credit(self, benefit: str) -> Decimal:
        """Return the credits of a benefit of this tier; zero if the benefit is missing or disabled."""
        found = self.benefits.get(benefit)
        return money(found.get("creditAmount") or 0) if found and found.get("enabled", True) else ZERO


@dataclass(slots=True)
class CreditLot:
    """Credits of one grant: the amount, the amount left, and the expiry."""

    given: Decimal
    left: Decimal
    expires_at: datetime | None


@dataclass(slots=True)
class LedgerEntry:
    """One line of the credit ledger. `serial` is its number in the shop, and its cursor."""

    serial: int
    at: datetime
    amount: Decimal
    previous: Decimal
    balance: Decimal
    reason: str
    note: str | None = None
    expires_at: datetime | None = None
    order_id: int | None = None


@dataclass(slots=True)
class Redemption:
    """An active discount code: credits leave the balance when it is created, not when it is used."""

    code: str
    value: Decimal
    pieces: list[tuple[CreditLot, Decimal]]


@dataclass(slots=True)
class CancelRequest:
    """A cancellation request: initialized, confirmed, or pending until the end of the cycle."""

    at: datetime
    token: str
    source: str
    status: str = "INITIALIZED"
    updated_at: datetime | None = None
    cancel_at: datetime | None = None


@dataclass(slots=True)
class Member:
    """A customer with a present or past membership. `term` counts memberships: actions of an older one are void."""

    id: str
    email: str
    first_name: str
    last_name: str
    created_at: datetime
    phone: str | None = None
    notes: str | None = None
    birthday: str | None = None
    tier_id: str | None = None
    status: Status | None = None
    joined_at: datetime | None = None
    updated_at: datetime | None = None
    trigger: str = "FREE_SIGNUP"
    term: int = 0
    anonymized: bool = False
    referrals: int = 0
    referred: bool = False
    keep_in_tier: bool = False
    # money
    contract_id: int | None = None
    payment_id: int | None = None
    billing_day: int = 1
    due_at: datetime | None = None
    trial_ends_at: datetime | None = None
    failed_attempts: int = 0
    forced_failures: int = 0
    revenue: Decimal = ZERO
    total_spend: Decimal = ZERO
    order_ids: list[int] = field(default_factory=list)
    last_purchase_at: datetime | None = None
    cancel: CancelRequest | None = None
    # credits
    balance: Decimal = ZERO
    earned: Decimal = ZERO
    lots: list[CreditLot] = field(default_factory=list)
    ledger: list[LedgerEntry] = field(default_factory=list)
    redemption: Redemption | None = None
    redemptions: int = 0
    last_redemption_at: datetime | None = None
    last_timestamp: datetime | None = None

    @property
    def in_programme(self) -> bool:
        """Return whether the member has the benefits of a tier."""
        return self.status in {Status.ACTIVE, Status.PENDING}

    @property
    def on_trial(self) -> bool:
        """Return whether the member is in an unpaid trial."""
        return self.trial_ends_at is not None and self.in_programme


@dataclass(slots=True)
class Shop:
    """The merchant. `merchant_id` is the first label of its domain."""

    domain: str
    currency: str = "USD"
    name: str = "The Example Store"
    created_at: datetime | None = None
    campaigns: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def merchant_id(self) -> str:
        """The id of the shop on the platform."""
        return self.domain.split(".", 1)[0]
