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
from zoneinfo import ZoneInfo

from inveterate.webhooks.base import Event
from relay.alerts.actions import act
from relay.alerts.cloudwatch import alarm_message
from relay.alerts.figures import with_record
from relay.alerts.notifier import digest_message
from relay.alerts.pending import enqueue
from relay.alerts.programme import alarm_rows
from relay.alerts.render import email_message, pagerduty_event, slack_first_message, slack_message
from relay.alerts.summary import roll_up
from relay.model.effects import Alert, Level, effect_id
from relay.model.facts import Facts
from relay.model.fields import Value
from relay.model.hold_queue import DueBatch, HoldQueueEntry
from relay.model.incident import Incident, NotificationKind
from relay.model.incident_action import IncidentAction
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
_BERLIN: Final = ZoneInfo("Europe/Berlin")
_SINCE: Final[Mapping[str, Value]] = {
    "first_joined_at": DAY - timedelta(days=820),
    "fee_amount": Decimal(49),
    "fee_currency": "USD",
}
_ORDINARY: Final = merge(MIA, Facts(event_id="e0", at=DAY - timedelta(days=9), values=_SINCE))
_RICH: Final = merge(
    MIA,
    Facts(event_id="e0", at=DAY - timedelta(days=9), values={**_SINCE, "credit_balance": Decimal(120)}),
)
"""Mia with enough store credit to be a high-value member."""


def golden_notifications() -> Mapping[str, Notification]:
    """Return the notifications by the name of their golden file."""
    rich = _dunning(_RICH)
    opened = rich["attempt-1"]
    named = {f"high-value-{name}": each for name, each in rich.items()}
    named |= {f"ordinary-{name}": each for name, each in _dunning(_ORDINARY).items()}
    return named | {
        "opened-maybe-repeat": replace(opened, may_be_repeat=True),
        "opened-unmasked": replace(opened, mask=False),
        "acknowledged": _acknowledged(opened.alert_message),
        "win-back": _win_back(),
        "win-back-left": _win_back_end("cancelled"),
        "anomaly": _anomaly(),
        "programme": Notification(alert_message=_spike(), kind="opened", member=None, zone=_BERLIN),
        "programme-over": Notification(
            alert_message=_alarm("OK"), kind="resolved", member=None, first_message=_spike(), zone=_BERLIN
        ),
        "digest": Notification(alert_message=_digest(), kind="notice", member=None, zone=_BERLIN),
        "rollup": _rollup(50),
    }


def _dunning(record: Member) -> dict[str, Notification]:
    """Return what people read of a failed fee, from its first attempt to its recovery and to its loss."""
    first, second, third = _failure(0, 1), _failure(1, 2), _final(2)
    messages: dict[str, Notification] = {}
    opening: AlertMessage | None = None
    events = [
        ("attempt-1", first),
        ("attempt-2", second),
        ("new-card", event("card", DAY + timedelta(days=1, hours=2))),
    ]
    before = record
    for name, occurred in [*events, ("failed-for-good", third)]:
        now = after(occurred, member=before)
        message = _message(occurred, before)
        if message and (message.alert.level > Level.INFO or message.alert.action == "update"):
            kind: NotificationKind = "updated"
            if opening is None:
                kind, opening = "opened", message
            elif (
                message.alert.level > opening.alert.level
                and message.alert.action == "open"
                and name == "attempt-2"
            ):
                kind = "escalated"
            messages[name] = _notification(message, kind, opening, now)
        before = now
    assert opening is not None
    ends = {
        "recovered": event("paid", DAY + timedelta(days=2, hours=5), amount=49, currency="USD"),
        "lost": event("cancelled", DAY + timedelta(days=3)),
    }
    for name, occurred in ends.items():
        message = _message(occurred, before)
        assert message is not None
        messages[name] = _notification(message, "resolved", opening, after(occurred, member=before))
    return messages


def _final(days: int) -> Event:
    return event(
        "lost",
        DAY + timedelta(days=days),
        amount=49,
        currency="USD",
        billingAttempts=3,
        errorMessage="Insufficient funds",
    )


def _acknowledged(opened: AlertMessage) -> Notification:
    incident = enqueue(Incident(key=opened.alert.incident_key), opened, "opened", ["slack"])
    incident = replace(incident, active=True, level=opened.alert.level, channels=("slack",))
    action = IncidentAction(
        id="a1",
        at=DAY + timedelta(hours=1),
        incident_key=opened.alert.incident_key,
        verb="acknowledge",
        by="Dana",
    )
    [*_, pending] = act(incident, action).pending
    done = _notification(pending.alert_message, "action", opened, _RICH)
    return replace(done, acknowledged_by="Dana", thread_id="1")


