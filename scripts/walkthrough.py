"""Plays an installation with the commands of README in a local AWS, and writes the transcript into docs/walkthrough.md.

Every command is run as it is shown; what differs from run to run (ports, keys, ids) is shown as a word in angle brackets.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fakes.hubspot import FakeHubspot
from fakes.local_server import serve
from fakes.slack import HOOK, FakeSlack
from local_stack.deployment import ARCHITECTURE, RUNTIME, build
from local_stack.environment import SHOP, new_run_folder
from local_stack.local_aws import LocalAws, local_aws
from local_stack.local_http import get
from local_stack.simulator import RunningSimulator, running_simulator

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "walkthrough.md"
STACK = "relay-acme"
_HEADER = """\
# An installation, as it is shown

Written by `scripts/walkthrough`, which plays each command in a local AWS, with a simulated programme, HubSpot and Slack.
What differs from run to run is in angle brackets. A real installation needs neither `--parameter` nor `--built`: they
name the local servers, and what was built for this machine.
"""
_LONGEST = 300.0


@dataclass
class Walk:
    """A terminal in a folder of its own, and what it has shown."""

    folder: Path
    aws: LocalAws
    sim: RunningSimulator
    hubspot: str
    slack: str
    built: Path
    shown: list[str] = field(default_factory=list)
    commands: int = 0

    def section(self, title: str, text: str = "") -> None:
        """Begin a section."""
        self.shown.append(f"\n## {title}\n" + (f"\n{text}\n" if text else ""))
        print(f"== {title}", flush=True)

    def relay(self, *words: str, exit_code: int = 0) -> str:
        """Run a command, and show it with what it printed.

        Raises:
            SystemExit: it ended with another exit code.

        """
        self.commands += 1
        done = subprocess.run(  # noqa: S603 - our own command, with arguments of our own
            [str(Path(sys.executable).parent / "relay"), *words],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        line = f"$ relay {' '.join(words)}"
        print(f"{line}\n{done.stdout}", flush=True)
        if done.returncode != exit_code:
            raise SystemExit(f"{line} ended with {done.returncode} instead of {exit_code}")
        code = f"(exit code {exit_code})\n" if exit_code else ""
        self.shown.append(f"\n```\n{self._plain(line)}\n{self._plain(done.stdout)}{code}```\n")
        return done.stdout

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **self.aws.environment,
            "INVETERATE_API_KEY": self.sim.api_key,
            "HUBSPOT_TOKEN": "made-up",
            "SLACK_TOKEN": f"{self.slack}{HOOK}",
            "RELAY_STACK": STACK,
        }

    def _plain(self, text: str) -> str:
        """Return a text without what differs from run to run."""
        for name, value in {
            "<inveterate>": self.sim.url,
            "<hubspot>": self.hubspot,
            "<slack>": self.slack,
            "<built>": str(self.built),
        }.items():
            text = text.replace(value, name)
        text = re.sub(r"\b[0-9a-f]{12}…", "<digest>…", text)
        text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( UTC|Z|\+00:00)?", "<time>", text)
        return re.sub(r"^.*: [\d,]+ of [\d,]+.*\n", "", text, flags=re.MULTILINE)

    def until(self, so: Callable[[], object], what: str) -> None:
        """Wait until it is so.

        Raises:
            SystemExit: it does not become so.

        """
        end = time.monotonic() + _LONGEST
        while not so():
            if time.monotonic() > end:
                raise SystemExit(f"waited in vain for {what}")
            time.sleep(1)

    def slack_texts(self) -> list[str]:
        """Return what people have read in Slack."""
        messages = get(f"{self.slack}/_standin/messages").json()["messages"]
        return [str(message["payload"].get("text", "")) for message in messages]


def play(walk: Walk) -> None:
    """Play the whole story. Steps of other commands go where a comment says so."""
    walk.section("Install", "Asked nothing here; at a terminal `relay init acme` asks for each of these.")
    urls = {
        "InveterateUrl": walk.sim.url,
        "HubSpotUrl": walk.hubspot,
        "Runtime": RUNTIME,
        "Architecture": ARCHITECTURE,
    }
    words = ["init", "acme", "--non-interactive", "--targets", "hubspot", "--time-zone", "Europe/Berlin"]
    walk.relay(*words, *(word for one in urls.items() for word in ("--parameter", "=".join(one))))
    walk.relay("deploy", "acme", "--yes", "--built", str(walk.built), "--minutes", "0")
    # `relay doctor`, all green, goes here.

    walk.section("An event, and the alert")
    before, first = len(walk.slack_texts()), walk.commands
    # A subscription takes effect a moment after it is written.
    walk.sim.post("advance", {"minutes": 1})
    walk.sim.post("populate", {"members": 3, "over_days": 1})
    walk.sim.post("advance", {"days": 2})
    walk.sim.post("trigger/customer.payment_failed", {})
    walk.until(lambda: len(walk.slack_texts()) > before, "the alert in Slack")
    alert = walk.slack_texts()[before]
    walk.shown.append(
        f"\nIn the programme all attempts at a member's fee fail. Slack has, after {first} commands:\n\n> {alert}\n"
    )
    walk.relay("alerts")

    walk.section("Change one parameter")
    walk.relay("set", "JournalDays=400", "--yes", "--minutes", "0")

    walk.section("Rotate the callback key")
    with walk.sim.clock_moves():
        walk.relay("keys", "rotate", "acme", "--yes", exit_code=3)

    walk.section("A dead letter", "An event that an earlier version of its function gave up.")
    give_up(walk)
    walk.relay("dead-letters", "list")
    walk.relay("dead-letters", "redrive", "--yes")
    walk.relay("dead-letters", "list")
    # `relay status` and `relay uninstall` go here.


def give_up(walk: Walk) -> None:
    """Put an event into the dead letters, as the function of its topic does."""
    from relay.errors import PermanentError
    from relay.model.delivery import Delivery, pack
    from relay.queues.batch import Message, dead_letter

    body = (ROOT / "events" / "customer.ordered.json").read_bytes()
    now = datetime.now(UTC)
    text, header = pack(
        Delivery(event_id=f"{7001:032x}", body=body, received_at=now, topic="customer.ordered")
    )
    message = Message(id="m", body=text, receives=1, receipt="", sent_at=now, header=header)
    letter = dead_letter(message, PermanentError("unknown_shape"), "ordered")
    [stack] = walk.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    walk.aws.client("sqs").send_message(
        QueueUrl=outputs["DeadLettersUrl"],
        MessageBody=letter.body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in letter.attributes.items()
        },
    )


@contextmanager
def walking() -> Iterator[Walk]:
    """Start the local servers, and build."""
    run, folder = new_run_folder(), Path(tempfile.mkdtemp(prefix="relay-walk-"))
    with ExitStack() as servers:
        aws = servers.enter_context(local_aws(run))
        hubspot = servers.enter_context(serve(FakeHubspot().app()))
        slack = servers.enter_context(serve(FakeSlack().app))
        sim = servers.enter_context(running_simulator(SHOP))
        yield Walk(folder, aws, sim, hubspot, slack, build(run / "build"))
    shutil.rmtree(run, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Play it, and write the page."""
    with walking() as walk:
        play(walk)
        PAGE.write_text(_HEADER + "".join(walk.shown), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} has {walk.commands} commands")


if __name__ == "__main__":
    main()
