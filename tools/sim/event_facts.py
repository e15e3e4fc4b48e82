"""The facts of each event about a member, field by field: one reader for each topic.

Written from the documentation of the payloads, not from the code of Relay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from sim.clock import iso, parse
from sim.event_faults import own_time
from sim.events import Event

_CANCELLATION_FIELDS: Final = (
    "cancelled_at",
    "cancel_type",
    "cancel_reason",
    "pending_cancel_at",
    "pending_cancel_source",
)
_DUNNING_FIELDS: Final = ("failed_attempts", "last_failure_at", "last_decline_text", "payment_lost_at")
_CANCEL_TYPES: Final = {"FAILURE": "involuntary", "CUSTOMER": "voluntary", "MERCHANT": "merchant"}

_DIGITS: Final = {"JPY": 0, "KWD": 3}
"""The minor units of ISO 4217 that are not two, of the currencies that the simulator writes."""

EventFacts: TypeAlias = dict[str, Any]


class _Undetermined:
    """The value of a field that the documents do not determine; it counts as a value, and no mirror is compared with it."""

    def __repr__(self) -> str:
        return "UNDETERMINED"


UNDETERMINED: Final = _Undetermined()


def pick(part: Any, **names: str) -> EventFacts:
    """Return the fields of `part` under other names: `pick(payload, tierId="tier_id")`; missing ones are left out."""
    if not isinstance(part, dict):
        return {}
    return {name: part[key] for key, name in names.items() if key in part}


def decimal_text(amount: Any, currency: str = "") -> str | None:
    """Format an amount as digits to the minor unit of its currency: "25" or "24.99"."""
    if amount is None:
        return None
    places = _DIGITS.get(currency, 2)
    text = f"{float(amount):.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def with_decimal_texts(facts: EventFacts, *names: str) -> EventFacts:
    """Format these amounts as digits, if they are present."""
    return facts | {name: decimal_text(facts[name]) for name in names if name in facts}


def _with_iso_times(facts: EventFacts, *names: str) -> EventFacts:
    return facts | {name: iso(parse(facts[name])) for name in names if facts.get(name)}


def _normalise_email(facts: EventFacts) -> EventFacts:
    """Normalise the e-mail address as mirrors compare it."""
    if isinstance(facts.get("email"), str):
        facts["email"] = facts["email"].strip().lower() or None
    return facts


def event_time(payload: EventFacts, event: Event) -> str:
    """Return the time of the event from the payload if it can be right, else that of triggering."""
    return iso(own_time(payload, event.triggered_at) or event.triggered_at)


def _joined(kind: str) -> Callable[[EventFacts, Event], EventFacts]:
    def read(payload: EventFacts, event: Event) -> EventFacts:
        at = event_time(payload, event)
        facts = dict.fromkeys((*_CANCELLATION_FIELDS, *_DUNNING_FIELDS, "trial_ends_at"))
        facts |= (
            pick(payload, tierId="tier_id") | _tier(payload) | pick(payload, freeTrialEnd="trial_ends_at")
        )
        # The member record of the platform has the time of joining in seconds, so mirrors compare seconds.
        joined = iso(parse(at).replace(microsecond=0))
        return _with_iso_times(facts, "trial_ends_at") | {
            "tier_type": kind,
            "joined_at": joined,
            "first_joined_at": at,
        }

    return read


def _tier(payload: EventFacts) -> EventFacts:
    """Return the names of the tier and of the one before. What an event lacks of the tier that it names is not that of another."""
    facts = pick(payload.get("detail"), tierName="tier_name", previousTierName="previous_tier_name")
    named = {
        "tier_name": payload.get("tierId"),
        "previous_tier_name": (payload.get("detail") or {}).get("previousTierId"),
    }
    lacking = (name for name, tier in named.items() if tier is not None and facts.get(name) is None)
    return facts | dict.fromkeys(lacking, UNDETERMINED)


def _changed(payload: EventFacts, event: Event) -> EventFacts:
    before = {"previous_tier_name": UNDETERMINED}
    facts = before | {name: value for name, value in _tier(payload).items() if value is not None}
    return pick(payload, tierId="tier_id") | facts | {"tier_changed_at": event_time(payload, event)}


def _updated(payload: EventFacts, event: Event) -> EventFacts:
    facts = pick(
        payload.get("newData"), email="email", joinedAt="joined_at",
        referrals="referrals_count", revenue="revenue", creditsEarned="credits_earned_total",
    )  # fmt: skip
    del event
    if facts.get("joined_at"):
        facts["first_joined_at"] = facts["joined_at"]
    return _normalise_email(
        _with_iso_times(
            with_decimal_texts(facts, "revenue", "credits_earned_total"), "joined_at", "first_joined_at"
        )
    )


def _contact(payload: EventFacts) -> EventFacts:
    return _normalise_email(pick(payload.get("customer"), email="email"))


def _ordered(payload: EventFacts, event: Event) -> EventFacts:
    return _contact(payload) | {"last_order_at": event_time(payload, event)}


def _paid(payload: EventFacts, event: Event) -> EventFacts:
    detail = pick(
        payload.get("detail"), amount="fee_amount", currency="fee_currency", newBillingDate="next_payment_on"
    )
    if detail.get("next_payment_on"):
        detail["next_payment_on"] = detail["next_payment_on"][:10]
    if len({"fee_amount", "fee_currency"} & detail.keys()) == 1:
        # An amount without its currency, or the reverse, says nothing of the fee.
        detail |= dict.fromkeys(("fee_amount", "fee_currency"), UNDETERMINED)
    elif "fee_currency" in detail:
        detail["fee_currency"] = detail["fee_currency"].strip().upper()
        detail["fee_amount"] = decimal_text(detail["fee_amount"], detail["fee_currency"])
    over = dict.fromkeys(_DUNNING_FIELDS)
    # What is paid without a next date is perhaps not the fee that recurs.
    detail = {"next_payment_on": UNDETERMINED} | detail
    return _contact(payload) | detail | over | {"last_payment_at": event_time(payload, event)}


def _failed(payload: EventFacts, event: Event) -> EventFacts:
    detail = pick(
        payload.get("detail"),
        billingAttempts="failed_attempts", errorMessage="last_decline_text", billingTierId="failing_tier_id",
    )  # fmt: skip
    # A failure without its number is a failure all the same.
    numbered = {"failed_attempts": UNDETERMINED} | detail
    return _contact(payload) | numbered | {"last_failure_at": event_time(payload, event)}


def _lost(payload: EventFacts, event: Event) -> EventFacts:
    return _failed(payload, event) | {"payment_lost_at": event_time(payload, event)}


def _card(payload: EventFacts, event: Event) -> EventFacts:
    return _contact(payload) | {"payment_method_updated_at": event_time(payload, event)}


def _credits(payload: EventFacts, event: Event) -> EventFacts:
    facts = pick(payload, email="email", newBalance="credit_balance", reason="last_credit_reason")
    before, after = payload.get("previousBalance"), payload.get("newBalance")
    if before is not None and after is not None:
        facts["last_credit_delta"] = after - before
    del event
    told = _normalise_email(with_decimal_texts(facts, "credit_balance", "last_credit_delta"))
    # A change and its reason mean something together: what an event lacks of them is not that of the change before.
    unknown = (name for name in ("last_credit_delta", "last_credit_reason") if told.get(name) is None)
    return told | dict.fromkeys(unknown, UNDETERMINED)


def _expired(payload: EventFacts, event: Event) -> EventFacts:
    # What expired has fields of its own: the last change stays that of the last grant or redemption.
    facts = pick(payload, email="email", newBalance="credit_balance", amount="last_expired_amount")
    before, after = payload.get("previousBalance"), payload.get("newBalance")
    if facts.get("last_expired_amount") is None and before is not None and after is not None:
        facts["last_expired_amount"] = before - after
    told = _normalise_email(with_decimal_texts(facts, "credit_balance", "last_expired_amount"))
    return (
        {"last_expired_amount": UNDETERMINED}
        | told
        | {
            "credits_expired_at": event_time(payload, event),
            "last_credit_reason": UNDETERMINED,
        }
    )


def _cancelled(payload: EventFacts, event: Event) -> EventFacts:
    source = (payload.get("detail") or {}).get("cancellationSource")
    return {
        "cancelled_at": event_time(payload, event),
        # What an ending without a source was is anybody's guess.
        "cancel_type": _CANCEL_TYPES.get(source) if source else UNDETERMINED,
        "cancel_reason": source or UNDETERMINED,
        "pending_cancel_at": None,
        "pending_cancel_source": None,
    }


def _pending(payload: EventFacts, event: Event) -> EventFacts:
    del event
    facts = pick(
        payload.get("detail"),
        effectiveCancellationDate="pending_cancel_at",
        cancellationSource="pending_cancel_source",
    ) | pick(payload.get("detail"), cancellationSource="cancel_reason")
    # Whoever leaves without a date leaves all the same.
    return {"pending_cancel_at": UNDETERMINED} | _with_iso_times(facts, "pending_cancel_at")


def record_facts(record: EventFacts) -> EventFacts:
    """Return the facts of a member record from an API reply.

    To the platform a membership is a purchase as well; the event of an order tells of orders only. An empty field is
    left out: the documents do not say what its emptiness means.
    """
    facts = pick(
        record, email="email", tierId="tier_id", tierName="tier_name", credit="credit_balance", joinedAt="joined_at",
        lastPurchaseAt="last_order_at", referrals="referrals_count", revenue="revenue", creditsEarned="credits_earned_total",
    )  # fmt: skip
    facts = with_decimal_texts(facts, "credit_balance", "revenue", "credits_earned_total")
    facts = _normalise_email(_with_iso_times(facts, "joined_at", "last_order_at"))
    return {name: value for name, value in facts.items() if value not in (None, "")}


FACT_READERS: Final[dict[str, Callable[[EventFacts, Event], EventFacts]]] = {
    "customer.joined.paid_tier": _joined("paid"),
    "customer.joined.free_tier": _joined("free"),
    "customer.joined.free_trial": _joined("trial"),
    "customer.joined.lifetime_tier": _joined("lifetime"),
    "customer.changed_tier": _changed,
    "customer.updated": _updated,
    "customer.ordered": _ordered,
    "customer.payment_succeeded": _paid,
    "customer.payment_failed": _lost,
    "customer_billing.attempt.failed": _failed,
    "customer.payment_methods.updated": _card,
    "customer.credits.updated": _credits,
    "customer.credits.expired": _expired,
    "customer.cancelled": _cancelled,
    "customer.pending_cancellation": _pending,
}
