"""The business rules' settings, with the defaults that a merchant would want.

A document holds what the merchant changed and nothing else: what it leaves out stays as it is here. It is
written by `relay rules apply` after validation, and read together with the members.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

LevelName: TypeAlias = Literal["info", "warning", "error", "critical"]
ChannelName: TypeAlias = Literal["email", "slack", "pagerduty"]
Currency: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Amount: TypeAlias = Annotated[Decimal, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]

BILLING_ATTEMPTS: Final = 3
"""How often the platform tries a charge unless a tier says otherwise, on consecutive days."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TierSetting(_Settings):
    """What no event tells of a tier. `rank` orders tiers, the higher the better; `annual_fee` is in the tier's currency."""

    name: str = ""
    rank: int | None = None
    annual_fee: Amount | None = None
    billing_interval: Literal["month", "quarter", "year"] | None = None
    billing_attempts: int | None = Field(default=None, ge=1, le=30)


class Thresholds(_Settings):
    """Amounts from which on something matters, in one currency; 0 switches the comparison off."""

    high_value_annual_fee: Amount = Decimal(100)
    high_value_credits: Amount = Decimal(100)
    high_value_revenue: Amount = Decimal(500)
    credit_anomaly: Amount = Decimal(250)
    expired_at_once: Amount = Decimal(50)
    expiring_at_least: Amount = Decimal(5)


class RuleSetting(_Settings):
    """One rule's switch, and the level at which it tells; None keeps the rule's own."""

    on: bool = True
    level: LevelName | None = None


class QuietHours(_Settings):
    """From when to when, by the shop's clock, warnings and less wait for the morning."""

    begin: time
    end: time


class Channels(_Settings):
    """Which channels hear of a level as soon as it is told. What is `info` waits for the daily digest."""

    warning: tuple[ChannelName, ...] = ("slack", "email")
    error: tuple[ChannelName, ...] = ("slack", "email")
    critical: tuple[ChannelName, ...] = ("slack", "email", "pagerduty")
    digest: tuple[ChannelName, ...] = ("slack", "email")


class Flood(_Settings):
    """More than `alerts` below critical within `minutes` become one message."""

    alerts: int = Field(default=20, ge=1, le=1_000)
    minutes: int = Field(default=10, ge=1, le=60)


class Spikes(_Settings):
    """When failures, cancellations or silence concern the programme and not one member. 0 switches a condition off."""

    failures_in_15_minutes: int = Field(default=10, ge=0)
    failures_in_an_hour: int = Field(default=5, ge=0)
    failure_share: Amount = Decimal("0.3")
    cancels_in_an_hour: int = Field(default=5, ge=0)
    cancels_times_usual: Amount = Decimal(3)
    manual_credits_in_10_minutes: int = Field(default=5, ge=0)
    silence_hours: int = Field(default=24, ge=0, le=24 * 14)
    silence_from_events_a_day: int = Field(default=10, ge=1)


class Retention(_Settings):
    """Credits for a high-value member who is about to cancel: off unless a merchant wants it.

    `monthly_ceiling` holds for the whole programme and each calendar month (UTC).
    """

    on: bool = False
    amount: Amount = Decimal(10)
    monthly_ceiling: Amount = Decimal(500)


class Rules(_Settings):
    """What a merchant can set. With no document stored, these defaults hold.

    `tiers` are by tier id, `currencies` by ISO 4217 code where the amounts of `thresholds` do not fit,
    `rules` by the rule id that every alert carries. A currency's amounts stand by themselves: nothing is taken
    over from `thresholds`, and `rulesfile` lets none be left out.
    """

    version: int = 1
    billing_attempts: int = Field(default=BILLING_ATTEMPTS, ge=1, le=30)
    dunning_owner: Literal["inveterate", "churnbuster", "esp"] = "inveterate"
    tiers: Mapping[str, TierSetting] = Field(default_factory=dict)
    thresholds: Thresholds = Thresholds()
    currencies: Mapping[Currency, Thresholds] = Field(default_factory=dict)
    rules: Mapping[str, RuleSetting] = Field(default_factory=dict)
    channels: Channels = Channels()
    quiet_hours: QuietHours | None = None
    flood: Flood = Flood()
    digest_at: time = time(9)
    mask: bool = True
    announce_joins: bool = False
    orders_to_crm: bool = True
    renewal_notices: bool = True
    spikes: Spikes = Spikes()
    retention: Retention = Retention()

    def amounts(self, currency: str | None) -> Thresholds:
        """Return the thresholds that hold for a currency."""
        return self.currencies.get(currency or "", self.thresholds)

    def attempts(self, tier_id: str | None) -> int:
        """Return how often the platform tries a charge of this tier."""
        tier = self.tiers.get(tier_id or "")
        return (tier.billing_attempts if tier else None) or self.billing_attempts

    def of(self, rule: str) -> RuleSetting:
        """Return what is set for a rule."""
        return self.rules.get(rule, RuleSetting())
