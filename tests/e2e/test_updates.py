"""An update loses nothing at the door: webhooks arrive all the while, and CloudFormation changes one thing at a time.

The local AWS updates a stack's function in one step. So the calls that CloudFormation makes one after another are made
here, in every order and back again, from the version before (`tests/support/version_before.py`) to this one.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from local_stack.deployment import deploy
from local_stack.environment import LocalEnvironment, local_environment, new_run_folder
from local_stack.local_http import post
from local_stack.observation import Observation
from local_stack.observer import Observer

from tests.support import version_before
from tests.support.constant_traffic import Traffic
from tests.support.port_fakes import ROOT
from tests.support.template_data import FUNCTIONS, TEMPLATE, environment

pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.xdist_group("updates")]
SENDERS = 2
ANSWERS = 8
"""How many answers each mixture gives before the next change."""

PARTS = ("code", "variables", "layer")
OLD, NEW = "old", "new"


@dataclass(frozen=True, slots=True)
class Stage:
    """A deployed stack, and the folder of its build."""

    environment: LocalEnvironment
    build: Path

    @property
    def receiver(self) -> str:
        """The receiver's name."""
        return f"{self.environment.stack.name}-receiver"

    def client(self, service: str) -> Any:
        """Return a client of the local AWS."""
        return self.environment.aws.client(service)

    def variables(self, function: str) -> dict[str, str]:
        """Return a deployed function's variables."""
        reply = self.client("lambda").get_function_configuration(FunctionName=function)
        deployed: dict[str, str] = reply["Environment"]["Variables"]
        return deployed

    def configure(self, **changes: Any) -> None:
        """Call UpdateFunctionConfiguration for the receiver, and await that it is done."""
        self.client("lambda").update_function_configuration(FunctionName=self.receiver, **changes)
        self._updated()

    def replace_code(self, code: bytes) -> None:
        """Call UpdateFunctionCode for the receiver, and await that it is done."""
        self.client("lambda").update_function_code(FunctionName=self.receiver, ZipFile=code)
        self._updated()

    def _updated(self) -> None:
        waiter = self.client("lambda").get_waiter("function_updated_v2")
        waiter.wait(FunctionName=self.receiver, WaiterConfig={"Delay": 1})


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Deploy this version."""
    folder = new_run_folder()
    with local_environment(folder, print) as deployed:
        yield Stage(deployed, folder / "build")
    shutil.rmtree(folder, ignore_errors=True)


def zipped(folder: Path) -> bytes:
    """Return a folder as Lambda takes it."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def digest(key: str) -> str:
    """Return what the stack knows of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def layer(stage: Stage) -> str:
    """Publish a layer for the receiver; return its version's ARN.

    It has a module that nothing reads: the local AWS searches a layer before the function's own zip, AWS after it.
    """
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr("python/relay_unused.py", "")
    reply = stage.client("lambda").publish_layer_version(
        LayerName=f"{stage.environment.stack.name}-once", Content={"ZipFile": buffer.getvalue()}
    )
    arn: str = reply["LayerVersionArn"]
    return arn


class Update:
    """The receiver between two versions; each part is the old one or the new one."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        today = stage.variables(stage.receiver)
        then = {name: value for name, value in today.items() if name in version_before.variables()}
        # The new version also rotates the key.
        digests = f"{digest(secrets.token_urlsafe(32))},{today['KEY_DIGESTS']}"
        self._code = {OLD: version_before.code(), NEW: zipped(stage.build / "ReceiverFunction")}
        self._variables = {OLD: then, NEW: {**today, "KEY_DIGESTS": digests}}
        self._layers = {OLD: [layer(stage)], NEW: []}
        self.state: dict[str, str] = {}

    def change(self, part: str, version: str) -> None:
        """Make the one call that changes this part."""
        if part == "code":
            self.stage.replace_code(self._code[version])
        elif part == "variables":
            self.stage.configure(Environment={"Variables": self._variables[version]})
        else:
            self.stage.configure(Layers=self._layers[version])
        self.state = {**self.state, part: version}

    def label(self) -> str:
        """Say which version each part has now."""
        return ", ".join(f"{part} {self.state[part]}" for part in PARTS)


def ids(seen: Observation) -> tuple[set[str], set[str]]:
    """Return the event ids in the journal and in the queues."""
    return {line["id"] for line in seen.journal}, set(itertools.chain.from_iterable(seen.queues.values()))


def not_queued(stage: Stage) -> list[str]:
    """Return why the receiver answered 503, each time that it did, by its log."""
    logs = stage.client("logs")
    said = [
        event["message"]
        for group in logs.describe_log_groups()["logGroups"]
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        for event in page["events"]
    ]
    return re.findall(r'"message": "not_queued", "reason": "([^"]*)"', "\n".join(said))


def settled(observer: Observer, accepted: set[str], seconds: float = 300) -> Observation:
    """Observe until all that was accepted is in the journal; return the last observation."""
    until = time.monotonic() + seconds
    while not accepted <= ids(seen := observer.observe())[0] and time.monotonic() < until:
        time.sleep(1)
    return seen


