"""The notifier sends people one message per incident, level and outcome, by every channel that is configured.

The alerts queue brings alerts, ticks of the clock, the daily digest, CloudWatch alarms, channel tests and what people
do with an incident; each becomes an alert message of an incident (`processing.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias

from relay.alerts.cloudwatch import TOPIC as ALARM_TOPIC
from relay.alerts.cloudwatch import alarm_message, is_alarm
from relay.alerts.delivery import BatchDelivery, MemberLookup, NotifierContext
from relay.alerts.processing import process, process_action, process_notice, send_deferred
from relay.alerts.programme import LOOK_BACK, alarm_rows, members_of, silence_rows
from relay.alerts.render.times import local_day
from relay.alerts.routing import digest_channels
from relay.errors import PermanentError, TransientError
from relay.model import messages
from relay.model.effects import Alert, Level
from relay.model.incident_action import INCIDENT_ACTION_TOPIC, IncidentAction
from relay.model.kpis import KEPT_FOR
from relay.model.messages import (
    CHANNEL_TEST_TOPIC,
    DIGEST_TOPIC,
    TICK_TOPIC,
    AlertMessage,
    ChannelTest,
    ClockTick,
    DailyDigest,
)
from relay.ports.members import load_each
from relay.queues.batch import Context, Message, Results
from relay.queues.requests import customer_of, expect_topic
from relay.rules.catalog import apply_settings
from relay.rules.settings import Rules

NEEDED_MS: Final = 45_000
"""The longest that one alert message takes: e-mail, PagerDuty and the two calls of a Slack thread all time out, and the
table is written around them."""

_MAX_KEY_BYTES: Final = 1_024

Request: TypeAlias = AlertMessage | ClockTick | DailyDigest | ChannelTest | IncidentAction


@dataclass(slots=True)
class RulesCache:
    """The rules last read: with them an alert is sent while the members table does not answer."""

    rules: Rules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """The work on batches of the alerts queue."""

    context: NotifierContext
    cache: RulesCache = field(default_factory=RulesCache)

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Process a batch, the oldest event first: an opening before its resolution. Return each message's result."""
        results: dict[str, Exception | None] = {}
        requests: list[tuple[Request, Message]] = []
        for message in messages:
            try:
                request = read(message, self.context.shop)
            except PermanentError as error:
                results[message.id] = error
                continue
            if request is None:
                results[message.id] = None
            else:
                requests.append((request, message))
        requests.sort(key=lambda pair: _order(pair[0]))
        try:
            batch = self._batch([request for request, _ in requests])
        except TransientError as error:
            return {**results, **dict.fromkeys((message.id for _, message in requests), error)}
        for request, message in requests:
            if not _has_time(context):
                break
            try:
                self._process(batch, request, context, first_receive=message.is_first_receive)
            except Exception as error:  # noqa: BLE001 - a defect in one incident must not hold up the others
                results[message.id] = error
            else:
                results[message.id] = None
        return results

    def _batch(self, requests: Sequence[Request]) -> BatchDelivery:
        """Read the members that the batch names, and the rules, in one go.

        Raises:
            TransientError: neither the table nor the cache has the rules.

        """
        keys = {
            key
            for request in requests
            if isinstance(request, AlertMessage)
            for key in (request.member, *dict(request.people))
            if key
        }
        try:
            # A member that cannot be read has no name in its alert; the alert is sent all the same.
            loaded = load_each(self.context.members, keys)
        except TransientError as error:
            # Never the defaults: a merchant may have chosen other channels.
            if self.cache.rules is None:
                raise
            batch = BatchDelivery(self.context, self.cache.rules, MemberLookup(self.context, {}))
            batch.members.stop(error)
            return batch
        self.cache.rules = loaded.rules
        members = {key: record.member for key, record in loaded.records.items()}
        return BatchDelivery(self.context, loaded.rules, MemberLookup(self.context, members))

    def _process(
        self, batch: BatchDelivery, request: Request, context: Context, *, first_receive: bool
    ) -> None:
        match request:
            case ClockTick():
                send_deferred(batch, request.at, lambda: _has_time(context), first_receive=first_receive)
            case DailyDigest():
                if request.lines and batch.rules.setting_for("digest").on:
                    channels = digest_channels(batch.rules, self.context.channel_names)
                    digest = digest_message(request, self.context.shop)
                    process_notice(batch, digest, channels, first_receive=first_receive)
            case ChannelTest():
                if request.channel not in self.context.channel_names:
                    raise PermanentError("channel_not_configured", request.channel)
                test = channel_test_message(request)
                process_notice(batch, test, [request.channel], first_receive=first_receive)
            case IncidentAction():
                process_action(batch, request, first_receive=first_receive)
            case AlertMessage():
                # The settings were applied where a rule made the alert; an alarm comes without them.
                is_from_alarm = request.topic == ALARM_TOPIC
                alerts = apply_settings([request.alert], batch.rules) if is_from_alarm else [request.alert]
                for alert in alerts:
                    if isinstance(alert, Alert):
                        told = replace(request, alert=alert)
                        told = self._with_figures(batch, told) if is_from_alarm else told
                        process(batch, told, first_receive=first_receive)

    def _with_figures(self, batch: BatchDelivery, told: AlertMessage) -> AlertMessage:
        """Return an alarm about the programme with its figures; as it is where they cannot be read now."""
        alert, kpis = told.alert, self.context.kpis
        if kpis is None or alert.action != "open" or not alert.rule.startswith("programme."):
            return told
        try:
            if alert.rule == "programme.silence":
                rows = list(silence_rows(kpis.webhooks(told.at - KEPT_FOR, told.at), told.at))
            else:
                events = list(kpis.between(told.at - LOOK_BACK, told.at))
                members = batch.members.find(members_of(alert.rule, events))
                rows = list(alarm_rows(alert.rule, events, members))
        except TransientError as error:
            # An alarm without figures is better than a late one.
            self.context.telemetry.outcome("figures_not_read", event_id=None, topic=None, reason=str(error))
            return told
        return replace(told, alert=replace(alert, details=(*rows, *alert.details)))


