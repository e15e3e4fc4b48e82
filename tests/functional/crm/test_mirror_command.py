"""`relay mirror` against tables in memory and HubSpot's stand-in: look, prepare, fill, audit, sample, remove."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from relay import wiring
from relay.adapters.aws import client
from relay.adapters.klaviyo import Klaviyo
from relay.adapters.members import DynamoMembers
from relay.auditing import ERRAND, Auditing, message, start
from relay.batch import read_message
from relay.changes import Audit, Change, Outbox, dump, load
from relay.metrics import METRICS
from relay.ports import Record
from relay_cli import mirror, mirror_looking, mirror_working
from relay_cli.failing import CliError
from relay_cli.mirror_target import Target, explained
from sim.standins.hubspot import Fault, HubspotStandIn
from sim.standins.serving import serve

from functions.crm_sync import app
from tests.contract.crm.benches import FixedToken
from tests.contract.crm.profiles import AT, SHOP, key_of, member
from tests.fakes import FakeContext, FakeOutgoing

COUNT = 12


@dataclass
class FakeLambda:
    """Lambda, as far as one function's settings go."""

    settings: dict[str, str]

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - AWS' name
        """Return the settings of HubSpot's function."""
        if FunctionName != "relay-hubspot":
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": ""}}, "GetFunction")
        return {"Environment": {"Variables": self.settings}}


@dataclass
class FakeAccount:
    """A stack whose function is not deployed."""

    settings: dict[str, str]
    stack: str = "relay"

    def client(self, service: str) -> Any:
        """Return a client."""
        return FakeLambda(self.settings) if service == "lambda" else client(service)


