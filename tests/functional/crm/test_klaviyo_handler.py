"""The function crm_sync with the target klaviyo: from a change message to a profile and an event at a fake Klaviyo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fakes.klaviyo import FakeKlaviyo
from fakes.local_server import serve
from relay.ports.members import MemberRecord

from tests.contract.crm.profiles import key_of, member
from tests.functional.crm.conftest import Deploy, DeployedCrmSync
from tests.support.lambda_env import queued_count

KEY = key_of(7001)
KEYS = "pk_made_up"


@dataclass
class Deployed:
    """The function and a fake Klaviyo."""

    sync: DeployedCrmSync
    klaviyo: FakeKlaviyo


@pytest.fixture
def deployed(deploy: Deploy) -> Iterator[Deployed]:
    """Deploy the function against a fake Klaviyo, with a member in the table."""
    klaviyo = FakeKlaviyo(key=KEYS)
    with (
        serve(klaviyo.app()) as url,
        deploy("klaviyo", KEYS, KLAVIYO_URL=url, KLAVIYO_REVISION="2026-07-15") as sync,
    ):
        sync.save_members(MemberRecord(member=member(tier_name="Gold")))
        yield Deployed(sync, klaviyo)


def test_a_change_becomes_a_profile_and_an_event(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed member is a profile under our names alone, its note an event; twice is once; nothing is logged of it."""
    for _ in range(2):
        assert deployed.sync.call(KEY, notes=("Membership Joined",)) == {"batchItemFailures": []}
    (profile,) = deployed.klaviyo.account.profiles.values()
    assert profile.attributes == {"email": "member-7001@example.com"}
    assert profile.properties["Membership Tier"] == "Gold"
    assert all(name.startswith("Membership ") for name in profile.properties)
    (event,) = deployed.klaviyo.account.events
    assert (event["metric"], event["unique_id"]) == ("Membership Joined", "e1.Membership Joined")
    written = capsys.readouterr().out
    for secret in ("example.com", "Gold", KEYS):
        assert secret not in written


def test_the_merchants_choices(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """By opt-in the names of Inveterate's link are written as well, and our key is the external id."""
    monkeypatch.setenv("KLAVIYO_COMPAT_NAMES", "true")
    monkeypatch.setenv("KLAVIYO_SET_EXTERNAL_ID", "true")
    deployed.sync.call(KEY)
    (profile,) = deployed.klaviyo.account.profiles.values()
    assert profile.properties["Inveterate: Tier Name"] == "Gold"
    assert profile.attributes["external_id"] == KEY


def test_an_old_revision_costs_no_message(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an unknown revision the messages wait for a correction, and Klaviyo is not called."""
    monkeypatch.setenv("KLAVIYO_REVISION", "2020-01-01")
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert queued_count(deployed.sync.queue) == 1
    assert deployed.klaviyo.requests == []


def test_a_wrong_key_costs_no_message(deployed: Deployed) -> None:
    """With a key that Klaviyo does not know the messages wait for a correction."""
    deployed.klaviyo.key = "pk_another"
    assert deployed.sync.call(KEY) == {"batchItemFailures": []}
    assert queued_count(deployed.sync.queue) == 1
    assert deployed.klaviyo.account.profiles == {}
