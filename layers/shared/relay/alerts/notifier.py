"""Telling people: each matter once, again when it grows worse, and when it is over, by every channel.

What comes off the queue is an alert, a tick of the clock, the day's digest, an alarm of CloudWatch or a
person's trial of a channel; each becomes alert_messages of incidents (`serving.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias

from relay.alerts.cloudwatch import TOPIC as ALARM_TOPIC
from relay.alerts.cloudwatch import alarm_message, is_alarm
from relay.alerts.context import NotifierContext
from relay.alerts.delivery import BatchDelivery
from relay.alerts.held import send_deferred
from relay.alerts.member_lookup import MemberLookup
from relay.alerts.processing import note, process
from relay.alerts.routing import digest_channels
from relay.errors import PermanentError, TransientError
from relay.model import messages
from relay.model.effects import Alert, Level
from relay.model.messages import (
    CHANNEL_TEST_TOPIC,
    DIGEST_TOPIC,
    TICK_TOPIC,
    AlertMessage,
    ChannelTest,
    ClockTick,
    DailyDigest,
)
from relay.queues.batch import Context, Message, Results
from relay.rules.catalog import apply_settings
from relay.rules.settings import Rules

NEEDED_MS: Final = 45_000
"""One alert message at its worst: e-mail, PagerDuty and the two calls of a Slack thread that all hang, and the
table's writes around them."""

_LONGEST_KEY: Final = 1_024

NotifierResult: TypeAlias = AlertMessage | ClockTick | DailyDigest | ChannelTest


@dataclass(slots=True)
class KnownRules:
    """The rules as last read: with them an alert need not wait until the members table answers again."""

    rules: Rules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """The work on a batch of alert messages."""

    desk: NotifierContext
    known: KnownRules = field(default_factory=KnownRules)

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Tell people what the messages say, the oldest first: an opening ahead of its closing."""
        answers: dict[str, Exception | None] = {}
        said: list[tuple[NotifierResult, Message]] = []
        for message in messages:
            try:
                heard = read(message, self.desk.shop)
            except PermanentError as error:
                answers[message.id] = error
                continue
            if heard is None:
                answers[message.id] = None
            else:
                said.append((heard, message))
        said.sort(key=lambda pair: _time(pair[0]))
        try:
            round_ = self._round([heard for heard, _ in said])
        except TransientError as error:
            return {**answers, **dict.fromkeys((message.id for _, message in said), error)}
        for heard, message in said:
            if not _enough(context):
                break
            try:
                # The dead letters take off the number of deferrals: such a message was redriven, or is new.
                self._tell(round_, heard, context, fresh=message.receives == 1 and message.deferrals == 0)
            except Exception as error:  # noqa: BLE001 - a defect in one matter must not hold up the others
                answers[message.id] = error
            else:
                answers[message.id] = None
        return answers

    def _round(self, said: Sequence[NotifierResult]) -> BatchDelivery:
        """Read the members that are spoken of, and the rules, in one go."""
        alert_messages = [heard for heard in said if isinstance(heard, AlertMessage)]
        keys = {
            key
            for alert_message in alert_messages
            for key in (alert_message.member, *dict(alert_message.people))
            if key
        }
        try:
            records, rules = self.desk.members.load(keys)
        except TransientError as error:
            # Never the defaults: a merchant who chose other channels would be told in the wrong ones.
            if self.known.rules is None:
                raise
            round_ = BatchDelivery(self.desk, self.known.rules, MemberLookup(self.desk, {}))
            round_.names.give_up(error)
            return round_
        self.known.rules = rules
        return BatchDelivery(
            self.desk, rules, MemberLookup(self.desk, {key: record.member for key, record in records.items()})
        )

    def _tell(self, round_: BatchDelivery, heard: NotifierResult, context: Context, *, fresh: bool) -> None:
        match heard:
            case ClockTick():
                send_deferred(round_, heard.at, lambda: _enough(context))
            case DailyDigest():
                if heard.lines and round_.rules.of("digest").on:
                    names = digest_channels(round_.rules, self.desk.names)
                    note(round_, digest_message(heard, self.desk.shop), names, fresh=fresh)
            case ChannelTest():
                if heard.channel not in self.desk.names:
                    raise PermanentError("channel_not_configured", heard.channel)
                note(round_, channel_test_message(heard), [heard.channel], fresh=fresh)
            case AlertMessage():
                # A member's alert comes from a rule, to which the settings were applied; an alarm does not.
                alarm = heard.topic == ALARM_TOPIC
                for alert in apply_settings([heard.alert], round_.rules) if alarm else [heard.alert]:
                    if isinstance(alert, Alert):
                        process(round_, replace(heard, alert=alert), fresh=fresh)


def read(message: Message, shop: str) -> NotifierResult | None:
    """Read a message of the alerts queue; None where it says nothing that anybody is told.

    Raises:
        PermanentError: `unreadable_message`.

    """
    reader = _READERS.get(message.header.topic or "")
    if reader:
        return reader(message.body)
    alert_message = (
        alarm_message(message.body, shop)
        if is_alarm(message.body)
        else messages.load(AlertMessage, message.body)
    )
    if alert_message and not 0 < len(alert_message.alert.incident_key.encode()) <= _LONGEST_KEY:
        raise PermanentError("unreadable_message", "alert.incident_key")
    return alert_message


_READERS: Final[dict[str, Callable[[str], NotifierResult]]] = {
    TICK_TOPIC: lambda body: messages.load(ClockTick, body),
    DIGEST_TOPIC: lambda body: messages.load(DailyDigest, body),
    CHANNEL_TEST_TOPIC: lambda body: messages.load(ChannelTest, body),
}


def digest_message(digest: DailyDigest, shop: str) -> AlertMessage:
    """Return a day's figures as what people are told. It goes by its day: two of one day are one."""
    alert = Alert(
        rule="digest",
        incident_key=f"digest:{shop}:{digest.day.isoformat()}",
        level=Level.INFO,
        title=f"The membership programme on {digest.day:%A, %Y-%m-%d}",
        details=digest.lines,
        at_once=True,
    )
    event_id = f"digest.{digest.day.isoformat()}"
    return AlertMessage(
        id=event_id, event_id=event_id, topic=DIGEST_TOPIC, member="", at=digest.at, alert=alert
    )


def channel_test_message(trial: ChannelTest) -> AlertMessage:
    """Return what is told when somebody tries a channel out."""
    alert = Alert(
        rule="test-alert",
        incident_key=channel_test_incident_key(trial.id),
        level=Level.INFO,
        title="A test of this channel",
        advice="Somebody asked for it with `relay test-alert`. Nothing is wrong; an incident can be resolved.",
        at_once=True,
    )
    return AlertMessage(
        id=trial.id, event_id=trial.id, topic=CHANNEL_TEST_TOPIC, member="", at=trial.at, alert=alert
    )


def channel_test_incident_key(trial: str) -> str:
    """Return the incident of a trial, in which one can see how it went."""
    return f"test:{trial}"


def _time(heard: NotifierResult) -> tuple[datetime, bool]:
    """Order by time, a tick after everything that it may find waiting."""
    return heard.at, isinstance(heard, ClockTick)


def _enough(context: Context) -> bool:
    return context.get_remaining_time_in_millis() >= NEEDED_MS
