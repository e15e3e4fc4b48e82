"""A shop whose members are older than its stack: `relay import` brings them all to HubSpot, without a message."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator

import pytest
from local_stack.environment import STACK_NAME, LocalEnvironment, local_environment, new_run_folder
from local_stack.observer import Observer
from relay_cli.errors import DONE
from relay_cli.main import main

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
    for name, value in shop.aws.environment.items():
        if name.startswith("AWS"):
            monkeypatch.setenv(name, value)
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
