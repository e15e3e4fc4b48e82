"""Plays a history through the whole service, in virtual time, under an adversary; returns what it leaves behind.

One account in memory: the topic queues, `unclaimed`, the dead letters, the alerts, the topic `changes` with the queue
of one CRM, four tables and the members' stream, the journal, the e-mail topic. Deliveries are posted to the receiver's
handler; then each function's own handler runs while it has something to do. The four CRMs take turns by the
history's seed.

Arrivals: the receiver's clock shows a delivery's own receipt, whatever the order of arrival; what arrives more than a
day after its receipt has been redriven, so that it is not too old. In any order but the natural one some arrivals
wait for the next, so that batches hold several events.

A conflict is another topic's function at work in the middle of a write, where one has a message; else a refusal.

Not played: Slack and PagerDuty (e-mail is the one channel), `reconcile`, `grants`, the daily run and its digest, the
end of an invocation's time, two invocations at once, and an account whose services answer slowly.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import io
import json
import logging
import os
import random
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

import relay.adapters.aws.client
import relay.adapters.channels.email
import relay.adapters.dynamodb.rate_limit
from relay.alerts.render import email_message
from relay.model.header import ATTRIBUTE, MessageHeader
from relay.topics import FOLDERS, UNCLAIMED, queue_variable
from relay.wiring import services

from tests.judge import rig_observed
from tests.judge.adversary import Adversary, Plan, as_happened
from tests.judge.history import Delivery, History
from tests.judge.observed import Observed
from tests.judge.rig_crms import CRMS, RigCrm
from tests.judge.rig_faults import Crash, StruckAws, StruckTransport
from tests.support.aws.fake_aws import FakeAws
from tests.support.aws.sns import FakeTopic
from tests.support.aws.sqs import FakeQueue
from tests.support.aws.stream import StreamMapping
from tests.support.aws.virtual_clock import VirtualClock
from tests.support.port_fakes import FakeContext

KEY = "0123456789abcdef" * 4
CHANGES = "arn:aws:sns:eu-west-1:123456789012:changes"
EMAIL = "arn:aws:sns:eu-west-1:123456789012:email"
SECRET = "/relay/crm"
# As template.yaml has them.
MOST_RECEIVES = 20
VISIBILITY = {"alerts": 360, "crm": 360}
BATCH = {"alerts": 10, "crm": 100}
# A sender tries again for this long; two strikes at each of the receiver's calls are the most there are.
POSTS = 8
# More turns than any play takes: what runs longer never comes to rest.
TURNS = 2_000
LATE = timedelta(days=1)
# The clock ticks every 15 minutes; twice a day is enough for what waits for days.
TICK = timedelta(hours=12)
# No member is of high value, as rules.md has it for a programme of fewer than 30 members; 0 switches a limit off.
NO_HIGH_VALUE = json.dumps(
    {"thresholds": dict.fromkeys(("high_value_annual_fee", "high_value_credits", "high_value_revenue"), 0)}
)
HANDLERS: dict[str, str] = {
    **{folder: f"functions.{folder}.app" for folder in FOLDERS.values()},
    "alerts": "functions.notifier.app",
    "crm": "functions.crm_sync.app",
    "fanout": "functions.fanout.app",
    "clock": "functions.clock.app",
    "receiver": "functions.receiver.app",
}
# Modules that look at the wall clock for back-off and time limits.
WATCHES = (
    "relay.wiring.crms",
    "relay.wiring.services",
    "relay.adapters.aws.ssm",
    "relay.adapters.hubspot.upsert",
    "relay.adapters.klaviyo.client",
    "relay.adapters.klaviyo.upsert",
    "relay.adapters.salesforce.client",
    "relay.adapters.salesforce.upsert",
)
_LOG = io.StringIO()


class RestlessError(Exception):
    """A play does not come to rest."""


@dataclass(slots=True)
class World:
    """One account, its functions and its CRM, and what was seen on the way."""

    history: History
    plan: Plan
    aws: StruckAws
    crm: RigCrm
    clock: VirtualClock
    rules: str | None = NO_HIGH_VALUE
    contexts: dict[str, dict[type[Any], Any]] = field(default_factory=dict)
    ids: dict[tuple[str, int], str] = field(default_factory=dict)
    mails: list[Any] = field(default_factory=list)
    notification: Any = None
    crashes: int = 0
    ticked: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    running: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    posted_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    stream: StreamMapping = field(init=False)

    def __post_init__(self) -> None:
        """Make the account's resources, with the keys and settings of the template."""
        account = self.aws.account
        dead = account.sqs.queue("dead-letters", retention=timedelta(days=14))
        for name in (*FOLDERS.values(), UNCLAIMED, "alerts", "crm"):
            account.sqs.queue(
                name,
                dead_letters=dead,
                max_receives=1000 if name == UNCLAIMED else MOST_RECEIVES,
                visibility=timedelta(seconds=VISIBILITY.get(name, 180)),
            )
        members = account.dynamodb.table("members", "pk")
        account.dynamodb.table("mirrors", "key")
        account.dynamodb.table("incidents", "key", ttl="expires")
        account.dynamodb.table("figures", "pk", "sk", ttl="expires")
        account.sns.topics |= {CHANGES: FakeTopic([account.sqs.queues["crm"]]), EMAIL: FakeTopic()}
        account.firehose.streams["journal"] = []
        account.ssm.parameters[SECRET] = self.crm.secret
        if self.rules is not None:
            members.items["rules",] = {"pk": {"S": "rules"}, "document": {"S": self.rules}, "n": {"N": "1"}}
        self.stream = StreamMapping(members.stream, self.clock, dead)
        self.aws.done = self._note_mail
        self.aws.rival = self._let_rival_work

    @property
    def queues(self) -> dict[str, FakeQueue]:
        """All queues by name."""
        return self.aws.account.sqs.queues

    def settings(self, function: str) -> dict[str, str]:
        """Return a function's environment, as the template gives it."""
        url = {name: queue.url for name, queue in self.queues.items()}
        topic_queues = {queue_variable(name): url[name] for name in (*FOLDERS.values(), UNCLAIMED)}
        found = {
            "POWERTOOLS_SERVICE_NAME": f"judged-{function}",
            "SHOP_DOMAIN": self.history.shop,
            "DEAD_LETTERS_URL": url["dead-letters"],
            "MEMBERS_TABLE": "members",
            "MIRRORS_TABLE": "mirrors",
            "INCIDENTS_TABLE": "incidents",
            "TRIES_TABLE": "incidents",
            "KPIS_TABLE": "figures",
            "JOURNAL_STREAM": "journal",
            "JOURNAL_BUCKET": "journal",
            "JOURNAL_DAYS": "365",
            "CHANGES_TOPIC": CHANGES,
            "EMAIL_TOPIC": EMAIL,
            "ALERTS_URL": url["alerts"],
            "UNCLAIMED_URL": url[UNCLAIMED],
            "TIME_ZONE": self.history.zone,
            "KEY_DIGESTS": hashlib.sha256(KEY.encode()).hexdigest(),
            "CRM_QUEUE_URLS": url["crm"],
            "TARGET": self.crm.target,
            f"{self.crm.target.upper()}_SECRET": SECRET,
            **topic_queues,
            **self.crm.settings,
        }
        if function in url:
            found |= {"SOURCE_URL": url[function], "SOURCE_NAME": function}
        return found

    def invoke(self, function: str, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a function's answer; None where it failed or crashed. A crash drops the environment's state."""
        handler = importlib.import_module(HANDLERS[function]).handler
        known = self.contexts.get(function)
        if known is None:
            os.environ.update(self.settings(function))
        outer = dict(services._kept)
        services._kept.clear()
        services._kept.update(known or {})
        self.running.append(function)
        try:
            answer: dict[str, Any] = handler(event, FakeContext())
            self.contexts[function] = dict(services._kept)
        except Crash:
            self.crashes += 1
            services.forget()
            self.contexts.pop(function, None)
            _forget_receiver()
            return None
        except Exception as error:  # noqa: BLE001 - what Lambda does: the invocation has failed
            self.failures.append(f"{function}: {type(error).__name__}: {error}")
            return None
        finally:
            self.running.pop()
            services._kept.clear()
            services._kept.update(outer)
        return answer

    def _let_rival_work(self) -> bool:
        """Run another topic's function that has a message, in the middle of this one's work; tell whether there was one."""
        if len(self.running) != 1 or self.running[0] not in FOLDERS.values():
            return False
        for name in FOLDERS.values():
            if name != self.running[0] and (event := self.queues[name].poll()):
                self.queues[name].process_response(event, self.invoke(name, event))
                return True
        return False

    def post(self, event: str, number: int, delivery: Delivery) -> None:
        """Post a delivery until it is accepted, as the sender does."""
        self.posted_at = datetime.fromtimestamp(delivery.at / 1000, UTC)
        request = _api_event(delivery.body)

        def send(body: Mapping[str, Any]) -> Mapping[str, Any]:
            return self._as_arrives(body, delivery)

        self.aws.sending = send
        for _ in range(POSTS):
            answer = self.invoke("receiver", request)
            if answer is not None and answer["statusCode"] == 202:
                self.ids[event, number] = json.loads(answer["body"])["id"]
                break
            if answer is not None and answer["statusCode"] < 500:
                break
        self.aws.sending = None

    def _as_arrives(self, body: Mapping[str, Any], delivery: Delivery) -> Mapping[str, Any]:
        """Put a message into the queue that the history wants, and let one that comes late have been redriven."""
        if delivery.queue and not body["QueueUrl"].endswith(f"/{UNCLAIMED}"):
            body = {**body, "QueueUrl": self.queues[FOLDERS[delivery.queue]].url}
        now = self.clock.now()
        if now - self.posted_at <= LATE:
            return body
        text = body["MessageAttributes"][ATTRIBUTE]["StringValue"]
        header = MessageHeader.read({ATTRIBUTE: text})
        since = {"DataType": "String", "StringValue": _since(header, now)}
        return {**body, "MessageAttributes": {ATTRIBUTE: since}}

    def run(self) -> None:
        """Let every function work until all queues and the stream are quiet."""
        for _ in range(TURNS):
            if self._turn():
                continue
            waiting = [
                message.visible_at
                for name, queue in self.queues.items()
                if name not in {UNCLAIMED, "dead-letters"}
                for message in queue.messages
            ]
            if not waiting:
                return
            self.clock.moment = max(self.clock.moment, min(waiting))
        raise RestlessError(f"after {TURNS} turns: {self.failures[-3:]}")

    def _turn(self) -> bool:
        worked = False
        for name, queue in self.queues.items():
            if name in {UNCLAIMED, "dead-letters"}:
                continue
            while event := queue.poll(BATCH.get(name, 10)):
                queue.process_response(event, self.invoke(name, event))
                worked = True
        for shard in range(len(self.stream.stream.shards)):
            while records := self.stream.poll(shard):
                answer = self.invoke("fanout", records)
                self.stream.process_response(shard, records, answer)
                worked = True
                if answer is None or answer["batchItemFailures"]:
                    self.clock.advance(timedelta(seconds=1))
        return worked

    def wait_until(self, moment: datetime) -> None:
        """Let time pass, with a tick twice a day while something waits for ticks: dead letters do, since they expire."""
        while (self._needs_tick() or self.queues["dead-letters"].messages) and self.ticked + TICK < moment:
            self.clock.moment = max(self.clock.moment, self.ticked + TICK)
            self.tick()
        self.clock.moment = max(self.clock.moment, moment)

    def tick(self) -> None:
        """Let the clock tick, where something waits for it (held alerts, what is unclaimed); again where it fails."""
        self.ticked = self.clock.now()
        while self._needs_tick() or self.queues["dead-letters"].messages:
            done = self.invoke("clock", {"time": self.clock.now().isoformat()})
            self.run()
            self.clock.advance(timedelta(minutes=15))
            if done is not None:
                return

    def _needs_tick(self) -> bool:
        held = self.aws.account.dynamodb.tables["incidents"].items.get(("hold_queue",), {})
        return '"entries"' in str(held) or bool(self.queues[UNCLAIMED].messages)

    def _note_mail(self, service: str, operation: str, body: Mapping[str, Any]) -> None:
        if (service, operation) == ("sns", "Publish") and body["TopicArn"] == EMAIL:
            self.mails.append(self.notification)


def play(
    history: History, plan: Plan, adversary: Adversary, *, rules: str | None = NO_HIGH_VALUE
) -> Observed:
    """Return what the service leaves behind when the history is played by the plan under the adversary.

    `rules` is the document of the merchant's rules; None leaves the service its own defaults.

    Raises:
        RestlessError: the service never comes to rest.

    """
    clock = VirtualClock(
        datetime.fromtimestamp(
            min((d.at for e in history.events for d in e.deliveries), default=0) / 1000, UTC
        )
    )
    crm = CRMS[history.seed % len(CRMS)]()
    world = World(history, plan, StruckAws(FakeAws(clock), adversary), crm, clock, rules)
    by_pair = {(sent.event, sent.number): sent.delivery for sent in history.sent()}
    with _in_the_world(world):
        groups: list[int] = []
        for number_of_group, group in enumerate(_groups(history, plan)):
            groups += [number_of_group] * len(group)
            # Time passes before a group: a message that waited in a queue for weeks would be deleted.
            latest = max(by_pair[pair].at for pair in group)
            world.wait_until(datetime.fromtimestamp(latest / 1000, UTC))
            for event, number in group:
                world.aws.event = event
                world.post(event, number, by_pair[event, number])
            world.run()
        clock.advance(timedelta(minutes=15))
        world.tick()
        observed = rig_observed.observe(world, _LOG.getvalue())
        observed.groups = groups
        return observed


def _groups(history: History, plan: Plan) -> Iterator[list[tuple[str, int]]]:
    """Yield the arrivals that are in the queues together: one each in the natural order, else up to several."""
    singly = plan.arrivals == as_happened(history).arrivals
    group: list[tuple[str, int]] = []
    for event, number in plan.arrivals:
        group.append((event, number))
        # Two in five wait for the next, whatever surrounds them: a shrunk play keeps its groups.
        if singly or zlib.crc32(f"{event} {number}".encode()) % 5 >= 2:
            yield group
            group = []
    if group:
        yield group


def _since(header: MessageHeader, now: datetime) -> str:
    return header.redriven(now).attributes[ATTRIBUTE] if header.source_queue else _with_since(header, now)


def _with_since(header: MessageHeader, now: datetime) -> str:
    values = json.loads(header.attributes[ATTRIBUTE])
    return json.dumps({**values, "since": now.isoformat(timespec="milliseconds")})


def _api_event(body: bytes) -> dict[str, Any]:
    try:
        text, encoded = body.decode(), False
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(body).decode(), True
    return {
        "version": "2.0",
        "routeKey": "POST /webhooks/{key}",
        "pathParameters": {"key": KEY},
        "headers": {"content-type": "application/json"},
        "body": text,
        "isBase64Encoded": encoded,
    }


def _forget_receiver() -> None:
    receiver = importlib.import_module(HANDLERS["receiver"])
    receiver._settings.cache_clear()


@contextmanager
def _in_the_world(world: World) -> Iterator[None]:
    """Put the account, the CRM, the virtual time and the log in place of the real ones."""
    receiver = importlib.import_module(HANDLERS["receiver"])
    importlib.import_module("fakes.klaviyo_api")
    transport = StruckTransport(world.crm.target, world.crm.app, world.aws)

    def noted(notification: Any) -> Any:
        world.notification = notification
        return email_message(notification)

    watch = SimpleNamespace(
        monotonic=world.clock.monotonic,
        time=world.clock.monotonic,
        sleep=world.clock.sleep,
        perf_counter=time.perf_counter,
    )
    chance, kept = random.getstate(), dict(services._kept)
    callers = list(relay.adapters.aws.client._CALLERS)
    _LOG.seek(0)
    _LOG.truncate()
    root = logging.StreamHandler(_LOG)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ))
        stack.enter_context(redirect_stdout(_LOG))
        for module in WATCHES:
            stack.enter_context(mock.patch.object(importlib.import_module(module), "time", watch))
        for place, name, value in (
            (services, "now", world.clock.now),
            # The pass over the journal's files is not judged: the account has no bucket.
            (importlib.import_module("relay.scheduler.tick"), "_NIGHT", (0, 0)),
            (importlib.import_module(HANDLERS["clock"]), "now", world.clock.now),
            (receiver, "datetime", _clock_of(lambda: world.posted_at)),
            (receiver, "_aws", lambda: world.aws),
            (sys.modules["fakes.klaviyo_api"], "datetime", _clock_of(world.clock.now)),
            (relay.adapters.dynamodb.rate_limit, "network_transport", lambda: transport),
            (relay.adapters.channels.email, "email_message", noted),
        ):
            stack.enter_context(mock.patch.object(place, name, value))
        logging.getLogger().addHandler(root)
        receiver._settings.cache_clear()
        relay.adapters.aws.client.use(world.aws)
        random.seed(world.history.seed)
        services._kept.clear()
        try:
            yield
        finally:
            services._kept.clear()
            services._kept.update(kept)
            relay.adapters.aws.client._CALLERS[:] = callers
            receiver._settings.cache_clear()
            random.setstate(chance)
            logging.getLogger().removeHandler(root)


def _clock_of(now: Callable[[], datetime]) -> type[datetime]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return now().astimezone(tz)

    return Clock
