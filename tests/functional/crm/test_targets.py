"""The function crm_sync as the template sets it up for Salesforce and for the webhook: from a change to their stand-ins."""

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
from relay.wiring import crms

from tests.contract.crm.profiles import key_of, member
from tests.contract.crm.salesforce import CREDENTIALS, define_fields
from tests.contract.crm.webhook import SECRET
from tests.functional.crm.conftest import CrmSync, Deploying

KEY = key_of(7001)


@dataclass
class Target:
    """A target's settings and secret, what it was told of members, and how it is made to fail."""

    settings: dict[str, str]
    secret: str
    tiers: Callable[[], list[str]]
    faults: FaultQueue


@contextmanager
def _salesforce() -> Iterator[Target]:
    standin = FakeSalesforce("an-app", "its-secret")
    define_fields(standin)
    with serve(standin.app()) as url:
        yield Target(
            {"SALESFORCE_URL": url, "SALESFORCE_OBJECT": "Contact", "SALESFORCE_VERSION": "65.0"},
            CREDENTIALS,
            lambda: [str(record["Membership_Tier__c"]) for record in standin.org.records.values()],
            standin.faults,
        )


@contextmanager
def _webhook() -> Iterator[Target]:
    standin = FakeWebhookReceiver((SECRET,))
    with serve(standin.app()) as url:
        yield Target(
            {"WEBHOOK_URL": f"{url}/hook"},
            SECRET,
            lambda: [str(data["tier_name"]) for data in standin.members.values()],
            standin.faults,
        )


TARGETS: dict[str, Callable[[], AbstractContextManager[Target]]] = {
    "salesforce": _salesforce,
    "webhook": _webhook,
}


@dataclass
class Deployed:
    """The function beside a target's stand-in."""

    sync: CrmSync
    target: Target


@pytest.fixture(params=TARGETS)
def deployed(request: pytest.FixtureRequest, deploy: Deploying) -> Iterator[Deployed]:
    """Deploy the function for this target, with a member in the table."""
    with (
        TARGETS[request.param]() as target,
        deploy(request.param, target.secret, **target.settings) as sync,
    ):
        sync.know(MemberRecord(member=member(tier_name="Gold")))
        yield Deployed(sync, target)


def test_a_change_arrives(deployed: Deployed) -> None:
    """A changed member is told to the target, under the settings that the template gives."""
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert deployed.target.tiers() == ["Gold"]


def test_an_outage_costs_time(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    """While the target is down the message is put off; no value of a member is logged."""
    deployed.target.faults.waiting.append(Fault(status=503))
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert deployed.target.tiers() == []
    assert "example.com" not in capsys.readouterr().out


def test_a_missing_setting_is_named(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target without its address says which setting is missing."""
    setting = next(iter(deployed.target.settings))
    monkeypatch.delenv(setting)
    with pytest.raises(MisconfiguredError) as caught:
        crms.crm()
    assert caught.value.setting == setting
