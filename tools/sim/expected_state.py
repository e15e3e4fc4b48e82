"""The expected state of every mirror: for each member, the fields from events and from API replies.

Written from the documents of the platform, not from the code of Relay: an independent second opinion. A field without
an event is absent, and so is one that the documents do not determine. `unheard` names the fields whose newest event
was never delivered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sim.clock import iso, parse
from sim.derived_fields import (
    BILLING_FIELDS,
    EXPIRING_FIELDS,
    attempts_left,
    billing_interval,
    decline_code,
    has_recurring_fee,
    is_past,
    knows_its_kind,
    membership_status,
    next_expiring_credits,
    payment_status,
)
from sim.event_facts import FACT_READERS, UNDETERMINED, EventFacts, decimal_text, event_time, record_facts
from sim.event_faults import ORDER
from sim.events import Event
from sim.model import Member, Tier

_EMPTY_WITHOUT_EVENT: Final = (
    "cancelled_at", "pending_cancel_at", "cancel_type", "recovered_at", "rejoined_at", "rejoin_count", "last_payment_at",
)  # fmt: skip
"""Fields that stay empty in every mirror unless an event sets them."""

_INTERNAL_FIELDS: Final = frozenset(
    {"last_failure_at", "payment_lost_at", "failing_tier_id", "ended_at", "last_lot_until", "lots_unclear"}
)
"""Fields kept only to derive others; no mirror has them."""

_OF_A_FEE: Final = frozenset({*BILLING_FIELDS, "payment_status"})
"""What a member without a recurring fee has none of."""

_FROM_API: Final = 0
"""Marks a value from an API reply, in place of the number of an event."""

_FAILURES: Final = ("customer.payment_failed", "customer_billing.attempt.failed")
_ENDS: Final = ("customer.cancelled", "customer.joined.")
_SOURCE_TOPICS: Final = {
    ("recovered_at",): (*_FAILURES, *_ENDS, "customer.payment_succeeded"),
    ("rejoined_at", "rejoin_count"): _ENDS,
    ("ended_at",): (*_ENDS, "customer.changed_tier"),
    EXPIRING_FIELDS: ("customer.credits.",),
}
"""Fields that depend on several events, and the topics of those events."""

_CHAINED: Final = frozenset({"credit_balance", "first_joined_at"})
"""Fields of which two events of one moment still tell the last value: balances are a chain."""

_OF_PAYMENTS: Final = frozenset({"payment_lost_at", "failed_attempts", "last_failure_at", "last_payment_at"})
_DERIVED_FROM: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(
        ("payment_status", "attempts_left", "next_attempt_at", "final_attempt_at", "billing_interval"), _OF_PAYMENTS
    ),
    "last_decline_code": frozenset({"last_decline_text"}),
    "status": frozenset(
        {"cancelled_at", "pending_cancel_at", "payment_lost_at", "failed_attempts", "trial_ends_at", "last_payment_at", "joined_at", "tier_id"}
    ),
}  # fmt: skip
"""Fields worked out from others: unheard where one of those is."""


class ExpectedState:
    """For each member and field: the current value and the number of its event."""

    def __init__(self) -> None:
        self._facts: dict[str, dict[str, tuple[Any, int]]] = {}
        self._sources: dict[str, dict[str, set[int]]] = {}
        self._orders: dict[str, dict[str, tuple[str, int]]] = {}
        self._newest: dict[str, str] = {}
        self.undelivered: set[int] = set()
        self._older: set[str] = set()

    def record_event(self, event: Event) -> None:
        """Merge the facts of an event: later events replace earlier ones, field by field."""
        reader = FACT_READERS.get(event.topic or "")
        if reader is None:
            return
        fields = self._facts.setdefault(event.member_id, {})
        at = event_time(event.payload, event)
        self._newest[event.member_id] = max(at, self._newest.get(event.member_id, at))
        derived = self._derive(event, at, {name: value for name, (value, _) in fields.items()})
        for name, value in (reader(event.payload, event) | derived).items():
            known = fields.get(name, (None,))[0]
            if name == "first_joined_at" and known is not None and known <= value:
                continue
            fields[name] = (self._settled(event, name, value, (at, ORDER[event.topic or ""])), event.ordinal)

    def _settled(self, event: Event, name: str, value: Any, order: tuple[str, int]) -> Any:
        """Return the value; undetermined where the events' own times do not say that this one is the later."""
        orders = self._orders.setdefault(event.member_id, {})
        known, before = orders.get(name), self._facts[event.member_id].get(name)
        orders[name] = max(order, known or order)
        is_later = known is None or before is None or order > known or name in _CHAINED
        return value if is_later or before is None or before[0] == value else UNDETERMINED

    def _derive(self, event: Event, at: str, before: EventFacts) -> EventFacts:
        """Return the facts that follow from an event and those before it: a recovered payment, a member that rejoined.

        They depend on several events: a mirror knows them only if all of those were delivered.
        """
        topic = event.topic or ""
        sources = self._sources.setdefault(event.member_id, {})
        for names, topics in _SOURCE_TOPICS.items():
            if topic.startswith(topics):
                for name in names:
                    sources.setdefault(name, set()).add(event.ordinal)
        ended = before.get("ended_at")
        if topic == "customer.cancelled":
            return {"ended_at": at}
        if topic == "customer.payment_succeeded":
            recovered = {"recovered_at": at} if before.get("last_failure_at") and not ended else {}
            return recovered | self._charged(event.payload, before)
        # A cancelled member that falls back to the free tier has a previous tier, and has not rejoined.
        if topic.startswith("customer.joined.") and not (event.payload.get("detail") or {}).get(
            "previousTierId"
        ):
            rejoined = {"rejoined_at": at, "rejoin_count": (before.get("rejoin_count") or 0) + 1}
            return {"ended_at": None, **(rejoined if ended else {})}
        if topic.startswith("customer.credits."):
            # Which grant came before which expense decides what is left of each lot.
            known = not before.get("lots_unclear") and event.member_id not in self._older
            unclear = not known or bool(event.faults & {"tie_ms", "tie_second"})
            granted = (
                self._granted(event.payload, before, unclear=unclear) if topic.endswith("updated") else {}
            )
            return {"lots_unclear": unclear} | granted
        return {}

    def _charged(self, payload: EventFacts, before: EventFacts) -> EventFacts:
        """Leave the fee open after a charge that names no next date, where another fee is known.

        The documents have that date in each payment of a fee. Without it nothing tells the fee that recurs from another
        charge, as of a fee that was open when the member changed the tier.
        """
        charge, fee = payload.get("detail") or {}, before.get("fee_amount")
        if charge.get("newBillingDate") or fee in {None, decimal_text(charge.get("amount"))}:
            return {}
        return dict.fromkeys(("fee_amount", "fee_currency"), UNDETERMINED)

    def _granted(self, payload: EventFacts, before: EventFacts, *, unclear: bool) -> EventFacts:
        """Return the expiry of the newest lot, and whether the events still determine the rest of each lot.

        Credits are spent in the order of expiry. The events determine the rest of each lot only while each lot expires
        after those before it and every lot expires; the credits of a disabled code may not.
        """
        if (payload.get("newBalance") or 0) <= (payload.get("previousBalance") or 0):
            return {}
        until, known = payload.get("expirationDate"), before.get("last_lot_until") or ""
        return {
            "last_lot_until": until or known,
            "lots_unclear": unclear or not until or until < known,
        }

    def record_api_read(self, record: EventFacts) -> None:
        """Merge a member record from an API reply: it shows the platform's state, whatever the events told of it.

        An event may lack a field, may never have been delivered, or may bear a wrong clock. The record is the platform's
        own, as of the reply, and each event before it is older: where the record has a field, it says what is true.
        """
        customer_id = record["customerId"]
        if customer_id not in self._facts and record.get("status") == "ACTIVE":
            self._record_older_member(customer_id, record)
        fields = self._facts.get(customer_id)
        if fields is not None:
            fields.update((name, (value, _FROM_API)) for name, value in record_facts(record).items())

    def _record_older_member(self, customer_id: str, record: EventFacts) -> None:
        """Begin with what the API shows of a member without an event: one that joined before the subscriptions.

        What is left of each of its lots is known to no mirror.
        """
        shown = record_facts(record)
        if joined := record.get("joinedAt"):
            shown |= dict.fromkeys(("joined_at", "first_joined_at"), iso(parse(joined)))
        self._facts[customer_id] = {name: (value, _FROM_API) for name, value in shown.items()}
        self._older.add(customer_id)
        self._newest[customer_id] = record.get("joinedAt") or ""

    def member_ids(self) -> Iterable[str]:
        """Return the ids of all members with an event, and of those that the API has shown."""
        return self._facts.keys()

    def for_member(
        self, member: Member, tiers: Mapping[str, Tier], now: datetime | None = None
    ) -> EventFacts:
        """Return the expected `fields` of a member, and the names of those `unheard` (never delivered).

        `now` is the platform's time, by default that of the member's newest event: a date that is past by then is
        not determined, since no event tells that it has passed.
        """
        facts = self._facts.get(member.id, {})
        values = {name: value for name, (value, _) in facts.items()}
        undelivered = {name for name, (_, ordinal) in facts.items() if ordinal in self.undelivered}
        undelivered |= {
            name for name, sources in self._sources.get(member.id, {}).items() if sources & self.undelivered
        }
        fields: EventFacts = {name: value for name, value in values.items() if name not in _INTERNAL_FIELDS}
        if facts:
            empty = dict.fromkeys(_EMPTY_WITHOUT_EVENT)
            derived = attempts_left(values, tiers.get(values.get("failing_tier_id") or ""))
            derived |= billing_interval(facts, tiers) | decline_code(values)
            if not values.get("lots_unclear") and member.id not in self._older:
                derived |= next_expiring_credits(member, self._newest[member.id])
            fields = {**empty, **fields, **derived, "shopify_customer_id": member.id}
            fields["status"], fields["payment_status"] = membership_status(values), payment_status(values)
            if not member.on_trial:
                fields["trial_ends_at"] = None if member.in_programme else UNDETERMINED
            if not has_recurring_fee(member, tiers):
                fields |= {**dict.fromkeys(BILLING_FIELDS), "payment_status": "none"}
                # What is left of a failure after the end of the fee is not written.
                fields |= dict.fromkeys(
                    ("failed_attempts", "last_decline_code", "last_decline_text"), UNDETERMINED
                )
                if not knows_its_kind(facts):
                    fields = {name: value for name, value in fields.items() if name not in _OF_A_FEE}
                if self._sources.get(member.id, {}).get("ended_at", set()) & self.undelivered:
                    undelivered |= _OF_A_FEE
            as_of = self._newest[member.id] if now is None else iso(now)
            if now and is_past("credits_expiring_at", fields.get("credits_expiring_at"), as_of):
                fields |= dict.fromkeys(EXPIRING_FIELDS, UNDETERMINED)
            fields = {
                name: value
                for name, value in fields.items()
                if value is not UNDETERMINED and not (now and is_past(name, value, as_of))
            }
        undelivered |= {name for name, sources in _DERIVED_FROM.items() if undelivered & sources}
        return {"fields": fields, "unheard": sorted(undelivered - _INTERNAL_FIELDS)}
