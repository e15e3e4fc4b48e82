"""Two stacks of one shop, in one account and region: production, and staging beside it, whose name begins with production's."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fakes.hubspot import FakeHubspot
from fakes.local_server import serve
from fakes.slack import HOOK, FakeSlack
from local_stack.deployment import ARCHITECTURE, RUNTIME, DeployedStack, build, deploy
from local_stack.environment import SHOP, new_run_folder
from local_stack.local_aws import LocalAws, local_aws
from local_stack.local_http import get, post
from relay.topics import FOLDERS
from stack_template.retained import retained

from tests.support.port_fakes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.xdist_group("two-stacks")]
SAMPLE = (ROOT / "events" / "customer.payment_failed.json").read_bytes()
RETAINED = {
    "Members": ("AWS::DynamoDB::Table", "TableName"),
    "Grants": ("AWS::DynamoDB::Table", "TableName"),
    "JournalBucket": ("AWS::S3::Bucket", "BucketName"),
}
"""What outlives a stack, with its type and the property that identifies it."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """One of the two stacks, with the servers that it calls and its callback key."""

    aws: LocalAws
    built: Path
    stack: DeployedStack
    hubspot: str
    slack: str
    key: str

    def deployed(self) -> Deployed:
        """Deploy it, for the first time or again."""
        name = self.stack.name
        parameters = {
            "ShopDomain": SHOP,
            "KeyDigests": hashlib.sha256(self.key.encode()).hexdigest(),
            "Runtime": RUNTIME,
            "Architecture": ARCHITECTURE,
            "Targets": "hubspot",
            "HubSpotUrl": self.hubspot,
            "HubSpotSecret": f"/relay/{name}/hubspot",
            "SlackSecret": f"/relay/{name}/slack",
        }
        return replace(self, stack=deploy(self.aws, self.built, name, parameters))

    def post(self, body: bytes, key: str | None = None) -> int:
        """Deliver a webhook to this stack's API; return the status."""
        host = f"{self.stack.outputs['ApiId']}.execute-api.localhost:{self.aws.port}"
        headers = {"host": host, "content-type": "application/json"}
        url = f"{self.aws.endpoint}/webhooks/{key or self.key}"
        return int(post(url, content=body, headers=headers, timeout=60).status_code)

    def members(self) -> dict[str, Any]:
        """Return the items of the members table by key."""
        items = self.aws.client("dynamodb").scan(TableName=self.stack.outputs["MembersTable"])["Items"]
        return {item["pk"]["S"]: item for item in items}

    def contacts(self) -> int:
        """Return how many contacts its HubSpot has."""
        return len(get(f"{self.hubspot}/_standin/contacts").json())

    def messages(self) -> int:
        """Return how many messages its Slack has."""
        return len(get(f"{self.slack}/_standin/messages").json()["messages"])

    def journaled(self) -> int:
        """Return how many objects its journal has."""
        bucket = self.stack.outputs["JournalBucket"]
        return int(self.aws.client("s3").list_objects_v2(Bucket=bucket, Prefix="journal/")["KeyCount"])

    def resources(self) -> dict[str, str]:
        """Return the physical id of each resource, by its type and logical id."""
        pages = self.aws.client("cloudformation").get_paginator("list_stack_resources")
        # SAM ends a layer's logical id with a digest of where its zip lies.
        return {
            re.sub(
                r"(SharedLayer)\w+", r"\1", f"{resource['ResourceType']} {resource['LogicalResourceId']}"
            ): resource["PhysicalResourceId"]
            for page in pages.paginate(StackName=self.stack.name)
            for resource in page["StackResourceSummaries"]
        }


