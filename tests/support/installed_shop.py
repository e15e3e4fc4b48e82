"""A shop whose stack is in a fake CloudFormation, with its secrets in moto: what the commands of an installation meet."""

# ruff: noqa: N803 - the arguments have the names of AWS
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from relay.topics import FOLDERS
from relay_cli import subscriptions
from relay_cli.aws_access import AwsAccess
from relay_cli.callback_key import digest
from relay_cli.deployment import package, rollout, rotation
from relay_cli.deployment.package import Package
from relay_cli.deployment.probe import ProbeResult
from relay_cli.stack import Stack

from tests.support.command_line import parsed
from tests.support.fake_cloudformation import FakeCloudFormation
from tests.support.port_fakes import ROOT

STACK = "relay-acme"
KEY = "the-callback-key"
KEY_NAME = f"/relay/{STACK}/callback-key"
TEMPLATE = (ROOT / "template.yaml").read_text() + "# CodeUri: s3://artifacts/code\n"
BASE_URL = "http://127.0.0.1:9/webhooks"


@dataclass
class FakeMonitoring:
    """CloudWatch's alarms, Lambda's limit and the functions' log."""

    alarms: dict[str, str] = field(
        default_factory=lambda: {f"{STACK}-{name}": "OK" for name in rollout.ROLLBACK_ALARMS}
    )
    limit: int = 1000
    log: list[dict[str, Any]] = field(default_factory=list)

    def describe_alarms(self, *, AlarmNames: list[str]) -> dict[str, Any]:
        """Describe those that exist."""
        return {
            "MetricAlarms": [
                {"AlarmName": name, "AlarmArn": f"arn:{name}", "StateValue": state}
                for name, state in self.alarms.items()
                if name in AlarmNames
            ]
        }

    def get_account_settings(self) -> dict[str, Any]:
        """Return the account's limit."""
        return {"AccountLimit": {"ConcurrentExecutions": self.limit}}

    def get_paginator(self, operation: str) -> FakeMonitoring:
        """Return the paginator of the log: itself."""
        assert operation == "filter_log_events"
        return self

    def paginate(self, *, logGroupName: str, startTime: int, filterPattern: str) -> Iterator[dict[str, Any]]:
        """Return the events since a time; the pattern is left to AWS, and the command reads each line again."""
        assert logGroupName == "logs"
        assert filterPattern.startswith("{")
        yield {"events": []}
        yield {"events": [event for event in self.log if event["timestamp"] >= startTime]}


@dataclass
class InstalledShop:
    """What a test arranges and looks at."""

    folder: Path
    cloudformation: FakeCloudFormation
    monitoring: FakeMonitoring
    aws: Any
    probes: list[ProbeResult] = field(default_factory=list)
    did: list[str] = field(default_factory=list)

    @property
    def file(self) -> Path:
        """The shop's file."""
        return self.folder / "shops" / "acme.toml"

    def write(self, **parameters: str) -> None:
        """Write the shop's file."""
        self.file.parent.mkdir(exist_ok=True)
        lines = [f'{name} = "{value}"' for name, value in parameters.items()]
        self.file.write_text("\n".join([f'stack = "{STACK}"', "[parameters]", *lines]) + "\n")

    def deployed(self, **parameters: str) -> None:
        """Let the stack be there, with these parameters beside those that it needs."""
        needed = {"ShopDomain": "acme.myshopify.com", "KeyDigests": digest(KEY)}
        cloudformation = self.cloudformation
        cloudformation.state, cloudformation.template = "UPDATE_COMPLETE", TEMPLATE
        defaults = cloudformation._values(
            TEMPLATE, [{"ParameterKey": k, "ParameterValue": v} for k, v in {**needed, **parameters}.items()]
        )
        cloudformation.parameters = defaults
        self.store(KEY)

    def store(self, key: str, name: str = KEY_NAME) -> None:
        """Keep a key in SSM."""
        self.aws("ssm").put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)

    def key(self, name: str = KEY_NAME) -> str:
        """Return the key in SSM."""
        return str(self.aws("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])

    def run(self, command: Any, *words: str) -> int:
        """Run a command in the shop's folder."""
        code: int = command.main(parsed(command.configure, *words))
        return code


@contextmanager
def installed_shop(folder: Path, monkeypatch: pytest.MonkeyPatch, aws: Any) -> Iterator[InstalledShop]:
    """Replace what is not ours: CloudFormation, the build, the public URL and the platform. `aws` makes moto's clients."""
    outputs = {"CallbackBaseUrl": BASE_URL, "LogGroup": "logs"}
    cloudformation, monitoring = FakeCloudFormation(STACK, outputs=outputs), FakeMonitoring()
    shop = InstalledShop(folder, cloudformation, monitoring, aws)
    ours = {
        "cloudformation": cloudformation,
        "cloudwatch": monitoring,
        "lambda": monitoring,
        "logs": monitoring,
    }
    monkeypatch.setattr(AwsAccess, "client", lambda _self, service: ours.get(service) or aws(service))
    monkeypatch.chdir(folder)
    monkeypatch.delenv("RELAY_CALLBACK_KEY", raising=False)

    def upload(built: Path, *_: object) -> Package:
        shop.did.append("uploaded")
        text = built.read_text()
        url = f"https://artifacts/{hash(text)}"
        cloudformation.templates[url] = text
        return Package(url, text)

    def put_template(text: str, _access: object, bucket: str, _stack: str) -> Package:
        assert bucket == "artifacts"
        cloudformation.templates["https://artifacts/before"] = text
        return Package("https://artifacts/before", text)

    def probe(stack: Stack, key: str) -> ProbeResult:
        shop.did.append(f"probed with {key}")
        assert digest(key) in Stack(stack.name, stack.access).parameters["KeyDigests"].split(",")
        return shop.probes.pop(0) if shop.probes else ProbeResult(seen=set(FOLDERS))

    really_apply = subscriptions.apply

    def apply(stack: Stack, url: str | None = None) -> subscriptions.Applied:
        if url:
            return really_apply(stack, url)
        shop.did.append("subscribed")
        return subscriptions.Applied(name="", created=tuple(FOLDERS))

    monkeypatch.setattr(package, "upload", upload)
    monkeypatch.setattr(package, "put_template", put_template)
    for module in (rollout, rotation):
        monkeypatch.setattr(module, "probe", probe)
    monkeypatch.setattr(subscriptions, "apply", apply)
    yield shop
