"""A stack with a dozen members and HubSpot's stand-in, for `relay mirror` to work on."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.members import DynamoMembers
from relay.model.messages import Outbox
from relay.ports.members import MemberRecord
from relay_cli import mirror_looking, mirror_removing, mirror_working
from relay_cli.mirror_target import Target
from sim.standins.hubspot import HubspotStandIn
from sim.standins.serving import serve

from tests.contract.crm.profiles import AT, SHOP, key_of, member
from tests.support.lambda_env import drop_log, queues
from tests.support.moto_tables import make_table
from tests.support.port_fakes import FakeContext

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
            assert self.target.services.run({"Records": records}, FakeContext()) == {"batchItemFailures": []}
            for record in records:
                client("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=record["receiptHandle"])

    def run(self, action: str, **options: Any) -> dict[str, Any]:
        """Do what the command would."""
        rooms = (mirror_looking, mirror_working, mirror_removing)
        do = next(getattr(room, action) for room in rooms if hasattr(room, action))
        found: dict[str, Any] = do(self.target, Namespace(**options))
        json.dumps(found)
        return found

    def contact(self, customer: int) -> dict[str, str]:
        """Return a member's contact."""
        held = self.hubspot.portal.contacts.values()
        return next(contact for contact in held if contact.get("membership_key") == key_of(customer))


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Set a stage with a dozen members, the last of whom has no address."""
    make_table("members")
    client("ssm").put_parameter(Name="/relay/hubspot", Value="a-service-key", Type="SecureString")
    queue, dead = queues("hubspot", "dead")
    hubspot = HubspotStandIn(token="a-service-key")
    with serve(hubspot.app()) as base_url:
        settings = {
            "SHOP_DOMAIN": SHOP,
            "SOURCE_URL": queue,
            "SOURCE_NAME": "hubspot",
            "DEAD_LETTERS_URL": dead,
            "MEMBERS_TABLE": "members",
            "MIRRORS_TABLE": make_table("mirrors"),
            "TARGET": "hubspot",
            "HUBSPOT_URL": base_url,
            "HUBSPOT_SECRET": "/relay/hubspot",
            "HUBSPOT_VERSION": "2026-09",
            "HUBSPOT_EVENTS": "true",
        }
        monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "hubspot")
        target = Target(FakeAccount(settings), "hubspot")
        target.connect()
        adapter: Any = target.services.crm
        stage = Stage(hubspot, target, queue)
        for number in range(COUNT):
            email = None if number == COUNT - 1 else f"member-{number}@example.com"
            told = member(
                number, AT, email=email, tier_name="Gold", credit_balance=Decimal(number), joined_at=AT
            )
            stage.members.save(MemberRecord(member=told), Outbox(member=key_of(number), changed=True))
        yield stage
        adapter.close()
        drop_log("hubspot")


def filled(stage: Stage) -> Stage:
    """Have every member mirrored."""
    stage.run("prepare", dry_run=False)
    stage.run("fill", afresh=False, yes=True)
    stage.work()
    return stage
