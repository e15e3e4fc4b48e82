"""`relay tiers`: the programme's tiers with their settings; a setting without a tier is told."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from relay.adapters.dynamodb.members import DynamoMembers
from relay_cli.commands import tiers
from relay_cli.errors import CliError

from tests.functional.sim.sim_server import KEY, SimClient, running_simulator
from tests.support.command_line import parsed
from tests.support.small_stack import FakeCloudFormation, MotoStack, deploy, put_secret


@pytest.fixture
def platform() -> Iterator[SimClient]:
    """Yield a running simulator."""
    with running_simulator() as there:
        yield there


@pytest.fixture
def stack(platform: SimClient, monkeypatch: pytest.MonkeyPatch) -> MotoStack:
    """Deploy a stack with the API key."""
    monkeypatch.delenv("INVETERATE_API_KEY", raising=False)
    put_secret("/relay/acme/inveterate", KEY)
    return deploy(
        FakeCloudFormation(),
        InveterateUrl=str(platform.http.base_url),
        InveterateSecret="/relay/acme/inveterate",
    )


def store(stack: MotoStack, document: object) -> None:
    """Put rules into force."""
    DynamoMembers(stack.outputs["MembersTable"], shop="").store_rules(json.dumps(document))


def test_tiers_beside_their_settings(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    """A tier has its setting or is said to have none; the exit code is 3 where a setting has no tier."""
    assert tiers.main(parsed(tiers.configure, "--json"), lambda _: stack) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed
    assert {one["remark"] for one in listed} == {tiers.NO_SETTING}
    first = listed[0]
    store(stack, {"tiers": {first["id"]: {"rank": 3, "annual_fee": "99.00"}, "deadbeef": {"name": "Old"}}})
    assert tiers.main(parsed(tiers.configure, "--json"), lambda _: stack) == 3
    rows = {one["id"]: one for one in json.loads(capsys.readouterr().out)}
    assert rows[first["id"]]["setting"]["rank"] == 3
    assert rows[first["id"]]["remark"] == ""
    assert (rows["deadbeef"]["remark"], rows["deadbeef"]["name"]) == (tiers.NOT_IN_PROGRAMME, "Old")
    tiers.main(parsed(tiers.configure), lambda _: stack)
    assert "99.00" in capsys.readouterr().out


def test_without_an_api_key() -> None:
    """The error names the parameter and the variable."""
    with pytest.raises(CliError, match="InveterateSecret is empty"):
        tiers.main(parsed(tiers.configure), lambda _: deploy(FakeCloudFormation()))