def _leaving() -> Event:
    return event("pending", DAY, effectiveCancellationDate=(DAY + timedelta(days=20)).isoformat())


def _win_back() -> Notification:
    message = _message(_leaving(), _RICH)
    assert message is not None
    return _notification(message, "opened", message, after(_leaving(), member=_RICH))


def _win_back_end(name: str) -> Notification:
    opening = _win_back().alert_message
    before = after(_leaving(), member=_RICH)
    occurred = event(name, DAY + timedelta(days=20), cancellationSource="CUSTOMER")
    message = _message(occurred, before)
    assert message is not None
    return _notification(message, "resolved", opening, after(occurred, member=before))


def _anomaly() -> Notification:
    rules = _RULES.model_copy(update={"thresholds": Thresholds(credit_anomaly=Decimal(1_000))})
    granted = event(
        "credits",
        DAY,
        previousBalance=20,
        newBalance=5_020,
        amount=5_000,
        reason="MANUAL_ADJUSTMENT",
        firstName="Mia",
        lastName="Keller",
    )
    message = _message(granted, _ORDINARY, rules)
    assert message is not None
    return _notification(message, "opened", message, after(granted, member=_ORDINARY), rules)


def _failure(days: int, number: int, reason: str = "Insufficient funds") -> Event:
    at = DAY + timedelta(days=days)
    return event(
        "attempt",
        at,
        amount=49,
        currency="USD",
        billingAttempts=number,
        errorMessage=reason,
        billingTierId=None,
    )


def _message(cause: Event, before: Member, rules: Rules = _RULES) -> AlertMessage | None:
    """Return the alert that the rule of an event yields, as an alert message; None where it yields none."""
    alerts = [effect for effect in effects_of(cause, before, rules) if isinstance(effect, Alert)]
    if not alerts:
        return None
    [alert] = alerts
    assert cause.occurred_at is not None
    return AlertMessage(
        id=effect_id(cause.id, alert),
        event_id=cause.id,
        topic=cause.TOPIC,
        member=before.key,
        at=cause.occurred_at,
        alert=alert,
    )


def _alert_message(cause: Event, before: Member) -> AlertMessage:
    message = _message(cause, before)
    assert message is not None
    return message


def _notification(
    message: AlertMessage, kind: NotificationKind, first: AlertMessage, record: Member, rules: Rules = _RULES
) -> Notification:
    return Notification(
        alert_message=with_record(message, record, rules),
        kind=kind,
        member=record,
        first_message=with_record(first, record, rules),
        thread_ref="C1/1.0",
        zone=_BERLIN,
    )


def _alarm(state: str) -> AlertMessage:
    description = of_type("AWS::CloudWatch::Alarm")["FailureSpike"]["AlarmDescription"]
    alarm = {
        "AlarmName": "relay-acme-failure-spike",
        "AlarmDescription": description,
        "NewStateValue": state,
        "StateChangeTime": DAY.isoformat(),
    }
    message = alarm_message(json.dumps(alarm), SHOP)
    assert message is not None
    return message


def _spike() -> AlertMessage:
    """Return the alarm with the figures that the notifier adds: twelve of seventeen attempts failed."""
    message = _alarm("ALARM")
    reasons = ("Insufficient funds", "Card expired", "Your card was declined")
    people = {
        f"{SHOP}:{7001 + n}": after(_failure(-1, 1, reasons[n % 5 % 3]), member=member(f"{SHOP}:{7001 + n}"))
        for n in range(12)
    }
    events = [
        KpiEvent(
            id=f"s{number}",
            at=DAY - timedelta(minutes=40 - number),
            member=f"{SHOP}:{7001 + number}",
            name="failed_attempt" if number < 12 else "payment",
            amount=Decimal(49),
            currency="USD",
        )
        for number in range(17)
    ]
    rows = alarm_rows(message.alert.rule, events, people)
    return replace(message, alert=replace(message.alert, details=(*rows, *message.alert.details)))


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
    before = [replace(each, id=f"w{number}") for number, each in enumerate(events) if number % 4]
    lines = digest_lines(events, totals, before)
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
    return Notification(alert_message=message, kind="notice", member=None, people=people, zone=_BERLIN)


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
