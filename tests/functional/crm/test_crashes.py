"""Every crash, every hung call and every overlap of two workers ends in the same CRM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import pytest
from relay.adapters.dynamodb.crm_state import DynamoSyncStates
from relay.errors import TransientError
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import Claim

from tests.functional.crm.scenes import KEY, Tabled
from tests.support.crm_fakes import KilledError


def _killed() -> None:
    raise KilledError


def test_killed_before_the_call(scene: Tabled) -> None:
    """A worker killed before its call took effect is made up for by the message's next receipt."""
    scene.tell(tier_name="Gold")
    scene.crm.before.append(_killed)
    with pytest.raises(KilledError):
        scene.work("m1")
    scene.clock.forward(119)
    late = "a minute after the worker's last moment its request may still take effect"
    assert isinstance(scene.work("m1")["m1"], TransientError), late
    scene.clock.forward(1)
    assert scene.work("m1") == {"m1": None}
    assert scene.tier() == "Gold"
    assert scene.settled()


def test_killed_after_the_call(scene: Tabled) -> None:
    """A worker killed after its call, before the note of it, sends once more: the same state."""
    scene.tell(tier_name="Gold")
    scene.crm.after.append(_killed)
    with pytest.raises(KilledError):
        scene.work("m1")
    assert scene.tier() == "Gold"
    scene.clock.forward(120)
    assert scene.work("m1") == {"m1": None}
    assert scene.tier() == "Gold"
    assert len(scene.crm.calls) == 2
    assert scene.settled()


def test_killed_between_two_states(scene: Tabled) -> None:
    """Content that went there and back, killed on the way: the old digest is not taken for the truth."""
    scene.tell(tier_name="Gold")
    scene.work("m1")
    scene.tell(tier_name="Silver")
    scene.crm.after.append(_killed)
    with pytest.raises(KilledError):
        scene.work("m2")
    scene.tell(tier_name="Gold")
    scene.clock.forward(120)
    assert scene.work("m3") == {"m3": None}
    assert scene.tier() == "Gold"


def test_an_older_call_that_hangs_is_not_the_last(scene: Tabled) -> None:
    """A call that hangs beyond its claim, is overtaken, and then lands: the newer state is sent again."""
    scene.tell(tier_name="Older")

    def overtake() -> None:
        scene.clock.forward(200)
        scene.tell(tier_name="Newer")
        assert scene.work("m2") == {"m2": None}
        assert scene.tier() == "Newer"

    scene.crm.before.append(overtake)
    answer = scene.work("m1")["m1"]
    assert scene.tier() == "Older", "the hung call landed last"
    assert isinstance(answer, TransientError)
    assert scene.work("m1") == {"m1": None}
    assert scene.tier() == "Newer"
    assert scene.settled()


def test_no_second_call_while_one_is_under_way(scene: Tabled) -> None:
    """A worker that meets another's claim waits, however new its message is."""
    scene.tell(tier_name="Older")
    met: list[Exception | None] = []

    def meanwhile() -> None:
        scene.tell(tier_name="Newer")
        met.append(scene.work("m2")["m2"])

    scene.crm.before.append(meanwhile)
    assert scene.work("m1") == {"m1": None}
    assert isinstance(met[0], TransientError)
    assert scene.work("m2") == {"m2": None}
    assert scene.tier() == "Newer"
    assert scene.settled()


def test_what_is_sent_is_read_under_the_claim(scene: Tabled) -> None:
    """A worker that slept between reading and claiming sends what is there when it has the claim."""
    scene.tell(tier_name="Older")
    plain = scene.mirrors.claim

    @dataclass(frozen=True)
    class Sleepy(DynamoSyncStates):
        def claim(
            self,
            keys: Sequence[str],
            *,
            now: datetime,
            until: datetime,
            emails: Mapping[str, str] = MappingProxyType({}),
        ) -> Mapping[str, Claim]:
            scene.tell(tier_name="Newer")
            return plain(keys, now=now, until=until, emails=emails)

    scene.mirrors = Sleepy("mirrors", "fake", scene.mirrors.dynamodb)
    assert scene.work("m1") == {"m1": None}
    assert scene.tier() == "Newer"


def test_no_answer_and_a_longer_wait(scene: Tabled) -> None:
    """Where the CRM asked for more than that, it is kept."""
    scene.tell(tier_name="Gold")
    scene.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="http_502", unanswered=True, retry_after=300)
    answer = scene.work("m1")["m1"]
    assert isinstance(answer, TransientError)
    assert answer.retry_after == 300


def test_no_answer(scene: Tabled) -> None:
    """After a call without an answer the member rests until that can no longer land, then is sent again."""
    scene.tell(tier_name="Gold")
    scene.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="timeout", unanswered=True)
    answer = scene.work("m1")["m1"]
    assert isinstance(answer, TransientError)
    assert answer.retry_after == 60
    scene.crm.outcomes.clear()
    assert isinstance(scene.work("m1")["m1"], TransientError)
    scene.clock.forward(60)
    assert scene.work("m1") == {"m1": None}
    assert scene.tier() == "Gold"
