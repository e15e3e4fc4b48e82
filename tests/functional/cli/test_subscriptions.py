"""`relay subscriptions` with the simulated platform: every topic leads to the stack's callback URL; other subscriptions stay."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest
from inveterate.webhooks.topics import TOPICS
from relay.adapters.aws.boto import client
from relay_cli import tokens
from relay_cli.commands import subscriptions
from relay_cli.errors import CliError
from relay_cli.stack import Stack

from tests.functional.sim.sim_server import KEY, SimClient, running_simulator
from tests.support.command_line import parsed
from tests.support.moto_tables import items_of, make_table

CALLBACK_KEY = "a-callback-key"
SECRET = "/relay/acme/inveterate"


@dataclass(frozen=True)
class StackWithParameters(Stack):
    """A stack with given outputs and parameters."""

    url: str = ""
    more: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The callback URL without its key."""
        return {
            "CallbackBaseUrl": "http://127.0.0.1:9/webhooks",
            "MirrorsTable": "mirrors",
            "LogGroup": "logs",
        }

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """Parameters with two key digests, as during a rotation."""
        digests = [hashlib.sha256(key).hexdigest() for key in (b"the-one-before", CALLBACK_KEY.encode())]
        return {"InveterateUrl": self.url, "KeyDigests": ",".join(digests), **self.more}

    @property
    def parameters_now(self) -> Mapping[str, str]:
        """The same: the stack is whole."""
        return self.parameters


@pytest.fixture
def platform() -> Iterator[SimClient]:
    """Yield a running simulator."""
    with running_simulator() as there:
        yield there


