"""The function crm_sync with the target klaviyo: from a change message to a profile and an event at the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from relay import wiring
from relay.adapters.aws import client
from relay.adapters.members import DynamoMembers
from relay.changes import Outbox
from relay.ports import Record
from sim.standins.klaviyo import KlaviyoStandIn
from sim.standins.serving import serve

from functions.crm_sync import app
from tests.contract.crm.profiles import SHOP, key_of, member
from tests.fakes import FakeContext
from tests.fakes_crm import change_message

KEY = key_of(7001)
KEYS = "pk_made_up"


@dataclass
class Deployed:
    """The function's surroundings."""

    klaviyo: KlaviyoStandIn
    queue: str

    def call(self, *notes: str) -> dict[str, Any]:
        """Call the handler with a change of the member, with notes by their rules' names."""
        record = {
            "messageId": "m1",
            "receiptHandle": "r",
            "body": change_message("e1", KEY, *notes).body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": str(int(datetime.now(UTC).timestamp() * 1000)),
            },
            "messageAttributes": {},
        }
        return app.handler({"Records": [record]}, FakeContext())

    def waiting(self) -> int:
        """Return how many messages were put off."""
        name = "ApproximateNumberOfMessagesDelayed"
        found = client("sqs").get_queue_attributes(QueueUrl=self.queue, AttributeNames=[name])
        return int(found["Attributes"][name])


@pytest.fixture
def deployed(mirrors_table: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """Deploy the function against a stand-in, with a member in the table."""
    client("dynamodb").create_table(
        TableName="members",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    record = Record(member=member(tier_name="Gold"))
    DynamoMembers("members", SHOP).save(record, Outbox(member=KEY, changed=True))
    client("ssm").put_parameter(Name="/relay/klaviyo", Value=KEYS, Type="SecureString")
    queue, dead = (client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in ("klaviyo", "dead"))
    klaviyo = KlaviyoStandIn(key=KEYS)
    with serve(klaviyo.app()) as base_url:
        settings = {
            "POWERTOOLS_SERVICE_NAME": "crm_sync",
            "POWERTOOLS_METRICS_NAMESPACE": "Relay",
            "SHOP_DOMAIN": SHOP,
            "SOURCE_URL": queue,
            "SOURCE_NAME": "klaviyo",
            "DEAD_LETTERS_URL": dead,
            "MEMBERS_TABLE": "members",
            "MIRRORS_TABLE": mirrors_table,
            "TARGET": "klaviyo",
            "KLAVIYO_URL": base_url,
            "KLAVIYO_SECRET": "/relay/klaviyo",
            "KLAVIYO_REVISION": "2026-07-15",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        _rewire()
        yield Deployed(klaviyo, queue)
        if wiring.crm.cache_info().currsize:
            wiring.crm().close()  # type: ignore[attr-defined]  # Klaviyo's adapter has connections to end
        _rewire()


def _rewire() -> None:
    for part in vars(wiring).values():
        if hasattr(part, "cache_clear"):
            part.cache_clear()


def test_a_change_becomes_a_profile_and_an_event(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed member is a profile under our names alone, its note an event; twice is once; nothing is logged of it."""
    for _ in range(2):
        assert deployed.call("Membership Joined") == {"batchItemFailures": []}
    (profile,) = deployed.klaviyo.account.profiles.values()
    assert profile.attributes == {"email": "member-7001@example.com"}
    assert profile.properties["Membership Tier"] == "Gold"
    assert all(name.startswith("Membership ") for name in profile.properties)
    (event,) = deployed.klaviyo.account.events
    assert (event["metric"], event["unique_id"]) == ("Membership Joined", "e1.Membership Joined")
    written = capsys.readouterr().out
    for secret in ("example.com", "Gold", KEYS):
        assert secret not in written


def test_the_merchants_choices(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """By opt-in the names of Inveterate's link are written as well, and our key is the external id."""
    monkeypatch.setenv("KLAVIYO_COMPAT_NAMES", "true")
    monkeypatch.setenv("KLAVIYO_SET_EXTERNAL_ID", "true")
    deployed.call()
    (profile,) = deployed.klaviyo.account.profiles.values()
    assert profile.properties["Inveterate: Tier Name"] == "Gold"
    assert profile.attributes["external_id"] == KEY


def test_an_old_revision_costs_no_message(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a revision that nobody knows the messages wait for a person, and Klaviyo is not called."""
    monkeypatch.setenv("KLAVIYO_REVISION", "2020-01-01")
    assert deployed.call() == {"batchItemFailures": []}
    assert deployed.waiting() == 1
    assert deployed.klaviyo.requests == []


def test_a_wrong_key_costs_no_message(deployed: Deployed) -> None:
    """With a key that Klaviyo does not know the messages wait for a person."""
    deployed.klaviyo.key = "pk_another"
    assert deployed.call() == {"batchItemFailures": []}
    assert deployed.waiting() == 1
    assert deployed.klaviyo.account.profiles == {}
