"""A shop whose members are older than its stack: `relay import` brings them all to HubSpot, without a message."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_stack.environment import STACK_NAME, LocalEnvironment, local_environment, new_run_folder
from local_stack.observer import Observer
from relay_cli.aws_access import AwsAccess
from relay_cli.errors import DONE
from relay_cli.full_run import Runs
from relay_cli.main import main
from relay_cli.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.xdist_group("older-members")]

OLDER = 500


@pytest.fixture(scope="module")
def shop() -> Iterator[LocalEnvironment]:
    """Deploy beside a programme that has its members already; no topic is subscribed."""
    folder = new_run_folder()
    with local_environment(folder, print, older=OLDER) as shop:
        yield shop
    shutil.rmtree(folder, ignore_errors=True)


def test_members_older_than_the_stack(
    shop: LocalEnvironment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All 500 are contacts with their address and status, by the operator's command; no message and no e-mail."""
    _as_operator(shop, monkeypatch)
    began = time.monotonic()
    code = main(["import", "--json", "--stack", STACK_NAME, "--endpoint-url", shop.aws.endpoint])
    run = json.loads(capsys.readouterr().out)
    imported = time.monotonic() - began
    # The last page is full and has no cursor: what follows it is asked for, and is nothing.
    assert (code, run["end"]) == (DONE, "empty_page")
    assert (run["phase"], run["read"], run["new"], run["told"]) == ("finished", OLDER, OLDER, 0)

    observer, until = Observer(shop), time.monotonic() + 300
    while len(observer.contacts()) < OLDER:
        assert time.monotonic() < until, f"{len(observer.contacts())} of {OLDER} are in HubSpot"
        time.sleep(1)
    contacts = observer.contacts().values()
    alerts = len(observer.slack_messages()) + len(list(observer.emails()))
    took = time.monotonic() - began
    with capsys.disabled():
        sys.stderr.write(
            f"\n{OLDER} members: imported in {imported:.0f} s, in HubSpot in {took:.0f} s, {alerts} alerts\n"
        )
    assert {one["membership_status"] for one in contacts} <= {"active", "pending_cancellation", "cancelled"}
    assert all(one["email"] for one in contacts)
    assert alerts == 0


def test_an_import_whose_function_is_killed_goes_on_where_it_was(
    shop: LocalEnvironment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The function's process ends in the middle of a page: the run stands still until `--resume`, which ends it.

    Each page counts once, although the one that was cut off is read again.
    """
    _as_operator(shop, monkeypatch)
    runs = Runs.of(Stack(STACK_NAME, AwsAccess(endpoint_url=shop.aws.endpoint)))
    run_id = runs.command("import")
    until = time.monotonic() + 120
    while (run := runs.store.load()) is None or run.id != run_id or not 0 < run.read < OLDER:
        assert time.monotonic() < until, f"the import shows no page: {run}"
        time.sleep(0.05)
    killed = _kill_function(shop, "reconcile")
    left = runs.store.load()
    assert killed, "a process of the function ran"
    assert left is not None
    assert left.is_active
    assert 0 < left.read < OLDER
    time.sleep(3)
    assert runs.store.load() == left, "no other process goes on with it"

    code = main(["import", "--resume", "--json", "--stack", STACK_NAME, "--endpoint-url", shop.aws.endpoint])
    run_after = json.loads(capsys.readouterr().out)
    with capsys.disabled():
        sys.stderr.write(f"\nkilled after {left.read} of {OLDER} members, ended at {run_after['read']}\n")
    assert (code, run_after["id"], run_after["phase"]) == (DONE, run_id, "finished")
    assert (run_after["read"], run_after["new"], run_after["told"]) == (OLDER, 0, 0)


def _as_operator(shop: LocalEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in shop.aws.environment.items():
        if name.startswith("AWS"):
            monkeypatch.setenv(name, value)


def _kill_function(shop: LocalEnvironment, name: str) -> int:
    """Kill the processes of one function of this local AWS; return how many there were."""
    found = 0
    mine, function = f":{shop.aws.port}".encode(), f"AWS_LAMBDA_FUNCTION_NAME={STACK_NAME}-{name}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(one.startswith(function) for one in variables) and any(mine in one for one in variables):
            os.kill(int(process.name), signal.SIGKILL)
            found += 1
    return found
