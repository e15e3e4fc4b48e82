"""The mirrors table: one writer at a time, and no call counts that overlapped another."""

from __future__ import annotations

from datetime import timedelta

import pytest
from relay.adapters.dynamodb.crm_state import DynamoSyncStates
from relay.errors import ConflictError, MisconfiguredError
from relay.ports.crm import CrmOutcome
from relay.ports.crm_state import ClaimResult, SyncState
from relay.rules.crm_profile import CrmProfile

from tests.contract.crm.profiles import key_of, wanted
from tests.support.crm_fakes import MIRRORED, START

KEY = key_of(7001)
LATER = START + timedelta(seconds=120)


@pytest.fixture
def mirrors(mirrors_table: str) -> DynamoSyncStates:
    """Return HubSpot's mirrors in an empty table."""
    return DynamoSyncStates(mirrors_table, "hubspot")


def claim(mirrors: DynamoSyncStates, at: timedelta = timedelta()) -> str | None:
    """Try to claim the member, for two minutes."""
    claims = mirrors.claim([KEY], now=START + at, until=LATER + at)
    return claims[KEY].token if KEY in claims else None


def settle(
    mirrors: DynamoSyncStates, token: str, profile: CrmProfile | None = None, outcome: CrmOutcome = MIRRORED
) -> Exception | None:
    """Note an outcome under this claim."""
    sent = profile or wanted()
    return mirrors.settle([ClaimResult(profile=sent, token=token, outcome=outcome)])[sent.key]


def test_an_unknown_member(mirrors: DynamoSyncStates) -> None:
    """A member who was never sent has an empty mirror."""
    assert mirrors.load([KEY]) == {KEY: SyncState()}


def test_claimed_and_settled(mirrors: DynamoSyncStates) -> None:
    """After a call the mirror has what the CRM holds, its id and the address used, and nobody's claim."""
    token = claim(mirrors)
    assert token
    assert mirrors.load([KEY])[KEY].busy_until == LATER
    assert settle(mirrors, token) is None
    assert mirrors.load([KEY])[KEY] == SyncState(
        digest=wanted().digest, state="mirrored", id="1", email="member-7001@example.com"
    )


def test_one_writer_at_a_time(mirrors: DynamoSyncStates) -> None:
    """While a claim holds nobody else gets one; members are claimed one by one."""
    assert claim(mirrors)
    other = key_of(7002)
    assert mirrors.claim([KEY, other], now=START, until=LATER).keys() == {other}


def test_a_claim_runs_out(mirrors: DynamoSyncStates) -> None:
    """The claim of somebody who died holds for its time and not longer."""
    claim(mirrors)
    assert not claim(mirrors, at=timedelta(seconds=119))
    assert claim(mirrors, at=timedelta(seconds=120))


def test_an_overtaken_call_clears_what_the_other_noted(mirrors: DynamoSyncStates) -> None:
    """A call that outlived its claim may have come last: what the other noted is no longer sure."""
    late = claim(mirrors)
    other = claim(mirrors, at=timedelta(seconds=200))
    assert late
    assert other
    assert settle(mirrors, other, wanted(tier_name="Newer")) is None
    assert isinstance(settle(mirrors, late, wanted(tier_name="Older")), ConflictError)
    mirror = mirrors.load([KEY])[KEY]
    assert (mirror.digest, mirror.busy_until) == (None, None)


def test_an_overtaken_call_voids_the_others_claim(mirrors: DynamoSyncStates) -> None:
    """The one that overtook is still at it: it may have come first, so it does not count either."""
    late = claim(mirrors)
    other = claim(mirrors, at=timedelta(seconds=200))
    assert late
    assert other
    assert isinstance(settle(mirrors, late, wanted(tier_name="Older")), ConflictError)
    assert not claim(mirrors, at=timedelta(seconds=201)), "nobody may start before that call is over"
    assert isinstance(settle(mirrors, other, wanted(tier_name="Newer")), ConflictError)
    assert mirrors.load([KEY])[KEY].digest is None
    assert claim(mirrors, at=timedelta(seconds=320))


@pytest.mark.parametrize("state", ["retry", "unauthorised", "pending"])
def test_what_does_not_last_leaves_no_digest(mirrors: DynamoSyncStates, state: str) -> None:
    """After a call that failed the CRM may hold the old or the new: the mirror claims neither."""
    first = claim(mirrors)
    assert first
    settle(mirrors, first)
    second = claim(mirrors)
    assert second
    settle(mirrors, second, outcome=CrmOutcome(state=state, reason="why"))  # type: ignore[arg-type]  # the literals above
    mirror = mirrors.load([KEY])[KEY]
    assert (mirror.digest, mirror.state, mirror.reason) == (None, state, "why")
    assert mirror.id == "1", "the CRM's id stays known"


def test_a_refusal_is_remembered(mirrors: DynamoSyncStates) -> None:
    """A refused member keeps the digest of what was refused, and the reason; success takes the reason away."""
    token = claim(mirrors)
    assert token
    settle(mirrors, token, outcome=CrmOutcome(state="refused", reason="owned_by_other"))
    mirror = mirrors.load([KEY])[KEY]
    assert (mirror.digest, mirror.state, mirror.reason) == (wanted().digest, "refused", "owned_by_other")
    token = claim(mirrors)
    assert token
    settle(mirrors, token)
    assert mirrors.load([KEY])[KEY].reason == ""


def test_quiet_after_no_answer(mirrors: DynamoSyncStates) -> None:
    """After a call without an answer nobody may write until it can no longer take effect."""
    token = claim(mirrors)
    assert token
    unanswered = CrmOutcome(state="retry", reason="timeout", unanswered=True)
    quiet = START + timedelta(seconds=60)
    mirrors.settle([ClaimResult(profile=wanted(), token=token, outcome=unanswered, quiet_until=quiet)])
    assert mirrors.load([KEY])[KEY].busy_until == quiet
    assert not claim(mirrors, at=timedelta(seconds=59))
    assert claim(mirrors, at=timedelta(seconds=60))


def test_targets_are_apart(mirrors: DynamoSyncStates) -> None:
    """What one target holds says nothing of another."""
    token = claim(mirrors)
    assert token
    settle(mirrors, token)
    assert DynamoSyncStates("mirrors", "klaviyo", mirrors.dynamodb).load([KEY]) == {KEY: SyncState()}


def test_many(mirrors: DynamoSyncStates) -> None:
    """More members than one read takes are read, claimed and settled all the same."""
    keys = [key_of(number) for number in range(120)]
    tokens = mirrors.claim(keys, now=START, until=LATER)
    settlements = [
        ClaimResult(profile=wanted(number), token=tokens[key_of(number)].token, outcome=MIRRORED)
        for number in range(120)
    ]
    assert set(mirrors.settle(settlements).values()) == {None}
    assert {mirror.state for mirror in mirrors.load(keys).values()} == {"mirrored"}


def test_a_missing_table() -> None:
    """A table that is not there is a setting to mend."""
    with pytest.raises(MisconfiguredError):
        DynamoSyncStates("nowhere", "hubspot").load([KEY])
