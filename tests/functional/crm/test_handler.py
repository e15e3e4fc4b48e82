"""The function crm_sync as Lambda calls it: from a change message to a contact at a fake HubSpot."""

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
from relay.wiring.crms import CrmServices
from relay.wiring.services import service

from tests.contract.crm.profiles import key_of, member
from tests.functional.crm.conftest import Deploy, DeployedCrmSync
from tests.support.lambda_env import queued_count

KEY = key_of(7001)


@dataclass
class Deployed:
    """The function and a fake HubSpot."""

    sync: DeployedCrmSync
    hubspot: FakeHubspot

    def queued_counts(self) -> tuple[int, int]:
        """Return the number of waiting messages, and of dead letters."""
        return queued_count(self.sync.queue), queued_count(self.sync.dead)


@pytest.fixture
def deployed(deploy: Deploy) -> Iterator[Deployed]:
    """Deploy the function against a fake HubSpot."""
    hubspot = FakeHubspot(token="a-service-key")
    with (
        serve(hubspot.app()) as url,
        deploy("hubspot", "a-service-key", HUBSPOT_URL=url, HUBSPOT_VERSION="2026-09") as sync,
    ):
        yield Deployed(sync, hubspot)


def test_a_change_becomes_a_contact(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed member is a contact; one without an address is reported as skipped; no value is logged."""
    deployed.sync.save_members(MemberRecord(member=member(tier_name="Gold")))
    deployed.sync.save_members(MemberRecord(member=member(7002, email=None)))
    assert deployed.sync.call(KEY, key_of(7002)) == {"batchItemFailures": []}
    (contact,) = deployed.hubspot.portal.contacts.values()
    assert (contact["membership_key"], contact["membership_tier"]) == (KEY, "Gold")
    written = capsys.readouterr().out
    lines = [json.loads(line) for line in written.splitlines()]
    (skipped,) = [line for line in lines if line.get("message") == "skipped"]
    assert (skipped["member"], skipped["reason"], skipped["target"]) == (key_of(7002), "no_email", "hubspot")
    assert "example.com" not in written
    assert "Gold" not in written
    assert "a-service-key" not in written


def test_an_outage_defers_messages(deployed: Deployed) -> None:
    """While HubSpot is down a message is acknowledged and a delayed copy waits; none is a dead letter."""
    deployed.sync.save_members(MemberRecord(member=member()))
    deployed.hubspot.faults.append(Fault(status=503))
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert deployed.queued_counts() == (1, 0)
    asked = len(deployed.hubspot.requests)
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert deployed.queued_counts() == (2, 0)
    assert len(deployed.hubspot.requests) == asked, "while the circuit is open there is no request"
    circuits = service(CrmServices).circuit_breaker.circuits
    opened = circuits.load()
    over = replace(opened, until=datetime.now(UTC), version=opened.version + 1)
    assert circuits.compare_and_swap(opened, over)
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert len(deployed.hubspot.portal.contacts) == 1
    assert circuits.load().state == "closed"


def test_a_message_of_another_shop_is_a_dead_letter(deployed: Deployed) -> None:
    """A message about another shop's member goes to the dead letters."""
    assert deployed.sync.call("other.myshopify.com:1") == {"batchItemFailures": []}
    assert deployed.queued_counts()[1] == 1


def test_a_missing_setting_costs_no_message(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a setting missing the messages wait, and their receives are not spent."""
    monkeypatch.delenv("HUBSPOT_URL")
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert deployed.queued_counts()[0] == 1


def test_an_unknown_target(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target without an adapter is a setting to correct."""
    monkeypatch.setenv("TARGET", "pigeon")
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert deployed.queued_counts()[0] == 1
