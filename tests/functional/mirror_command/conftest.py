"""A stack with a dozen members and a fake HubSpot, for `relay mirror` to work on."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from fakes.hubspot import FakeHubspot
from fakes.local_server import serve
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.members import DynamoMembers
from relay.model.messages import Outbox
from relay.ports.members import MemberRecord
from relay_cli.commands.mirror import inspection, maintenance, removal
from relay_cli.commands.mirror.target import Target

from functions.crm_sync import app
from tests.contract.crm.profiles import AT, SHOP, key_of, member
from tests.support.lambda_env import close, queues, rewire
from tests.support.moto_tables import make_table
from tests.support.port_fakes import FakeContext

COUNT = 12


@dataclass
class FakeLambda:
    """Lambda with the settings of one function."""

    settings: dict[str, str]

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - AWS' name
        """Return the settings of HubSpot's function."""
        if FunctionName != "relay-hubspot":
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": ""}}, "GetFunction")
        return {"Environment": {"Variables": self.settings}}


@dataclass
class FakeStack:
    """A stack whose function is not deployed."""

    settings: dict[str, str]
    name: str = "relay"

    def client(self, service: str) -> Any:
        """Return a client."""
        return FakeLambda(self.settings) if service == "lambda" else client(service)


@dataclass
class MirrorSetup:
    """A stack with members, and a fake HubSpot."""

    hubspot: FakeHubspot
    target: Target
    queue: str
    members: DynamoMembers = field(default_factory=lambda: DynamoMembers("members", SHOP))

    def process_queue(self) -> None:
        """Run crm_sync on the queue until it is empty."""
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
        """Return the result of an action."""
        modules = (inspection, maintenance, removal)
        function = next(getattr(module, action) for module in modules if hasattr(module, action))
        result: dict[str, Any] = function(self.target, Namespace(**options))
        json.dumps(result)
        return result

    def contact(self, customer: int) -> dict[str, str]:
        """Return the fields of a member's contact."""
        held = self.hubspot.portal.contacts.values()
        return next(contact for contact in held if contact.get("membership_key") == key_of(customer))


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[MirrorSetup]:
    """Yield a stack with a dozen members; the last has no e-mail address."""
    make_table("members")
    client("ssm").put_parameter(Name="/relay/hubspot", Value="a-service-key", Type="SecureString")
    queue, dead = queues("hubspot", "dead")
    hubspot = FakeHubspot(token="a-service-key")
    with serve(hubspot.app()) as base_url:
        settings = {
            "POWERTOOLS_SERVICE_NAME": "hubspot",
            "POWERTOOLS_METRICS_NAMESPACE": "Relay",
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
        for name in settings:
            monkeypatch.setenv(name, "to be overwritten")
        rewire()
        target = Target(FakeStack(settings), "hubspot")
        target.load_settings()
        mirror = MirrorSetup(hubspot, target, queue)
        for number in range(COUNT):
            email = None if number == COUNT - 1 else f"member-{number}@example.com"
            known = member(
                number, AT, email=email, tier_name="Gold", credit_balance=Decimal(number), joined_at=AT
            )
            mirror.members.save(MemberRecord(member=known), Outbox(member=key_of(number), changed=True))
        yield mirror
        close()
        rewire("hubspot")


def filled(mirror: MirrorSetup) -> MirrorSetup:
    """Prepare and fill the CRM, so that every member with an address has a contact."""
    mirror.run("prepare", dry_run=False)
    mirror.run("fill", restart=False, yes=True)
    mirror.process_queue()
    return mirror
