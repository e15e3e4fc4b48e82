"""Plays an installation with the commands of README in a local AWS, and writes the transcript into docs/walkthrough.md.

Every command is run as it is shown; what differs from run to run (ports, keys, times) is masked in `walkthrough_page`.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fakes.hubspot import FakeHubspot
from fakes.local_server import serve
from fakes.slack import HOOK, FakeSlack
from local_stack import terminal
from local_stack.deployment import build
from local_stack.environment import SHOP, new_run_folder
from local_stack.local_aws import LocalAws, local_aws
from local_stack.local_http import get
from local_stack.simulator import RunningSimulator, running_simulator

from scripts.walkthrough_page import Page, shape

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "walkthrough.md"
STACK: Final = "relay-acme"
MOST_COMMANDS: Final = 10
"""To the first alert."""

_HEAD: Final = """\
From nothing to the first alert, and on to the last command. `scripts/walkthrough` writes this page: it plays each command
in a local AWS, with a simulated programme, HubSpot and Slack, and keeps what the command showed. Times, ports and keys
are masked. At a terminal the progress of a long step is a bar, which is left out here.

Two things are local. The shop's file names the addresses of the simulated services before `relay init` reads it, and
`--built` names what was built for the local AWS. A real installation has neither."""
_LONGEST: Final = 300.0


@dataclass
class Walk:
    """A terminal in a folder of its own, and the page with what it has shown."""

    folder: Path
    aws: LocalAws
    sim: RunningSimulator
    slack: str
    page: Page
    commands: int = 0
    commands_to_the_alert: int = 0

    def relay(self, why: str, line: str, answers: Mapping[str, str] | None = None, exit_code: int = 0) -> str:
        """Run a command after a sentence that says why; return what it showed.

        `answers` are typed at the questions that contain their keys; Enter at every other one.

        Raises:
            SystemExit: it ended with another exit code, or an answer was not asked for.

        """
        self.commands += 1
        left = dict(answers or {})

        def typed(question: str) -> str:
            found = next((part for part in left if part in question), None)
            return left.pop(found) if found is not None else ""

        program = str(Path(sys.executable).parent / "relay")
        shown = terminal.run([program, *shlex.split(line)[1:]], self._environment, self.folder, typed)
        print(f"$ {line}\n{shown.text}", flush=True)
        if shown.exit_code != exit_code:
            raise SystemExit(f"{line} ended with {shown.exit_code} instead of {exit_code}")
        if left:
            raise SystemExit(f"{line} did not ask for {', '.join(left)}")
        self.page.say(why)
        self.page.command(line, shown.text, exit_code)
        return shown.text

    @property
    def _environment(self) -> dict[str, str]:
        return {**self.aws.environment, "RELAY_STACK": STACK, "RELAY_SIM_URL": self.sim.url}

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs."""
        [stack] = self.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def slack_messages(self) -> list[dict[str, Any]]:
        """Return what people have read in Slack."""
        return [message["payload"] for message in get(f"{self.slack}/_standin/messages").json()["messages"]]

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


def play(walk: Walk) -> None:
    """Play the whole story."""
    walk.page.section("Install")
    secrets = {
        "Inveterate API key": walk.sim.api_key,
        "Time zone": "Europe/Berlin",
        "CRMs": "hubspot",
        "HubSpot token": "made-up",
        "Slack bot token": f"{walk.slack}{HOOK}",
        "E-mail address": "operators@example.com",
    }
    walk.relay(
        "`relay init` asks for what the shop needs, and tests each answer as it comes; a secret is not echoed.",
        "relay init acme",
        secrets,
    )
    walk.relay(
        "`relay deploy` shows what changes, asks, deploys, tries every topic, and only then subscribes the webhooks.",
        "relay deploy acme --built build/template.yaml",
        {"Create the stack": "y"},
    )
    walk.relay(
        "The proposed rules name the programme's tiers; they are shown before they are written.",
        "relay rules apply shops/acme.rules.yaml",
        {"Continue": "y"},
    )
    walk.relay("The members that there are come in without an alert.", "relay import")
    walk.relay("Every part that the stack depends on has a line.", "relay doctor")

    walk.page.section("An event, and the alert")
    _first_alert(walk)
    walk.relay("The incident is open until the fee is paid or lost.", "relay alerts")

    walk.page.section("Change one parameter")
    walk.relay(
        "One parameter changes, and everything else keeps its value.",
        "relay set TimeZone=Europe/Paris",
        {"Update the stack": "y"},
    )

    walk.page.section("Rotate the callback key")
    walk.relay(
        "Both keys are valid at first, so that no webhook is refused; exit code 3 says that something is left to do.",
        "relay keys rotate acme",
        {"second callback key": "y"},
        exit_code=3,
    )
    walk.relay(
        "Run again after three quiet days, the command retires the old key; `--now` does not wait.",
        "relay keys rotate acme --now",
        {"Retire the old": "y"},
    )

    walk.page.section("Send a dead letter back")
    give_up(walk)
    walk.relay(
        "An earlier version could not read this event, and gave it up; the alarm for dead letters has rung.",
        "relay dead-letters list",
    )
    walk.relay(
        "This version can read it, so the letter goes back to the queue that it came from.",
        "relay dead-letters redrive",
        {"back to": "y"},
    )
    walk.relay("Nothing is left.", "relay dead-letters list")

    walk.page.section("Look at night")
    walk.relay(
        "One screen says what comes in, what waits, what is open, and how far the CRM is.", "relay status"
    )

    walk.page.section("Uninstall")
    walk.relay(
        "The subscriptions go first, then the stack; the plan says what stays and what it costs.",
        "relay uninstall",
        {"Delete the stack": "y"},
    )


