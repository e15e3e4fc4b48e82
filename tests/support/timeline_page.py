"""Writes the documented timelines as a page for merchants: each webhook, its alerts, and what the CRM then shows.

`python -m tests.support.timeline_page` writes the page; a test compares it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from relay.alerts.render.content import content_of
from relay.model.fields import Value
from relay.model.formats import number_text
from relay.ports.alerts import Notification
from relay.rules.settings import Rules, Thresholds
from sim import billing, cancellations, memberships, population
from sim.events import Event
from sim.model import Member
from sim.webhooks import webhook_body
from sim.world import World

from tests.support.in_memory_relay import Programme
from tests.unit.sim.sim_worlds import FREE, GOLD, TRIAL, days, make_world

PAGE: Final = Path(__file__).parents[1] / "golden" / "timelines.md"

ORDINARY: Final = Rules(
    thresholds=Thresholds(
        high_value_annual_fee=Decimal(1_000), high_value_credits=Decimal(0), high_value_revenue=Decimal(0)
    )
)
HIGH_VALUE: Final = Rules(currency="USD", thresholds=Thresholds(high_value_annual_fee=Decimal(100)))
"""A fee of 25 a month is high value: 300 a year."""

MINOR: Final[Mapping[str, tuple[str, ...]]] = {
    "billing_date": ("fixed", "moving", "ahead"),
    "retry_id": ("keeps", "renews"),
    "retry_triggered_at": ("keeps", "renews"),
}
"""Readings of the documentation that must change no alert and no field."""

SHOWN: Final = (
    "status", "payment_status", "tier_name", "high_value", "failed_attempts", "attempts_left", "final_attempt_at",
    "recovered_at", "pending_cancel_at", "cancelled_at", "cancel_type", "rejoined_at", "rejoin_count",
    "trial_ends_at", "billing_interval",
)  # fmt: skip

HEADS: Final = """# Alerts and CRM fields of typical timelines

The simulator of Inveterate plays each timeline and delivers every event to Relay twice. Times are UTC. An event
without an alert may still count in the daily digest. The last column has the fields that changed. The rows are in
the order of arrival: an event that arrives after a later one has both times.
Written by `python -m tests.support.timeline_page`.
"""

Play = Callable[[World, Member], Iterator[Event]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One timeline: what is played, under which rules, and the simulator's switches that matter to it."""

    title: str
    play: Play
    rules: Rules = ORDINARY
    tier: str = GOLD
    switches: Mapping[str, str] = field(default_factory=dict)
    reason: str = "Your card has insufficient funds."
    late: tuple[str, str] | None = None
    """The topic whose last event arrives late, and the topic of the event that it arrives behind."""

    @property
    def about(self) -> str:
        """The line that says for which member and under which switches the timeline holds."""
        switches = ", ".join(f"{name}: {value}" for name, value in self.switches.items()) or "the defaults"
        member = "a high-value member" if self.rules is HIGH_VALUE else "a member like any other"
        return f"For {member}. Switches: {switches}."


def fails(place: World, member: Member) -> Iterator[Event]:
    """Let the fee fail for good."""
    yield from billing.fail_payment(place, member)
    yield from days(place, 4)


def recovers(place: World, member: Member) -> Iterator[Event]:
    """Let the first attempt fail and the second succeed."""
    yield from billing.fail_payment(place, member, 1)
    yield from days(place, 2)


def renews_card(place: World, member: Member) -> Iterator[Event]:
    """Let two attempts fail; then the member gives a new card."""
    yield from billing.fail_payment(place, member)
    yield from days(place, 1.25)
    yield from billing.renew_card(place, member)
    yield from days(place, 2)


def fails_twice(place: World, member: Member) -> Iterator[Event]:
    """Let two attempts fail and the third succeed."""
    yield from billing.fail_payment(place, member, 2)
    yield from days(place, 3)


def fails_again(place: World, member: Member) -> Iterator[Event]:
    """Let a fee be paid at the third attempt, and the next one fail twice."""
    yield from fails_twice(place, member)
    yield from days(place, 20)
    yield from billing.fail_payment(place, member)
    yield from days(place, 1.5)


def leaves(place: World, member: Member) -> Iterator[Event]:
    """Let the member cancel as the shop's policy has it."""
    yield from cancellations.request(place, member, confirmed=True)
    yield from days(place, 35)


