"""The function reconcile as Lambda calls it, against the simulator's API through our own SDK."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from inveterate.webhooks import model_for
from inveterate.webhooks.topics import TOPICS
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.members import DynamoMembers
from relay.adapters.dynamodb.platform import DynamoFullRuns
from relay.adapters.dynamodb.throttle import DynamoReadThrottle
from relay.model.consistency import BALANCE_GAP, EVIDENCE, NO_EMAIL, inconsistencies
from relay.model.header import MessageHeader
from relay.model.member import Member, member_key, merge
from relay.model.messages import (
    FULL_RUN_TOPIC,
    TICK_TOPIC,
    AlertMessage,
    ClockTick,
    Outbox,
    RecheckRequest,
    RunCommand,
    dump,
    load,
)
from relay.ports.members import MemberRecord
from relay.wiring.functions import ReconcileServices
from relay.wiring.services import forget, keep
from sim.clock import parse

from functions.fanout import app as fanout
from functions.reconcile import app
from tests.functional.sim.sim_server import KEY, FakeReceiver, SimClient, running_simulator
from tests.support.lambda_env import function_env, queued_count, queues, sqs_record
from tests.support.moto_tables import items_of, make_table
from tests.support.port_fakes import FakeContext, FakeJournal
from tests.support.topic_functions import TOPIC_RULES
from tests.unit.sim.sim_worlds import FREE, GOLD, WALL

SHOP = "relay-demo.myshopify.com"
SECRET = "/relay/inveterate"
CALLBACK = "http://127.0.0.1:9/webhooks"
SHAPES = ("named", "array", "nested")


@dataclass
class Deployed:
    """The function's surroundings: a simulator, tables and queues."""

    sim: SimClient
    receiver: FakeReceiver
    queue: str
    dead: str
    alerts: str
    journal: FakeJournal

    @property
    def members(self) -> DynamoMembers:
        """Return the members table."""
        return DynamoMembers("members", SHOP)

    def record(self, customer: str) -> MemberRecord:
        """Return a member's record."""
        key = member_key(SHOP, customer)
        return self.members.load([key])[0][key]

    def merge_events(self, customer: str, *, without: str = "", lose: int | None = None) -> Member:
        """Merge the events that the simulator sent, without one field or one credit event."""
        self.sim.wait_until_idle()
        record, number = self.record(customer), -1
        member = record.member
        for body in self.receiver.bodies:
            topic = body["metadata"]["topic"]
            number += topic == "customer.credits.updated"
            if topic == "customer.credits.updated" and number == lose:
                continue
            body["payload"].pop(without, None)
            event = model_for(topic).read(json.dumps(body), received_at=WALL)
            member = merge(member, TOPIC_RULES[topic].facts(event))
        self.members.save(
            MemberRecord(member=member, version=record.version), Outbox(member=member.key, changed=True)
        )
        return member

    def send(self, message: RunCommand | ClockTick) -> dict[str, Any]:
        """Call the handler with a command, or with the clock's tick."""
        topic = FULL_RUN_TOPIC if isinstance(message, RunCommand) else TICK_TOPIC
        return app.handler(
            {"Records": [sqs_record("m1", dump(message), header=MessageHeader(topic=topic))]}, FakeContext()
        )

    def call(self, customer: str, reason: str) -> dict[str, Any]:
        """Call the handler with a recheck request for a member."""
        record = sqs_record("m1", dump(RecheckRequest(member=member_key(SHOP, customer), reason=reason)))
        return app.handler({"Records": [record]}, FakeContext())


