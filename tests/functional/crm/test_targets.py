"""The function crm_sync as the template sets it up for Salesforce and for the webhook: from a change to a fake of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest
from fakes.fault_queue import Fault, FaultQueue
from fakes.local_server import serve
from fakes.salesforce import FakeSalesforce
from fakes.signed_webhook import FakeWebhookReceiver
from relay.errors import MisconfiguredError
from relay.ports.members import MemberRecord
from relay.wiring.crms import CrmSettings

from tests.contract.crm.profiles import key_of, member
from tests.contract.crm.salesforce_setup import CREDENTIALS, define_fields
from tests.contract.crm.webhook_setup import SECRET
from tests.functional.crm.conftest import Deploy, DeployedCrmSync

KEY = key_of(7001)


@dataclass
class FakeTarget:
    """A target's settings and secret, the tiers that it holds, and its faults."""

    settings: dict[str, str]
    secret: str
    tiers: Callable[[], list[str]]
    faults: FaultQueue


@contextmanager
def _salesforce() -> Iterator[FakeTarget]:
    fake = FakeSalesforce("an-app", "its-secret")
    define_fields(fake)
    with serve(fake.app()) as url:
        yield FakeTarget(
            {"SALESFORCE_URL": url, "SALESFORCE_OBJECT": "Contact", "SALESFORCE_VERSION": "65.0"},
            CREDENTIALS,
            lambda: [str(record["Membership_Tier__c"]) for record in fake.org.records.values()],
            fake.faults,
        )


@contextmanager
def _webhook() -> Iterator[FakeTarget]:
    fake = FakeWebhookReceiver((SECRET,))
    with serve(fake.app()) as url:
        yield FakeTarget(
            {"WEBHOOK_URL": f"{url}/hook"},
            SECRET,
            lambda: [str(data["tier_name"]) for data in fake.members.values()],
            fake.faults,
        )


TARGETS: dict[str, Callable[[], AbstractContextManager[FakeTarget]]] = {
    "salesforce": _salesforce,
    "webhook": _webhook,
}


@dataclass
class Deployed:
    """The function and a fake of its target."""

    sync: DeployedCrmSync
    target: FakeTarget


@pytest.fixture(params=TARGETS)
def deployed(request: pytest.FixtureRequest, deploy: Deploy) -> Iterator[Deployed]:
    """Deploy the function for this target, with a member in the table."""
    with (
        TARGETS[request.param]() as target,
        deploy(request.param, target.secret, **target.settings) as sync,
    ):
        sync.save_members(MemberRecord(member=member(tier_name="Gold")))
        yield Deployed(sync, target)


def test_a_change_arrives(deployed: Deployed) -> None:
    """A changed member arrives at the target, with the settings that the template gives."""
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert deployed.target.tiers() == ["Gold"]


def test_an_outage_costs_time(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    """While the target is down the message is deferred; no value of a member is logged."""
    deployed.target.faults.waiting.append(Fault(status=503))
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert deployed.target.tiers() == []
    assert "example.com" not in capsys.readouterr().out


def test_a_missing_setting_is_named(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target without its address says which setting is missing."""
    setting = next(iter(deployed.target.settings))
    monkeypatch.delenv(setting)
    with pytest.raises(MisconfiguredError) as caught:
        CrmSettings.from_env()
    assert caught.value.setting == setting
