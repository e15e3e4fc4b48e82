"""What a kept run says to try: every printed command ends well and shows something, and every address has a page."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable

import httpx
import pytest
from local_stack.report import next_steps
from local_stack.small_programme import play_small_programme

from tests.support.local_stage import Played
from tests.support.port_fakes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("local-aws")]

_LONGEST = 60.0


@pytest.fixture(scope="module")
def printed(played: Played) -> str:
    """A small programme was played, as a kept run of the samples does; the text that it then prints."""
    play_small_programme(played.stage, played.observer, print)
    return next_steps(played.stage)


def commands_in(text: str) -> list[str]:
    """Return the printed commands, each with the lines that it goes on over; addresses and headings are none."""
    joined = re.sub(r"\\\n", " ", text)
    return [
        line.strip()
        for line in joined.splitlines()
        if line.startswith("  ") and not line.startswith("  http")
    ]


def run(command: str, setup: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a person types it: after the exports, in the repository's folder."""
    # What a test's own process was given, a person's terminal has not.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RELAY_"))}
    return subprocess.run(
        ["/bin/bash", "-c", f"{setup}\n{command}"],
        cwd=ROOT, env=clean, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def _try(command: str, setup: str, played: Played) -> str:
    """Run a command and return what it printed, once its effect is seen in Slack or in the programme."""
    sim = played.stage.sim
    state, messages = sim.get("state"), len(played.observer.slack_messages())
    done = run(command, setup)
    assert done.returncode == 0, (command, done.stderr)
    assert done.stdout.strip(), command
    if "trigger" in command or "curl" in command:
        assert _wait(lambda: len(played.observer.slack_messages()) > messages), command
    if "advance" in command:
        now = sim.get("state")
        assert now["now"][:10] > state["now"][:10]
        assert now["total_events"] > state["total_events"]
    return done.stdout


def _wait(true: Callable[[], object]) -> bool:
    until = time.monotonic() + _LONGEST
    while not true() and time.monotonic() < until:
        time.sleep(1)
    return bool(true())


def test_the_console_has_members_deliveries_and_contacts(printed: str, played: Played) -> None:
    """A look at the console shows what the programme did: who joined, what was delivered, and that the CRM is equal."""
    sim = played.stage.sim
    assert sim.get("members")["total"] >= 12
    assert sim.get("deliveries")["counts"]["delivered"] > 20
    assert _wait(lambda: len(sim.console()["members"]) >= 12)
    found = sim.console()
    assert found["mismatches"] == []
    assert any(event["crm"] and "contact" in event["crm"] for event in found["events"].values())
    assert any("one attempt is left" in alert or "failed" in alert for event in found["events"].values() for alert in event["alerts"])  # fmt: skip


def test_every_printed_address_answers(printed: str) -> None:
    """The pages are there, and the lists of messages and contacts have something in them."""
    addresses = re.findall(r"^  (http\S+)", printed, re.MULTILINE)
    assert len(addresses) == 4
    for address in addresses:
        reply = httpx.get(address)
        assert reply.status_code == 200, address
        assert len(reply.content) > 500, address


def test_every_printed_command_does_something_visible(printed: str, played: Played) -> None:
    """Each ends with 0 and says something; those that let something happen are seen in Slack and in the programme."""
    setup, *commands = commands_in(printed)
    assert setup.startswith("export ")
    output = {command: _try(command, setup, played) for command in commands}
    said = {re.sub(r"\s*#.*", "", command): text for command, text in output.items()}
    assert "customer.payment_failed" in said["relay status"]
    assert "dun:" in said["relay alerts"]
    assert "Gold" in said["relay tiers"]
    assert re.search(r"\d", said["relay mirror status hubspot"])
    assert {command.split()[0] for command in commands} == {"relay", "sed"}