@pytest.fixture(params=SHAPES)
def deployed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """Deploy the function against a simulator that answers in one of the shapes, and sends an event for every change."""
    make_table("members")
    make_table("mirrors")
    client("ssm").put_parameter(Name=SECRET, Value=KEY, Type="SecureString")
    queue, dead, alerts = queues("reconcile", "dead", "alerts")
    receiver = FakeReceiver()
    with running_simulator(receiver, switches={"data_shape": request.param, "updated_events": "all"}) as sim:
        settings = {
            "POWERTOOLS_SERVICE_NAME": "reconcile",
            "SHOP_DOMAIN": SHOP,
            "SOURCE_URL": queue,
            "SOURCE_NAME": "reconcile",
            "DEAD_LETTERS_URL": dead,
            "MEMBERS_TABLE": "members",
            "MIRRORS_TABLE": "mirrors",
            "JOURNAL_STREAM": "journal",
            "INVETERATE_URL": str(sim.http.base_url),
            "INVETERATE_SECRET": SECRET,
            "RECHECK_DELAY": "600",
            "RECHECKS_URL": queue,
            "ALERTS_URL": alerts,
            "CALLBACK_URL": CALLBACK,
            "KEY_DIGESTS": hashlib.sha256(b"the-key").hexdigest(),
            "STACK_NAME": "relay-acme",
        }
        with function_env(monkeypatch, settings):
            services = ReconcileServices.from_env()
            services.journal = journal = FakeJournal()
            services.full_run = replace(services.full_run, pause=lambda _seconds: None)
            keep(services)
            yield Deployed(sim, receiver, queue, dead, alerts, journal)


def said(caplog: pytest.LogCaptureFixture) -> str:
    """Return all that was logged."""
    return str([vars(record) for record in caplog.records if record.name == "reconcile"])


def test_a_missing_address_is_read(deployed: Deployed, caplog: pytest.LogCaptureFixture) -> None:
    """A joining event has no address: the API has it. One call, dated by the answer; the next request costs none."""
    deployed.sim.subscribe("customer.joined.free_tier")
    customer = deployed.sim.act("join", tier_id=FREE, email="Mia@Example.com")["customer_id"]
    assert NO_EMAIL in inconsistencies(deployed.merge_events(customer))
    deployed.sim.act("advance", minutes=15)
    assert deployed.call(customer, NO_EMAIL) == {"batchItemFailures": []}
    register = deployed.record(customer).member.registers["email"]
    assert register.value == "mia@example.com"
    now = parse(deployed.sim.read("state")["now"])
    assert timedelta(seconds=119) < now - register.at < timedelta(seconds=130)
    [line] = deployed.journal.lines
    assert (line["id"], line["topic"], line["outcome"]) == (register.event_id, "relay.reconcile", "applied")
    calls = deployed.sim.sim.requests
    assert deployed.call(customer, NO_EMAIL) == {"batchItemFailures": []}
    assert deployed.sim.sim.requests == calls
    written = said(caplog)
    assert "reconciled" in written
    assert "example.com" not in written.lower()
    assert KEY not in written


def test_a_dropped_credits_event_leaves_a_hole_that_heals(deployed: Deployed) -> None:
    """Of three changes the second never came: the reading closes the hole, at the platform's balance."""
    deployed.sim.subscribe("customer.credits.updated")
    customer = deployed.sim.act("join", tier_id=FREE)["customer_id"]
    for amount in (5, 7, -2):
        deployed.sim.act("grant", customer_id=customer, amount=amount)
    balance = deployed.sim.read(f"members/{customer}")["balance"]
    deployed.sim.wait_until_idle()
    credit_events = [
        body for body in deployed.receiver.bodies if body["metadata"]["topic"] == "customer.credits.updated"
    ]
    assert BALANCE_GAP in inconsistencies(deployed.merge_events(customer, lose=len(credit_events) - 2))
    deployed.sim.act("advance", minutes=15)
    assert deployed.call(customer, BALANCE_GAP) == {"batchItemFailures": []}
    member = deployed.record(customer).member
    assert (BALANCE_GAP in inconsistencies(member), member.value("credit_balance")) == (False, balance)
    assert queued_count(deployed.queue) == 0


def test_what_a_snapshot_says_otherwise_is_read(deployed: Deployed) -> None:
    """A membership taken up again: only customer.updated reports it, which is evidence and no more."""
    deployed.sim.subscribe("customer.joined.paid_tier", "customer.cancelled", "customer.updated")
    customer = deployed.sim.act("join", tier_id=GOLD)["customer_id"]
    deployed.sim.act("cancel", customer_id=customer, policy="immediate")
    deployed.sim.act("reactivate", customer_id=customer)
    member = deployed.merge_events(customer)
    assert (member.status, EVIDENCE in inconsistencies(member)) == ("cancelled", True)
    deployed.sim.act("advance", minutes=15)
    assert deployed.call(customer, EVIDENCE) == {"batchItemFailures": []}
    member = deployed.record(customer).member
    assert (member.status, EVIDENCE in inconsistencies(member)) == ("active", False)


