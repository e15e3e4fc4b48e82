"""The function crm_sync as Lambda calls it: from a change message to a contact at HubSpot's stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from fakes.fault_queue import Fault
from fakes.hubspot import FakeHubspot
from fakes.local_server import serve
from relay.ports.members import MemberRecord
from relay.wiring import mirrors

from tests.contract.crm.profiles import key_of, member
from tests.functional.crm.conftest import CrmSync, Deploying
from tests.support.lambda_env import held

KEY = key_of(7001)


@dataclass
class Deployed:
    """The function beside HubSpot's stand-in."""

    sync: CrmSync
    hubspot: FakeHubspot

    def held(self) -> tuple[int, int]:
        """Return how many messages wait, and how many were given up."""
        return held(self.sync.queue), held(self.sync.dead)


@pytest.fixture
def deployed(deploy: Deploying) -> Iterator[Deployed]:
    """Deploy the function against a stand-in."""
    hubspot = FakeHubspot(token="a-service-key")
    with (
        serve(hubspot.app()) as url,
        deploy("hubspot", "a-service-key", HUBSPOT_URL=url, HUBSPOT_VERSION="2026-09") as sync,
    ):
        yield Deployed(sync, hubspot)


def test_a_change_becomes_a_contact(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed member is a contact; one without an address is reported as skipped; no value is logged."""
    deployed.sync.know(MemberRecord(member=member(tier_name="Gold")))
    deployed.sync.know(MemberRecord(member=member(7002, email=None)))
    assert deployed.sync.call(KEY, key_of(7002)) == {"batchItemFailures": []}
    (contact,) = deployed.hubspot.portal.contacts.values()
    assert (contact["membership_key"], contact["membership_tier"]) == (KEY, "Gold")
    written = capsys.readouterr().out
    lines = [json.loads(line) for line in written.splitlines()]
    (figures,) = [line for line in lines if "_aws" in line]
    assert (figures["Mirrored"], figures["SkippedNoEmail"], figures["target"]) == ([1.0], [1.0], "hubspot")
    (skipped,) = [line for line in lines if line.get("message") == "skipped_no_email"]
    assert skipped["member"] == key_of(7002)
    assert "example.com" not in written
    assert "Gold" not in written
    assert "a-service-key" not in written


def test_an_outage_puts_messages_off(deployed: Deployed) -> None:
    """While HubSpot is down a message is acknowledged and a delayed copy waits; nothing is given up."""
    deployed.sync.know(MemberRecord(member=member()))
    deployed.hubspot.faults.append(Fault(status=503))
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert deployed.held() == (1, 0)
    asked = len(deployed.hubspot.requests)
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert deployed.held() == (2, 0)
    assert len(deployed.hubspot.requests) == asked, "while it is closed nobody knocks"
    gates = mirrors.breaker().gates
    gates.swap(gates.load(), replace(gates.load(), until=datetime.now(UTC), version=gates.load().version + 1))
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert len(deployed.hubspot.portal.contacts) == 1
    assert gates.load().until is None


def test_a_foreign_message_is_given_up(deployed: Deployed) -> None:
    """A message about another shop's member goes to the dead letters."""
    assert deployed.sync.call("other.myshopify.com:1") == {"batchItemFailures": []}
    assert deployed.held()[1] == 1


def test_a_missing_setting_costs_no_message(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a setting missing the messages wait, and their receives are not spent."""
    monkeypatch.delenv("HUBSPOT_URL")
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert deployed.held()[0] == 1


def test_an_unknown_target(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that there is no adapter for is a setting to mend."""
    monkeypatch.setenv("TARGET", "pigeon")
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert deployed.held()[0] == 1
