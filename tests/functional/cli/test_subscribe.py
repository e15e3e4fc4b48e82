"""`relay subscribe` against the simulated platform: every topic leads to the stack's callback URL, and nobody else's is touched."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest
from inveterate.webhooks.topics import TOPICS
from relay.adapters.aws.boto import client
from relay_cli import subscribe
from relay_cli.account import Account
from relay_cli.failing import CliError

from tests.functional.sim.sim_server import KEY, SimClient, running_simulator

CALLBACK_KEY = "a-key-that-nobody-guesses"
SECRET = "/relay/acme/inveterate"


@dataclass(frozen=True)
class Deployed(Account):
    """A stack of which its outputs and parameters are known."""

    url: str = ""
    more: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The one output that is needed."""
        return {"CallbackBaseUrl": "http://127.0.0.1:9/webhooks"}

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """What it was deployed with: two keys, as while one is rotated."""
        digests = [hashlib.sha256(key).hexdigest() for key in (b"the-one-before", CALLBACK_KEY.encode())]
        return {"InveterateUrl": self.url, "KeyDigests": ",".join(digests), **self.more}


@pytest.fixture
def platform() -> Iterator[SimClient]:
    """Return a simulator that runs."""
    with running_simulator() as there:
        yield there


@pytest.fixture
def relay(platform: SimClient, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return `relay subscribe` for a stack whose platform is the simulator; the person types both keys."""
    for name in ("RELAY_CALLBACK_KEY", "INVETERATE_API_KEY", "RELAY_STACK"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str, typed: str = CALLBACK_KEY, api_key: str = KEY, **more: str) -> int:
        parser = argparse.ArgumentParser()
        subscribe.configure(parser)
        url = str(platform.http.base_url)
        answers = {"callback key": typed, "Inveterate API key": api_key}
        return subscribe.main(
            parser.parse_args(["--stack", "relay-acme", *words]),
            lambda stack: Deployed(stack, url=url, more=more),
            answers.__getitem__,
        )

    return run


def there(platform: SimClient) -> list[dict[str, Any]]:
    """Return the subscriptions that the platform lists."""
    platform.act("advance", minutes=1)
    return [
        {"topic": one.topic, "callback_url": one.callback_url, "name": one.name}
        for one in platform.sim.subscriptions.values()
    ]


def test_every_topic(
    relay: Callable[..., int], platform: SimClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """All 15 are created under the stack's name; a second time nothing is left to do."""
    assert relay() == 0
    made = there(platform)
    assert {one["topic"] for one in made} == set(TOPICS)
    assert {(one["callback_url"], one["name"]) for one in made} == {
        (f"http://127.0.0.1:9/webhooks/{CALLBACK_KEY}", "relay relay-acme")
    }
    assert capsys.readouterr().out.count("created") == len(TOPICS)
    assert relay("--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["created"], told["kept"]) == ([], list(TOPICS))


def test_after_a_rotation(
    relay: Callable[..., int], platform: SimClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """With another valid key the same subscriptions are moved; somebody else's stays, and is named."""
    platform.subscribe("customer.cancelled", name="somebody else")
    assert relay(typed="the-one-before") == 0
    there(platform)
    assert relay() == 0
    said = capsys.readouterr().out
    assert said.count("  updated\n") == len(TOPICS)
    assert "Somebody else is subscribed as well to: customer.cancelled" in said
    assert len(there(platform)) == len(TOPICS) + 1


def test_a_wrong_key_reaches_nobody(relay: Callable[..., int], platform: SimClient) -> None:
    """A key that the stack does not accept is refused here: all that came by it would be refused there."""
    with pytest.raises(CliError, match="does not accept this callback key") as refused:
        relay(typed="mistyped")
    assert "mistyped" not in str(refused.value)
    assert there(platform) == []


def test_the_api_key_of_the_stack(relay: Callable[..., int], platform: SimClient) -> None:
    """Where the stack has the API key, nobody has to give it."""
    client("ssm").put_parameter(Name=SECRET, Value=KEY, Type="SecureString")
    assert relay(api_key="not asked for", InveterateSecret=SECRET) == 0
    assert len(there(platform)) == len(TOPICS)


def test_a_key_that_the_platform_refuses(relay: Callable[..., int]) -> None:
    """It is said, and neither key nor URL is repeated."""
    with pytest.raises(CliError, match="does not let us subscribe") as refused:
        relay(api_key="sim_wrong")
    assert CALLBACK_KEY not in str(refused.value)
    assert "sim_wrong" not in str(refused.value)


def test_nobody_at_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one to ask, the command names the variable in which the key is looked for."""
    monkeypatch.delenv("RELAY_CALLBACK_KEY", raising=False)
    parser = argparse.ArgumentParser()
    subscribe.configure(parser)
    with pytest.raises(CliError, match="RELAY_CALLBACK_KEY"):
        subscribe.main(parser.parse_args([]), Deployed)


def test_the_topics_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list-topics` needs no stack."""
    parser = argparse.ArgumentParser()
    subscribe.configure(parser)
    assert subscribe.main(parser.parse_args(["--list-topics"])) == 0
    assert capsys.readouterr().out.split() == list(TOPICS)
