"""Builds events from the documented samples: of one member, on a day, with what differs from the sample."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from inveterate.webhooks import model_for
from inveterate.webhooks.base import Event
from relay.model.effects import Alert, Effect, GrantCredits, Kpi, Note
from relay.model.member import Member, merge
from relay.rules.settings import Rules

from tests.support.in_memory_relay import day
from tests.support.port_fakes import SHOP, sample
from tests.support.topic_functions import TOPIC_RULES

CUSTOMER = "7001"
KEY = f"{SHOP}:{CUSTOMER}"

NAMES = {
    "joined": "customer.joined.paid_tier",
    "free": "customer.joined.free_tier",
    "trial": "customer.joined.free_trial",
    "lifetime": "customer.joined.lifetime_tier",
    "moved": "customer.changed_tier",
    "updated": "customer.updated",
    "ordered": "customer.ordered",
    "paid": "customer.payment_succeeded",
    "attempt": "customer_billing.attempt.failed",
    "lost": "customer.payment_failed",
    "card": "customer.payment_methods.updated",
    "credits": "customer.credits.updated",
    "expired": "customer.credits.expired",
    "pending": "customer.pending_cancellation",
    "cancelled": "customer.cancelled",
}
"""Short names of the topics, for tables whose rows fit on a line."""


def content(name: str, at: float | datetime, **differs: Any) -> dict[str, Any]:
    """Return the body of a delivery: what differs is set in `payload`, or in its `detail` where that has the key."""
    made = sample(NAMES[name])
    payload, moment = made["payload"], (at if isinstance(at, datetime) else day(at)).isoformat()
    payload |= {"customerId": CUSTOMER, "createdAt": moment}
    made["metadata"]["triggerredAt"] = moment
    if isinstance(payload.get("customer"), dict):
        payload["customer"] |= {"id": CUSTOMER, "email": "mia.keller@example.com"}
    if isinstance(payload.get("newData"), dict):
        payload["newData"] |= {"customerId": CUSTOMER, **differs}
        payload["oldData"] |= {"customerId": CUSTOMER}
        del payload["customerId"], payload["createdAt"]
        return made
    detail = payload.get("detail") or {}
    for key, value in differs.items():
        (detail if key in detail else payload)[key] = value
    return made


def event(name: str, at: float | datetime, **differs: Any) -> Event:
    """Return the event of such a body."""
    model: type[Event] = model_for(NAMES[name])
    return model.read(json.dumps(content(name, at, **differs)))


def after(*events: Event, member: Member | None = None) -> Member:
    """Return the record after these events, begun with `member` or an empty one."""
    record = member or Member(shop=SHOP, customer_id=CUSTOMER)
    for each in events:
        record = merge(record, TOPIC_RULES[each.TOPIC].facts(each))
    return record


def effects_of(occurred: Event, before: Member, rules: Rules) -> list[Effect]:
    """Return the effects of an event on this record."""
    rule = TOPIC_RULES[occurred.TOPIC]
    return list(rule.decide(occurred, before, merge(before, rule.facts(occurred)), rules))


def brief(effect: Effect) -> str:
    """Return an effect in a few words, for tables."""
    match effect:
        case Alert():
            level = (
                "" if effect.action == "resolve" and effect.level.name == "INFO" else f" {effect.level.name}"
            )
            immediate = " immediate" if effect.immediate else ""
            verb = "one-off" if effect.one_off else str(effect.action)
            verb += f" ({effect.outcome})" if effect.outcome and effect.action != "resolve" else ""
            return f"{verb}{level}{immediate} {effect.incident_key.replace(KEY, 'M')} by {effect.rule}"
        case Note():
            return f"note {effect.name}"
        case Kpi():
            verb = "withdraw" if effect.withdrawn else "count"
            return f"{verb} {effect.name}" + ("" if effect.amount is None else f" {effect.amount}")
        case GrantCredits():
            return f"grant {effect.amount} for {effect.key.replace(KEY, 'M')}"
        case _:
            return effect.kind
