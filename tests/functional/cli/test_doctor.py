"""`relay doctor` for a whole stack: 0 where all is green, else 3 with a line for each fault, and no check ends in a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from fakes.local_server import serve
from fakes.slack import HOOK, FakeSlack
from inveterate.webhooks.topics import TOPICS
from relay.adapters.aws.boto import client
from relay_cli.checks import channels, crms
from relay_cli.commands import doctor
from relay_cli.errors import CliError

from tests.functional.mirror_command.conftest import MirrorSetup, mirror
from tests.functional.sim.sim_server import KEY, SimClient, running_simulator
from tests.support.command_line import parsed
from tests.support.small_stack import NAME, FakeCloudFormation, MotoStack, deploy, put_secret

__all__ = ["mirror"]


class FakePages:
    """One page of event sources."""

    def paginate(self) -> Iterator[dict[str, Any]]:
        """Yield it: one of this stack, one of another."""
        arn = "arn:aws:lambda:us-east-1:123456789012:function"
        yield {
            "EventSourceMappings": [
                {"FunctionArn": f"{arn}:{NAME}-cancelled", "State": "Enabled"},
                {"FunctionArn": f"{arn}:relay-acme-2-cancelled", "State": "Disabled"},
            ]
        }


class FakeLambda:
    """Lambda in an account with a high limit."""

    def get_account_settings(self) -> dict[str, Any]:
        """Return the limits."""
        return {"AccountLimit": {"ConcurrentExecutions": 1000}}

    def get_paginator(self, _: str) -> FakePages:
        """Return the pages of event sources."""
        return FakePages()


class Unreachable:
    """A service that does not answer, whatever is asked."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a call that fails."""

        def call(*_: Any, **__: Any) -> Any:
            raise EndpointConnectionError(endpoint_url="https://example.com/secret-path")

        return call


class Forbidden:
    """A service that allows nothing."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a call that is refused."""

        def call(*_: Any, **__: Any) -> Any:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, name)

        return call


@pytest.fixture
def platform() -> Iterator[SimClient]:
    """Yield a running simulator with every topic subscribed."""
    with running_simulator() as there:
        there.subscribe(*TOPICS, name=f"relay {NAME}")
        yield there


@pytest.fixture
def slack() -> Iterator[str]:
    """Yield the URL of a fake Slack."""
    with serve(FakeSlack().app) as url:
        yield url