@dataclass
class Stage:
    """A stack with members and HubSpot's stand-in."""

    hubspot: HubspotStandIn
    target: Target
    queue: str
    members: DynamoMembers = field(default_factory=lambda: DynamoMembers("members", SHOP))

    def work(self) -> None:
        """Let crm_sync handle what is in the queue, until nothing is."""
        while True:
            received = client("sqs").receive_message(
                QueueUrl=self.queue,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                AttributeNames=["All"],
            )
            records = [
                {
                    "messageId": held["MessageId"],
                    "receiptHandle": held["ReceiptHandle"],
                    "body": held["Body"],
                    "attributes": held["Attributes"],
                    "messageAttributes": {
                        name: {"stringValue": value["StringValue"]}
                        for name, value in held.get("MessageAttributes", {}).items()
                    },
                }
                for held in received.get("Messages", ())
            ]
            if not records:
                return
            assert app.handler({"Records": records}, FakeContext()) == {"batchItemFailures": []}
            for record in records:
                client("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=record["receiptHandle"])

    def run(self, action: str, **options: Any) -> dict[str, Any]:
        """Do what the command would."""
        do = getattr(mirror_looking, action, None) or getattr(mirror_working, action)
        found: dict[str, Any] = do(self.target, Namespace(**options))
        json.dumps(found)
        return found

    def contact(self, customer: int) -> dict[str, str]:
        """Return a member's contact."""
        held = self.hubspot.portal.contacts.values()
        return next(contact for contact in held if contact.get("membership_key") == key_of(customer))


@pytest.fixture
def stage(mirrors_table: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Set a stage with a dozen members, the last of whom has no address."""
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
            "POWERTOOLS_SERVICE_NAME": "hubspot",
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
            "HUBSPOT_EVENTS": "true",
        }
        for name in settings:
            monkeypatch.setenv(name, "to be overwritten")
        _rewire()
        target = Target(FakeAccount(settings), "hubspot")
        target.connect()
        stage = Stage(hubspot, target, queue)
        for number in range(COUNT):
            email = None if number == COUNT - 1 else f"member-{number}@example.com"
            told = member(
                number, AT, email=email, tier_name="Gold", credit_balance=Decimal(number), joined_at=AT
            )
            stage.members.save(Record(member=told), Outbox(member=key_of(number), changed=True))
        yield stage
        target.crm.close()  # type: ignore[attr-defined]  # HubSpot's adapter has connections to end
        _rewire()


def _rewire() -> None:
    for part in vars(wiring).values():
        if hasattr(part, "cache_clear"):
            part.cache_clear()


def filled(stage: Stage) -> Stage:
    """Have every member mirrored."""
    stage.run("prepare", dry_run=False)
    stage.run("fill", afresh=False, yes=True)
    stage.work()
    return stage


def test_prepare(stage: Stage) -> None:
    """A rehearsal names what would be defined; then it is, and nothing is lacking any more."""
    would = stage.run("prepare", dry_run=True)["would_define"]
    assert "membership_credit_balance" in would
    assert set(METRICS) <= set(would)
    assert stage.run("prepare", dry_run=False)["defined"] == would
    assert stage.run("prepare", dry_run=True)["would_define"] == []


def test_fill_and_status(stage: Stage) -> None:
    """Every member is mirrored, no event is sent, and the status says how many and who not."""
    stage.run("prepare", dry_run=False)
    assert stage.run("status")["pending"] == COUNT
    told = stage.run("fill", afresh=False, yes=True)
    assert (told["sent"], bool(told["finished"])) == (COUNT, True)
    assert stage.run("status")["messages_waiting"] == COUNT
    stage.work()
    found = stage.run("status")
    assert {
        name: found[name] for name in ("members", "mirrored", "pending", "skipped_no_email", "refused")
    } == {
        "members": COUNT,
        "mirrored": COUNT - 1,
        "pending": 0,
        "skipped_no_email": 1,
        "refused": 0,
    }
    assert found["last_fill"]["sent"] == COUNT
    assert not stage.hubspot.portal.events.occurrences


def test_a_fill_asks_where_a_write_can_start_something(stage: Stage) -> None:
    """Nobody at the terminal, and no `--yes`: nothing is done."""
    stage.run("prepare", dry_run=False)
    with pytest.raises(CliError, match="workflows"):
        stage.run("fill", afresh=False, yes=False)
    assert stage.run("status")["messages_waiting"] == 0


def test_a_fill_by_jobs_asks_too() -> None:
    """A job starts no flow by itself, and moves people into segments that do."""
    crm = Klaviyo("https://klaviyo.example", FixedToken())
    target = cast("Target", SimpleNamespace(crm=crm, name="klaviyo"))
    with pytest.raises(CliError, match="flows that a segment"):
        mirror_working.fill(target, Namespace(afresh=False, yes=False))


def test_a_fill_goes_on(stage: Stage) -> None:
    """One that was interrupted begins where it ended; a finished one, or `--afresh`, begins anew."""
    stage.run("prepare", dry_run=False)
    stage.target.inventory.note("fill", {"started": "before", "finished": "", "cursor": None, "sent": 1000})
    assert stage.run("fill", afresh=False, yes=True)["sent"] == 1000 + COUNT
    assert stage.run("fill", afresh=False, yes=True)["sent"] == COUNT


def test_refused_and_why(stage: Stage) -> None:
    """A member whom HubSpot will not have is counted with the reason."""
    stage.run("prepare", dry_run=False)
    stage.hubspot.portal.create({"email": "member-3@example.com", "membership_key": "other.myshopify.com:1"})
    filled(stage)
    found = stage.run("status")
    assert (found["refused"], found["refused_why"]) == (1, {"owned_by_other": 1})


def test_diff(stage: Stage) -> None:
    """What was edited in HubSpot stands beside what we wrote; addresses only where they are asked for."""
    filled(stage)
    stage.contact(3)["membership_tier"] = "Platinum"
    stage.contact(4)["email"] = "secret@example.com"
    found = stage.run("diff", members=[], reveal=False, limit=20)["members"]
    assert found.keys() == {key_of(3), key_of(4)}
    assert found[key_of(3)] == {"tier_name": {"ours": "Gold", "theirs": "Platinum", "same": False}}
    assert "secret" not in json.dumps(found)
    shown = stage.run("diff", members=["4"], reveal=True, limit=20)["members"][key_of(4)]
    assert shown["email"] == {"ours": "member-4@example.com", "theirs": "secret@example.com", "same": False}
    assert shown["tier_name"]["same"]
    with pytest.raises(CliError):
        stage.run("diff", members=["jane@example.com"], reveal=False, limit=20)


def test_audit(stage: Stage) -> None:
    """What was edited is put right, who was deleted is made again, and a second audit finds nothing."""
    filled(stage)
    stage.contact(3)["membership_tier"] = "Platinum"
    contacts = stage.hubspot.portal.contacts
    del contacts[next(id_ for id_, held in contacts.items() if held["membership_key"] == key_of(4))]
    found = stage.run("audit")
    assert {name: found[name] for name in ("read", "edited", "missing", "repaired", "fields")} == {
        "read": COUNT - 1,
        "edited": 1,
        "missing": 1,
        "repaired": 2,
        "fields": {"tier_name": 1},
    }
    assert stage.contact(3)["membership_tier"] == "Gold"
    assert stage.contact(4)["email"] == "member-4@example.com"
    again = stage.run("audit")
    assert (again["edited"], again["missing"]) == (0, 0)
    assert stage.run("status")["last_audit"]["finished"] is True


def test_the_clocks_audit(stage: Stage) -> None:
    """A message on the target's queue starts one; it works through its pages and notes what it found."""
    filled(stage)
    stage.contact(3)["membership_tier"] = "Platinum"
    start(stage.target.queue, datetime(2026, 11, 22, 3, tzinfo=UTC))
    stage.work()
    assert stage.contact(3)["membership_tier"] == "Gold"
    found = stage.run("status")["last_audit"]
    assert (found["finished"], found["repaired"]) == (True, 1)


def test_an_audit_leaves_changes_under_way_alone(stage: Stage) -> None:
    """A member whose newest state is not sent yet differs for a good reason."""
    filled(stage)
    known = stage.members.load([key_of(3)])[0][key_of(3)]
    told = member(3, datetime.now(UTC), email="member-3@example.com", tier_name="Silver")
    stage.members.save(Record(member=told, version=known.version), Outbox(member=key_of(3), changed=True))
    assert stage.run("audit")["edited"] == 0
    assert stage.contact(3)["membership_tier"] == "Gold"


def auditing(stage: Stage, queue: FakeOutgoing) -> Auditing:
    """Return audits whose next steps go to a queue in memory."""
    return Auditing(writing=stage.target.writing, inventory=stage.target.inventory, queue=queue)


def received(audit: Audit) -> Any:
    """Return a step as it is received."""
    sent = message(audit)
    return read_message(
        {
            "messageId": "a",
            "receiptHandle": "r",
            "body": sent.body,
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0"},
            "messageAttributes": {name: {"stringValue": value} for name, value in sent.attributes.items()},
        }
    )


def test_a_step_twice_is_once(stage: Stage) -> None:
    """A step that comes again is over; a second run waits until the first is."""
    filled(stage)
    queue = FakeOutgoing()
    audits = auditing(stage, queue)
    first, other = Audit(run=datetime.now(UTC)), Audit(run=datetime(2026, 1, 1, tzinfo=UTC))
    stage.target.inventory.note(
        "audit",
        {"run": first.run.isoformat(), "step": 0, "at": datetime.now(UTC).isoformat(), "finished": False},
    )
    asked = len(stage.hubspot.requests)
    assert audits.run(received(other), FakeContext()) is None
    assert len(stage.hubspot.requests) == asked, "another run is under way"
    assert audits.run(received(first), FakeContext()) is None
    asked = len(stage.hubspot.requests)
    assert audits.run(received(first), FakeContext()) is None
    assert len(stage.hubspot.requests) == asked, "that step is done"
    assert queue.sent == [], "and the only page was the last"


def test_an_audit_waits_out_an_outage(stage: Stage) -> None:
    """A step that could not read is put off, and nothing is noted of it."""
    filled(stage)
    stage.hubspot.faults.append(Fault(status=503))
    answer = auditing(stage, FakeOutgoing()).run(received(Audit(run=datetime.now(UTC))), FakeContext())
    assert answer is not None
    assert stage.target.inventory.run("audit") == {}
    assert ERRAND == "audit"


def test_sample(stage: Stage) -> None:
    """One event of each name is sent, about a member that is no customer."""
    stage.run("prepare", dry_run=False)
    found = stage.run("sample", email="Me@Example.com ", yes=True)
    assert found["events"] == dict.fromkeys(METRICS, "mirrored")
    assert len(stage.hubspot.portal.events.occurrences) == len(METRICS)
    (contact,) = stage.hubspot.portal.contacts.values()
    assert (contact["email"], contact["membership_key"]) == ("me@example.com", f"{SHOP}:sample")


@pytest.mark.parametrize("clear", [True, False])
def test_remove(stage: Stage, clear: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - pytest's
    """Our fields are taken off, or kept; nothing is written any more; a later fill begins anew."""
    monkeypatch.setattr(mirror_working, "_SETTLING", 0.0)
    filled(stage)
    found = stage.run("remove", clear=clear, keep=not clear, yes=True)
    assert found["forgotten"] == COUNT
    assert found["cleared"] == (COUNT - 1 if clear else 0)
    held = [contact.get("membership_tier") for contact in stage.hubspot.portal.contacts.values()]
    assert held == [None if clear else "Gold"] * (COUNT - 1)
    client("sqs").send_message(QueueUrl=stage.queue, MessageBody=dump(Change(member=key_of(3))))
    asked = len(stage.hubspot.requests)
    stage.work()
    assert len(stage.hubspot.requests) == asked, "it is closed"
    filled(stage)
    assert stage.contact(3)["membership_tier"] == "Gold"


def test_quiet_messages_carry_no_notes(stage: Stage) -> None:
    """What a fill sends names a member and is marked quiet."""
    stage.run("prepare", dry_run=False)
    stage.run("fill", afresh=False, yes=True)
    received = client("sqs").receive_message(QueueUrl=stage.queue)["Messages"]
    assert load(Change, received[0]["Body"]).quiet


def test_what_is_said_when_it_cannot_be(stage: Stage) -> None:
    """An unknown target, and credentials that HubSpot refuses, are said in a sentence."""
    with pytest.raises(CliError, match="mirrors to no klaviyo"):
        Target(stage.target.account, "klaviyo").connect()
    stage.hubspot.token = "another"
    with pytest.raises(CliError, match="HUBSPOT_SECRET"), explained():
        stage.run("prepare", dry_run=True)


def test_the_result_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    """People read words and numbers; what never was is called so."""
    mirror._show(
        {"mirrored": 3, "refused_why": {"owned_by_other": 1}, "last_fill": {}, "at": None, "ids": ["a"]}
    )
    assert capsys.readouterr().out.splitlines() == [
        "mirrored: 3",
        "refused why:",
        "  owned by other: 1",
        "last fill: none",
        "at: never",
        "ids: a",
    ]
