"""`relay doctor` and `relay status` against the deployed stack, with a probe of every topic through its URL."""

from __future__ import annotations

import json
from typing import Any

import pytest
from local_stack.environment import STACK_NAME
from relay.topics import FOLDERS
from relay_cli.main import main

from tests.support.local_stage import Played

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("local-aws")]


@pytest.fixture
def _operator(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of an operator of the local stack."""
    for name, value in played.stage.aws.environment.items():
        if name.startswith("AWS"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("RELAY_CALLBACK_KEY", played.stage.key)
    monkeypatch.delenv("INVETERATE_API_KEY", raising=False)


def shown(capsys: pytest.CaptureFixture[str], played: Played, *words: str) -> tuple[int, Any]:
    """Run a command with `--json`; return the exit code and its answer."""
    capsys.readouterr()
    code = main([*words, "--json", "--stack", STACK_NAME, "--endpoint-url", played.stage.aws.endpoint])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("_operator")
def test_doctor(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    """Every topic's probe arrives in the journal; each part of the stack has a line, and none is unknown."""
    played.stage.sim.subscribe(played.stage.callback_by_name)
    _, answer = shown(capsys, played, "doctor")
    states = {one["name"]: one["state"] for one in answer["checks"]}
    assert states["probe"] == "ok"
    assert "unknown" not in states.values()
    for name in (
        "stack",
        "secrets",
        "API key",
        "subscriptions",
        "event sources",
        "queues",
        "e-mail",
        "Slack",
    ):
        assert states[name] == "ok", answer["checks"]
    assert states["hubspot"] == "ok"


@pytest.mark.usefixtures("_operator")
def test_status(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    """Every topic of the samples was accepted, the lost payment is open with its link, and the probes count nowhere."""
    code, value = shown(capsys, played, "status")
    assert (code, value["failed"]) == (0, {})
    topics = {one["topic"]: one["count"] for one in value["deliveries"]["topics"]}
    assert set(topics) >= set(FOLDERS)
    assert all(topics[topic] for topic in FOLDERS)
    assert any(one["title"] and one["link"] for one in value["incidents"])
    [crm] = value["crms"]
    assert (crm["target"], crm["circuit"]) == ("hubspot", "closed")