def _first_alert(walk: Walk) -> None:
    before = len(walk.slack_messages())
    walk.relay(
        "A member's membership fee fails, because the card has expired; here the simulator causes it.",
        "relay sim trigger customer_billing.attempt.failed",
    )
    walk.until(lambda: len(walk.slack_messages()) > before, "the alert in Slack")
    walk.commands_to_the_alert = walk.commands
    if walk.commands > MOST_COMMANDS:
        raise SystemExit(f"the first alert comes after {walk.commands} commands")
    walk.page.say(f"After {walk.commands} commands Slack shows:")
    walk.page.say(as_quoted(walk.slack_messages()[before]))


def as_quoted(message: Mapping[str, Any]) -> str:
    """Return what Slack shows of a message's blocks, as a quotation in Markdown."""
    blocks = [text for block in message["blocks"] if (text := _as_markdown(block))]
    return "\n>\n".join(f"> {text}" for text in blocks)


def _as_markdown(block: Mapping[str, Any]) -> str:
    """Return a block of Slack in Markdown; nothing of one that is no text, such as a button."""
    if block["type"] == "header":
        return f"**{block['text']['text']}**"
    parts = [block["text"], *block.get("fields", ())] if "text" in block else block.get("fields", ())
    texts = [part["text"] for part in (*parts, *block.get("elements", ())) if part["type"] == "mrkdwn"]
    linked = (re.sub(r"<([^|>]+)\|([^>]+)>", r"[\2](\1)", text) for text in texts)
    return " · ".join(re.sub(r"\*(.+?)\*", r"**\1**", text).replace("\n", ": ") for text in linked)


def give_up(walk: Walk) -> None:
    """Put an event into the dead letters, as the function of its topic does."""
    from relay.errors import PermanentError
    from relay.model.delivery import Delivery, pack
    from relay.queues.batch import Message, dead_letter

    body = (ROOT / "events" / "customer.ordered.json").read_bytes()
    now = datetime.now(UTC)
    event_id = hashlib.sha256(body).hexdigest()[:32]
    text, header = pack(Delivery(event_id=event_id, body=body, received_at=now, topic="customer.ordered"))
    message = Message(id="m", body=text, receives=1, receipt="", sent_at=now, header=header)
    letter = dead_letter(message, PermanentError("unknown_shape"), "ordered")
    walk.aws.client("sqs").send_message(
        QueueUrl=walk.outputs()["DeadLettersUrl"],
        MessageBody=letter.body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in letter.attributes.items()
        },
    )


@contextmanager
def walking() -> Iterator[Walk]:
    """Start the local servers, build, and let a programme live for two months."""
    run, folder = new_run_folder(), Path(tempfile.mkdtemp(prefix="relay-walk-"))
    try:
        with ExitStack() as servers:
            aws = servers.enter_context(local_aws(run))
            hubspot = servers.enter_context(serve(FakeHubspot().app()))
            slack = servers.enter_context(serve(FakeSlack().app))
            sim = servers.enter_context(running_simulator(SHOP))
            sim.post("populate", {"members": 12, "over_days": 10})
            sim.post("advance", {"days": 58})
            (folder / "build").symlink_to(build(run / "build").parent)
            _write_shop_file(folder, InveterateUrl=sim.url, HubSpotUrl=hubspot)
            names = {
                "https://inveterate.example": sim.url,
                "https://hubspot.example": hubspot,
                "https://slack.example": slack,
            }
            # The platform's clock goes on, as everywhere: its lists follow a change a moment later.
            servers.enter_context(sim.clock_moves())
            yield Walk(folder, aws, sim, slack, Page("An installation, as it is shown", _HEAD, names))
    finally:
        shutil.rmtree(run, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _write_shop_file(folder: Path, **parameters: str) -> None:
    """Name the local servers, as a person would who tests against a service of their own."""
    lines = [
        f'stack = "{STACK}"',
        "",
        "[parameters]",
        *(f'{name} = "{value}"' for name, value in parameters.items()),
    ]
    path = folder / "shops" / "acme.toml"
    path.parent.mkdir()
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def played() -> Walk:
    """Play it; return the walk with its page."""
    with walking() as walk:
        play(walk)
        return walk


def differences(page: str) -> list[str]:
    """Return in which lines a new page has another shape than the one in docs; empty where none."""
    kept = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    return list(
        difflib.unified_diff(shape(kept), shape(page), "docs/walkthrough.md", "this run", lineterm="", n=1)
    )


def main() -> None:
    """Play it, and write the page, or compare it."""
    parser = argparse.ArgumentParser(prog="scripts/walkthrough", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where the page would read otherwise"
    )
    check = parser.parse_args().check
    walk = played()
    found = differences(walk.page.text())
    if not check:
        PAGE.write_text(walk.page.text(), encoding="utf-8")
    print(
        f"{PAGE.relative_to(ROOT)}: {walk.commands} commands, {len(found)} lines differ from the page before"
    )
    if check and found:
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main()
