"""A callback key is rotated in steps that can be stopped anywhere, and no webhook is refused on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from inveterate.webhooks.topics import TOPICS
from relay.adapters.aws.boto import client
from relay.topics import FOLDERS
from relay_cli import subscriptions
from relay_cli.callback_key import digest
from relay_cli.deployment.probe import ProbeResult
from relay_cli.deployment.rotation import Rotation, RotationResult
from relay_cli.errors import CliError, DeclinedError
from relay_cli.stack import Stack

from tests.functional.sim.sim_server import KEY as API_KEY
from tests.functional.sim.sim_server import SimClient, running_simulator
from tests.support.installed_shop import BASE_URL, KEY, KEY_NAME, STACK, InstalledShop, installed_shop

NEXT = f"{KEY_NAME}-next"


@dataclass
class RotatingShop:
    """An installed shop whose subscriptions are at the simulated platform."""

    shop: InstalledShop
    platform: SimClient

    def rotate(self, *, days: float = 0, now: bool = False, yes: bool = True) -> RotationResult:
        """Rotate, so many days from now."""
        rotation = Rotation(
            Stack(STACK),
            now=now,
            yes=yes,
            clock=lambda: datetime.now(UTC) + timedelta(days=days),
            sleep=lambda _: self.settle(),
        )
        return rotation.run()

    def settle(self) -> None:
        """Let the platform's list catch up."""
        self.platform.act("advance", minutes=1)

    def urls(self) -> set[str | None]:
        """Return the URLs of our subscriptions."""
        self.settle()
        return {one.callback_url for one in self.platform.sim.subscriptions.values()}

    def digests(self) -> list[str]:
        """Return the digests that the stack accepts."""
        return self.shop.cloudformation.parameters["KeyDigests"].split(",")

    def delivered(self, *, days_ago: float, **line: Any) -> None:
        """Let the receiver's log have a line of so many days ago."""
        at = datetime.now(UTC) - timedelta(days=days_ago)
        message = json.dumps({"message": "accepted", "topic": "customer.cancelled", **line})
        self.shop.monitoring.log.append({"timestamp": int(at.timestamp() * 1000), "message": message})


@pytest.fixture
def rotating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RotatingShop]:
    """Install and subscribe."""
    real = subscriptions.apply
    with (
        running_simulator() as platform,
        installed_shop(tmp_path, monkeypatch, client) as shop,
    ):
        monkeypatch.setenv("INVETERATE_API_KEY", API_KEY)
        shop.deployed(InveterateUrl=str(platform.http.base_url))
        real(Stack(STACK))
        rotating = RotatingShop(shop, platform)
        assert rotating.urls() == {f"{BASE_URL}/{KEY}"}
        yield rotating


def test_both_keys_are_valid_while_the_subscriptions_move(rotating: RotatingShop) -> None:
    """The old digest stays the first; the new key is SSM's; the last word is when to come back."""
    result = rotating.rotate()
    new = rotating.shop.key()
    assert new != KEY
    assert (result.state, result.exit_code) == ("waiting", 3)
    assert rotating.digests() == [digest(KEY), digest(new)]
    assert rotating.urls() == {f"{BASE_URL}/{new}"}
    assert rotating.shop.did == [f"probed with {new}"]
    assert new not in result.text
    assert client("ssm").describe_parameters()["Parameters"][0]["Name"] == KEY_NAME


def test_no_subscription_moves_before_the_new_key_is_taken(rotating: RotatingShop) -> None:
    """A probe that is refused or lost ends the run; the next one goes on with the same key."""
    rotating.shop.probes = [
        ProbeResult(refused=dict.fromkeys(FOLDERS, "HTTP 401")),
        ProbeResult(seen=set(FOLDERS) - {"customer.cancelled"}, missing={"customer.cancelled"}),
    ]
    for _ in range(2):
        with pytest.raises(CliError, match="no subscription was moved"):
            rotating.rotate()
        assert rotating.urls() == {f"{BASE_URL}/{KEY}"}
        assert rotating.shop.key() == KEY
    new = rotating.shop.key(NEXT)
    assert rotating.digests() == [digest(KEY), digest(new)]
    rotating.rotate()
    assert rotating.urls() == {f"{BASE_URL}/{new}"}
    assert rotating.digests() == [digest(KEY), digest(new)]


