"""`relay uninstall`: subscriptions first, then the stack; what holds personal data only after the name was typed."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from inveterate.webhooks.topics import TOPICS
from relay.adapters.aws.boto import client
from relay_cli.commands import uninstall
from relay_cli.errors import CliError
from relay_cli.removal import deletion

from tests.functional.sim.sim_server import KEY, SimClient, running_simulator
from tests.support.command_line import parsed
from tests.support.small_stack import (
    BASE,
    CALLBACK_KEY,
    NAME,
    FakeCloudFormation,
    FakeStack,
    MotoStack,
    deploy,
    put_secret,
)

OTHER_STACK = "relay-beta"


class Terminal(io.StringIO):
    """A terminal at which this text is typed."""

    def isatty(self) -> bool:
        """Return True."""
        return True


@pytest.fixture
def platform() -> Iterator[SimClient]:
    """Yield a running simulator."""
    with running_simulator() as there:
        yield there


@pytest.fixture
def cloudformation() -> FakeCloudFormation:
    """Return CloudFormation without a stack."""
    return FakeCloudFormation()


@pytest.fixture
def relay(cloudformation: FakeCloudFormation) -> Callable[..., int]:
    """Return `relay uninstall …` with that CloudFormation."""

    def run(*words: str) -> int:
        return uninstall.main(
            parsed(uninstall.configure, "--stack", NAME, *words),
            lambda arguments: MotoStack(arguments.stack, clients={"cloudformation": cloudformation}),
        )

    return run


@pytest.fixture
def stack(
    cloudformation: FakeCloudFormation, platform: SimClient, monkeypatch: pytest.MonkeyPatch
) -> MotoStack:
    """Deploy a stack whose topics are subscribed, beside a subscription of another app."""
    monkeypatch.delenv("INVETERATE_API_KEY", raising=False)
    put_secret("/relay/acme/inveterate", KEY)
    put_secret(f"/relay/{NAME}/callback-key", CALLBACK_KEY)
    platform.subscribe(*TOPICS, name=f"relay {NAME}")
    other = {"topic": TOPICS[0], "callbackUrl": "http://127.0.0.1:9/other", "name": "another app"}
    assert platform.api("POST", "/v2.0/admin/webhook-subscriptions", json=other).status_code == 201
    platform.act("advance", minutes=1)
    return deploy(
        cloudformation,
        InveterateUrl=str(platform.http.base_url),
        InveterateSecret="/relay/acme/inveterate",
        SlackSecret="/relay/acme/slack",
    )


def subscribed(platform: SimClient) -> list[str]:
    """Return the names of the subscriptions that are left."""
    platform.act("advance", minutes=1)
    return [str(one.name) for one in platform.sim.subscriptions.values()]


def stacks(cloudformation: FakeCloudFormation) -> list[str]:
    """Return the stacks that there are."""
    return [stack.name for stack in cloudformation.stacks.values() if stack.state != "DELETE_COMPLETE"]


def secrets() -> set[str]:
    """Return the names of the secrets that are left."""
    return {str(one["Name"]) for one in client("ssm").describe_parameters()["Parameters"]}


def test_a_dry_run_changes_nothing(
    stack: MotoStack,
    platform: SimClient,
    capsys: pytest.CaptureFixture[str],
    cloudformation: FakeCloudFormation,
    relay: Callable[..., int],
) -> None:
    """It says what goes, what stays and costs, that the URL ends, and shows no key."""
    client("sqs").send_message(QueueUrl=stack.outputs["DeadLettersUrl"], MessageBody="{}")
    assert relay("--dry-run") == 0
    printed = capsys.readouterr().out
    deleted = printed.index("Deleted, in this order:")
    assert deleted < printed.index("15 subscriptions") < printed.index(f"stack     {NAME}")
    assert f"{BASE}/… ends for good" in printed
    assert "CAREFUL" in printed[:deleted]
    assert "messages wait and are lost with their queues: 1 in dead-letters" in printed
    stays = printed[printed.index("Stays:") :]
    assert re.search(r"^  table +\S+ +0 bytes, at most \$0\.00 a month$", stays, re.MULTILINE)
    assert re.search(r"^  secret +/relay/acme/inveterate$", stays, re.MULTILINE)
    assert f"{BASE}/{CALLBACK_KEY}" not in printed
    assert KEY not in printed
    assert stacks(cloudformation) == [NAME]
    assert len(subscribed(platform)) == len(TOPICS) + 1


def test_subscriptions_first(
    stack: MotoStack,
    platform: SimClient,
    monkeypatch: pytest.MonkeyPatch,
    cloudformation: FakeCloudFormation,
    relay: Callable[..., int],
) -> None:
    """When the stack goes, its subscriptions are gone already; that of another app stays."""
    seen: list[list[str]] = []

    def delete(*arguments: Any) -> None:
        seen.append(subscribed(platform))
        deletion.delete_stack(*arguments)

    monkeypatch.setattr(uninstall, "delete_stack", delete)
    assert relay("--yes") == 0
    assert seen == [["another app"]]
    assert stacks(cloudformation) == []


def test_data_and_secrets_stay(
    stack: MotoStack, capsys: pytest.CaptureFixture[str], relay: Callable[..., int]
) -> None:
    """Without `--everything` no secret is deleted."""
    assert relay("--yes", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["deleted"] == ["15 subscriptions", f"stack {NAME}"]
    assert {one["kind"] for one in answer["kept"]} == {"AWS::DynamoDB::Table", "AWS::S3::Bucket"}
    assert secrets() == {"/relay/acme/inveterate", f"/relay/{NAME}/callback-key"}


def test_it_asks(
    stack: MotoStack,
    platform: SimClient,
    monkeypatch: pytest.MonkeyPatch,
    cloudformation: FakeCloudFormation,
    relay: Callable[..., int],
) -> None:
    """Without a terminal, or with the answer no, nothing is deleted."""
    with pytest.raises(CliError, match="confirm with --yes"):
        relay()
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    with pytest.raises(CliError, match="nothing was changed"):
        relay()
    assert stacks(cloudformation) == [NAME]
    assert len(subscribed(platform)) == len(TOPICS) + 1


def test_everything_needs_the_name(
    stack: MotoStack,
    monkeypatch: pytest.MonkeyPatch,
    cloudformation: FakeCloudFormation,
    relay: Callable[..., int],
) -> None:
    """`--yes` does not stand for the name; another name changes nothing."""
    with pytest.raises(CliError, match="--confirm-name"):
        relay("--everything", "--yes")
    monkeypatch.setattr("sys.stdin", Terminal("relay-acm\n"))
    with pytest.raises(CliError, match="the name is another"):
        relay("--everything", "--yes")
    assert stacks(cloudformation) == [NAME]


def test_everything(
    stack: MotoStack,
    platform: SimClient,
    monkeypatch: pytest.MonkeyPatch,
    cloudformation: FakeCloudFormation,
    relay: Callable[..., int],
) -> None:
    """Tables, the bucket with every version in it and the secrets go; a secret that another stack uses stays."""
    shared = put_secret("/relay/acme/slack", "xoxb-shared")
    cloudformation.stacks[OTHER_STACK] = FakeStack(OTHER_STACK, {"SlackSecret": shared})
    bucket = client("s3").list_buckets()["Buckets"][0]["Name"]
    client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        client("s3").put_object(Bucket=bucket, Key="a line", Body=body)
    client("s3").delete_object(Bucket=bucket, Key="a line")
    monkeypatch.setattr("sys.stdin", Terminal(f"{NAME}\n"))
    assert relay("--everything") == 0
    assert client("s3").list_buckets()["Buckets"] == []
    assert client("dynamodb").list_tables()["TableNames"] == []
    assert secrets() == {shared}
    assert stacks(cloudformation) == [OTHER_STACK]


def test_without_the_platform_nothing_is_deleted(
    stack: MotoStack,
    platform: SimClient,
    monkeypatch: pytest.MonkeyPatch,
    cloudformation: FakeCloudFormation,
    relay: Callable[..., int],
) -> None:
    """A refused API key ends the command before the stack is touched; `--keep-subscriptions` goes on without."""
    monkeypatch.setenv("INVETERATE_API_KEY", "sim_wrong")
    with pytest.raises(CliError, match="the subscriptions cannot be read") as refused:
        relay("--yes")
    assert "--keep-subscriptions" in refused.value.remedy
    assert stacks(cloudformation) == [NAME]
    assert relay("--yes", "--keep-subscriptions") == 0
    assert stacks(cloudformation) == []
    assert len(subscribed(platform)) == len(TOPICS) + 1


def test_a_stack_that_does_not_exist(relay: Callable[..., int]) -> None:
    """The error names the options."""
    with pytest.raises(CliError, match="does not exist") as refused:
        relay("--yes")
    assert "--region" in refused.value.remedy


def test_what_could_not_be_deleted_is_named(
    stack: MotoStack, monkeypatch: pytest.MonkeyPatch, relay: Callable[..., int]
) -> None:
    """The stack is gone by then: so the error names what is left, and the rest is deleted all the same."""

    def refuse(*_: Any) -> None:
        raise CliError("AWS refuses the call")

    monkeypatch.setattr(uninstall, "delete_kept", refuse)
    with pytest.raises(CliError, match=r"still there are: .*AWS refuses the call"):
        relay("--everything", "--confirm-name", NAME)
    assert secrets() == set()


def test_a_deletion_that_fails(
    stack: MotoStack, cloudformation: FakeCloudFormation, relay: Callable[..., int]
) -> None:
    """The error has the resource that was in the way, and its reason; no data is deleted then."""
    cloudformation.stacks[NAME].in_the_way = "it is protected"
    with pytest.raises(CliError, match=r"Mirrors \(it is protected\)"):
        relay("--everything", "--confirm-name", NAME)
    assert secrets() != set()
    assert client("s3").list_buckets()["Buckets"] != []
