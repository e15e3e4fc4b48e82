"""Each refusal of a provider is an outcome of the members that it concerns."""

from __future__ import annotations

import pytest

from tests.contract.crm.profiles import key_of, wanted
from tests.contract.crm.setups import CrmTestSetup

KEY = key_of(7001)


def test_partial_207(setup: CrmTestSetup) -> None:
    """One member's fault does not affect the others."""
    outcomes = setup.crm.upsert([wanted(7001), wanted(7002, email="not an address"), wanted(7003)])
    # A receiver of the signed webhook has no codes: what it does not take waits.
    refused = "waiting" if setup.crm.name == "webhook" else "refused"
    assert [outcomes[key_of(n)].state for n in (7001, 7002, 7003)] == ["mirrored", refused, "mirrored"]
    assert "not an address" not in outcomes[key_of(7002)].reason
    assert len(setup.contacts()) == 2


def test_silent_2xx(setup: CrmTestSetup) -> None:
    """A success that names no member is not one."""
    setup.fail("silent_2xx")
    outcome = setup.crm.upsert([wanted()])[KEY]
    assert (outcome.state, outcome.reason) == ("waiting", "silent_2xx")


def _wait_after(setup: CrmTestSetup, case: str) -> float:
    """Cause a temporary fault; return the wait that the adapter names."""
    setup.fail(case)
    outcomes = setup.crm.upsert([wanted(7001), wanted(7002)])
    assert {outcome.state for outcome in outcomes.values()} == {"retry"}
    assert not any(outcome.unanswered for outcome in outcomes.values())
    assert not setup.contacts()
    assert setup.crm.upsert([wanted()])[KEY].state == "mirrored"
    return outcomes[KEY].retry_after or 0


def test_locked_423(setup: CrmTestSetup) -> None:
    """The wait for a lock is at least two seconds."""
    assert 2 <= _wait_after(setup, "locked_423") <= 60


def test_rate_limited(setup: CrmTestSetup) -> None:
    """The wait is the one that the provider names."""
    assert _wait_after(setup, "rate_limited") == 7


def test_rate_limited_no_header(setup: CrmTestSetup) -> None:
    """If the provider names no wait, it follows from its policy."""
    assert 1 <= _wait_after(setup, "rate_limited_no_header") <= 60


def test_daily_limit(setup: CrmTestSetup) -> None:
    """A daily limit is not tried again every few seconds."""
    assert _wait_after(setup, "daily_limit") >= 600


def test_down(setup: CrmTestSetup) -> None:
    """A server error is retried, without a given wait."""
    assert _wait_after(setup, "down") == 0


@pytest.mark.parametrize("case", ["timeout_after_write", "hang", "bad_gateway"])
def test_unanswered(setup: CrmTestSetup, case: str) -> None:
    """A call without an answer is marked: its request may have taken effect, or may still."""
    # What precedes the call (a token, for one) waits for as long as it takes: a busy machine is slow, not silent.
    assert setup.crm.upsert([wanted(7002)])[key_of(7002)].state == "mirrored"
    if case == "hang":
        setup.hurry()
    setup.fail(case)
    outcome = setup.crm.upsert([wanted()])[KEY]
    assert (outcome.state, outcome.unanswered) == ("retry", True)


def test_timeout_after_write(setup: CrmTestSetup) -> None:
    """A write whose answer was lost is repeated without making a second contact."""
    setup.fail("timeout_after_write")
    assert setup.crm.upsert([wanted()])[KEY].state == "retry"
    assert len(setup.contacts()) == 1
    assert setup.crm.upsert([wanted()])[KEY].state == "mirrored"
    assert len(setup.contacts()) == 1


def test_unauthorised_mid_batch(setup: CrmTestSetup) -> None:
    """What was written before the credentials ended keeps its outcome; the rest is not tried."""
    size = setup.per_call
    members = [wanted(number) for number in range(3 * size)]
    setup.fail("unauthorised_mid_batch")
    outcomes = setup.crm.upsert(members)
    states = [outcomes[each.key].state for each in members]
    assert states == ["mirrored"] * size + ["unauthorised"] * 2 * size
    assert setup.writes() == [size, size]


def test_missing_scopes(setup: CrmTestSetup) -> None:
    """Credentials that may not write are to be corrected."""
    setup.fail("missing_scopes")
    assert setup.crm.upsert([wanted()])[KEY].state == "unauthorised"


def test_unknown_property(unprepared: CrmTestSetup) -> None:
    """Our fields are defined in a CRM that lacks them, once, and the members arrive all the same."""
    outcomes = unprepared.crm.upsert([wanted(7001), wanted(7002)])
    assert {outcome.state for outcome in outcomes.values()} == {"mirrored"}
    assert len(unprepared.writes()) == 2
    unprepared.crm.upsert([wanted(7003)])
    assert len(unprepared.writes()) == 3


def test_batch_split(setup: CrmTestSetup) -> None:
    """More members than a call takes are as many calls as needed."""
    size = setup.crm.batch_size
    outcomes = setup.crm.upsert([wanted(number) for number in range(2 * size + 1)])
    assert {outcome.state for outcome in outcomes.values()} == {"mirrored"}
    calls = setup.writes()
    assert sum(calls) == 2 * size + 1
    assert set(calls[:-1]) == {min(size, setup.per_call)}
    assert len(setup.contacts()) == 2 * size + 1
