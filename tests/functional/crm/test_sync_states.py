"""The table of sync states: one call at a time, and no call counts that overlapped another."""

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
def sync_states(mirrors_table: str) -> DynamoSyncStates:
    """Return HubSpot's sync states in an empty table."""
    return DynamoSyncStates(mirrors_table, "hubspot")


def claim(sync_states: DynamoSyncStates, at: timedelta = timedelta()) -> str | None:
    """Try to claim the member, for two minutes."""
    claims = sync_states.claim([KEY], now=START + at, until=LATER + at)
    return claims[KEY].token if KEY in claims else None


def release(
    sync_states: DynamoSyncStates,
    token: str,
    profile: CrmProfile | None = None,
    outcome: CrmOutcome = MIRRORED,
) -> Exception | None:
    """Release this claim with an outcome."""
    sent = profile or wanted()
    return sync_states.release_claims([ClaimResult(profile=sent, token=token, outcome=outcome)])[sent.key]


def test_an_unknown_member(sync_states: DynamoSyncStates) -> None:
    """A member that was never sent has an empty sync state."""
    assert sync_states.load([KEY]) == {KEY: SyncState()}


def test_claimed_and_released(sync_states: DynamoSyncStates) -> None:
    """After a call the sync state has the digest, the CRM's id and the address used, and no claim."""
    token = claim(sync_states)
    assert token
    assert sync_states.load([KEY])[KEY].claimed_until == LATER
    assert release(sync_states, token) is None
    assert sync_states.load([KEY])[KEY] == SyncState(
        digest=wanted().digest, state="mirrored", id="1", email="member-7001@example.com"
    )


def test_what_relay_made(sync_states: DynamoSyncStates) -> None:
    """The contacts that Relay made stay noted, also where nothing is mirrored any more, until a result has none."""

    def store(outcome: CrmOutcome, made: frozenset[str]) -> frozenset[str]:
        token = claim(sync_states) or ""
        result = ClaimResult(profile=wanted(), token=token, outcome=outcome, made_contacts=made)
        assert sync_states.release_claims([result])[KEY] is None
        return sync_states.load([KEY])[KEY].made_contacts

    assert store(MIRRORED, frozenset({"1", "2"})) == {"1", "2"}
    assert store(CrmOutcome(state="skipped", reason="no_email"), frozenset({"1", "2"})) == {"1", "2"}
    assert store(MIRRORED, frozenset()) == frozenset()


def test_one_writer_at_a_time(sync_states: DynamoSyncStates) -> None:
    """While a claim holds there is no second one; members are claimed one by one."""
    assert claim(sync_states)
    other = key_of(7002)
    assert sync_states.claim([KEY, other], now=START, until=LATER).keys() == {other}


def test_a_claim_runs_out(sync_states: DynamoSyncStates) -> None:
    """The claim of a dead invocation holds for its time and not longer."""
    claim(sync_states)
    assert not claim(sync_states, at=timedelta(seconds=119))
    assert claim(sync_states, at=timedelta(seconds=120))


def test_an_overtaken_call_clears_the_other_ones_digest(sync_states: DynamoSyncStates) -> None:
    """A call that outlived its claim may have come last: the digest of the other is no longer certain."""
    late = claim(sync_states)
    other = claim(sync_states, at=timedelta(seconds=200))
    assert late
    assert other
    assert release(sync_states, other, wanted(tier_name="Newer")) is None
    assert isinstance(release(sync_states, late, wanted(tier_name="Older")), ConflictError)
    stored = sync_states.load([KEY])[KEY]
    assert (stored.digest, stored.claimed_until) == (None, None)


def test_an_overtaken_call_voids_the_other_claim(sync_states: DynamoSyncStates) -> None:
    """The call that overtook it is still under way: it may have come first, so it does not count either."""
    late = claim(sync_states)
    other = claim(sync_states, at=timedelta(seconds=200))
    assert late
    assert other
    assert isinstance(release(sync_states, late, wanted(tier_name="Older")), ConflictError)
    assert not claim(sync_states, at=timedelta(seconds=201)), "no call may start before that one is over"
    assert isinstance(release(sync_states, other, wanted(tier_name="Newer")), ConflictError)
    assert sync_states.load([KEY])[KEY].digest is None
    assert claim(sync_states, at=timedelta(seconds=320))


@pytest.mark.parametrize("state", ["retry", "unauthorised", "pending"])
def test_an_outcome_that_is_not_final_leaves_no_digest(sync_states: DynamoSyncStates, state: str) -> None:
    """After a failed call the CRM may hold the old profile or the new one: the sync state claims neither."""
    first = claim(sync_states)
    assert first
    release(sync_states, first)
    second = claim(sync_states)
    assert second
    release(sync_states, second, outcome=CrmOutcome(state=state, reason="why"))  # type: ignore[arg-type]  # the literals above
    stored = sync_states.load([KEY])[KEY]
    assert (stored.digest, stored.state, stored.reason) == (None, state, "why")
    assert stored.id == "1", "the CRM's id stays known"


def test_a_refusal_is_stored(sync_states: DynamoSyncStates) -> None:
    """A refused member keeps the digest of the refused profile, and the reason; a success removes the reason."""
    token = claim(sync_states)
    assert token
    release(sync_states, token, outcome=CrmOutcome(state="refused", reason="owned_by_other"))
    stored = sync_states.load([KEY])[KEY]
    assert (stored.digest, stored.state, stored.reason) == (wanted().digest, "refused", "owned_by_other")
    token = claim(sync_states)
    assert token
    release(sync_states, token)
    assert sync_states.load([KEY])[KEY].reason == ""


def test_blocked_after_no_answer(sync_states: DynamoSyncStates) -> None:
    """After a call without an answer no other may begin until it can no longer take effect."""
    token = claim(sync_states)
    assert token
    unanswered = CrmOutcome(state="retry", reason="timeout", unanswered=True)
    end = START + timedelta(seconds=60)
    sync_states.release_claims(
        [ClaimResult(profile=wanted(), token=token, outcome=unanswered, blocked_until=end)]
    )
    assert sync_states.load([KEY])[KEY].claimed_until == end
    assert not claim(sync_states, at=timedelta(seconds=59))
    assert claim(sync_states, at=timedelta(seconds=60))


def test_targets_are_apart(sync_states: DynamoSyncStates) -> None:
    """The sync states of one target are separate from those of another."""
    token = claim(sync_states)
    assert token
    release(sync_states, token)
    assert DynamoSyncStates("mirrors", "klaviyo", sync_states.aws).load([KEY]) == {KEY: SyncState()}


def test_many(sync_states: DynamoSyncStates) -> None:
    """More members than one read takes are read, claimed and released all the same."""
    keys = [key_of(number) for number in range(120)]
    tokens = sync_states.claim(keys, now=START, until=LATER)
    settlements = [
        ClaimResult(profile=wanted(number), token=tokens[key_of(number)].token, outcome=MIRRORED)
        for number in range(120)
    ]
    assert set(sync_states.release_claims(settlements).values()) == {None}
    assert {state.state for state in sync_states.load(keys).values()} == {"mirrored"}


def test_a_missing_table() -> None:
    """A table that does not exist is a setting to correct."""
    with pytest.raises(MisconfiguredError):
        DynamoSyncStates("nowhere", "hubspot").load([KEY])
