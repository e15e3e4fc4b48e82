"""What a merchant can set about the business rules, with the defaults that most would choose.

A rules document holds only what the merchant changed; everything else has the default of these models.
`relay rules apply` validates and stores it, and it is read together with the members.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from relay.rules.measures import Measures

LevelName: TypeAlias = Literal["info", "warning", "error", "critical"]
CrmName: TypeAlias = Literal["hubspot", "klaviyo", "salesforce"]
ChannelName: TypeAlias = Literal["email", "slack", "pagerduty"]
ErasedContacts: TypeAlias = Literal["clear", "delete"]
Currency: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Amount: TypeAlias = Annotated[Decimal, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]

BILLING_ATTEMPTS: Final = 3
"""How many times the platform tries a charge, on consecutive days, unless a tier says otherwise."""


CUSTOMER_PLACEHOLDER: Final = "{customer_id}"
"""What stands in `manage_url` for the member's Shopify customer id."""

_MANAGE_URL: Final = re.compile(
    r"https://[A-Za-z0-9.\-]+(:[0-9]{1,5})?(/[^\s<>\"\\^`]*|\?[^\s<>\"\\^`]*)", re.ASCII
)


def _checked_manage_url(value: str) -> str:
    # In the host it would lead each member to another server; another placeholder would be sent as it stands.
    rest = value.replace(CUSTOMER_PLACEHOLDER, "")
    if CUSTOMER_PLACEHOLDER not in value or not _MANAGE_URL.fullmatch(value) or "{" in rest or "}" in rest:
        raise PydanticCustomError(
            "manage_url", "an https address with {placeholder}", {"placeholder": CUSTOMER_PLACEHOLDER}
        )
    return value


ManageUrl: TypeAlias = Annotated[str, StringConstraints(max_length=160), AfterValidator(_checked_manage_url)]
"""An https address that holds the placeholder. With an id it is at most 200 characters long, which no CRM cuts."""


class _RulesModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TierSetting(_RulesModel):
    """What no event says of a tier. The highest `rank` is the best tier; `annual_fee` is in the tier's currency."""

    name: str = ""
    rank: int | None = None
    annual_fee: Amount | None = None
    billing_interval: Literal["month", "quarter", "year"] | None = None
    billing_attempts: int | None = Field(default=None, ge=1, le=30)


AmountName: TypeAlias = Literal[
    "high_value_annual_fee",
    "high_value_credits",
    "high_value_revenue",
    "credit_anomaly",
    "expired_at_once",
    "expiring_at_least",
]


class Thresholds(_RulesModel):
    """The amounts, in one currency, from which a rule applies; 0 switches the comparison off.

    There is no default: a number that fits dollars means nothing in yen. For high value and unusual grants
    the programme's own measure decides until a number is set (`measures.py`); for expired credits and credits
    about to expire every amount counts.
    """

    high_value_annual_fee: Amount | None = None
    high_value_credits: Amount | None = None
    high_value_revenue: Amount | None = None
    credit_anomaly: Amount | None = None
    expired_at_once: Amount | None = None
    expiring_at_least: Amount | None = None


class RuleSetting(_RulesModel):
    """One rule's switch, and the level of its alerts; None keeps the rule's own level."""

    on: bool = True
    level: LevelName | None = None


class QuietHours(_RulesModel):
    """The hours, by the shop's clock, in which warnings and lower levels are deferred."""

    begin: time
    end: time


class Channels(_RulesModel):
    """The channels that receive an alert of each level at once. `info` waits for the daily digest."""

    warning: tuple[ChannelName, ...] = ("slack", "email")
    error: tuple[ChannelName, ...] = ("slack", "email")
    critical: tuple[ChannelName, ...] = ("slack", "email", "pagerduty")
    digest: tuple[ChannelName, ...] = ("slack", "email")


