"""What every mirror should have reached: for each member what was told in events, and in answers to readers.

Written from the rules of the canonical member, not from Relay's code: the truth is the simulator's own.
A field that no event has told is absent. `unheard` are the fields whose newest telling reached nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from sim.clock import iso, parse, whole_hour
from sim.events import Event
from sim.model import Member, Tier

_OVER: Final = ("cancelled_at", "cancel_type", "cancel_reason", "pending_cancel_at", "pending_cancel_source")
_DUNNING: Final = ("failed_attempts", "last_failure_at", "last_decline_code", "payment_lost_at")
_CANCEL_TYPES: Final = {"FAILURE": "involuntary", "CUSTOMER": "voluntary", "MERCHANT": "merchant"}
_INTERVALS: Final = {1: "month", 3: "quarter", 12: "year"}
_DAILY: Final = (0, 1, 2)
_NEVER_UNLESS_TOLD: Final = (
    "cancelled_at", "pending_cancel_at", "cancel_type", "recovered_at", "rejoined_at", "rejoin_count", "last_payment_at",
)  # fmt: skip
"""What no mirror may show unless an event told it."""

_HIDDEN: Final = frozenset(
    {"last_failure_at", "payment_lost_at", "failing_tier_id", "ended_at", "last_lot_until", "lots_unclear"}
)
"""What is remembered to work something else out, and shown by nobody."""

_READ: Final = 0
"""Stands for an answer of the API where an event has its number."""

_LOTS: Final = ("credits_expiring_amount", "credits_expiring_at")
_FAILURES: Final = ("customer.payment_failed", "customer_billing.attempt.failed")
_ENDS: Final = ("customer.cancelled", "customer.joined.")
_RESTS: Final = {
    ("recovered_at",): (*_FAILURES, *_ENDS, "customer.payment_succeeded"),
    ("rejoined_at", "rejoin_count"): _ENDS,
    _LOTS: ("customer.credits.",),
}
"""By what was told in several events: the topics of those."""

_FIRST_BILL: Final = timedelta(days=1)
_STATUS_FROM: Final = (
    "cancelled_at", "pending_cancel_at", "payment_lost_at", "failed_attempts", "trial_ends_at", "last_payment_at", "joined_at", "tier_id",
)  # fmt: skip

Told = dict[str, Any]


class Truth:
    """For each member, by field: the value that stands, and which event told it."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, tuple[Any, int]]] = {}
        self._rests: dict[str, dict[str, set[int]]] = {}
        self._newest: dict[str, str] = {}
        self.unheard: set[int] = set()

    def learn(self, event: Event) -> None:
        """Take in what an event tells: later tellings replace earlier ones, field by field."""
        reader = _READERS.get(event.topic or "")
        if reader is None:
            return
        fields = self._told.setdefault(event.member_id, {})
        at = _time(event.payload, event)
        self._newest[event.member_id] = max(at, self._newest.get(event.member_id, at))
        came = self._came_of(event, at, {name: value for name, (value, _) in fields.items()})
        for name, value in (reader(event.payload, event) | came).items():
            if name == "first_joined_at" and fields.get(name, (None,))[0] is not None:
                continue
            fields[name] = (value, event.ordinal)

    def _came_of(self, event: Event, at: str, before: Told) -> Told:
        """Return what an event means after those before it: a fee made good, a member who is back.

        It rests on more than one event, and can be known only to those who heard of them all.
        """
        topic = event.topic or ""
        rests = self._rests.setdefault(event.member_id, {})
        for names, topics in _RESTS.items():
            if topic.startswith(topics):
                for name in names:
                    rests.setdefault(name, set()).add(event.ordinal)
        ended = before.get("ended_at")
        if topic == "customer.cancelled":
            return {"ended_at": at}
        if topic == "customer.payment_succeeded" and before.get("last_failure_at") and not ended:
            return {"recovered_at": at}
        # Who is left with a free tier at the end, and told of the tier before, has not come back.
        if topic.startswith("customer.joined.") and not (event.payload.get("detail") or {}).get(
            "previousTierId"
        ):
            back = {"rejoined_at": at, "rejoin_count": (before.get("rejoin_count") or 0) + 1}
            return {"ended_at": None, **(back if ended else {})}
        if topic == "customer.credits.updated":
            return self._granted(event.payload, before)
        return {}

    def _granted(self, payload: Told, before: Told) -> Told:
        """Note until when the newest lot lasts, and whether what is left of each can be known from outside.

        Spending takes from what expires next. So the events tell what is left of each lot only as long as each
        lasts longer than those before, and nothing comes without an end: not what a code held gives back, either.
        """
        if (payload.get("newBalance") or 0) <= (payload.get("previousBalance") or 0):
            return {}
        until, known = payload.get("expirationDate"), before.get("last_lot_until") or ""
        return {
            "last_lot_until": until or known,
            "lots_unclear": before.get("lots_unclear") or not until or until < known,
        }

    def read(self, record: Told) -> None:
        """Take in what the API has answered of a member, where that tells more than the events do.

        Totals are told in the snapshots of customer.updated alone, which not every change brings.
        """
        fields = self._told.get(record["customerId"])
        if fields is not None:
            totals = _pick(
                record, referrals="referrals_count", revenue="revenue", creditsEarned="credits_earned_total"
            )
            for name, value in _money(totals, "revenue", "credits_earned_total").items():
                fields[name] = (value, _READ)
            # To the platform a membership is a purchase as well; the event of an order tells of orders alone.
            bought, heard = record.get("lastPurchaseAt"), fields.get("last_order_at")
            if bought and (heard is None or (heard[0] or "") < bought):
                fields["last_order_at"] = (bought, _READ)

    def known(self) -> Iterable[str]:
        """Return the ids of all members of whom anything was told."""
        return self._told.keys()

    def of(self, member: Member, tiers: Mapping[str, Tier]) -> Told:
        """Return what is to be known of a member: `fields`, and the names of those `unheard`."""
        told = self._told.get(member.id, {})
        values = {name: value for name, (value, _) in told.items()}
        unheard = {name for name, (_, ordinal) in told.items() if ordinal in self.unheard}
        unheard |= {name for name, rests in self._rests.get(member.id, {}).items() if rests & self.unheard}
        shown = {name: value for name, value in values.items() if name not in _HIDDEN}
        if told:
            never = dict.fromkeys(_NEVER_UNLESS_TOLD)
            worked_out = _attempts(values, tiers.get(values.get("failing_tier_id") or ""))
            worked_out |= _interval(told, tiers)
            if not values.get("lots_unclear"):
                worked_out |= _expiring(member, self._newest[member.id])
            shown = {**never, **shown, **worked_out, "shopify_customer_id": member.id}
            shown["status"], shown["payment_status"] = _status(values), _payment_status(values)
        if {"payment_lost_at", "failed_attempts", "last_failure_at", "last_payment_at"} & unheard:
            unheard |= {"payment_status", "attempts_left", "final_attempt_at", "billing_interval"}
        if set(_STATUS_FROM) & unheard:
            unheard.add("status")
        return {"fields": shown, "unheard": sorted(unheard - _HIDDEN)}


