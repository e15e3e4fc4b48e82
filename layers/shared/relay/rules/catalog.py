"""Lists all rules by id, and applies the merchant's switch and level for a rule to the effects that it yields.

Alerts show the id, and the settings name it (`rules:` of the rules document): an id is never renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from relay.model.effects import Alert, Effect, Kpi, Level, Recheck
from relay.rules.settings import Rules


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One rule: what it does, and the level of its alerts if nothing is set; empty where it yields no alert."""

    about: str
    level: str = ""


CATALOG: Final[dict[str, CatalogEntry]] = {
    # joining
    "join.paid": CatalogEntry(
        "A paid tier was joined. People are told with `announce_joins`, else the digest counts it.", "info"
    ),
    "join.free": CatalogEntry("A free tier was joined; a move down into one is no joining."),
    "join.trial": CatalogEntry("A trial of a paid tier began."),
    "join.lifetime": CatalogEntry("A membership for life was bought."),
    "join.again": CatalogEntry(
        "A member whose membership had ended is back; what was told of the end is closed.", "info"
    ),
    # tiers and orders
    "tier.changed": CatalogEntry(
        "A member moved to another tier. Told if a high-value member moved down.", "warning"
    ),
    "tier.back": CatalogEntry(
        "Within an hour the member moved back: the alert of the move is closed.", "info"
    ),
    "order.placed": CatalogEntry("A member placed an order; noted in the CRM unless `orders_to_crm` is off."),
    # payments
    "payment.received": CatalogEntry("A membership fee was paid: counted for the digest."),
    "dunning.attempt": CatalogEntry("A fee failed, and more attempts follow.", "info; high-value: warning"),
    "dunning.last_chance": CatalogEntry(
        "A fee failed, and one attempt is left, or none, or retrying cannot help (expired, stolen, no method).",
        "warning; high-value: error",
    ),
    "dunning.failed": CatalogEntry(
        "All attempts have failed: Inveterate cancels next.", "warning; high-value: error"
    ),
    "dunning.new_card": CatalogEntry(
        "A new payment method came while a fee is open: said to those who know of the failure.", "info"
    ),
    "dunning.recovered": CatalogEntry("The fee was paid after all: the dunning is closed.", "info"),
    "dunning.rejoined": CatalogEntry(
        "The member joined or moved to another tier while a fee was open: the dunning is closed.", "info"
    ),
    "dunning.lost": CatalogEntry(
        "The membership was cancelled for its failed payments: the dunning is closed.",
        "warning; high-value: error",
    ),
    "dunning.ended": CatalogEntry(
        "The membership ended by request while a fee was open: the dunning is closed.", "info"
    ),
    # credits
    "credits.changed": CatalogEntry("Store credit came or went: noted in the CRM."),
    "credits.manual": CatalogEntry("Store credit was changed by hand: counted, for many at once are told."),
    "credits.anomaly": CatalogEntry(
        "One grant is `credit_anomaly` or more, or ten times what this member usually gets.", "warning"
    ),
    "credits.negative": CatalogEntry("A balance fell below zero; closed when it is back.", "error"),
    "credits.settled": CatalogEntry("A balance is no longer below zero: the alert is closed.", "info"),
    "credits.expired": CatalogEntry(
        "Store credit ran out. Told at once if a high-value member lost `expired_at_once` or more.", "info"
    ),
    # cancellations
    "cancel.pending": CatalogEntry(
        "A member asked to cancel and can be won back until the cycle ends.", "info; high-value: warning"
    ),
    "cancel.resumed": CatalogEntry(
        "A cancellation that was pending is off, or has another date: its alert is closed.", "info"
    ),
    "cancel.ended": CatalogEntry(
        "A membership ended as it was announced: the alert of the request is closed.", "info"
    ),
    "cancel.voluntary": CatalogEntry(
        "A membership ended at the member's request.", "info, for a high-value member"
    ),
    "cancel.involuntary": CatalogEntry(
        "A membership ended for failed payments of which nobody had told.", "warning; high-value: error"
    ),
    "cancel.merchant": CatalogEntry("The shop ended a membership: counted for the digest."),
    "retention.credits": CatalogEntry(
        "A high-value member who asked to cancel is given credits, once, if `retention.on`."
    ),
    # the clock's
    "dunning.quiet": CatalogEntry("Thirty days without another failure: the dunning is closed.", "info"),
    "credits.expiring": CatalogEntry("Store credit runs out in 30, 7 or 1 days: noted in the CRM."),
    "renewal.upcoming": CatalogEntry(
        "A fee is due in 15 days (yearly) or 3: noted in the CRM, with `renewal_notices`."
    ),
    "trial.ending": CatalogEntry("A trial ends in 3 days: noted in the CRM."),
    "cancel.soon": CatalogEntry(
        "A high-value member's cancellation is 7 days away and still pending.", "info"
    ),
    "programme.failure_spike": CatalogEntry("Far more payments fail than usual.", "critical"),
    "programme.cancel_spike": CatalogEntry("Far more members leave than usual.", "error"),
    "programme.manual_credits": CatalogEntry(
        "Many changes of store credit by hand within minutes.", "warning"
    ),
    "programme.silence": CatalogEntry("No webhook has come for `silence_hours`.", "error"),
    "digest": CatalogEntry(
        "The figures of the day before, at `digest_at`; none where there is nothing to tell."
    ),
}
"""In reading order."""


def apply_settings(effects: Iterable[Effect], rules: Rules) -> Iterator[Effect]:
    """Yield the effects as the merchant's settings have them.

    A rule that is switched off yields no alert and no note. It still counts, because the KPIs are the
    programme's and not the rule's. It still resolves, because its incident would otherwise stay open for good.
    """
    for effect in effects:
        setting = rules.setting_for(effect.rule)
        closing = isinstance(effect, Alert) and effect.action == "close"
        if not (setting.on or closing or isinstance(effect, Kpi | Recheck)):
            continue
        if isinstance(effect, Alert) and setting.level:
            yield replace(effect, level=Level[setting.level.upper()])
        else:
            yield effect
