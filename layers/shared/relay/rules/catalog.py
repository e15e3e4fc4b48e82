"""Lists all rules by id, and applies the merchant's switch and level for a rule to the effects that it yields.

Alerts show the id, and the settings name it (`rules:` of the rules document): an id is never renamed. `docs/rules.md`
has the same rows in the same order.
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
        "A paid tier was joined. The digest counts it; with `announce_joins` it is an alert as well.", "info"
    ),
    "join.free": CatalogEntry("A free tier was joined; a move down to one is no joining."),
    "join.trial": CatalogEntry("A trial of a paid tier began."),
    "join.lifetime": CatalogEntry("A membership for life was bought."),
    "join.again": CatalogEntry(
        "A member joined again after the end of a membership; the alert of the end is resolved.", "info"
    ),
    # tiers and orders
    "tier.changed": CatalogEntry(
        "A member moved to another tier. An alert if a high-value member moved down.", "warning"
    ),
    "tier.back": CatalogEntry(
        "The member moved back within an hour: the alert of the move is resolved.", "info"
    ),
    "order.placed": CatalogEntry("A member placed an order; noted in the CRM unless `orders_to_crm` is off."),
    "referral.completed": CatalogEntry(
        "A member's count of completed referrals has grown: noted in the CRM, once for each count."
    ),
    # payments
    "payment.received": CatalogEntry("A membership fee was paid: counted for the digest."),
    "dunning.attempt": CatalogEntry("A fee failed, and more attempts follow.", "info; high-value: warning"),
    "dunning.last_chance": CatalogEntry(
        "A fee failed, and at most one attempt is left, or no retry can succeed (expired, stolen, do not honour, no method).",
        "warning; high-value: error",
    ),
    "dunning.more_attempts": CatalogEntry(
        "Another attempt failed than the tier was known to have: added to the incident.", "info"
    ),
    "dunning.failed": CatalogEntry(
        "All attempts have failed, and Inveterate cancels next: always said, once.",
        "warning; high-value: error",
    ),
    "dunning.new_card": CatalogEntry(
        "A new payment method came while a failed fee is open: added to the incident.", "info"
    ),
    "dunning.recovered": CatalogEntry("The failed fee was paid: the incident is resolved.", "info"),
    "dunning.rejoined": CatalogEntry(
        "The member joined or moved to a free tier while a failed fee was open: the incident is resolved.",
        "info",
    ),
    "dunning.lost": CatalogEntry(
        "The membership was cancelled for its failed payments: the incident is resolved as lost.",
        "warning; high-value: error",
    ),
    "dunning.ended": CatalogEntry(
        "The membership ended by request while a failed fee was open: the incident is resolved.", "info"
    ),
    # credits
    "credits.changed": CatalogEntry("Store credit was granted or spent: noted in the CRM."),
    "credits.manual": CatalogEntry(
        "Store credit was changed by hand: counted, for many at once are an alert."
    ),
    "credits.anomaly": CatalogEntry(
        "One grant is `credit_anomaly` or more; until that is set, ten times the programme's usual grant.",
        "warning",
    ),
    "credits.negative": CatalogEntry("A balance fell below zero.", "error"),
    "credits.settled": CatalogEntry("A balance is no longer below zero: the alert is resolved.", "info"),
    "credits.expired": CatalogEntry(
        "Store credit expired. An alert at once if a high-value member lost `expired_at_once` or more.",
        "info",
    ),
    # cancellations
    "cancel.pending": CatalogEntry(
        "A member asked to cancel and can be won back until the cycle ends.", "info; high-value: warning"
    ),
    "cancel.resumed": CatalogEntry(
        "A pending cancellation is off or has another date: its alert is resolved.", "info"
    ),
    "cancel.ended": CatalogEntry(
        "A membership ended as announced: the alert of the request is resolved.", "info"
    ),
    "cancel.voluntary": CatalogEntry(
        "A membership ended at the member's request.", "info, for a high-value member"
    ),
    "cancel.involuntary": CatalogEntry(
        "A membership ended for failed payments, and no failure was known.", "warning; high-value: error"
    ),
    "cancel.merchant": CatalogEntry("The shop ended a membership: counted for the digest."),
    "cancel.unknown": CatalogEntry(
        "A membership ended, and its source is a word that is not documented.",
        "info, for a high-value member",
    ),
    "retention.credits": CatalogEntry(
        "With `retention.on`: credits, once, when a high-value member asks to cancel."
    ),
    # erasure
    "erasure.denied": CatalogEntry(
        "A webhook says that a member was erased, and Inveterate has denied it for a day.", "warning"
    ),
    # the comparison with the API
    "reconcile.stopped": CatalogEntry(
        "The daily comparison lists under 90 % of the members, or would change too many: it waits for a person.",
        "error",
    ),
    "reconcile.incomplete": CatalogEntry(
        "Inveterate's list of members was not certain to be whole; no member counts as gone.", "warning"
    ),
    "reconcile.whole": CatalogEntry("A whole comparison ended: its alert is resolved.", "info"),
    "subscription.lost": CatalogEntry(
        "A topic's webhook subscription is gone, or leads elsewhere; found once a day.", "error"
    ),
    "subscription.back": CatalogEntry("The subscription is back: its alert is resolved.", "info"),
    # by the clock
    "dunning.quiet": CatalogEntry("Thirty days without another failure: the incident is resolved.", "info"),
    "credits.expiring": CatalogEntry("Store credit expires in 30, 7 or 1 days: noted in the CRM."),
    "renewal.upcoming": CatalogEntry(
        "A fee is due in 15 days (yearly) or 3: noted in the CRM unless `renewal_notices` is off."
    ),
    "trial.ending": CatalogEntry("A trial ends in 3 days: noted in the CRM."),
    "letters.expiring": CatalogEntry(
        "Dead letters will expire within four days: they are journaled, and an alert names the command.",
        "error",
    ),
    "cancel.soon": CatalogEntry(
        "A high-value member who asked to cancel leaves in 7 days, and the request is still pending.", "info"
    ),
    "programme.failure_spike": CatalogEntry("Far more payments fail than usual.", "critical"),
    "programme.cancel_spike": CatalogEntry("Far more members leave than usual.", "error"),
    "programme.manual_credits": CatalogEntry(
        "Many changes of store credit by hand within minutes.", "warning"
    ),
    "programme.silence": CatalogEntry("No webhook has come for `silence_hours`.", "error"),
    "digest": CatalogEntry("The figures of the day before, at `digest_at`; not sent where there are none."),
}
"""In reading order."""


def apply_settings(effects: Iterable[Effect], rules: Rules) -> Iterator[Effect]:
    """Yield the effects as the merchant's settings have them.

    A rule that is switched off yields no alert and no note. It still counts, because the KPIs are the
    programme's and not the rule's. It still resolves, because its incident would otherwise stay open for good.
    """
    for effect in effects:
        setting = rules.setting_for(effect.rule)
        resolves = isinstance(effect, Alert) and effect.action == "resolve"
        if not (setting.on or resolves or isinstance(effect, Kpi | Recheck)):
            continue
        if isinstance(effect, Alert) and setting.level:
            yield replace(effect, level=Level[setting.level.upper()])
        else:
            yield effect