def _interval(told: Mapping[str, tuple[Any, int]], tiers: Mapping[str, Tier]) -> Told:
    """Return how often the fee is due that was last paid: known by the day of the next, from the same event."""
    paid, due, fee = (
        told.get(name, (None, 0)) for name in ("last_payment_at", "next_payment_on", "fee_amount")
    )
    if not paid[0] or not due[0] or paid[1] != due[1]:
        return {"billing_interval": None}
    months = [tier.months for tier in tiers.values() if tier.billed and _plain(tier.fee) == fee[0]]
    return {"billing_interval": _INTERVALS[months[0]]} if months and fee[1] == paid[1] else {}


def _attempts(told: Told, tier: Tier | None) -> Told:
    """Return what is left of the tier's attempts at a fee that failed, and when the last is due."""
    failed, at = told.get("failed_attempts"), told.get("last_failure_at")
    if told.get("payment_lost_at"):
        return {"attempts_left": 0, "final_attempt_at": at}
    if not failed:
        return {"attempts_left": None, "final_attempt_at": None}
    if tier is None or tier.retry_days != _DAILY:
        return {}  # no event tells of another rhythm than the usual: a merchant has to
    left = len(_DAILY) - failed
    return {"attempts_left": left, "final_attempt_at": at and iso(parse(at) + timedelta(days=left))}


def _expiring(member: Member, as_of: str) -> Told:
    """Return what the platform itself lets run out next, by the hour that it tells."""
    lots = [
        (iso(whole_hour(lot.expires_at)), lot.left) for lot in member.lots if lot.expires_at and lot.left > 0
    ]
    ahead = [(at, left) for at, left in lots if at > as_of]
    if not ahead:
        return dict.fromkeys(_LOTS)
    soonest = min(at for at, _ in ahead)
    return dict(zip(_LOTS, (_plain(sum(left for at, left in ahead if at == soonest)), soonest), strict=True))


def _status(told: Told) -> str:
    if told.get("cancelled_at"):
        return "cancelled"
    if told.get("pending_cancel_at"):
        return "pending_cancellation"
    if _payment_status(told) in {"past_due", "failed"}:
        return "past_due"
    ends, paid = told.get("trial_ends_at"), told.get("last_payment_at")
    if ends and (not paid or parse(paid) < parse(ends) - _FIRST_BILL):
        return "trialing"
    return "active" if any(told.get(name) for name in ("joined_at", "tier_id", "last_payment_at")) else "none"


def _payment_status(told: Told) -> str:
    if told.get("payment_lost_at"):
        return "failed"
    if told.get("failed_attempts"):
        return "past_due"
    return "ok" if told.get("last_payment_at") else "none"


def _pick(part: Any, **names: str) -> Told:
    """Take what `part` mentions: `_pick(payload, tierId="tier_id")`."""
    if not isinstance(part, dict):
        return {}
    return {name: part[said] for said, name in names.items() if said in part}


