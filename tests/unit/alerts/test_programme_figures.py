"""An alarm about the programme says how many of how many, since when, the three commonest reasons, and the money."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from relay.alerts.programme import LOOK_BACK, alarm_rows, members_of
from relay.errors import TransientError
from relay.model.kpis import KpiEvent
from relay.ports.members import MemberRecord

from tests.support.in_memory_notifier import FakeChannel, InMemoryNotifier, notifier_with
from tests.support.incident_builders import DAY, SHOP, member
from tests.support.sample_events import after, event
from tests.support.scheduler_fakes import FakeKpiStore

REASONS = ("Insufficient funds", "Card expired", "Your card was declined", "Do not honor")
ALARM = {
    "AlarmName": "relay-acme-failure-spike",
    "AlarmDescription": "critical payfail-spike: Far more payments fail than usual. Look.",
    "NewStateValue": "ALARM",
    "StateChangeTime": DAY.isoformat(),
}


def kpi(number: int, name: str, minutes: float, amount: str | None = "49", currency: str = "USD") -> KpiEvent:
    return KpiEvent(
        id=f"{name}{number}",
        at=DAY - timedelta(minutes=minutes),
        member=f"{SHOP}:{number}",
        name=name,
        amount=Decimal(amount) if amount else None,
        currency=currency if amount else None,
    )


def failing(number: int) -> MemberRecord:
    reason = REASONS[0] if number < 6 else REASONS[number % 4]
    failed = event("attempt", DAY - timedelta(minutes=30), billingAttempts=1, errorMessage=reason)
    return MemberRecord(member=after(failed, member=member(f"{SHOP}:{number}")), version=1)


def spike() -> InMemoryNotifier:
    """Return a notifier in whose last hour twelve members failed, one of them twice, and six paid."""
    notifier = notifier_with(FakeChannel("email"))
    events = [kpi(n, "failed_attempt", 40 - n) for n in range(12)]
    events += [kpi(0, "failed_attempt", 1), kpi(50, "failed_attempt", 300)]
    events[-2] = KpiEvent(
        id="second",
        at=events[-2].at,
        member=f"{SHOP}:0",
        name="failed_attempt",
        amount=Decimal(49),
        currency="USD",
    )
    events += [kpi(100 + n, "payment", 20) for n in range(6)]
    notifier.kpis = FakeKpiStore({each.id: each for each in events})
    notifier.members.records.update({f"{SHOP}:{n}": failing(n) for n in range(12)})
    return notifier


def told(notifier: InMemoryNotifier) -> dict[str, str]:
    """Return the details of what the e-mail channel got last."""
    [channel] = notifier.channels
    assert isinstance(channel, FakeChannel)
    return dict(channel.notifications[-1].alert_message.alert.details)


def test_a_spike_of_failures() -> None:
    """Two attempts of one member are one fee at risk, and what failed hours ago is not of it."""
    notifier = spike()
    notifier.receive(json.dumps(ALARM))
    assert told(notifier) == {
        "Failed attempts": "13 of 19 (68 %), 12 members",
        "Since": "2025-07-01 08:20 UTC",
        "Commonest reasons": "insufficient funds (7), card declined (2), do not honor (2)",
        "Money at risk": "588.00 USD",
        "Alarm": "relay-acme-failure-spike",
    }


def test_an_alarm_without_figures_is_sent_all_the_same() -> None:
    """Where the table does not answer, and the log says so; its end carries none."""
    notifier = spike()
    notifier.kpis.failure = TransientError("table figures: 500")
    notifier.receive(json.dumps(ALARM))
    assert told(notifier) == {"Alarm": "relay-acme-failure-spike"}
    assert "figures_not_read" in [outcome for outcome, _ in notifier.telemetry.outcomes]
    over = ALARM | {"NewStateValue": "OK", "StateChangeTime": (DAY + timedelta(hours=1)).isoformat()}
    notifier.kpis.failure = None
    notifier.receive(json.dumps(over))
    assert told(notifier) == {"Alarm": "relay-acme-failure-spike"}


def test_a_spike_of_cancellations() -> None:
    """How they left, and the fees that are gone: of the records before the end."""
    events = [kpi(n, "left_voluntarily" if n else "left_involuntarily", 10 + n, None) for n in range(4)]
    paid = event("paid", DAY - timedelta(days=3), amount=49, currency="USD")
    ended = event("cancelled", DAY - timedelta(minutes=10))
    gone = {f"{SHOP}:{n}": after(paid, ended, member=member(f"{SHOP}:{n}")) for n in range(4)}
    assert dict(alarm_rows("programme.cancel_spike", events, gone)) == {
        "Left": "4 members",
        "Since": "2025-07-01 08:50 UTC",
        "Commonest reasons": "by themselves (3), for a lost payment (1)",
        "Fees lost": "196.00 USD",
    }


def test_changes_by_hand() -> None:
    """How many, to how many, since when, and what was granted in all by currency."""
    events = [kpi(n % 3, "manual_credit", 9 - n, "10") for n in range(6)]
    events = [
        KpiEvent(id=f"m{n}", at=e.at, member=e.member, name=e.name, amount=e.amount, currency=e.currency)
        for n, e in enumerate(events)
    ]
    assert dict(alarm_rows("programme.manual_credits", events, {})) == {
        "Changes by hand": "6, to 3 members",
        "Since": "2025-07-01 08:51 UTC",
        "Granted in all": "60.00 USD",
    }
    assert members_of("programme.manual_credits", events) == []


def test_silence() -> None:
    """Since when, and what is usual."""
    notifier = notifier_with(FakeChannel("email"))
    last = DAY - timedelta(hours=30)
    notifier.kpis = FakeKpiStore(hours={last - timedelta(hours=24 * n): 70 for n in range(7)})
    notifier.receive(json.dumps(ALARM | {"AlarmDescription": "error silence: No webhook has come. Look."}))
    assert told(notifier)["Last webhook"] == "in the hour from 2025-06-30 03:00 UTC"
    assert told(notifier)["Usual"] == "about 70 a day, in the seven days before"


@pytest.mark.parametrize(
    "rule", ["alarm.dlq", "programme.failure_spike", "programme.cancel_spike", "programme.manual_credits"]
)
def test_nothing_is_made_up(rule: str) -> None:
    """An alarm of the stack, and one whose events are not there, has no figures."""
    assert list(alarm_rows(rule, [], {})) == []
    assert timedelta(hours=1) < LOOK_BACK