@pytest.fixture
def relay(platform: SimClient, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return `relay subscriptions` for a stack whose platform is the simulator; both keys are typed."""
    for name in ("RELAY_CALLBACK_KEY", "INVETERATE_API_KEY", "RELAY_STACK"):
        monkeypatch.delenv(name, raising=False)

    make_table("mirrors")

    def run(
        *words: str, action: str = "apply", typed: str = CALLBACK_KEY, api_key: str = KEY, **more: str
    ) -> int:
        url = str(platform.http.base_url)
        answers = {"callback key: ": typed, "Inveterate API key: ": api_key}
        monkeypatch.setattr("relay_cli.secrets.sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("relay_cli.secrets.getpass", answers.__getitem__)
        return subscriptions.main(
            parsed(subscriptions.configure, "--stack", "relay-acme", action, *words),
            lambda arguments: StackWithParameters(arguments.stack, url=url, more=more),
        )

    return run


def listed(platform: SimClient) -> list[dict[str, Any]]:
    """Return the subscriptions that the platform lists."""
    platform.act("advance", minutes=1)
    return [
        {"topic": one.topic, "callback_url": one.callback_url, "name": one.name}
        for one in platform.sim.subscriptions.values()
    ]


def test_every_topic(
    relay: Callable[..., int], platform: SimClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """All 15 topics are subscribed under the stack's name; a second run keeps them."""
    assert relay() == 0
    made = listed(platform)
    assert {one["topic"] for one in made} == set(TOPICS)
    assert {(one["callback_url"], one["name"]) for one in made} == {
        (f"http://127.0.0.1:9/webhooks/{CALLBACK_KEY}", "relay relay-acme")
    }
    assert capsys.readouterr().out.count("created") == len(TOPICS)
    assert relay("--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["created"], result["kept"]) == ([], list(TOPICS))


def test_after_a_rotation(
    relay: Callable[..., int], platform: SimClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """With another valid key the same subscriptions are updated; one of another name stays and is reported."""
    platform.subscribe("customer.cancelled", name="another integration")
    assert relay(typed="the-one-before") == 0
    listed(platform)
    assert relay() == 0
    printed = capsys.readouterr().out
    assert printed.count("  updated\n") == len(TOPICS)
    assert "Other subscriptions exist for: customer.cancelled" in printed
    assert len(listed(platform)) == len(TOPICS) + 1


def test_a_wrong_callback_key_is_refused(relay: Callable[..., int], platform: SimClient) -> None:
    """A key that the stack does not accept is refused before any call: its deliveries would be refused."""
    with pytest.raises(CliError, match="does not accept this callback key") as refused:
        relay(typed="mistyped")
    assert "mistyped" not in str(refused.value)
    assert listed(platform) == []


def test_the_api_key_of_the_stack(relay: Callable[..., int], platform: SimClient) -> None:
    """Where the stack has the API key, it is not asked for."""
    client("ssm").put_parameter(Name=SECRET, Value=KEY, Type="SecureString")
    assert relay(api_key="not asked for", InveterateSecret=SECRET) == 0
    assert len(listed(platform)) == len(TOPICS)


def test_an_api_key_that_the_platform_refuses(relay: Callable[..., int]) -> None:
    """The error repeats neither key nor URL."""
    with pytest.raises(CliError, match="refuses the subscriptions") as refused:
        relay(api_key="sim_wrong")
    assert CALLBACK_KEY not in str(refused.value)
    assert "sim_wrong" not in str(refused.value)


def test_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal the error names the variable for the key."""
    monkeypatch.delenv("RELAY_CALLBACK_KEY", raising=False)
    with pytest.raises(CliError, match="RELAY_CALLBACK_KEY"):
        subscriptions.main(
            parsed(subscriptions.configure, "apply"), lambda arguments: StackWithParameters(arguments.stack)
        )


def test_list_topics(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list-topics` needs no stack."""
    assert subscriptions.main(parsed(subscriptions.configure, "plan", "--list-topics")) == 0
    assert capsys.readouterr().out.split() == list(TOPICS)


def test_a_plan_changes_nothing(
    relay: Callable[..., int], platform: SimClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows the difference, sign by sign, and ends with 3 until there is none."""
    assert relay(action="plan") == 3
    assert capsys.readouterr().out.count("+ ") == len(TOPICS)
    assert listed(platform) == []
    relay()
    listed(platform)
    lost, moved = [one for one in platform.sim.subscriptions.values() if one.topic][:2]
    platform.sim.subscriptions.pop(lost.id)
    moved.callback_url = "http://127.0.0.1:9/elsewhere"
    capsys.readouterr()
    assert relay("--json", action="plan") == 3
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert {one["topic"]: one["action"] for one in changes if one["action"] != "keep"} == {
        lost.topic: "create", moved.topic: "update",
    }  # fmt: skip
    relay()
    assert relay(action="plan") == 0


def test_our_duplicates_are_removed_and_no_other(relay: Callable[..., int], platform: SimClient) -> None:
    """Two of ours for one topic: one stays. Another name's stays, whatever its URL."""
    relay()
    url = f"http://127.0.0.1:9/webhooks/{CALLBACK_KEY}"
    for name in ("relay relay-acme", "another integration"):
        body = {"topic": "customer.cancelled", "callbackUrl": url, "name": name}
        assert platform.api("POST", "/v2.0/admin/webhook-subscriptions", json=body).status_code == 201
    assert len(listed(platform)) == len(TOPICS) + 2
    assert relay() == 0
    left = [one for one in listed(platform) if one["topic"] == "customer.cancelled"]
    assert sorted(one["name"] for one in left) == ["another integration", "relay relay-acme"]


def test_destroy_removes_ours_alone(
    relay: Callable[..., int], platform: SimClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And asks first."""
    relay()
    platform.subscribe("customer.cancelled", name="another integration")
    monkeypatch.setattr("builtins.input", lambda _question: "n")
    with pytest.raises(CliError, match="nothing was changed"):
        relay(action="destroy")
    assert relay("--yes", action="destroy") == 0
    assert [one["name"] for one in listed(platform)] == ["another integration"]


def test_a_topic_that_the_account_refuses(
    relay: Callable[..., int], platform: SimClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are subscribed; the exit code and the line say which is not."""
    platform.act("switches", subscriptions_per_topic="one_refuses")
    platform.subscribe("customer.cancelled", name="another integration")
    assert relay() == 1
    assert "FAILED" in capsys.readouterr().out
    assert len([one for one in listed(platform) if one["name"] == "relay relay-acme"]) == len(TOPICS) - 1


@dataclass
class FakeAws:
    """CloudWatch Logs and CloudFormation in memory: rows of the log, and the updates that were asked for."""

    rows: list[dict[str, str]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)

    def start_query(self, **_request: Any) -> dict[str, str]:
        """Begin a query."""
        return {"queryId": "1"}

    def get_query_results(self, **_request: Any) -> dict[str, Any]:
        """Return the rows as Logs Insights does."""
        cells = [[{"field": name, "value": value} for name, value in row.items()] for row in self.rows]
        return {"status": "Complete", "results": cells}

    def update_stack(self, **request: Any) -> None:
        """Note an update."""
        self.updates.append(request)

    def get_waiter(self, _name: str) -> FakeAws:
        """Return the waiter."""
        return self

    def wait(self, **_request: Any) -> None:
        """Wait."""


def test_tokens_are_demanded_only_after_deliveries_bore_them(
    relay: Callable[..., int],
    platform: SimClient,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The digest is stored and no token; one parameter changes, the template and all others stay."""
    there = FakeAws()
    plain = Stack.client
    monkeypatch.setattr(
        StackWithParameters,
        "client",
        lambda stack, name: there if name in {"logs", "cloudformation"} else plain(stack, name),
    )
    platform.act("switches", subscription_token="body")
    assert relay() == 0
    assert "tokens are not enforced: no delivery came" in capsys.readouterr().out
    told = {one.topic: one.token for one in platform.sim.subscriptions.values()}
    listed(platform)
    stored = str(items_of("mirrors"))
    assert not [token for token in told.values() if token in stored]
    digests = {topic: hashlib.sha256(str(token).encode()).hexdigest() for topic, token in told.items()}
    there.rows = [{"topic": topic, "token": digest[:12]} for topic, digest in digests.items() if topic]
    there.rows.append({"topic": "customer.updated"})
    assert relay("--yes") == 0
    assert "without one: customer.updated" in capsys.readouterr().out
    assert there.updates == []
    there.rows.pop()
    assert relay("--yes") == 0
    [update] = there.updates
    values = {one["ParameterKey"]: one for one in update["Parameters"]}
    assert set(values.pop("TokenDigests")["ParameterValue"].split(",")) == set(digests.values())
    assert update["UsePreviousTemplate"]
    assert all(one["UsePreviousValue"] for one in values.values())
    assert values.keys() == {"InveterateUrl", "KeyDigests"}


@pytest.mark.parametrize(
    ("rows", "with_token", "without"),
    [
        ([], (), ()),
        ([{"topic": "a", "token": "0123456789ab"}], ("a",), ()),
        ([{"topic": "a", "token": "0123456789ab"}, {"topic": "b", "token": ""}], ("a",), ("b",)),
        ([{"topic": "a", "token": "0123456789ab"}, {"topic": "a"}], (), ("a",)),
        ([{"topic": "a", "token": "ffffffffffff"}], (), ("a",)),
        ([{"topic": "a", "token": "ffffffffffff,0123456789ab"}], ("a",), ()),
    ],
)
def test_what_the_log_proves(
    rows: list[dict[str, str]], with_token: tuple[str, ...], without: tuple[str, ...]
) -> None:
    """One delivery without a known token keeps its topic, and so all, from being enough."""
    found = tokens.judge(rows, {"x": "0123456789ab" + "0" * 52})
    assert (found.with_token, found.without) == (with_token, without)
    assert found.is_enough == (bool(with_token) and not without)