def _plain(amount: Any) -> str | None:
    """Write an amount as digits: "25" or "24.99"."""
    if amount is None:
        return None
    text = f"{round(float(amount), 2):.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _money(told: Told, *names: str) -> Told:
    return told | {name: _plain(told[name]) for name in names if name in told}


def _moments(told: Told, *names: str) -> Told:
    return told | {name: iso(parse(told[name])) for name in names if told.get(name)}


def _tidy(told: Told) -> Told:
    """Bring e-mail addresses into the form in which mirrors compare them."""
    if isinstance(told.get("email"), str):
        told["email"] = told["email"].strip().lower() or None
    return told


def _time(payload: Told, event: Event) -> str:
    said = payload.get("createdAt") or payload.get("expiredAt")
    return iso(parse(said) if said else event.triggered_at)


def _joined(kind: str) -> Callable[[Told, Event], Told]:
    def read(payload: Told, event: Event) -> Told:
        at = _time(payload, event)
        told = dict.fromkeys((*_OVER, *_DUNNING, "trial_ends_at"))
        told |= (
            _pick(payload, tierId="tier_id") | _tier(payload) | _pick(payload, freeTrialEnd="trial_ends_at")
        )
        # The platform's own record has the joining to the second, and that is what mirrors can agree on.
        joined = iso(parse(at).replace(microsecond=0))
        return _moments(told, "trial_ends_at") | {
            "tier_type": kind,
            "joined_at": joined,
            "first_joined_at": at,
        }

    return read


def _tier(payload: Told) -> Told:
    return _pick(payload.get("detail"), tierName="tier_name", previousTierName="previous_tier_name")


def _changed(payload: Told, event: Event) -> Told:
    return _pick(payload, tierId="tier_id") | _tier(payload) | {"tier_changed_at": _time(payload, event)}


def _updated(payload: Told, event: Event) -> Told:
    told = _pick(
        payload.get("newData"), email="email", joinedAt="joined_at",
        referrals="referrals_count", revenue="revenue", creditsEarned="credits_earned_total",
    )  # fmt: skip
    del event
    return _tidy(_moments(_money(told, "revenue", "credits_earned_total"), "joined_at"))


def _contact(payload: Told) -> Told:
    return _tidy(_pick(payload.get("customer"), email="email"))


def _ordered(payload: Told, event: Event) -> Told:
    return _contact(payload) | {"last_order_at": _time(payload, event)}


def _paid(payload: Told, event: Event) -> Told:
    detail = _pick(
        payload.get("detail"), amount="fee_amount", currency="fee_currency", newBillingDate="next_payment_on"
    )
    if detail.get("next_payment_on"):
        detail["next_payment_on"] = detail["next_payment_on"][:10]
    over = dict.fromkeys(_DUNNING)
    return (
        _contact(payload) | _money(detail, "fee_amount") | over | {"last_payment_at": _time(payload, event)}
    )


def _failed(payload: Told, event: Event) -> Told:
    detail = _pick(
        payload.get("detail"),
        billingAttempts="failed_attempts", errorMessage="last_decline_code", currency="fee_currency", billingTierId="failing_tier_id",
    )  # fmt: skip
    return _contact(payload) | detail | {"last_failure_at": _time(payload, event)}


def _lost(payload: Told, event: Event) -> Told:
    return _failed(payload, event) | {"payment_lost_at": _time(payload, event)}


def _card(payload: Told, event: Event) -> Told:
    return _contact(payload) | {"payment_method_updated_at": _time(payload, event)}


def _credits(payload: Told, event: Event) -> Told:
    told = _pick(payload, email="email", newBalance="credit_balance", reason="last_credit_reason")
    before, after = payload.get("previousBalance"), payload.get("newBalance")
    if before is not None and after is not None:
        told["last_credit_delta"] = after - before
    del event
    return _tidy(_money(told, "credit_balance", "last_credit_delta"))


def _expired(payload: Told, event: Event) -> Told:
    told = _credits(payload, event) | _pick(payload, amount="last_expired_amount")
    return _money(told, "last_expired_amount") | {"credits_expired_at": _time(payload, event)}


def _cancelled(payload: Told, event: Event) -> Told:
    source = (payload.get("detail") or {}).get("cancellationSource")
    return {
        "cancelled_at": _time(payload, event),
        "cancel_type": _CANCEL_TYPES.get(source or ""),
        "cancel_reason": source,
        "pending_cancel_at": None,
        "pending_cancel_source": None,
    }


def _pending(payload: Told, event: Event) -> Told:
    del event
    told = _pick(
        payload.get("detail"),
        effectiveCancellationDate="pending_cancel_at",
        cancellationSource="pending_cancel_source",
    ) | _pick(payload.get("detail"), cancellationSource="cancel_reason")
    return _moments(told, "pending_cancel_at")


_READERS: Final[dict[str, Callable[[Told, Event], Told]]] = {
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
