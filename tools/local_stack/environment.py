"""The environment of a local run: a local AWS with Relay deployed to it, simulated servers, and a mailbox.

`make run` and the end-to-end tests use the same environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local_stack.build_cache import ROOT
from local_stack.deployment import ARCHITECTURE, RUNTIME, DeployedStack, build, deploy
from local_stack.local_aws import LocalAws, local_aws
from local_stack.local_http import post
from local_stack.progress import ReportProgress
from local_stack.simulator import RunningSimulator, running_simulator

if TYPE_CHECKING:
    import httpx

STACK_NAME: Final = "relay-local"
SHOP: Final = "inveterate.myshopify.com"
"""The shop of the documented samples."""

MAILBOX: Final = f"{STACK_NAME}-mailbox"
HUBSPOT_SECRET: Final = f"/relay/{STACK_NAME}/hubspot"
SLACK_SECRET: Final = f"/relay/{STACK_NAME}/slack"
INVETERATE_SECRET: Final = f"/relay/{STACK_NAME}/inveterate"
RECHECK_DELAY: Final = 2
"""Seconds until an inconsistent member is read again from the API; 600 by default."""

_FUNCTION_CONCURRENCY: Final = 2


@dataclass(frozen=True, slots=True)
class LocalEnvironment:
    """Everything that runs. `hubspot` and `slack` are base URLs; `key` is the callback key in clear text."""

    aws: LocalAws
    stack: DeployedStack
    hubspot: str
    slack: str
    key: str
    sim: RunningSimulator

    @property
    def host(self) -> str:
        """The host name by which the local AWS finds the deployed API."""
        return f"{self.stack.outputs['ApiId']}.execute-api.localhost:{self.aws.port}"

    @property
    def callback(self) -> str:
        """The callback URL by IP address. A request needs the `Host` header as well."""
        return f"{self.aws.endpoint}/webhooks/{self.key}"

    @property
    def callback_by_name(self) -> str:
        """The callback URL by host name, for a sender that sets no headers, as the platform."""
        return f"http://{self.host}/webhooks/{self.key}"

    def post(
        self, body: bytes, *, url: str | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Deliver a webhook to the deployed API."""
        sent = {"host": self.host, "content-type": "application/json", **(headers or {})}
        return post(url or self.callback, content=body, headers=sent, timeout=60)


def new_run_folder() -> Path:
    """Create and return a folder for one run, apart from those of other runs."""
    folder = ROOT / ".run" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    folder.mkdir(parents=True)
    return folder


@contextmanager
def local_environment(
    folder: Path, progress: ReportProgress, template: Path | None = None, *, seed: int = 0, older: int = 0
) -> Iterator[LocalEnvironment]:
    """Set up everything below `folder`, and remove it afterwards; `seed` is the simulator's.

    `older` members are there before its history begins.

    Raises:
        LocalStackError: something does not start, build or deploy.

    """
    from fakes.hubspot import FakeHubspot
    from fakes.local_server import serve
    from fakes.slack import HOOK, FakeSlack

    with (
        local_aws(folder) as aws,
        serve(FakeHubspot().app()) as hubspot,
        serve(FakeSlack().app) as slack,
        running_simulator(SHOP, seed=seed, members=older) as sim,
    ):
        progress(
            f"local AWS at {aws.endpoint}, HubSpot at {hubspot}, Slack at {slack}, Inveterate at {sim.url}"
        )
        built = build(folder / "build", template)
        progress(f"built for {RUNTIME} on {ARCHITECTURE}")
        undeployed = DeployedStack(STACK_NAME, {})
        environment = LocalEnvironment(aws, undeployed, hubspot, slack, secrets.token_urlsafe(32), sim)
        _put_secrets(aws, {HUBSPOT_SECRET: secrets.token_urlsafe(16), SLACK_SECRET: f"{slack}{HOOK}"})
        _put_secrets(aws, {INVETERATE_SECRET: sim.api_key})
        stack = deploy(aws, built, STACK_NAME, _parameters(environment))
        environment = replace(environment, stack=stack)
        _limit_concurrency(aws)
        _create_mailbox(aws, stack.outputs["EmailTopic"])
        progress(f"deployed: {stack.outputs['CallbackBaseUrl']}…")
        yield environment


def _parameters(environment: LocalEnvironment) -> dict[str, str]:
    return {
        "ShopDomain": SHOP,
        "KeyDigests": hashlib.sha256(environment.key.encode()).hexdigest(),
        "Runtime": RUNTIME,
        "Architecture": ARCHITECTURE,
        "Targets": "hubspot",
        "HubSpotUrl": environment.hubspot,
        "HubSpotSecret": HUBSPOT_SECRET,
        "SlackSecret": SLACK_SECRET,
        "InveterateUrl": environment.sim.url,
        "InveterateSecret": INVETERATE_SECRET,
        "RecheckDelay": str(RECHECK_DELAY),
    }


def _put_secrets(aws: LocalAws, values: Mapping[str, str]) -> None:
    """Store secrets by parameter name, as `relay init` does on AWS."""
    ssm = aws.client("ssm")
    for name, value in values.items():
        ssm.put_parameter(Name=name, Value=value, Type="SecureString")


def _limit_concurrency(aws: LocalAws) -> None:
    """Let each function behind a queue run at most twice at once.

    The template sets topics no limit. Here each is a process that takes a second of work to start: ten at once on
    two cores start so slowly that all of them time out.
    """
    functions = aws.client("lambda")
    for page in functions.get_paginator("list_event_source_mappings").paginate():
        for mapping in page["EventSourceMappings"]:
            if ":sqs:" in mapping["EventSourceArn"]:
                functions.put_function_concurrency(
                    FunctionName=mapping["FunctionArn"], ReservedConcurrentExecutions=_FUNCTION_CONCURRENCY
                )


def _create_mailbox(aws: LocalAws, topic: str) -> None:
    """Subscribe a new queue to the e-mail topic, so that the observer can read the e-mails."""
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
