"""What every mirror should have reached: for each member what was told in events, and in answers to readers.

Written from the rules of the canonical member, not from Relay's code: the truth is the simulator's own.
A field that no event has told is absent. `unheard` are the fields whose newest telling reached nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sim.conclusions import LOTS, attempts, expiring, interval, payment_status, status
from sim.events import Event
from sim.model import Member, Tier
from sim.tellings import READERS, Told, money, pick, time_of

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

_FAILURES: Final = ("customer.payment_failed", "customer_billing.attempt.failed")
_ENDS: Final = ("customer.cancelled", "customer.joined.")
_RESTS: Final = {
    ("recovered_at",): (*_FAILURES, *_ENDS, "customer.payment_succeeded"),
    ("rejoined_at", "rejoin_count"): _ENDS,
    LOTS: ("customer.credits.",),
}
"""By what was told in several events: the topics of those."""

_STATUS_FROM: Final = (
    "cancelled_at", "pending_cancel_at", "payment_lost_at", "failed_attempts", "trial_ends_at", "last_payment_at", "joined_at", "tier_id",
)  # fmt: skip


class Truth:
    """For each member, by field: the value that stands, and which event told it."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, tuple[Any, int]]] = {}
        self._rests: dict[str, dict[str, set[int]]] = {}
        self._newest: dict[str, str] = {}
        self.unheard: set[int] = set()

    def learn(self, event: Event) -> None:
        """Take in what an event tells: later tellings replace earlier ones, field by field."""
        reader = READERS.get(event.topic or "")
        if reader is None:
            return
        fields = self._told.setdefault(event.member_id, {})
        at = time_of(event.payload, event)
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
            totals = pick(
                record, referrals="referrals_count", revenue="revenue", creditsEarned="credits_earned_total"
            )
            for name, value in money(totals, "revenue", "credits_earned_total").items():
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
            worked_out = attempts(values, tiers.get(values.get("failing_tier_id") or ""))
            worked_out |= interval(told, tiers)
            if not values.get("lots_unclear"):
                worked_out |= expiring(member, self._newest[member.id])
            shown = {**never, **shown, **worked_out, "shopify_customer_id": member.id}
            shown["status"], shown["payment_status"] = status(values), payment_status(values)
        if {"payment_lost_at", "failed_attempts", "last_failure_at", "last_payment_at"} & unheard:
            unheard |= {"payment_status", "attempts_left", "final_attempt_at", "billing_interval"}
        if set(_STATUS_FROM) & unheard:
            unheard.add("status")
        return {"fields": shown, "unheard": sorted(unheard - _HIDDEN)}