def wait(for_it: Callable[[], object], seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while not for_it():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def pair() -> Iterator[dict[str, Deployed]]:
    """Deploy both, each with a HubSpot and a Slack of its own."""
    folder = new_run_folder()
    with ExitStack() as servers:
        aws = servers.enter_context(local_aws(folder))
        built = build(folder / "build")
        pair = {}
        for name in ("acme", "acme-staging"):
            hubspot = servers.enter_context(serve(FakeHubspot().app()))
            slack = servers.enter_context(serve(FakeSlack().app))
            for secret, value in {"hubspot": "made-up", "slack": f"{slack}{HOOK}"}.items():
                aws.client("ssm").put_parameter(
                    Name=f"/relay/{name}/{secret}", Value=value, Type="SecureString"
                )
            undeployed = Deployed(
                aws, built, DeployedStack(name, {}), hubspot, slack, secrets.token_urlsafe(32)
            )
            pair[name] = undeployed.deployed()
        yield pair
    shutil.rmtree(folder, ignore_errors=True)


def test_nothing_is_shared(pair: Mapping[str, Deployed]) -> None:
    """No physical name is in both, and each that is a name and no id begins with the stack's."""
    one, other = (stack.resources() for stack in pair.values())
    assert one.keys() ^ other.keys() == set()
    # A stage is named within its API.
    ids = [{each for key, each in names.items() if "::Stage " not in key} for names in (one, other)]
    assert ids[0] & ids[1] == set()
    for name, stack in pair.items():
        functions = {
            physical
            for kind, physical in stack.resources().items()
            if kind.startswith("AWS::Lambda::Function ")
        }
        assert functions >= {f"{name}-{folder}" for folder in FOLDERS.values()}
        schedules = [v for k, v in stack.resources().items() if k.startswith("AWS::Scheduler::Schedule ")]
        assert schedules == [f"{name}-clock"]
        [layer] = [v for k, v in stack.resources().items() if k.startswith("AWS::Lambda::LayerVersion ")]
        assert f":layer:{name}-shared:" in layer


def test_an_event_of_one_is_unknown_to_the_other(pair: Mapping[str, Deployed]) -> None:
    """Members, journal, CRM and alerts of production; the key of one opens no other."""
    production, staging = pair.values()
    assert production.post(SAMPLE) == 202
    wait(lambda: production.contacts() and production.messages() and production.journaled())
    assert len(production.members()) == 1
    assert (staging.members(), staging.contacts(), staging.messages(), staging.journaled()) == ({}, 0, 0, 0)
    assert staging.post(SAMPLE, key=production.key) == 401
    assert staging.post(SAMPLE) == 202
    wait(lambda: staging.contacts() and staging.messages() and staging.journaled())
    assert (production.contacts(), production.messages()) == (1, 1)


def test_a_stack_made_anew_takes_over_what_the_old_one_left(pair: Mapping[str, Deployed]) -> None:
    """Production is deleted by mistake. Its members come back by an import, and staging does not notice."""
    production, staging = pair.values()
    before = production.members()
    left = {name: production.resources()[f"{kind} {name}"] for name, (kind, _) in RETAINED.items()}
    cloudformation = production.aws.client("cloudformation")
    cloudformation.delete_stack(StackName="acme")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="acme", WaiterConfig={"Delay": 1})
    resources = [
        {"ResourceType": kind, "LogicalResourceId": name, "ResourceIdentifier": {identifier: left[name]}}
        for name, (kind, identifier) in RETAINED.items()
    ]
    change = {"StackName": "acme", "ChangeSetName": "adopt"}
    cloudformation.create_change_set(
        **change,
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps(retained()),
        ResourcesToImport=resources,
    )
    cloudformation.get_waiter("change_set_create_complete").wait(**change, WaiterConfig={"Delay": 1})
    cloudformation.execute_change_set(**change)
    cloudformation.get_waiter("stack_import_complete").wait(StackName="acme", WaiterConfig={"Delay": 1})

    again = production.deployed()
    assert {name: again.resources()[f"{kind} {name}"] for name, (kind, _) in RETAINED.items()} == left
    assert again.members() == before
    journaled = again.journaled()
    assert again.post(SAMPLE) == 202
    wait(lambda: again.journaled() > journaled)
    assert len(again.members()) == 1
    assert len(staging.members()) == 1
    assert staging.messages() == 1
