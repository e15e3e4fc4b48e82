"""One notification of each kind, as the rules make them: tests/golden/alerts is written from these.

A high-value member's fee fails twice, a new card comes, and the fee is paid; the programme's alarm is the template's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from inveterate.webhooks.base import Event
from relay.alerts.cloudwatch import alarm_message
from relay.alerts.notifier import digest_message
from relay.alerts.render import email_message, pagerduty_event, slack_first_message, slack_message
from relay.alerts.summary import roll_up
from relay.model.effects import Alert, Level, effect_id
from relay.model.facts import Facts
from relay.model.hold_queue import DueBatch, HoldQueueEntry
from relay.model.incident import NotificationKind
from relay.model.kpis import DailyTotals, KpiEvent, Total
from relay.model.member import Member, merge
from relay.model.messages import AlertMessage, DailyDigest
from relay.ports.alerts import Notification
from relay.rules.settings import Rules, Thresholds
from relay.scheduler.digest import digest_lines

from tests.support.incident_builders import DAY, MIA, SHOP, member
from tests.support.sample_events import after, effects_of, event
from tests.support.template_data import of_type

FOLDER: Final = "tests/golden/alerts"

_RULES: Final = Rules(currency="USD", thresholds=Thresholds(high_value_credits=Decimal(100)))
_RICH: Final = merge(
    MIA, Facts(event_id="e0", at=DAY - timedelta(days=9), values={"credit_balance": Decimal(120)})
)
"""Mia with enough store credit to be a high-value member."""


def golden_notifications() -> Mapping[str, Notification]:
    """Return the notifications by the name of their golden file."""
    failed = _failure(0, 1)
    again = _failure(1, 2)
    known = after(failed, again, member=_RICH)
    opened = _alert_message(failed, _RICH)
    escalated = _alert_message(again, after(failed, member=_RICH))
    updated = _alert_message(event("card", DAY + timedelta(days=1, hours=2)), known)
    resolved = _alert_message(event("paid", DAY + timedelta(days=2), amount=49, currency="USD"), known)
    return {
        "opened": _notification(opened, "opened", opened),
        "opened-maybe-repeat": replace(_notification(opened, "opened", opened), may_be_repeat=True),
        "opened-unmasked": replace(_notification(opened, "opened", opened), mask=False),
        "escalated": _notification(escalated, "escalated", opened),
        "updated": _notification(updated, "updated", opened),
        "resolved": _notification(resolved, "resolved", opened),
        "programme": Notification(alert_message=_spike(), kind="opened", member=None),
        "digest": Notification(alert_message=_digest(), kind="notice", member=None),
        "rollup": _rollup(50),
    }


def _failure(days: int, number: int) -> Event:
    at = DAY + timedelta(days=days)
    return event(
        "attempt",
        at,
        amount=49,
        currency="USD",
        billingAttempts=number,
        errorMessage="Insufficient funds",
        billingTierId=None,
    )


def _alert_message(cause: Event, before: Member) -> AlertMessage:
    """Return the one alert that the rule of an event yields, as an alert message."""
    [alert] = (effect for effect in effects_of(cause, before, _RULES) if isinstance(effect, Alert))
    assert cause.occurred_at is not None
    return AlertMessage(
        id=effect_id(cause.id, alert),
        event_id=cause.id,
        topic=cause.TOPIC,
        member=before.key,
        at=cause.occurred_at,
        alert=alert,
    )


def _notification(message: AlertMessage, kind: NotificationKind, first: AlertMessage) -> Notification:
    return Notification(
        alert_message=message, kind=kind, member=MIA, first_message=first, thread_ref="C1/1.0"
    )


def _spike() -> AlertMessage:
    description = of_type("AWS::CloudWatch::Alarm")["FailureSpike"]["AlarmDescription"]
    alarm = {
        "AlarmName": "relay-acme-failure-spike",
        "AlarmDescription": description,
        "NewStateValue": "ALARM",
        "StateChangeTime": DAY.isoformat(),
    }
    message = alarm_message(json.dumps(alarm), SHOP)
    assert message is not None
    return message


def _digest() -> AlertMessage:
    counts = {
        "joined_paid": 9,
        "joined": 3,
        "rejoined": 2,
        "left_voluntarily": 3,
        "left_involuntarily": 1,
        "pending_cancellation": 2,
        "payment": 31,
        "recovered": 2,
        "failed_attempt": 6,
    }
    priced = {"payment", "recovered", "failed_attempt"}
    events = [
        KpiEvent(
            id=f"{name}{number}",
            at=DAY,
            member=MIA.key,
            name=name,
            amount=Decimal(49) if name in priced else None,
            currency="USD" if name in priced else None,
        )
        for name, many in counts.items()
        for number in range(many)
    ]
    totals = DailyTotals(
        at_risk=Total(number=5, amounts={"USD": Decimal(245)}),
        expiring=Total(number=14, amounts={"USD": Decimal(310)}),
        mirrors={"hubspot": {"mirrored": 1_204, "no_email": 3}},
    )
    lines = digest_lines(events, totals)
    return digest_message(DailyDigest(id="d", at=DAY, day=date(2025, 6, 30), lines=lines), SHOP)


def _rollup(count: int, names: str = "") -> Notification:
    people = {f"{SHOP}:{7001 + number}": _numbered_member(number, names) for number in range(count)}
    alert_messages = [_one_of_many(number, record, names) for number, record in enumerate(people.values())]
    entries = tuple(
        HoldQueueEntry(
            incident_key=one.alert.incident_key,
            event_id=one.event_id,
            at=one.at,
            level=Level.WARNING,
            reason="flood",
        )
        for one in alert_messages
    )
    message = roll_up(SHOP, DAY, DueBatch(entries=entries), alert_messages, people)
    return Notification(alert_message=message, kind="notice", member=None, people=people)


def _one_of_many(number: int, record: Member, title: str) -> AlertMessage:
    """Return an alert about one of many: mostly an expired card, now and then a lost membership."""
    failed = event(
        "attempt",
        DAY,
        amount=99 - number,
        currency="USD",
        billingAttempts=1,
        errorMessage="Card expired",
        billingTierId=None,
    )
    if number % 5:
        message = _alert_message(failed, record)
    else:
        cancelled = event("cancelled", DAY + timedelta(minutes=1))
        message = _alert_message(cancelled, after(failed, member=record))
    message = replace(message, event_id=f"f{number}", id=f"f{number}.{message.alert.rule}")
    return replace(message, alert=replace(message.alert, title=title)) if title else message


def _numbered_member(number: int, names: str) -> Member:
    first = names or ("Mia", "Jonas", "Aylin", "Ben", "Chiara")[number % 5]
    last = names or ("Keller", "Brandt", "Demir", "Okafor", "Rossi", "Sato", "Novak")[number % 7]
    address = f"{first}.{last}{number}@example.com" if not names else f"{names}@{names}.example"
    return member(f"{SHOP}:{7001 + number}", first_name=first, last_name=last, email=address.lower())


def longest_rollup(char: str, count: int = 50) -> Notification:
    """Return a roll-up of members whose names and alerts' titles are this character, many times."""
    return _rollup(count, names=char * 2_000)


def rendered(notification: Notification) -> dict[str, Any]:
    """Return a notification in the form of each channel, as the golden files have it."""
    mail = email_message(notification)
    return {
        "slack": slack_message(notification),
        "slack_first_message": slack_first_message(notification),
        "email": {"subject": mail.subject, "body": mail.body.splitlines()},
        "pagerduty": pagerduty_event(notification, SHOP)
        if "inv:" in notification.alert_message.alert.incident_key
        else None,
    }
