"""A shop is installed, updated, changed and given a new key by the commands alone, in a local AWS of its own."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import pytest
from fakes.hubspot import FakeHubspot
from fakes.local_server import serve
from fakes.slack import HOOK, FakeSlack
from inveterate import Client
from inveterate.webhooks.topics import TOPICS
from local_stack import terminal
from local_stack.deployment import ARCHITECTURE, RUNTIME, build
from local_stack.environment import SHOP, new_run_folder
from local_stack.local_aws import LocalAws, local_aws
from local_stack.local_http import get, post
from local_stack.simulator import RunningSimulator, running_simulator

from tests.support.port_fakes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.xdist_group("install")]
STACK = "relay-acme"
QUESTIONS = 8
"""Of `relay init` with HubSpot: key, domain, time zone, CRMs, HubSpot's token, Slack, PagerDuty, e-mail."""

_LONGEST = 240.0
SAMPLE = json.loads((ROOT / "events" / "customer.payment_failed.json").read_text())


@dataclass(frozen=True)
class Place:
    """Where the commands are run: a folder with shops/, a local AWS and the services that a shop has."""

    folder: Path
    aws: LocalAws
    sim: RunningSimulator
    hubspot: str
    slack: str
    built: Path

    def relay(self, *words: str, exit_code: int = 0) -> dict[str, Any]:
        """Run a command without a terminal; return its JSON."""
        environment = {
            **self.aws.environment,
            "INVETERATE_API_KEY": self.sim.api_key,
            "HUBSPOT_TOKEN": "made-up",
            "SLACK_TOKEN": f"{self.slack}{HOOK}",
        }
        done = subprocess.run(
            [str(Path(sys.executable).parent / "relay"), *words, "--json"],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        said = f"$ relay {' '.join(words)}\n{done.stderr}{done.stdout}"
        print(said)  # noqa: T201 - what a person would see, where a test fails
        assert done.returncode == exit_code, done.stderr
        assert self.sim.api_key not in done.stdout + done.stderr
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    def enter(self, *words: str) -> terminal.Shown:
        """Run a command at a terminal, with Enter at every question; no secret is at hand in the environment."""
        program = str(Path(sys.executable).parent / "relay")
        shown = terminal.run([program, *words], self.aws.environment, self.folder, lambda _: "")
        print(f"$ relay {' '.join(words)}\n{shown.text}")  # noqa: T201 - as above
        return shown

    def everything(self) -> dict[str, Any]:
        """Return all that a command of an installation may change, here and in AWS, at the platform and in Slack."""
        files = {path.name: path.read_text() for path in (self.folder / "shops").iterdir()}
        [stack] = self.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        functions = self.aws.client("lambda").get_paginator("list_functions").paginate()
        ssm = self.aws.client("ssm").get_paginator("describe_parameters").paginate()
        return {
            "files": files,
            "stack": {
                name: stack.get(name) for name in ("Parameters", "Outputs", "LastUpdatedTime", "StackStatus")
            },
            "functions": {
                one["FunctionName"]: (one["CodeSha256"], one["Environment"], one["LastModified"])
                for page in functions
                for one in page["Functions"]
            },
            "secrets": {one["Name"]: one["Version"] for page in ssm for one in page["Parameters"]},
            "subscriptions": self.subscribed(),
            "slack": get(f"{self.slack}/_standin/messages").json()["messages"],
        }

    def deploy(self, built: Path | None = None, exit_code: int = 0) -> dict[str, Any]:
        """Deploy what was built for this machine."""
        words = ("deploy", "acme", "--yes", "--minutes", "0", "--built", str(built or self.built))
        return self.relay(*words, exit_code=exit_code)

    def parameters(self) -> dict[str, str]:
        """Return the stack's parameters."""
        [stack] = self.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs."""
        [stack] = self.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def key(self) -> str:
        """Return the callback key in SSM."""
        found = self.aws.client("ssm").get_parameter(Name=f"/relay/{STACK}/callback-key", WithDecryption=True)
        return str(found["Parameter"]["Value"])

    def callback(self) -> str:
        """Return the callback URL."""
        return f"{self.outputs()['CallbackBaseUrl']}/{self.key()}"

    def subscribed(self) -> dict[str, str]:
        """Return the callback URL of each topic at the platform."""
        # A subscription takes effect a moment after it is written.
        self.sim.post("advance", {"minutes": 1})
        with Client(self.sim.api_key, base_url=self.sim.url) as client:
            return {str(one.topic): str(one.callback_url) for one in client.webhook_subscriptions.list()}

    def journaled(self) -> set[str]:
        """Return the ids of all events in the journal."""
        s3, bucket = self.aws.client("s3"), self.outputs()["JournalBucket"]
        ids = set()
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="journal/"):
            for entry in page.get("Contents", ()):
                data = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                text = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
                ids |= {json.loads(line)["id"] for line in text.splitlines()}
        return ids


@dataclass
class Traffic:
    """Posts an event of its own about twice a second to one URL, until it is stopped."""

    url: str
    accepted: set[str] = field(default_factory=set)
    refused: list[int] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread
        self._thread.join(60)

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(0.5):
            number += 1
            body = json.loads(json.dumps(SAMPLE))
            # A customer of its own makes it an event of its own.
            body["payload"]["customerId"] = body["payload"]["customer"]["id"] = (
                f"{id(self) % 10**6}{number:06}"
            )
            try:
                reply = deliver(self.url, body)
            except httpx.HTTPError:
                self.refused.append(0)
                continue
            if reply.status_code == 202:
                self.accepted.add(reply.json()["id"])
            else:
                self.refused.append(reply.status_code)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Start what a shop has; nothing is deployed."""
    run = new_run_folder()
    with ExitStack() as servers:
        aws = servers.enter_context(local_aws(run))
        hubspot = servers.enter_context(serve(FakeHubspot().app()))
        slack = servers.enter_context(serve(FakeSlack().app))
        sim = servers.enter_context(running_simulator(SHOP))
        yield Place(tmp_path_factory.mktemp("acme"), aws, sim, hubspot, slack, build(run / "build"))
    shutil.rmtree(run, ignore_errors=True)


def test_a_shop_from_nothing_to_a_new_key(place: Place, tmp_path: Path) -> None:
    """One story: each step is the state that the next one begins with."""
    urls = {
        "HubSpotUrl": place.hubspot,
        "InveterateUrl": place.sim.url,
        "Runtime": RUNTIME,
        "Architecture": ARCHITECTURE,
    }
    words = ["init", "acme", "--non-interactive", "--targets", "hubspot", "--time-zone", "Europe/Berlin"]
    words += [word for name, value in urls.items() for word in ("--parameter", f"{name}={value}")]
    made = place.relay(*words)
    assert made["written"]
    assert sorted(made["stored"]) == [
        f"/relay/{STACK}/{name}" for name in ("callback-key", "hubspot", "inveterate", "slack")
    ]
    again = place.relay(*words)
    assert (again["written"], again["stored"], again["rules"]) == (False, [], None)

    deployed = place.deploy()
    assert (deployed["new"], deployed["probed"], deployed["attention"]) == (True, len(TOPICS), [])
    assert set(place.subscribed().values()) == {place.callback()}
    assert len(place.subscribed()) == len(TOPICS)

    before = place.parameters()
    unchanged = place.deploy()
    assert (unchanged["changes"], unchanged["resources"]) == ([], 0)
    assert place.parameters() == before

    assert changed_by_enter(place) == set()

    place.relay("set", "JournalDays=400", "--yes", "--minutes", "0")
    assert place.parameters() == {**before, "JournalDays": "400"}

    with Traffic(place.callback()) as traffic:
        time.sleep(5)
        refused = place.deploy(broken(place.built, tmp_path), exit_code=1)
        assert "the version before is deployed again" in refused["error"]
        sent = len(traffic.accepted)
        wait(lambda: len(traffic.accepted) > sent)
    assert traffic.refused  # by the broken receiver: the platform keeps what it refused
    assert place.parameters() == {**before, "JournalDays": "400"}
    assert lost(place, "a broken receiver is deployed and taken back", traffic) == set()

    old = place.callback()
    with Traffic(old) as posted_to_the_old, place.sim.clock_moves():
        waiting = place.relay("keys", "rotate", "--yes", exit_code=3)
    assert waiting["state"] == "waiting"
    assert posted_to_the_old.refused == []
    new = place.callback()
    assert new != old
    assert set(place.subscribed().values()) == {new}
    with Traffic(new) as posted_to_the_new, place.sim.clock_moves():
        done = place.relay("keys", "rotate", "--now", "--yes")
    assert done["state"] == "done"
    assert posted_to_the_new.refused == []
    assert lost(place, "the key is rotated, the old one in use", posted_to_the_old) == set()
    assert lost(place, "the old key is retired, the new one in use", posted_to_the_new) == set()
    assert deliver(old, SAMPLE).status_code == 401


def changed_by_enter(place: Place) -> set[str]:
    """Run init and deploy with Enter at every question; return where something changed, and print the figures.

    What is deployed was built anew, as `relay deploy` does.
    """
    before = place.everything()
    init = place.enter("init", "acme")
    assert (init.exit_code, len(init.asked)) == (0, QUESTIONS)
    folder = new_run_folder()
    deploy = place.enter("deploy", "acme", "--built", str(build(folder / "build")))
    shutil.rmtree(folder, ignore_errors=True)
    assert deploy.exit_code == 0
    changed = {name for name, value in place.everything().items() if value != before[name]}
    print(  # noqa: T201 - the figures, for whoever runs it with -s
        f"\nEnter at {len(init.asked)} questions of init and {len(deploy.asked)} of deploy: "
        f"{len(changed)} of {len(before)} places changed"
    )
    return changed


def deliver(url: str, body: Mapping[str, Any]) -> httpx.Response:
    """Post a webhook to a callback URL of the local AWS."""
    parts = urlsplit(url)
    return post(
        url.replace(parts.netloc, f"127.0.0.1:{parts.port}"),
        json=body,
        headers={"host": parts.netloc},
        timeout=60,
    )


def broken(built: Path, folder: Path) -> Path:
    """Return a copy of a build whose receiver fails as it is imported."""
    copy = shutil.copytree(built.parent, folder / "build")
    receiver = copy / "ReceiverFunction"
    shutil.rmtree(receiver / "__pycache__", ignore_errors=True)
    (receiver / "app.pyc").unlink(missing_ok=True)
    (receiver / "app.py").write_text('raise RuntimeError("broken on purpose")\n')
    return copy / built.name


def lost(place: Place, what: str, traffic: Traffic) -> set[str]:
    """Return the ids of accepted events that are not in the journal after some minutes; print the figures."""
    until = time.monotonic() + _LONGEST
    while (missing := traffic.accepted - place.journaled()) and time.monotonic() < until:
        time.sleep(1)
    sent = len(traffic.accepted) + len(traffic.refused)
    print(  # noqa: T201 - as above
        f"\n{what}: {sent} sent, {len(traffic.accepted)} accepted, {len(traffic.refused)} refused, {len(missing)} lost"
    )
    return missing


def wait(for_it: Any) -> None:
    """Wait until it is so."""
    until = time.monotonic() + _LONGEST
    while not for_it():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(1)
