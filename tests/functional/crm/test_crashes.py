"""Every crash, every hung call and every overlap of two invocations ends in the same state of the CRM."""

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

from tests.functional.crm.crm_setups import KEY, CrmTableSetup
from tests.support.crm_fakes import KilledError


def _killed() -> None:
    raise KilledError


def test_killed_before_the_call(setup: CrmTableSetup) -> None:
    """The next receive of the message makes up for an invocation that was killed before its call took effect."""
    setup.update_member(tier_name="Gold")
    setup.crm.before.append(_killed)
    with pytest.raises(KilledError):
        setup.work("m1")
    setup.clock.forward(119)
    late = "a minute after the invocation's last moment its request may still take effect"
    assert isinstance(setup.work("m1")["m1"], TransientError), late
    setup.clock.forward(1)
    assert setup.work("m1") == {"m1": None}
    assert setup.tier() == "Gold"
    assert setup.is_in_sync()


def test_killed_after_the_call(setup: CrmTableSetup) -> None:
    """An invocation killed between its call and its outcome is followed by a second call with the same state."""
    setup.update_member(tier_name="Gold")
    setup.crm.after.append(_killed)
    with pytest.raises(KilledError):
        setup.work("m1")
    assert setup.tier() == "Gold"
    setup.clock.forward(120)
    assert setup.work("m1") == {"m1": None}
    assert setup.tier() == "Gold"
    assert len(setup.crm.calls) == 2
    assert setup.is_in_sync()


def test_killed_between_two_states(setup: CrmTableSetup) -> None:
    """A field changed and changed back, with a crash in between: the old digest does not count as certain."""
    setup.update_member(tier_name="Gold")
    setup.work("m1")
    setup.update_member(tier_name="Silver")
    setup.crm.after.append(_killed)
    with pytest.raises(KilledError):
        setup.work("m2")
    setup.update_member(tier_name="Gold")
    setup.clock.forward(120)
    assert setup.work("m3") == {"m3": None}
    assert setup.tier() == "Gold"


def test_an_older_call_that_hangs_is_not_the_last(setup: CrmTableSetup) -> None:
    """A call that hangs beyond its claim, is overtaken, and then lands: the newer state is sent again."""
    setup.update_member(tier_name="Older")

    def overtake() -> None:
        setup.clock.forward(200)
        setup.update_member(tier_name="Newer")
        assert setup.work("m2") == {"m2": None}
        assert setup.tier() == "Newer"

    setup.crm.before.append(overtake)
    answer = setup.work("m1")["m1"]
    assert setup.tier() == "Older", "the hung call landed last"
    assert isinstance(answer, TransientError)
    assert setup.work("m1") == {"m1": None}
    assert setup.tier() == "Newer"
    assert setup.is_in_sync()


def test_no_second_call_while_one_is_under_way(setup: CrmTableSetup) -> None:
    """An invocation that meets another one's claim waits, however new its message is."""
    setup.update_member(tier_name="Older")
    met: list[Exception | None] = []

    def meanwhile() -> None:
        setup.update_member(tier_name="Newer")
        met.append(setup.work("m2")["m2"])

    setup.crm.before.append(meanwhile)
    assert setup.work("m1") == {"m1": None}
    assert isinstance(met[0], TransientError)
    assert setup.work("m2") == {"m2": None}
    assert setup.tier() == "Newer"
    assert setup.is_in_sync()


def test_what_is_sent_is_read_under_the_claim(setup: CrmTableSetup) -> None:
    """An invocation that paused between reading and claiming sends the state of the time of its claim."""
    setup.update_member(tier_name="Older")
    claim = setup.sync_states.claim

    @dataclass(frozen=True)
    class PausingSyncStates(DynamoSyncStates):
        def claim(
            self,
            members: Sequence[str],
            *,
            now: datetime,
            until: datetime,
            emails: Mapping[str, str] = MappingProxyType({}),
        ) -> Mapping[str, Claim]:
            setup.update_member(tier_name="Newer")
            return claim(members, now=now, until=until, emails=emails)

    setup.sync_states = PausingSyncStates("mirrors", "fake", setup.sync_states.aws)
    assert setup.work("m1") == {"m1": None}
    assert setup.tier() == "Newer"


def test_no_answer_and_a_longer_wait(setup: CrmTableSetup) -> None:
    """A longer wait that the CRM asks for is kept."""
    setup.update_member(tier_name="Gold")
    setup.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="http_502", unanswered=True, retry_after=300)
    answer = setup.work("m1")["m1"]
    assert isinstance(answer, TransientError)
    assert answer.retry_after == 300


def test_no_answer(setup: CrmTableSetup) -> None:
    """After a call without an answer the member waits until that can no longer take effect, then is sent again."""
    setup.update_member(tier_name="Gold")
    setup.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="timeout", unanswered=True)
    answer = setup.work("m1")["m1"]
    assert isinstance(answer, TransientError)
    assert answer.retry_after == 60
    setup.crm.outcomes.clear()
    assert isinstance(setup.work("m1")["m1"], TransientError)
    setup.clock.forward(60)
    assert setup.work("m1") == {"m1": None}
    assert setup.tier() == "Gold"