def leaves_and_returns(place: World, member: Member) -> Iterator[Event]:
    """Let the member cancel at once, and join again three days later."""
    yield from cancellations.request(place, member, confirmed=True, policy="immediate")
    yield from days(place, 3)
    yield from memberships.join(place, member, place.tiers[GOLD])


def is_cancelled_by_shop(policy: str) -> Play:
    """Let the shop cancel the membership."""

    def play(place: World, member: Member) -> Iterator[Event]:
        yield from cancellations.request(place, member, "MERCHANT", policy=policy)
        yield from days(place, 35)

    return play


def moves_down(place: World, member: Member) -> Iterator[Event]:
    """Let the member move to the free tier while a fee is open."""
    yield from billing.fail_payment(place, member, 1)
    yield from memberships.move(place, member, place.tiers[FREE])


def converts(place: World, member: Member) -> Iterator[Event]:
    """Let the trial end and be paid."""
    del member
    yield from days(place, 16)


FAILURE: Final = "customer_billing.attempt.failed"
FINAL: Final = "customer.payment_failed"
PAID: Final = "customer.payment_succeeded"
ENDED: Final = "customer.cancelled"
LOST: Final = "A payment fails on three days, and the membership is lost"
AT_ONCE: Final = {"cancellation_policy": "immediate"}
TIMELINES: Final = (
    Timeline(title=LOST, play=fails),
    Timeline(title=LOST, play=fails, switches=AT_ONCE),
    Timeline(title=LOST, play=fails, switches={"failure_cancel_day": "next"}),
    Timeline(title=LOST, play=fails, switches={"pending_after_failure": "event"}),
    Timeline(title=LOST, play=fails, switches={"pending_after_failure": "event", "failure_cancel_day": "next"}),
    Timeline(title=LOST, play=fails, rules=HIGH_VALUE),
    Timeline(title=LOST + ", and falls back to the free tier", play=fails, switches={**AT_ONCE, "after_cancellation": "free_tier"}),
    Timeline(title="A payment fails for a card that has expired", play=fails, reason="Your card has expired."),
    Timeline(title="A payment fails once and heals by retry", play=recovers),
    Timeline(title="A payment fails once and heals by retry", play=recovers, rules=HIGH_VALUE),
    Timeline(title="A payment fails twice, then a new card comes", play=renews_card),
    Timeline(title="The member moves to the free tier while a fee is open", play=moves_down),
    Timeline(title="The member moves to the free tier while a fee is open", play=moves_down, switches={"tier_move": "joined"}),
    Timeline(title="A customer cancels at the end of the cycle", play=leaves),
    Timeline(title="A customer cancels at the end of the cycle", play=leaves, rules=HIGH_VALUE),
    Timeline(title="A customer cancels at once", play=leaves, switches=AT_ONCE),
    Timeline(title="A customer cancels at once", play=leaves, switches=AT_ONCE, rules=HIGH_VALUE),
    Timeline(title="The shop cancels at once", play=is_cancelled_by_shop("immediate"), rules=HIGH_VALUE),
    Timeline(title="The shop cancels at the end of the cycle", play=is_cancelled_by_shop("end_of_cycle"), rules=HIGH_VALUE),
    Timeline(title="A customer cancels, and comes back", play=leaves_and_returns),
    Timeline(title="A trial becomes a membership", play=converts, tier=TRIAL),
    Timeline(title="A trial becomes a membership", play=converts, tier=TRIAL, switches={"trial_conversion": "payment_and_joined"}),
    Timeline(title="A payment fails once and heals by retry; the failure arrives last", play=recovers, rules=HIGH_VALUE, late=(FAILURE, PAID)),
    Timeline(title="A payment fails twice and is then paid; the second failure arrives last", play=fails_twice, late=(FAILURE, PAID)),
    Timeline(title="A payment fails twice and is then paid; the second failure arrives last", play=fails_twice, rules=HIGH_VALUE, late=(FAILURE, PAID)),
    Timeline(title="A fee is paid at the third attempt, and the next one fails; the payment arrives last", play=fails_again, late=(PAID, FAILURE)),
    Timeline(title=LOST + "; the final failure arrives last", play=fails, late=(FINAL, ENDED)),
    Timeline(title=LOST + "; the last attempt arrives last", play=fails, late=(FAILURE, ENDED)),
    Timeline(title="A customer cancels, and comes back; the ending arrives last", play=leaves_and_returns, rules=HIGH_VALUE, late=(ENDED, "customer.joined.paid_tier")),
    Timeline(title="A customer cancels at the end of the cycle; the request arrives last", play=leaves, rules=HIGH_VALUE, late=("customer.pending_cancellation", ENDED)),
)  # fmt: skip