@pytest.fixture
def stack(platform: SimClient, slack: str, monkeypatch: pytest.MonkeyPatch) -> MotoStack:
    """Deploy a stack in which all is well."""
    for name in ("RELAY_CALLBACK_KEY", "INVETERATE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    put_secret("/relay/acme/inveterate", KEY)
    put_secret("/relay/acme/slack", f"{slack}{HOOK}")
    put_secret("/relay/acme/pagerduty", "a1" * 16)
    cloudformation = FakeCloudFormation()
    made = deploy(
        cloudformation,
        InveterateUrl=str(platform.http.base_url),
        InveterateSecret="/relay/acme/inveterate",
        SlackSecret="/relay/acme/slack",
        PagerDutySecret="/relay/acme/pagerduty",
    )
    cloudformation.stacks[NAME].resources.append(("AWS::Lambda::Function", "Cancelled", f"{NAME}-cancelled"))
    queue = client("sqs").create_queue(QueueName="mailbox")["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    client("sns").subscribe(TopicArn=made.outputs["EmailTopic"], Protocol="sqs", Endpoint=arn["QueueArn"])
    return replace(made, clients={**made.clients, "lambda": FakeLambda()})


def run(stack: MotoStack, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, str]]:
    """Run `relay doctor --no-probe --json`; return the exit code and the state of each line that is not green."""
    code = doctor.main(parsed(doctor.configure, "--no-probe", "--json", *words), lambda _: stack)
    answer = json.loads(capsys.readouterr().out)
    assert answer["green"] == (code == 0)
    assert all(one["remedy"] for one in answer["checks"] if one["state"] != "ok")
    return code, {one["name"]: one["state"] for one in answer["checks"] if one["state"] != "ok"}


def test_all_green(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    """0, and the last line counts; a disabled function of a stack with a similar name is none of ours."""
    assert run(stack, capsys) == (0, {})
    assert doctor.main(parsed(doctor.configure, "--no-probe", "--json"), lambda _: stack) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["checks"]] == [
        "stack",
        "secrets",
        "API key",
        "subscriptions",
        "event sources",
        "queues",
        "dead letters",
        "unclaimed",
        "alarms",
        "e-mail",
        "Slack",
        "PagerDuty",
        "Lambda limit",
        "runtime",
    ]
    assert doctor.main(parsed(doctor.configure, "--no-probe"), lambda _: stack) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("all ")


def test_faults(stack: MotoStack, platform: SimClient, capsys: pytest.CaptureFixture[str]) -> None:
    """Each fault is a line of its own, and the exit code is 3."""
    client("sqs").send_message(QueueUrl=stack.outputs["DeadLettersUrl"], MessageBody="{}")
    client("cloudwatch").set_alarm_state(
        AlarmName=f"{NAME}-refused", StateValue="ALARM", StateReason="a test"
    )
    client("ssm").delete_parameter(Name="/relay/acme/pagerduty")
    gone = next(one for one in platform.sim.subscriptions.values() if one.topic == TOPICS[3])
    platform.api("DELETE", "/v2.0/admin/webhook-subscriptions", json={"id": gone.id, "topic": gone.topic})
    platform.act("advance", minutes=1)
    code, wrong = run(stack, capsys)
    assert code == 3
    assert wrong == {
        "dead letters": "bad",
        "alarm refused": "bad",
        "secret PagerDutySecret": "bad",
        "PagerDuty": "unknown",
        f"subscription {TOPICS[3]}": "bad",
    }


def test_a_refused_api_key(
    stack: MotoStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is bad, and nothing is said of the subscriptions, which cannot be read."""
    monkeypatch.setenv("INVETERATE_API_KEY", "sim_wrong")
    assert run(stack, capsys) == (3, {"API key": "bad"})


def test_an_email_that_is_not_confirmed(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    """An address in AlertEmail without a confirmed subscription is bad."""
    stack.client("cloudformation").stacks[NAME].parameters["AlertEmail"] = "kim@example.com"
    assert run(stack, capsys) == (3, {"e-mail": "bad"})


def test_slack_that_is_gone(stack: MotoStack, slack: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Another path is no webhook of this Slack; a text that is neither URL nor token is told."""
    for value in (f"{slack}/services/T0/B0/gone", "not a secret of slack"):
        client("ssm").put_parameter(
            Name="/relay/acme/slack", Value=value, Type="SecureString", Overwrite=True
        )
        code, wrong = run(stack, capsys)
        assert (code, wrong.get("Slack")) == (3, "bad")


def test_the_check_of_slack_posts_no_message(capsys: pytest.CaptureFixture[str]) -> None:
    """The fake keeps no message, and the line is green: the empty one was refused."""
    fake = FakeSlack()
    with serve(fake.app) as url:
        put_secret("/relay/acme/slack", f"{url}{HOOK}")
        made = deploy(FakeCloudFormation(), SlackSecret="/relay/acme/slack")
        assert [line.state for line in channels.check_slack(made)] == ["ok"]
    assert fake.messages == []


@pytest.mark.parametrize("fake", [Unreachable(), Forbidden()])
@pytest.mark.parametrize("service", ["ssm", "sqs", "sns", "lambda", "cloudwatch"])
def test_a_service_that_fails(
    stack: MotoStack, capsys: pytest.CaptureFixture[str], fake: object, service: str
) -> None:
    """What needs it is not known, everything else is still looked at; no line repeats a URL."""
    broken = replace(stack, clients={**stack.clients, service: fake})
    code = doctor.main(parsed(doctor.configure, "--no-probe", "--json"), lambda _: broken)
    printed = capsys.readouterr().out
    states = {one["name"]: one["state"] for one in json.loads(printed)["checks"]}
    assert code == 3
    assert "unknown" in states.values()
    assert states["stack"] == "ok"
    assert states["runtime"] == "ok"
    assert "secret-path" not in printed


def test_a_stack_that_lacks_parts(stack: MotoStack) -> None:
    """No check can be made: the error says what state it is in, and what to do."""
    stack.client("cloudformation").stacks[NAME].state = "ROLLBACK_COMPLETE"
    with pytest.raises(CliError, match="could not be created"):
        doctor.main(parsed(doctor.configure), lambda _: MotoStack(NAME, clients=stack.clients))


def test_an_update_that_was_rolled_back(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    """The stack works, with the version before: that is to look at."""
    stack.client("cloudformation").stacks[NAME].state = "UPDATE_ROLLBACK_COMPLETE"
    assert run(MotoStack(NAME, clients=stack.clients), capsys) == (3, {"stack": "warning"})


def test_without_a_callback_key(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    """Without `--no-probe` and without a key the probe is not known: it is never asked for."""
    code = doctor.main(parsed(doctor.configure, "--json"), lambda _: stack)
    [line] = [one for one in json.loads(capsys.readouterr().out)["checks"] if one["name"] == "probe"]
    assert (code, line["state"]) == (3, "unknown")
    put_secret(f"/relay/{NAME}/callback-key", "another-shops-key")
    doctor.main(parsed(doctor.configure, "--json"), lambda _: stack)
    printed = capsys.readouterr().out
    [line] = [one for one in json.loads(printed)["checks"] if one["name"] == "probe"]
    assert line["state"] == "bad"
    assert "another-shops-key" not in printed


def test_a_crm(mirror: MirrorSetup) -> None:
    """Definitions that are missing are bad with the command that makes them; then it is green; then the token is refused."""
    [line] = crms.crm_lines(mirror.target)
    assert (line.state, line.remedy) == ("bad", "`relay mirror prepare hubspot`")
    mirror.run("prepare", dry_run=False)
    assert [line.state for line in crms.crm_lines(mirror.target)] == ["ok"]
    mirror.hubspot.token = "another-key"
    [line] = crms.crm_lines(mirror.target)
    assert line.state == "bad"
    assert "a-service-key" not in str(line.value())