@pytest.mark.parametrize("deployed", ["named"], indirect=True)
@pytest.mark.parametrize("answer", ["400", "404", "empty"])
def test_the_api_knows_no_such_member(
    deployed: Deployed, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    """However it says so: done, said, and nothing changed."""
    deployed.sim.act("switches", not_found=answer)
    assert deployed.call("4711", NO_EMAIL) == {"batchItemFailures": []}
    assert deployed.record("4711").version == 0
    assert "'not_found'" in said(caplog)
    assert (queued_count(deployed.queue), queued_count(deployed.dead)) == (0, 0)


@pytest.mark.parametrize("deployed", ["named"], indirect=True)
@pytest.mark.parametrize("status", ["400", "401", "403"])
def test_a_wrong_key_names_its_setting(
    deployed: Deployed, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The message waits, the claim is released, and a key that was mended is taken without a deployment."""
    deployed.sim.act("switches", bad_key=status)
    client("ssm").put_parameter(Name=SECRET, Value="another-key", Type="SecureString", Overwrite=True)
    customer = deployed.sim.act("join", tier_id=FREE)["customer_id"]
    assert deployed.call(customer, NO_EMAIL) == {"batchItemFailures": []}
    written = said(caplog)
    assert "MisconfiguredError" in written
    assert "another-key" not in written
    assert (queued_count(deployed.queue), deployed.journal.lines) == (1, [])
    client("ssm").put_parameter(Name=SECRET, Value=KEY, Type="SecureString", Overwrite=True)
    deployed.call(customer, NO_EMAIL)
    assert len(deployed.journal.lines) == 1


@pytest.mark.parametrize("deployed", ["named"], indirect=True)
def test_an_api_that_fails_defers_the_message(deployed: Deployed) -> None:
    """While the API is down a message is acknowledged and a delayed copy waits."""
    deployed.sim.act("faults", api_5xx=1)
    customer = deployed.sim.act("join", tier_id=FREE)["customer_id"]
    assert deployed.call(customer, NO_EMAIL) == {"batchItemFailures": []}
    assert (queued_count(deployed.queue), queued_count(deployed.dead)) == (1, 0)


@pytest.mark.parametrize("deployed", ["named"], indirect=True)
def test_the_throttle_in_the_table(deployed: Deployed) -> None:
    """One claim at a time for each member; a reading is recorded; a claim that was not used is given back."""
    throttle = DynamoReadThrottle("mirrors")
    assert throttle.load("a:1").read_at is None
    assert throttle.claim("a:1", now=WALL, until=WALL + timedelta(hours=1))
    assert not throttle.claim("a:1", now=WALL, until=WALL + timedelta(hours=1))
    assert throttle.claim("a:2", now=WALL, until=WALL + timedelta(hours=1))
    throttle.mark_read("a:1", WALL)
    assert (throttle.load("a:1").read_at, throttle.load("a:1").next_read_at) == (
        WALL,
        WALL + timedelta(hours=1),
    )
    assert throttle.claim("a:1", now=WALL + timedelta(hours=1), until=WALL + timedelta(hours=2))
    throttle.release("a:2")
    assert throttle.claim("a:2", now=WALL, until=WALL + timedelta(hours=1))


@pytest.mark.parametrize("deployed", ["named"], indirect=True)
def test_the_fan_out_requests_rechecks(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recheck in an outbox waits its ten minutes in the queue; where no API is configured, none is sent."""
    topic = client("sns").create_topic(Name="changes")["TopicArn"]
    monkeypatch.setenv("CHANGES_TOPIC", topic)
    monkeypatch.setenv("ALERTS_URL", deployed.dead)
    monkeypatch.setenv("KPIS_TABLE", make_table("figures"))
    doubted = {
        "member": member_key(SHOP, "1"),
        "changed": False,
        "events": [
            {
                "event_id": "a" * 32, "topic": "customer.updated", "at": "2026-03-01T12:00:00Z",
                "effects": [{"kind": "recheck", "rule": "recheck.evidence", "reason": EVIDENCE}],
            }
        ],
    }  # fmt: skip
    stream = {"dynamodb": {"SequenceNumber": "1", "NewImage": {"o": {"S": json.dumps(doubted)}}}}
    assert fanout.handler({"Records": [stream]}, FakeContext()) == {"batchItemFailures": []}
    names = ["ApproximateNumberOfMessagesDelayed"]
    found = client("sqs").get_queue_attributes(QueueUrl=deployed.queue, AttributeNames=names)["Attributes"]
    assert found == {"ApproximateNumberOfMessagesDelayed": "1"}
    monkeypatch.setenv("RECHECKS_URL", "")
    forget()
    assert fanout.handler({"Records": [stream]}, FakeContext()) == {"batchItemFailures": []}
    assert queued_count(deployed.queue) == 1
    assert load(RecheckRequest, dump(RecheckRequest(member="a:1", reason=EVIDENCE))).reason == EVIDENCE


def test_every_member_of_the_programme_is_imported(deployed: Deployed) -> None:
    """Through the SDK, in every shape of the list: all pages, quietly; a second run finds nothing new."""
    customers = [deployed.sim.act("join", tier_id=FREE)["customer_id"] for _ in range(7)]
    deployed.sim.act("populate", members=230)
    deployed.sim.act("advance", minutes=15)
    assert deployed.send(RunCommand(action="import", id="r1")) == {"batchItemFailures": []}
    run = DynamoFullRuns("mirrors").load()
    assert run is not None
    there = sum(one.status is not None for one in deployed.sim.sim.world.members.values())
    assert (run.phase, run.whole, run.read, run.new) == ("finished", True, there, there)
    member = deployed.record(customers[3]).member
    assert (member.status, bool(member.value("email"))) == ("active", True)
    outboxes = [load(Outbox, item["o"]["S"]) for item in items_of("members") if "o" in item]
    assert len(outboxes) == there
    assert all(outbox.backfill and not outbox.events for outbox in outboxes)
    deployed.send(RunCommand(action="reconcile", id="r2"))
    again = DynamoFullRuns("mirrors").load()
    assert again is not None
    assert (again.new, again.changed, queued_count(deployed.alerts)) == (0, 0, 0)


@pytest.mark.parametrize("deployed", ["named"], indirect=True)
def test_a_subscription_that_was_taken_away_is_an_alert(deployed: Deployed) -> None:
    """Found by the tick of the next day, named, told once, and resolved when it is back."""
    url = f"{CALLBACK}/the-key"
    for topic in TOPICS:
        body = {"topic": topic, "callbackUrl": url, "name": "relay relay-acme"}
        assert deployed.sim.api("POST", "/v2.0/admin/webhook-subscriptions", json=body).status_code == 201
    deployed.sim.act("advance", minutes=1)
    deployed.send(ClockTick(at=WALL))
    assert queued_count(deployed.alerts) == 0
    platform = deployed.sim.sim.subscriptions
    lost = next(one for one in platform.values() if one.topic == "customer.cancelled")
    del platform[lost.id]
    deployed.send(ClockTick(at=WALL + timedelta(hours=1)))
    assert queued_count(deployed.alerts) == 0
    for day in (1, 2):
        deployed.send(ClockTick(at=WALL + timedelta(days=day)))
        assert queued_count(deployed.alerts) == 1
    platform[lost.id] = lost
    deployed.send(ClockTick(at=WALL + timedelta(days=3)))
    received = client("sqs").receive_message(QueueUrl=deployed.alerts, MaxNumberOfMessages=10)["Messages"]
    alerts = [load(AlertMessage, one["Body"]).alert for one in received]
    assert sorted(alert.action for alert in alerts) == ["open", "resolve"]
    assert {alert.incident_key for alert in alerts} == {f"subscription:{SHOP}:customer.cancelled"}
    assert all("customer.cancelled" in alert.title and "the-key" not in str(alert) for alert in alerts)