def readings() -> Iterator[dict[str, str]]:
    """Yield readings that must make no difference: each at least once, the usual ones first."""
    for number in range(max(map(len, MINOR.values()))):
        yield {name: values[number % len(values)] for name, values in MINOR.items()}


def table(timeline: Timeline, reading: Mapping[str, str]) -> list[str]:
    """Play a timeline and return its rows."""
    place = make_world(switches={**timeline.switches, **reading})
    relay = Programme(rules=timeline.rules)
    person = population.create_customer(place, 0)
    while billing.ERRORS[int(person.id) % len(billing.ERRORS)] != timeline.reason:
        person = population.create_customer(place, 0)
    events = [*memberships.join(place, person, place.tiers[timeline.tier]), *days(place, 0.01)]
    events += timeline.play(place, person)
    rows, known = [], dict[str, Value]()
    for event, received_at in arrivals(timeline, [event for event in events if event.topic]):
        before = len(relay.sent)
        deliver(relay, place, event, received_at)
        shows = relay.shows(person.id)
        changed = {name: shows[name] for name in SHOWN if shows[name] != known.get(name)}
        known = dict(shows)
        alerts = relay.sent[before:]
        if alerts or changed or timeline.late:
            late = "" if received_at == event.triggered_at else f", arrives {received_at:%m-%d %H:%M}"
            when = f"{event.at:%m-%d %H:%M}{late}"
            rows.append(f"| {when} | {event.topic} | {_alerts(alerts)} | {_shown(changed)} |")
    return rows


def arrivals(timeline: Timeline, events: list[Event]) -> Iterator[tuple[Event, datetime]]:
    """Yield the events in the order of arrival, each with its receipt: the late one comes ten minutes after the other."""
    if timeline.late is None:
        yield from ((event, event.triggered_at) for event in events)
        return
    topic, behind = timeline.late
    late = [event for event in events if event.topic == topic][-1]
    last = [event for event in events if event.topic == behind][-1]
    assert events.index(late) < events.index(last)
    receipt = last.triggered_at + timedelta(minutes=10)
    others = [event for event in events if event is not late]
    yield from ((event, event.triggered_at) for event in others if event.triggered_at <= receipt)
    yield late, receipt
    yield from ((event, event.triggered_at) for event in others if event.triggered_at > receipt)


def deliver(relay: Programme, place: World, event: Event, received_at: datetime, attempts: int = 2) -> None:
    """Deliver an event this many times, each retry as the simulator's switches have it."""
    for attempt in range(attempts):
        now = event.triggered_at if not attempt else max(event.triggered_at, place.now)
        body = webhook_body(place.shop, place.switches, event, attempt=attempt, now=now)
        relay.deliver(body, received_at)


def page() -> str:
    """Return the page."""
    usual = next(readings())
    parts = [HEADS, f"The same in every reading of {', '.join(MINOR)}.\n"]
    for timeline in TIMELINES:
        rows = ["| when | webhook | alerts | the CRM then shows |", "|---|---|---|---|"]
        parts.append(
            "\n".join([f"## {timeline.title}", "", timeline.about, "", *rows, *table(timeline, usual), ""])
        )
    return "\n".join(parts)


def _alerts(alerts: list[Notification] | Any) -> str:
    return "<br>".join(_line(each) for each in alerts) or "none"


def _line(notification: Notification) -> str:
    shown = content_of(notification)
    details = ", ".join(f"{label}: {value}" for label, value in shown.details if label != "Tier")
    return f"{shown.icon} **{shown.heading}**" + (f" ({details})" if details else "")


def _shown(changed: Mapping[str, Value]) -> str:
    return ", ".join(f"{name}: {_plain(value)}" for name, value in changed.items())


def _plain(value: Value) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%m-%d %H:%M}"
        case date():
            return f"{value:%m-%d}"
        case Decimal():
            return number_text(value)
        case _:
            return str(value)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
