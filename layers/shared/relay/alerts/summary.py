"""One message about many: how many by topic, how much money is at risk, and the ten members with the most."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from relay.alerts.holdback import tick_key
from relay.model.effects import Alert, Level
from relay.model.formats import amount_text, parse_amount
from relay.model.hold_queue import HeldBatch
from relay.model.member import Member
from relay.model.messages import AlertMessage

NAMED: Final = 10
_TOPICS: Final = 10
_TITLE: Final = 80


def roll_up(
    shop: str,
    tick: datetime,
    flush: HeldBatch,
    alert_messages: Sequence[AlertMessage],
    members: Mapping[str, Member],
) -> AlertMessage:
    """Return the alert message that stands for many; who the members are is looked up when it is written."""
    amounts = {
        alert_message.id: _at_risk(alert_message, members.get(alert_message.member))
        for alert_message in alert_messages
    }
    key = rollup_key(shop, tick, flush)
    count = f"{'more than ' if flush.uncounted else ''}{len(alert_messages):,}"
    return AlertMessage(
        id=key,
        event_id=key,
        topic="relay.alerts.summary",
        member="",
        at=tick,
        alert=Alert(
            rule="rollup",
            incident_key=key,
            level=max((alert_message.alert.level for alert_message in alert_messages), default=Level.WARNING),
            title=f"{count} alerts at once, told in one message",
            details=(*_by_topic(alert_messages), *_money(amounts.values())),
            advice="None of these is told by itself unless it grows worse. `relay alerts` lists what is open.",
            at_once=True,
        ),
        people=_people(alert_messages, amounts),
    )


def rollup_key(shop: str, tick: datetime, flush: HeldBatch) -> str:
    """Return the incident of a roll-up, by what the tick took out of the room.

    So a second look at the same work finds the same message, and a second tick of the same time has another.
    """
    taken = " ".join(f"{entry.incident_key} {entry.event_id}" for entry in flush.entries)
    return f"rollup:{shop}:{tick_key(tick)}:{hashlib.sha256(taken.encode()).hexdigest()[:8]}"


def _by_topic(alert_messages: Sequence[AlertMessage]) -> tuple[tuple[str, str], ...]:
    counted = Counter(alert_message.topic for alert_message in alert_messages).most_common()
    shown = [(topic, f"{count:,}") for topic, count in counted[:_TOPICS]]
    rest = sum(count for _, count in counted[_TOPICS:])
    return (*shown, *([("Others", f"{rest:,}")] if rest else []))


def _money(amounts: Iterable[tuple[Decimal, str]]) -> tuple[tuple[str, str], ...]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for amount, currency in amounts:
        sums[currency] += amount
    worded = [amount_text(total, currency) for currency, total in sorted(sums.items()) if total]
    return (("Money at risk", ", ".join(worded)),) if worded else ()


def _people(
    alert_messages: Sequence[AlertMessage], amounts: Mapping[str, tuple[Decimal, str]]
) -> tuple[tuple[str, str], ...]:
    """Return the members with the most money at risk, each once."""
    ranked = sorted(
        alert_messages, key=lambda alert_message: (-amounts[alert_message.id][0], alert_message.at)
    )
    named: dict[str, str] = {}
    for alert_message in ranked:
        if alert_message.member and alert_message.member not in named and len(named) < NAMED:
            amount, currency = amounts[alert_message.id]
            words = [amount_text(amount, currency) if amount else "", alert_message.alert.title[:_TITLE]]
            named[alert_message.member] = ", ".join(word for word in words if word)
    return tuple(named.items())


def _at_risk(alert_message: AlertMessage, member: Member | None) -> tuple[Decimal, str]:
    """Return what an alert message is about, else the member's fee: what the programme loses with the member."""
    for label, value in alert_message.alert.details:
        if label == "Amount" and (told := parse_amount(value)):
            return told
    fee = member.money("fee_amount") if member else None
    return fee or Decimal(0), (member.text("fee_currency") if member else None) or ""