def test_the_old_key_is_retired_after_three_quiet_days(rotating: RotatingShop) -> None:
    """Not before, and not while a delivery bears it; deliveries with the new key and probes do not count."""
    rotating.rotate()
    new = rotating.shop.key()
    assert rotating.rotate(days=2.9).state == "waiting"
    rotating.delivered(days_ago=-3, key=1)
    assert "bore the old one" in rotating.rotate(days=5.9).text
    rotating.delivered(days_ago=-6, key=2)
    rotating.delivered(days_ago=-6, key=1, topic="relay.probe")
    rotating.delivered(days_ago=-6, key=1, message="bad_key")
    assert rotating.digests() == [digest(KEY), digest(new)]
    assert rotating.rotate(days=6.1).state == "done"
    assert rotating.digests() == [digest(new)]
    assert rotating.shop.key() == new


def test_a_second_rotation_begins_anew(rotating: RotatingShop) -> None:
    """After one is done, the next has a key of its own."""
    rotating.rotate(now=True)
    first = rotating.shop.key()
    assert rotating.rotate(now=True).state == "done"
    assert rotating.shop.key() not in {first, KEY}
    assert rotating.digests() == [digest(rotating.shop.key())]


def test_now_does_not_wait(rotating: RotatingShop) -> None:
    """One run, one key; the subscriptions are read back first, though the list lags behind."""
    rotating.delivered(days_ago=0.1, key=1)
    assert rotating.rotate(now=True).state == "done"
    assert rotating.digests() == [digest(rotating.shop.key())]
    assert rotating.urls() == {f"{BASE_URL}/{rotating.shop.key()}"}


@pytest.mark.parametrize("now", [False, True])
def test_a_subscription_elsewhere_keeps_the_old_key(rotating: RotatingShop, *, now: bool) -> None:
    """One that a person moved back, or a second one at the old URL: nothing would be delivered to it any more."""
    rotating.rotate()
    rotating.platform.api(
        "POST",
        "/v2.0/admin/webhook-subscriptions",
        json={"topic": "customer.cancelled", "callbackUrl": f"{BASE_URL}/{KEY}", "name": f"relay {STACK}"},
    )
    rotating.settle()
    result = rotating.rotate(days=9, now=now)
    assert (result.state, "customer.cancelled" in result.text) == ("waiting", True)
    assert len(rotating.digests()) == 2


def test_a_subscription_of_another_name_does_not_matter(rotating: RotatingShop) -> None:
    """It is another's, wherever it leads."""
    rotating.platform.subscribe(TOPICS[0], name="another integration")
    rotating.rotate()
    assert rotating.rotate(days=4).state == "done"


def test_keys_that_are_not_ours(rotating: RotatingShop) -> None:
    """Two digests of which SSM has no new key: a person rotates by hand, and is not disturbed."""
    rotating.shop.cloudformation.parameters["KeyDigests"] = f"{digest('x')},{digest(KEY)},{digest('y')}"
    with pytest.raises(CliError, match="accepts 3 keys already"):
        rotating.rotate()
    assert rotating.urls() == {f"{BASE_URL}/{KEY}"}


def test_declined(rotating: RotatingShop) -> None:
    """Without a terminal there is no yes: no key is made."""
    with pytest.raises(DeclinedError):
        rotating.rotate(yes=False)
    assert rotating.digests() == [digest(KEY)]
    assert len(client("ssm").describe_parameters()["Parameters"]) == 1
