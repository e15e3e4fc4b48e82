"""The clock and the fan-out on AWS in memory: the one stores KPI events, the other sends the digest of them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.members import DynamoMembers
from relay.errors import MisconfiguredError
from relay.model.effects import Kpi
from relay.model.facts import Facts, Lot
from relay.model.member import Member, merge
from relay.model.messages import (
    AuditStep,
    ClockTick,
    DailyDigest,
    EventEffects,
    MemberChanged,
    Outbox,
    dump,
    load,
)
from relay.ports.members import MemberRecord
from relay.topics import FOLDERS, queue_variable

from tests.support.lambda_env import function_env, header_of
from tests.support.moto_tables import make_table
from tests.support.port_fakes import SHOP, FakeContext
from tests.support.template_data import environment

NINE = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
"""In New York."""

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MIA = merge(
    merge(Member(shop=SHOP, customer_id="7"), Facts(event_id="e", at=NINE - DAY, values={"joined_at": NINE})),
    Facts(event_id="10" * 16, at=NINE - DAY, lot=Lot(Decimal(25), NINE + 7 * DAY - HOUR)),
)

clock = importlib.import_module("functions.clock.app").handler
fanout = importlib.import_module("functions.fanout.app").handler


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Deploy what both functions need, with the very variables that the template gives them."""
    for kind in ("members", "mirrors", "figures"):
        make_table(kind)
    sqs, sns = client("sqs"), client("sns")
    client("s3").create_bucket(Bucket="journal")
    urls = {
        name: sqs.create_queue(QueueName=name)["QueueUrl"]
        for name in ("alerts", "changes", "rest", "rechecks", "audited")
    }
    topic = sns.create_topic(Name="changes")["TopicArn"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint="arn:aws:sqs:us-east-1:123456789012:changes",
        Attributes={"RawMessageDelivery": "true"},
    )
    known = {
        "SHOP_DOMAIN": SHOP,
        "STACK_NAME": "relay-acme",
        "POWERTOOLS_SERVICE_NAME": "clock",
        "TIME_ZONE": "America/New_York",
        "MEMBERS_TABLE": "members",
        "MIRRORS_TABLE": "mirrors",
        "KPIS_TABLE": "figures",
        "CHANGES_TOPIC": topic,
        "ALERTS_URL": urls["alerts"],
        "UNCLAIMED_URL": urls["rest"],
        "DEAD_LETTERS_URL": urls["rest"],
        "RECHECKS_URL": urls["rechecks"],
        "RECHECK_DELAY": "600",
        "JOURNAL_STREAM": "journal",
        "JOURNAL_BUCKET": "journal",
        "JOURNAL_DAYS": "365",
        **{queue_variable(folder): urls["rest"] for folder in FOLDERS.values()},
        "QUEUE_UNCLAIMED": urls["rest"],
        "CRM_QUEUE_URLS": f" {urls['audited']}  ",
    }
    assert known.keys() >= environment("ClockFunction").keys()
    with function_env(monkeypatch, known):
        yield urls


def taken(url: str) -> list[Mapping[str, Any]]:
    """Take what a queue holds."""
    found = []
    while (
        messages := client("sqs")
        .receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        .get("Messages")
    ):
        found += messages
    return found


def bodies(messages: list[Mapping[str, Any]], topic: str) -> list[str]:
    return [message["Body"] for message in messages if header_of(message).topic == topic]


def tick(at: datetime) -> Mapping[str, Any]:
    done: Mapping[str, Any] = clock({"time": at.isoformat()}, FakeContext())
    return done


def write(number: int, *kpis: Kpi) -> dict[str, Any]:
    """Return one record of the members table's stream."""
    event_effects = EventEffects(event_id=f"{number:032x}", topic="t", at=NINE - 20 * HOUR, effects=kpis)
    box = Outbox(
        member=f"{SHOP}:{number}", changed=False, events=(event_effects,), newest_webhook_at=NINE - HOUR
    )
    return {"dynamodb": {"SequenceNumber": str(number), "NewImage": {"o": {"S": dump(box)}}}}


def test_a_morning_from_the_stream_to_the_digest(queues: dict[str, str]) -> None:
    """What the fan-out counted, once though it came twice, is in the digest; Mia's credits are a note for the CRMs."""
    DynamoMembers("members", SHOP).save(MemberRecord(member=MIA), Outbox(member=MIA.key, changed=True))
    client("dynamodb").put_item(
        TableName="mirrors",
        Item={"key": {"S": keys.sync_state("hubspot", MIA.key)}, "state": {"S": "mirrored"}},
    )
    paid = Kpi(rule="payment.received", name="payment", amount=Decimal("9.99"), currency="USD")
    records = [write(1, paid), write(2, paid), write(1, paid)]
    assert fanout({"Records": records}, FakeContext()) == {"batchItemFailures": []}
    assert tick(NINE - HOUR)["daily_run"] == "done"
    assert tick(NINE)["daily_run"] == tick(NINE)["daily_run"] == "done"
    alerts = taken(queues["alerts"])
    assert [load(ClockTick, body).at for body in bodies(alerts, "relay.tick")] == [NINE - HOUR, NINE, NINE]
    [digest] = [load(DailyDigest, body) for body in bodies(alerts, "relay.digest")]
    assert digest.lines == (
        ("Fees paid", "2: 19.98 USD"),
        ("Credits expiring within 7 days", "1: 25"),
        ("Members in HubSpot", "1 up to date"),
    )
    [change] = [load(MemberChanged, message["Body"]) for message in taken(queues["changes"])]
    assert [event_effects.event_id for event_effects in change.events] == [f"exp:{'10' * 16}:7"]


def test_the_weekly_audit_is_asked_for_at_the_targets_queue(queues: dict[str, str]) -> None:
    """By the variable that the template fills with the queues of the targets that there are."""
    tick(datetime(2026, 3, 2, 8, 0, tzinfo=UTC))
    sent = {header_of(message).topic: message for message in taken(queues["audited"])}
    assert sent.keys() == {"relay.audit", "relay.waiting"}
    message = sent["relay.audit"]
    assert load(AuditStep, message["Body"]).run == datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def test_conditions_are_measured_by_stack(queues: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """As CloudWatch reads them out of the log: under the very names and dimensions of the alarms."""
    failed = Kpi(rule="dunning.attempt", name="failed_attempt")
    fanout({"Records": [write(number, failed) for number in range(10)]}, FakeContext())
    capsys.readouterr()
    tick(NINE - 20 * HOUR + timedelta(minutes=5))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    measured = {
        metric["Name"]: (line[metric["Name"]], line["stack"], directive["Dimensions"])
        for line in lines
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }
    assert measured == {
        "FailureSpike": (1, "relay-acme", [["stack"]]),
        "CancelSpike": (0, "relay-acme", [["stack"]]),
        "ManualCredits": (0, "relay-acme", [["stack"]]),
        "Silence": (0, "relay-acme", [["stack"]]),
    }


@pytest.mark.usefixtures("queues")
def test_a_time_zone_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tick fails, and the error names the setting."""
    monkeypatch.setenv("TIME_ZONE", "Europe")
    with pytest.raises(MisconfiguredError) as raised:
        tick(NINE)
    assert raised.value.setting == "TIME_ZONE"