def read(message: Message, shop: str) -> Request | None:
    """Read a message of the alerts queue; return None where it asks for nothing.

    Raises:
        PermanentError: `unreadable_message`; `wrong_topic` for a message of another queue; `other_shop` for one that names
            a member of another shop.

    """
    reader = _READERS.get(message.header.topic or "")
    if reader:
        return reader(message.body)
    if is_alarm(message.body):
        expect_topic(message, ALARM_TOPIC)
        alert_message = alarm_message(message.body, shop)
    else:
        alert_message = messages.load(AlertMessage, message.body)
        expect_topic(message, alert_message.topic)
        for member in filter(None, (alert_message.member, *dict(alert_message.people))):
            customer_of(member, shop)
    if alert_message:
        _check_key(alert_message.alert.incident_key)
    return alert_message


def _read_action(body: str) -> IncidentAction:
    action = messages.load(IncidentAction, body)
    _check_key(action.incident_key)
    return action


def _check_key(incident_key: str) -> None:
    """Refuse a key that the table does not take."""
    if not 0 < len(incident_key.encode("utf-8", "replace")) <= _MAX_KEY_BYTES:
        raise PermanentError("unreadable_message", "incident_key")


_READERS: Final[dict[str, Callable[[str], Request]]] = {
    TICK_TOPIC: lambda body: messages.load(ClockTick, body),
    DIGEST_TOPIC: lambda body: messages.load(DailyDigest, body),
    CHANNEL_TEST_TOPIC: lambda body: messages.load(ChannelTest, body),
    INCIDENT_ACTION_TOPIC: _read_action,
}


_DIGEST_ADVICE: Final = (
    "`relay alerts` lists the open incidents with their members; what is at risk now is in them. "
    "Nothing else waits for you here."
)


def digest_message(digest: DailyDigest, shop: str) -> AlertMessage:
    """Return a daily digest as an alert message. Its id is the day: two digests of one day are one."""
    alert = Alert(
        rule="digest",
        incident_key=f"digest:{shop}:{digest.day.isoformat()}",
        level=Level.INFO,
        title=f"The membership programme on {local_day(digest.day)}",
        details=digest.lines,
        advice=_DIGEST_ADVICE,
        immediate=True,
    )
    event_id = f"digest.{digest.day.isoformat()}"
    return AlertMessage(
        id=event_id, event_id=event_id, topic=DIGEST_TOPIC, member="", at=digest.at, alert=alert
    )


def channel_test_message(test: ChannelTest) -> AlertMessage:
    """Return a channel test as an alert message."""
    alert = Alert(
        rule="test-alert",
        incident_key=channel_test_incident_key(test.id),
        level=Level.INFO,
        title="A test of this channel",
        advice="It was requested with `relay test-alert`. Nothing is wrong; an incident can be resolved.",
        immediate=True,
    )
    return AlertMessage(
        id=test.id, event_id=test.id, topic=CHANNEL_TEST_TOPIC, member="", at=test.at, alert=alert
    )


def channel_test_incident_key(test_id: str) -> str:
    """Return the key of a test's incident, which holds its result."""
    return f"test:{test_id}"


def _order(request: Request) -> tuple[datetime, bool]:
    """Order by time; of the same time a tick comes last, after everything that it may find deferred."""
    return request.at, isinstance(request, ClockTick)


def _has_time(context: Context) -> bool:
    return context.get_remaining_time_in_millis() >= NEEDED_MS
