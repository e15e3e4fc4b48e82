"""What each event tells of a member, field by field: one reader for each topic.

Written from what the platform documents of its payloads, not from Relay's code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from sim.clock import iso, parse
from sim.events import Event

_OVER: Final = ("cancelled_at", "cancel_type", "cancel_reason", "pending_cancel_at", "pending_cancel_source")
_DUNNING: Final = ("failed_attempts", "last_failure_at", "last_decline_code", "payment_lost_at")
_CANCEL_TYPES: Final = {"FAILURE": "involuntary", "CUSTOMER": "voluntary", "MERCHANT": "merchant"}

Told: TypeAlias = dict[str, Any]


def pick(part: Any, **names: str) -> Told:
    """Take what `part` mentions: `pick(payload, tierId="tier_id")`."""
    if not isinstance(part, dict):
        return {}
    return {name: part[said] for said, name in names.items() if said in part}


def plain(amount: Any) -> str | None:
    """Write an amount as digits: "25" or "24.99"."""
    if amount is None:
        return None
    text = f"{round(float(amount), 2):.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(told: Told, *names: str) -> Told:
    """Write these amounts as digits, where they are told."""
    return told | {name: plain(told[name]) for name in names if name in told}


def _moments(told: Told, *names: str) -> Told:
    return told | {name: iso(parse(told[name])) for name in names if told.get(name)}


def _tidy(told: Told) -> Told:
    """Bring e-mail addresses into the form in which mirrors compare them."""
    if isinstance(told.get("email"), str):
        told["email"] = told["email"].strip().lower() or None
    return told


def time_of(payload: Told, event: Event) -> str:
    """Return when it happened, as the payload says or else the delivery."""
    said = payload.get("createdAt") or payload.get("expiredAt")
    return iso(parse(said) if said else event.triggered_at)


def _joined(kind: str) -> Callable[[Told, Event], Told]:
    def read(payload: Told, event: Event) -> Told:
        at = time_of(payload, event)
        told = dict.fromkeys((*_OVER, *_DUNNING, "trial_ends_at"))
        told |= pick(payload, tierId="tier_id") | _tier(payload) | pick(payload, freeTrialEnd="trial_ends_at")
        # The platform's own record has the joining to the second, and that is what mirrors can agree on.
        joined = iso(parse(at).replace(microsecond=0))
        return _moments(told, "trial_ends_at") | {
            "tier_type": kind,
            "joined_at": joined,
            "first_joined_at": at,
        }

    return read


def _tier(payload: Told) -> Told:
    return pick(payload.get("detail"), tierName="tier_name", previousTierName="previous_tier_name")


def _changed(payload: Told, event: Event) -> Told:
    return pick(payload, tierId="tier_id") | _tier(payload) | {"tier_changed_at": time_of(payload, event)}


def _updated(payload: Told, event: Event) -> Told:
    told = pick(
        payload.get("newData"), email="email", joinedAt="joined_at",
        referrals="referrals_count", revenue="revenue", creditsEarned="credits_earned_total",
    )  # fmt: skip
    del event
    return _tidy(_moments(money(told, "revenue", "credits_earned_total"), "joined_at"))


def _contact(payload: Told) -> Told:
    return _tidy(pick(payload.get("customer"), email="email"))


def _ordered(payload: Told, event: Event) -> Told:
    return _contact(payload) | {"last_order_at": time_of(payload, event)}


def _paid(payload: Told, event: Event) -> Told:
    detail = pick(
        payload.get("detail"), amount="fee_amount", currency="fee_currency", newBillingDate="next_payment_on"
    )
    if detail.get("next_payment_on"):
        detail["next_payment_on"] = detail["next_payment_on"][:10]
    over = dict.fromkeys(_DUNNING)
    return (
        _contact(payload) | money(detail, "fee_amount") | over | {"last_payment_at": time_of(payload, event)}
    )


def _failed(payload: Told, event: Event) -> Told:
    detail = pick(
        payload.get("detail"),
        billingAttempts="failed_attempts", errorMessage="last_decline_code", currency="fee_currency", billingTierId="failing_tier_id",
    )  # fmt: skip
    return _contact(payload) | detail | {"last_failure_at": time_of(payload, event)}


def _lost(payload: Told, event: Event) -> Told:
    return _failed(payload, event) | {"payment_lost_at": time_of(payload, event)}


def _card(payload: Told, event: Event) -> Told:
    return _contact(payload) | {"payment_method_updated_at": time_of(payload, event)}


def _credits(payload: Told, event: Event) -> Told:
    told = pick(payload, email="email", newBalance="credit_balance", reason="last_credit_reason")
    before, after = payload.get("previousBalance"), payload.get("newBalance")
    if before is not None and after is not None:
        told["last_credit_delta"] = after - before
    del event
    return _tidy(money(told, "credit_balance", "last_credit_delta"))


def _expired(payload: Told, event: Event) -> Told:
    told = _credits(payload, event) | pick(payload, amount="last_expired_amount")
    return money(told, "last_expired_amount") | {"credits_expired_at": time_of(payload, event)}


def _cancelled(payload: Told, event: Event) -> Told:
    source = (payload.get("detail") or {}).get("cancellationSource")
    return {
        "cancelled_at": time_of(payload, event),
        "cancel_type": _CANCEL_TYPES.get(source or ""),
        "cancel_reason": source,
        "pending_cancel_at": None,
        "pending_cancel_source": None,
    }


def _pending(payload: Told, event: Event) -> Told:
    del event
    told = pick(
        payload.get("detail"),
        effectiveCancellationDate="pending_cancel_at",
        cancellationSource="pending_cancel_source",
    ) | pick(payload.get("detail"), cancellationSource="cancel_reason")
    return _moments(told, "pending_cancel_at")


READERS: Final[dict[str, Callable[[Told, Event], Told]]] = {
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
