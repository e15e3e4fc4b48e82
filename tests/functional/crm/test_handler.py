"""The function crm_sync as Lambda calls it: from a change message to a contact at HubSpot's stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from relay import wiring
from relay.adapters.aws import client
from relay.adapters.members import DynamoMembers
from relay.changes import Outbox
from relay.ports import Record
from sim.standins.hubspot import Fault, HubspotStandIn
from sim.standins.serving import serve

from functions.crm_sync import app
from tests.contract.crm.profiles import SHOP, key_of, member
from tests.fakes import FakeContext
from tests.fakes_crm import change_message

KEY = key_of(7001)


@dataclass
class Deployed:
    """The function's surroundings."""

    hubspot: HubspotStandIn
    queue: str
    dead: str

    def know(self, record: Record) -> None:
        """Put a member into the members table."""
        DynamoMembers("members", SHOP).save(record, Outbox(member=record.member.key, changed=True))

    def call(self, *keys: str) -> dict[str, Any]:
        """Call the handler with a change of each of these members."""
        records = [
            {
                "messageId": f"m{number}",
                "receiptHandle": "r",
                "body": change_message(f"m{number}", key).body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": str(int(datetime.now(UTC).timestamp() * 1000)),
                },
                "messageAttributes": {},
            }
            for number, key in enumerate(keys)
        ]
        return app.handler({"Records": records}, FakeContext())

    def held(self, queue: str) -> int:
        """Return how many messages a queue has, the put-off ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
        found = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


@pytest.fixture
def deployed(mirrors_table: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """Deploy the function against a stand-in."""
    client("dynamodb").create_table(
        TableName="members",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client("ssm").put_parameter(Name="/relay/hubspot", Value="a-service-key", Type="SecureString")
    queue, dead = (client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in ("hubspot", "dead"))
    hubspot = HubspotStandIn(token="a-service-key")
    with serve(hubspot.app()) as base_url:
        settings = {
            "POWERTOOLS_SERVICE_NAME": "crm_sync",
            "POWERTOOLS_METRICS_NAMESPACE": "Relay",
            "SHOP_DOMAIN": SHOP,
            "SOURCE_URL": queue,
            "SOURCE_NAME": "hubspot",
            "DEAD_LETTERS_URL": dead,
            "MEMBERS_TABLE": "members",
            "MIRRORS_TABLE": mirrors_table,
            "TARGET": "hubspot",
            "HUBSPOT_URL": base_url,
            "HUBSPOT_SECRET": "/relay/hubspot",
            "HUBSPOT_VERSION": "2026-09",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        _rewire()
        yield Deployed(hubspot, queue, dead)
        if wiring.crm.cache_info().currsize:
            wiring.crm().close()  # type: ignore[attr-defined]  # HubSpot's adapter has connections to end
        _rewire()


def _rewire() -> None:
    for part in vars(wiring).values():
        if hasattr(part, "cache_clear"):
            part.cache_clear()


def test_a_change_becomes_a_contact(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed member is a contact; one without an address is reported as skipped; no value is logged."""
    deployed.know(Record(member=member(tier_name="Gold")))
    deployed.know(Record(member=member(7002, email=None)))
    assert deployed.call(KEY, key_of(7002)) == {"batchItemFailures": []}
    (contact,) = deployed.hubspot.portal.contacts.values()
    assert (contact["membership_key"], contact["membership_tier"]) == (KEY, "Gold")
    written = capsys.readouterr().out
    lines = [json.loads(line) for line in written.splitlines()]
    (figures,) = [line for line in lines if "_aws" in line]
    assert (figures["Mirrored"], figures["SkippedNoEmail"], figures["target"]) == ([1.0], [1.0], "hubspot")
    (skipped,) = [line for line in lines if line.get("message") == "skipped_no_email"]
    assert skipped["member"] == key_of(7002)
    assert "example.com" not in written
    assert "Gold" not in written
    assert "a-service-key" not in written


def test_an_outage_puts_messages_off(deployed: Deployed) -> None:
    """While HubSpot is down a message is acknowledged and a delayed copy waits; nothing is given up."""
    deployed.know(Record(member=member()))
    deployed.hubspot.faults.append(Fault(status=503))
    assert deployed.call(KEY) == {"batchItemFailures": []}
    assert (deployed.held(deployed.queue), deployed.held(deployed.dead)) == (1, 0)
    asked = len(deployed.hubspot.requests)
    assert deployed.call(KEY) == {"batchItemFailures": []}
    assert (deployed.held(deployed.queue), deployed.held(deployed.dead)) == (2, 0)
    assert len(deployed.hubspot.requests) == asked, "while it is closed nobody knocks"
    gates = wiring.breaker().gates
    gates.swap(gates.load(), replace(gates.load(), until=datetime.now(UTC), version=gates.load().version + 1))
    assert deployed.call(KEY) == {"batchItemFailures": []}
    assert len(deployed.hubspot.portal.contacts) == 1
    assert gates.load().until is None


def test_a_foreign_message_is_given_up(deployed: Deployed) -> None:
    """A message about another shop's member goes to the dead letters."""
    assert deployed.call("other.myshopify.com:1") == {"batchItemFailures": []}
    assert deployed.held(deployed.dead) == 1


def test_a_missing_setting_costs_no_message(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a setting missing the messages wait, and their receives are not spent."""
    monkeypatch.delenv("HUBSPOT_URL")
    assert deployed.call(KEY) == {"batchItemFailures": []}
    assert deployed.held(deployed.queue) == 1


def test_an_unknown_target(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that there is no adapter for is a setting to mend."""
    monkeypatch.setenv("TARGET", "pigeon")
    assert deployed.call(KEY) == {"batchItemFailures": []}
    assert deployed.held(deployed.queue) == 1
