"""The whole stage: a local AWS with Relay deployed to it, the simulated platform, stand-ins, and a mailbox.

`make run` and the end-to-end test play on the same stage.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from relay_cli.deploying import ARCHITECTURE, RUNTIME, Stack, build, deploy
from relay_cli.local_aws import LocalAws, local_aws
from relay_cli.nearby import post
from relay_cli.sandbox import Sandbox, sandbox

if TYPE_CHECKING:
    import httpx

STACK: Final = "relay-local"
SHOP: Final = "inveterate.myshopify.com"
"""The shop of the documented samples."""

MAILBOX: Final = f"{STACK}-mailbox"
HUBSPOT_SECRET: Final = f"/relay/{STACK}/hubspot"
SLACK_SECRET: Final = f"/relay/{STACK}/slack"
INVETERATE_SECRET: Final = f"/relay/{STACK}/inveterate"
RECHECK_DELAY: Final = 2
"""Seconds until a doubt about a member is looked at again, in place of ten minutes."""

_AT_ONCE: Final = 2

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that is up. `key` is the callback key, which the stack knows by its digest alone."""

    aws: LocalAws
    stack: Stack
    hubspot: str
    slack: str
    key: str
    sim: Sandbox

    @property
    def host(self) -> str:
        """By which name the local AWS knows the deployed API."""
        return f"{self.stack.outputs['ApiId']}.execute-api.localhost:{self.aws.port}"

    @property
    def callback(self) -> str:
        """The deployed callback URL, by an address that needs no name to be resolved."""
        return f"{self.aws.endpoint}/webhooks/{self.key}"

    @property
    def callback_by_name(self) -> str:
        """The same by the API's name, which the platform resolves: it sends no headers but its own."""
        return f"http://{self.host}/webhooks/{self.key}"

    def post(
        self, body: bytes, *, url: str | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Deliver a webhook to the deployed API."""
        sent = {"host": self.host, "content-type": "application/json", **(headers or {})}
        return post(url or self.callback, content=body, headers=sent, timeout=60)


@contextmanager
def staged(folder: Path, say: Say, template: Path | None = None, *, seed: int = 0) -> Iterator[Stage]:
    """Set the stage below `folder`, and clear it away afterwards, whatever happens; `seed` is the platform's.

    Raises:
        CliError: when something does not start, build or deploy.

    """
    from fakes.hubspot import FakeHubspot
    from fakes.local_server import serve
    from fakes.slack import HOOK, FakeSlack

    with (
        local_aws(folder) as aws,
        serve(FakeHubspot().app()) as hubspot,
        serve(FakeSlack().app) as slack,
        sandbox(SHOP, seed=seed) as sim,
    ):
        say(f"local AWS at {aws.endpoint}, HubSpot at {hubspot}, Slack at {slack}, Inveterate at {sim.url}")
        built = build(folder / "build", template)
        say(f"built for {RUNTIME} on {ARCHITECTURE}")
        stage = Stage(aws, Stack(STACK, {}), hubspot, slack, secrets.token_urlsafe(32), sim)
        _put_secrets(aws, {HUBSPOT_SECRET: secrets.token_urlsafe(16), SLACK_SECRET: f"{slack}{HOOK}"})
        _put_secrets(aws, {INVETERATE_SECRET: sim.api_key})
        stage = replace(stage, stack=deploy(aws, built, STACK, _parameters(stage)))
        _hold_back(aws)
        _open_mailbox(aws, stage.stack.outputs["EmailTopic"])
        say(f"deployed: {stage.stack.outputs['CallbackBaseUrl']}…")
        yield stage


def _parameters(stage: Stage) -> dict[str, str]:
    return {
        "ShopDomain": SHOP,
        "KeyDigests": hashlib.sha256(stage.key.encode()).hexdigest(),
        "Runtime": RUNTIME,
        "Architecture": ARCHITECTURE,
        "Targets": "hubspot",
        "HubSpotUrl": stage.hubspot,
        "HubSpotSecret": HUBSPOT_SECRET,
        "SlackSecret": SLACK_SECRET,
        "InveterateUrl": stage.sim.url,
        "InveterateSecret": INVETERATE_SECRET,
        "RecheckDelay": str(RECHECK_DELAY),
    }


def _put_secrets(aws: LocalAws, values: Mapping[str, str]) -> None:
    """Store what `relay init` would: any token for HubSpot, the incoming webhook's URL for Slack."""
    ssm = aws.client("ssm")
    for name, value in values.items():
        ssm.put_parameter(Name=name, Value=value, Type="SecureString")


def _hold_back(aws: LocalAws) -> None:
    """Let each function behind a queue run twice at once at most.

    The template lets ten, each of them a process here that is a second of work to start: on two cores a
    crowd of them starts so slowly that all run into their timeouts.
    """
    functions = aws.client("lambda")
    for page in functions.get_paginator("list_event_source_mappings").paginate():
        for mapping in page["EventSourceMappings"]:
            if ":sqs:" in mapping["EventSourceArn"]:
                functions.put_function_concurrency(
                    FunctionName=mapping["FunctionArn"], ReservedConcurrentExecutions=_AT_ONCE
                )


def _open_mailbox(aws: LocalAws, topic: str) -> None:
    """Subscribe a queue of our own to the e-mail topic, to see what people would read."""
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName=MAILBOX)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document})
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