class Flood(_RulesModel):
    """More than `alerts` alerts below critical within `minutes` minutes become one message."""

    alerts: int = Field(default=20, ge=1, le=1_000)
    minutes: int = Field(default=10, ge=1, le=60)


class Spikes(_RulesModel):
    """The numbers from which failures, cancellations or silence concern the whole programme; 0 switches a condition off."""

    failures_in_15_minutes: int = Field(default=10, ge=0)
    failures_in_an_hour: int = Field(default=5, ge=0)
    failure_share: Amount = Decimal("0.3")
    cancels_in_an_hour: int = Field(default=5, ge=0)
    cancels_times_usual: Amount = Decimal(3)
    manual_credits_in_10_minutes: int = Field(default=5, ge=0)
    silence_hours: int = Field(default=24, ge=0, le=24 * 14)
    silence_from_events_a_day: int = Field(default=10, ge=1)


class Retention(_RulesModel):
    """Credits for a high-value member's pending cancellation; off by default.

    `monthly_ceiling` limits the whole programme's grants of one calendar month (UTC). A member is granted
    credits again at the earliest `again_after_days` after the last grant.
    """

    on: bool = False
    amount: Amount = Decimal(10)
    again_after_days: int = Field(default=365, ge=1, le=3_650)
    monthly_ceiling: Amount = Decimal(500)


class Rules(_RulesModel):
    """Everything that a merchant can set. Where no document is stored, these defaults hold.

    `tiers` are by tier id, `rules` by the rule id that every alert shows. `currency` is the shop's: the one of
    balances, of lifetime revenue and of `thresholds`. `currencies` are the amounts in others, by ISO 4217 code.
    `manage_url` goes with events and profiles as the page on which the member acts; `write_names` are the CRMs that get
    names and phone where their own field is empty, `remake_contacts` those in which a contact that the merchant deleted is
    made again. `erase_contacts` is what happens to an erased member's contacts that Relay made.
    `measures` are no setting: the daily run computes them, and they are loaded together with the rules.
    """

    version: int = 1
    currency: Currency | None = None
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
    manage_url: ManageUrl | None = None
    write_names: tuple[CrmName, ...] = ("hubspot", "salesforce")
    erase_contacts: ErasedContacts = "clear"
    remake_contacts: tuple[CrmName, ...] = ()
    spikes: Spikes = Spikes()
    retention: Retention = Retention()
    measures: Measures = Field(default=Measures(), exclude=True, repr=False)

    def amount_set(self, name: AmountName, currency: str | None) -> Decimal | None:
        """Return the amount that is set for this currency, 0 where it is switched off; None where none is set at all.

        A number holds for its own currency. So where one is set, amounts in every other currency decide nothing.
        """
        own = self.currencies.get(currency or "")
        if own is None and (self.currency is None or currency in {None, self.currency}):
            own = self.thresholds
        amount: Decimal | None = getattr(own, name) if own else None
        if amount is not None:
            return amount
        every = (self.thresholds, *self.currencies.values())
        return Decimal(0) if any(getattr(each, name) is not None for each in every) else None

    def billing_attempts_for(self, tier_id: str | None) -> int:
        """Return how many times the platform tries a charge of this tier: as set, else as seen lately, else its default."""
        tier = self.tiers.get(tier_id or "")
        if tier and tier.billing_attempts:
            return tier.billing_attempts
        is_set = "billing_attempts" in self.model_fields_set
        return (None if is_set else self.measures.attempts_of(tier_id)) or self.billing_attempts

    def manage_url_of(self, customer_id: str) -> str | None:
        """Return the address at which this member manages payment and membership; None where none is set."""
        if self.manage_url is None:
            return None
        return self.manage_url.replace(CUSTOMER_PLACEHOLDER, quote(customer_id, safe=""))

    def setting_for(self, rule: str) -> RuleSetting:
        """Return the setting of a rule, by its id."""
        return self.rules.get(rule, RuleSetting())
