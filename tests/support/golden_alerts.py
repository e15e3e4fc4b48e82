"""One announcement of each kind that people read, as the rules make them: tests/golden/alerts is written from these.

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
from relay.alerts.render import email, pagerduty, slack, slack_first
from relay.alerts.summary import roll_up
from relay.model.effects import Alert, Level, effect_id
from relay.model.hold_queue import HeldBatch, HeldEntry
from relay.model.incident import NotificationKind
from relay.model.kpis import DailyTotals, KpiEvent, Total
from relay.model.member import Member, Register
from relay.model.messages import AlertMessage, DailyDigest
from relay.model.stamps import Stamp
from relay.ports.alerts import Notification
from relay.rules.settings import Rules
from relay.scheduler.digest import digest_lines

from tests.support.incident_builders import DAY, MIA, SHOP, member
from tests.support.sample_events import after, effects_of, event
from tests.support.template_data import of_type

FOLDER: Final = "tests/golden/alerts"

_RULES: Final = Rules()
_RICH: Final = replace(
    MIA,
    registers={
        **MIA.registers,
        "credit_balance": Register(Decimal(120), Stamp.of(DAY - timedelta(days=9), "e0")),
    },
)
"""Mia with so much store credit that she is of high value."""


def announcements() -> Mapping[str, Notification]:
    """Return them by the name of their golden file."""
    failed = _failure(0, 1)
    again = _failure(1, 2)
    known = after(failed, again, member=_RICH)
    opening = _told(failed, _RICH)
    rise = _told(again, after(failed, member=_RICH))
    card = _told(event("card", DAY + timedelta(days=1, hours=2)), known)
    end = _told(event("paid", DAY + timedelta(days=2), amount=49, currency="USD"), known)
    return {
        "opening": _of(opening, "opening", opening),
        "opening-maybe-repeat": replace(_of(opening, "opening", opening), repeat=True),
        "opening-unmasked": replace(_of(opening, "opening", opening), mask=False),
        "rise": _of(rise, "rise", opening),
        "mention": _of(card, "mention", opening),
        "closing": _of(end, "closing", opening),
        "programme": Notification(alert_message=_spike(), kind="opening", member=None),
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


def _told(said: Event, before: Member) -> AlertMessage:
    """Return what people are told of an event: the one alert that its rule yields."""
    [alert] = (effect for effect in effects_of(said, before, _RULES) if isinstance(effect, Alert))
    assert said.occurred_at is not None
    return AlertMessage(
        id=effect_id(said.id, alert),
        event_id=said.id,
        topic=said.TOPIC,
        member=before.key,
        at=said.occurred_at,
        alert=alert,
    )


def _of(told: AlertMessage, kind: NotificationKind, first: AlertMessage) -> Notification:
    return Notification(alert_message=told, kind=kind, member=MIA, first=first, thread="C1/1.0")


def _spike() -> AlertMessage:
    description = of_type("AWS::CloudWatch::Alarm")["FailureSpike"]["AlarmDescription"]
    alarm = {
        "AlarmName": "relay-acme-failure-spike",
        "AlarmDescription": description,
        "NewStateValue": "ALARM",
        "StateChangeTime": DAY.isoformat(),
    }
    told = alarm_message(json.dumps(alarm), SHOP)
    assert told is not None
    return told


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
    figures = [
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
    tally = DailyTotals(
        at_risk=Total(number=5, amounts={"USD": Decimal(245)}),
        expiring=Total(number=14, amounts={"USD": Decimal(310)}),
        mirrors={"hubspot": {"mirrored": 1_204, "no_email": 3}},
    )
    lines = digest_lines(figures, tally)
    return digest_message(DailyDigest(id="d", at=DAY, day=date(2025, 6, 30), lines=lines), SHOP)


def _rollup(count: int, names: str = "") -> Notification:
    people = {f"{SHOP}:{7001 + number}": _somebody(number, names) for number in range(count)}
    alert_messages = [
        _one_of_many(number, somebody, names) for number, somebody in enumerate(people.values())
    ]
    entries = tuple(
        HeldEntry(
            incident_key=one.alert.incident_key,
            event_id=one.event_id,
            at=one.at,
            level=Level.WARNING,
            why="flood",
        )
        for one in alert_messages
    )
    told = roll_up(SHOP, DAY, HeldBatch(entries=entries), alert_messages, people)
    return Notification(alert_message=told, kind="notice", member=None, people=people)


def _one_of_many(number: int, somebody: Member, title: str) -> AlertMessage:
    """Return what is told of one of many: mostly that a card has expired, now and then that a membership is lost."""
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
        told = _told(failed, somebody)
    else:
        told = _told(event("cancelled", DAY + timedelta(minutes=1)), after(failed, member=somebody))
    told = replace(told, event_id=f"f{number}", id=f"f{number}.{told.alert.rule}")
    return replace(told, alert=replace(told.alert, title=title)) if title else told


def _somebody(number: int, names: str) -> Member:
    first = names or ("Mia", "Jonas", "Aylin", "Ben", "Chiara")[number % 5]
    last = names or ("Keller", "Brandt", "Demir", "Okafor", "Rossi", "Sato", "Novak")[number % 7]
    address = f"{first}.{last}{number}@example.com" if not names else f"{names}@{names}.example"
    return member(f"{SHOP}:{7001 + number}", first_name=first, last_name=last, email=address.lower())


def longest_rollup(char: str, count: int = 50) -> Notification:
    """Return a roll-up of members whose names and alerts' titles are this character, many times."""
    return _rollup(count, names=char * 2_000)


def written(announcement: Notification) -> dict[str, Any]:
    """Return what each channel makes of it, as the golden files hold it."""
    mail = email(announcement)
    return {
        "slack": slack(announcement),
        "slack_first_message_then": slack_first(announcement),
        "email": {"subject": mail.subject, "body": mail.body.splitlines()},
        "pagerduty": pagerduty(announcement, SHOP)
        if "inv:" in announcement.alert_message.alert.incident_key
        else None,
    }
