"""The function crm_sync as the template sets it up for Salesforce and for the webhook: from a change to their stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from relay import wiring
from relay.adapters.aws import client
from relay.adapters.members import DynamoMembers
from relay.changes import Outbox
from relay.errors import MisconfiguredError
from relay.ports import Record
from sim.standins.faulty import Fault, Faults
from sim.standins.salesforce import SalesforceStandIn
from sim.standins.serving import serve
from sim.standins.signed_webhook import SignedWebhookStandIn

from functions.crm_sync import app
from tests.contract.crm.profiles import SHOP, key_of, member
from tests.contract.crm.salesforce import CREDENTIALS, define_fields
from tests.contract.crm.webhook import SECRET
from tests.fakes import FakeContext
from tests.fakes_crm import change_message

KEY = key_of(7001)


@dataclass
class Target:
    """A target's settings and secret, what it was told of members, and how it is made to fail."""

    settings: dict[str, str]
    secret: str
    tiers: Callable[[], list[str]]
    faults: Faults


@contextmanager
def _salesforce() -> Iterator[Target]:
    standin = SalesforceStandIn("an-app", "its-secret")
    define_fields(standin)
    with serve(standin.app()) as url:
        yield Target(
            {"SALESFORCE_URL": url, "SALESFORCE_OBJECT": "Contact", "SALESFORCE_VERSION": "65.0"},
            CREDENTIALS,
            lambda: [str(record["Membership_Tier__c"]) for record in standin.org.records.values()],
            standin.faults,
        )


@contextmanager
def _webhook() -> Iterator[Target]:
    standin = SignedWebhookStandIn((SECRET,))
    with serve(standin.app()) as url:
        yield Target(
            {"WEBHOOK_URL": f"{url}/hook"},
            SECRET,
            lambda: [str(data["tier_name"]) for data in standin.members.values()],
            standin.faults,
        )


TARGETS: dict[str, Callable[[], AbstractContextManager[Target]]] = {
    "salesforce": _salesforce,
    "webhook": _webhook,
}


@pytest.fixture(params=TARGETS)
def target(
    request: pytest.FixtureRequest, mirrors_table: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Target]:
    """Deploy the function for this target."""
    name = request.param
    client("dynamodb").create_table(
        TableName="members",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    DynamoMembers("members", SHOP).save(
        Record(member=member(tier_name="Gold")), Outbox(member=KEY, changed=True)
    )
    queue, dead = (client("sqs").create_queue(QueueName=each)["QueueUrl"] for each in (name, "dead"))
    with TARGETS[name]() as target:
        client("ssm").put_parameter(Name=f"/relay/{name}", Value=target.secret, Type="SecureString")
        settings = {
            "POWERTOOLS_SERVICE_NAME": name,
            "POWERTOOLS_METRICS_NAMESPACE": "Relay",
            "SHOP_DOMAIN": SHOP,
            "SOURCE_URL": queue,
            "SOURCE_NAME": name,
            "DEAD_LETTERS_URL": dead,
            "MEMBERS_TABLE": "members",
            "MIRRORS_TABLE": mirrors_table,
            "TARGET": name,
            f"{name.upper()}_SECRET": f"/relay/{name}",
            **target.settings,
        }
        for setting, value in settings.items():
            monkeypatch.setenv(setting, value)
        _rewire()
        yield target
        if wiring.crm.cache_info().currsize:
            wiring.crm().close()  # type: ignore[attr-defined]  # the adapter has connections to end
        _rewire()


def _rewire() -> None:
    for part in vars(wiring).values():
        if hasattr(part, "cache_clear"):
            part.cache_clear()


def _call() -> dict[str, object]:
    record = {
        "messageId": "m1",
        "receiptHandle": "r",
        "body": change_message("m1", KEY).body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(int(datetime.now(UTC).timestamp() * 1000)),
        },
        "messageAttributes": {},
    }
    return app.handler({"Records": [record]}, FakeContext())


def test_a_change_arrives(target: Target) -> None:
    """A changed member is told to the target, under the settings that the template gives."""
    assert _call() == {"batchItemFailures": []}
    assert target.tiers() == ["Gold"]


def test_an_outage_costs_time(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    """While the target is down the message is put off; no value of a member is logged."""
    target.faults.waiting.append(Fault(status=503))
    assert _call() == {"batchItemFailures": []}
    assert target.tiers() == []
    assert "example.com" not in capsys.readouterr().out


def test_a_missing_setting_is_named(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target without its address says which setting is missing."""
    setting = next(iter(target.settings))
    monkeypatch.delenv(setting)
    with pytest.raises(MisconfiguredError) as caught:
        wiring.crm()
    assert caught.value.setting == setting