def test_no_order_of_an_updates_calls_loses_a_webhook(stage: Stage) -> None:
    """Each mixture of code, variables and layer answers 202, there and back, and all that was accepted is there."""
    update = Update(stage)
    for part in PARTS:
        update.change(part, OLD)
    traffic = Traffic(stage.environment.post, update.label())
    changes = [
        (part, version) for order in itertools.permutations(PARTS) for version in (NEW, OLD) for part in order
    ]
    changes += [(part, NEW) for part in PARTS]  # the other test begins with this version
    with traffic.flowing(SENDERS):
        traffic.await_answers(ANSWERS)
        for part, version in changes:
            with traffic.held():
                update.change(part, version)
                traffic.label = update.label()
            traffic.await_answers(ANSWERS)
    accepted = set(traffic.accepted)
    seen = settled(Observer(stage.environment), accepted)
    journaled, queued = ids(seen)
    lost = accepted - journaled - queued
    requests = sum(traffic.counts.values())
    slow = not_queued(stage)
    print(  # noqa: T201 - the figures, for whoever runs it with -s
        f"\nversion before: {version_before.commit()[:7]}; {len(changes)} calls, {len(traffic.counts)} mixtures, "
        f"{requests} requests, {len(traffic.refused)} refused, {traffic.unavailable} sent again, {len(accepted)} accepted, "
        f"{len(accepted & journaled)} journaled, {len(accepted & (queued - journaled))} queued, {len(lost)} lost"
    )
    assert traffic.refused == []
    # A local AWS on a busy machine may not answer SendMessage in time. That has nothing to do with an update, and the
    # log tells it from a setting that one version lacks.
    assert [reason for reason in slow if not re.fullmatch(r"queue \w+: TimeoutError", reason)] == []
    assert len(slow) == traffic.unavailable
    assert len(traffic.counts) == 2 ** len(PARTS)
    assert min(traffic.counts.values()) >= ANSWERS
    assert len(accepted) == requests  # no two of them are one event, whichever version named it
    assert lost == set()
    assert not seen.queues.get("unclaimed")
    assert not seen.queues.get("dead-letters")


def changed_parameters(stage: Stage, key: str) -> dict[str, str]:
    """Return new values for parameters, of one function and of many."""
    return {
        "TimeZone": "Europe/Berlin",
        "KeyDigests": f"{digest(key)},{digest(stage.environment.key)}",
        "RecheckDelay": "5",
        "SlackChannel": "C0UPDATED",
    }


def references(function: str) -> Mapping[str, str]:
    """Return the parameter whose value each of a function's variables has."""
    written = {
        **TEMPLATE["Globals"]["Function"]["Environment"]["Variables"],
        **environment(function),
    }
    return {
        name: value["Ref"]
        for name, value in written.items()
        if isinstance(value, dict) and value.get("Ref") in TEMPLATE["Parameters"]
    }


def test_a_changed_layer_and_changed_parameters_go_live_for_every_function(stage: Stage) -> None:
    """After a deployment each function names the new version of the layer, and has the new values."""
    functions = stage.client("lambda")
    name = stage.environment.stack.name

    def deployed() -> dict[str, dict[str, Any]]:
        pages = functions.get_paginator("list_functions").paginate()
        return {each["FunctionName"]: each for page in pages for each in page["Functions"]}

    [old_layer] = {used["Arn"] for each in deployed().values() for used in each.get("Layers", [])}
    key = secrets.token_urlsafe(32)
    parameters = changed_parameters(stage, key)
    (stage.build / "SharedLayer/python/relay_changed.py").write_text("")
    deploy(stage.environment.aws, stage.build / "template.yaml", name, parameters)

    after = deployed()
    written = {
        each["FunctionName"]["Fn::Sub"].replace("${AWS::StackName}", name): logical
        for logical, each in FUNCTIONS.items()
    }
    checked: set[str] = set()
    for function, logical in written.items():
        if function not in after:
            assert "Condition" in TEMPLATE["Resources"][logical]  # a target that this stack has not
            continue
        layers = [used["Arn"] for used in after[function].get("Layers", [])]
        if logical == "ReceiverFunction":
            assert layers == []
        else:
            [new_layer] = layers
            assert new_layer != old_layer
            assert new_layer.rpartition(":")[0] == old_layer.rpartition(":")[0]
        for variable, parameter in references(logical).items():
            if parameter in parameters:
                assert after[function]["Environment"]["Variables"][variable] == parameters[parameter]
                checked.add(parameter)
    assert checked == parameters.keys()

    # And the function that runs goes by them: the new key is taken.
    body = (ROOT / "events/customer.cancelled.json").read_bytes()
    host = {"host": stage.environment.host, "content-type": "application/json"}
    url = f"{stage.environment.aws.endpoint}/webhooks/{key}"
    reply = post(url, content=body, headers=host, timeout=60)
    assert reply.status_code == 202
    event_id = json.loads(reply.text)["id"]
    assert event_id in ids(settled(Observer(stage.environment), {event_id}))[0]
