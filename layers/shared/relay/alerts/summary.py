"""A roll-up: one message for many alerts, with counts by topic, the money at risk, and the ten members with the most."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from inveterate.webhooks.texts import cut

from relay.alerts.holdback import tick_key
from relay.alerts.words import rule_words, topic_words
from relay.model.effects import Alert, Level
from relay.model.formats import amount_text, parse_amount
from relay.model.hold_queue import DueBatch
from relay.model.member import Member
from relay.model.messages import AlertMessage

MAX_MEMBERS: Final = 10
_MAX_TOPICS: Final = 10
_MAX_TITLE: Final = 80


def roll_up(
    shop: str,
    tick: datetime,
    due: DueBatch,
    alert_messages: Sequence[AlertMessage],
    members: Mapping[str, Member],
) -> AlertMessage:
    """Return the alert message for all of these; the members' names are looked up when it is sent."""
    amounts = {one.id: _amount_at_risk(one, members.get(one.member)) for one in alert_messages}
    key = rollup_key(shop, tick, due)
    count = f"{'more than ' if due.uncounted else ''}{len(alert_messages):,}"
    return AlertMessage(
        id=key,
        event_id=key,
        topic="relay.alerts.summary",
        member="",
        at=tick,
        alert=Alert(
            rule="rollup",
            incident_key=key,
            level=max((one.alert.level for one in alert_messages), default=Level.WARNING),
            title=f"{count} alerts at once, in one message",
            details=(*_topic_rows(alert_messages), *_amount_rows(amounts.values())),
            advice=_advice(alert_messages, amounts),
            immediate=True,
        ),
        people=_people(alert_messages, amounts),
    )


def rollup_key(shop: str, tick: datetime, due: DueBatch) -> str:
    """Return the incident key of a roll-up, which derives from the entries of the batch.

    So a repeated tick finds the same incident, and a second batch of the same tick has another.
    """
    entries = " ".join(f"{entry.incident_key} {entry.event_id}" for entry in due.entries)
    return f"rollup:{shop}:{tick_key(tick)}:{hashlib.sha256(entries.encode()).hexdigest()[:8]}"


def _topic_rows(alert_messages: Sequence[AlertMessage]) -> tuple[tuple[str, str], ...]:
    counts = Counter(one.topic for one in alert_messages).most_common()
    rows = [(topic_words(topic), f"{count:,}") for topic, count in counts[:_MAX_TOPICS]]
    rest = sum(count for _, count in counts[_MAX_TOPICS:])
    return (*rows, *([("Others", f"{rest:,}")] if rest else []))


def _amount_rows(amounts: Iterable[tuple[Decimal, str]]) -> tuple[tuple[str, str], ...]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for amount, currency in amounts:
        sums[currency] += amount
    texts = [amount_text(total, currency) for currency, total in sorted(sums.items()) if total]
    return (("Money at risk", ", ".join(texts)),) if texts else ()


def _advice(alert_messages: Sequence[AlertMessage], amounts: Mapping[str, tuple[Decimal, str]]) -> str:
    """Say where the members are that the list leaves out, and what they are worth together."""
    listed = dict(_people(alert_messages, amounts))
    others = {one.member for one in alert_messages if one.member} - listed.keys()
    end = "An alert among these is sent by itself only if it escalates."
    if not others:
        return f"Begin with the first: the most money is at risk there. {end} `relay alerts` lists all that are open."
    rest = _amount_rows(amounts[one.id] for one in alert_messages if one.member in others)
    worth = f" ({rest[0][1]} at risk)" if rest else ""
    count = f"{len(others):,} more member{'s' * (len(others) > 1)}{worth}"
    return (
        f"Begin with the first: the most money is at risk there. {count}: `relay alerts` lists every open incident "
        f"with its member. {end}"
    )


def _people(
    alert_messages: Sequence[AlertMessage], amounts: Mapping[str, tuple[Decimal, str]]
) -> tuple[tuple[str, str], ...]:
    """Return the members with the most money at risk, each once, with amount and title."""
    people: dict[str, str] = {}
    for one in sorted(alert_messages, key=lambda one: (-amounts[one.id][0], one.at)):
        if one.member and one.member not in people and len(people) < MAX_MEMBERS:
            amount, currency = amounts[one.id]
            texts = [
                amount_text(amount, currency) if amount else "",
                cut(rule_words(one.alert.rule, one.alert.title), _MAX_TITLE),
            ]
            people[one.member] = ", ".join(text for text in texts if text)
    return tuple(people.items())


def _amount_at_risk(alert_message: AlertMessage, member: Member | None) -> tuple[Decimal, str]:
    """Return the alert's amount and currency, else the member's fee: what the programme loses with the member."""
    for label, value in alert_message.alert.details:
        if label == "Amount" and (amount := parse_amount(value)):
            return amount
    fee = member.money("fee_amount") if member else None
    return fee or Decimal(0), (member.text("fee_currency") if member else None) or ""
