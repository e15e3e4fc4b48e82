"""A new address, an address that is gone, and what a CRM will not clear: nothing of a member is left behind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from relay.errors import TransientError
from relay.ports.crm import ContactRef, CrmOutcome
from relay.ports.members import MemberRecord

from tests.contract.crm.profiles import key_of, member
from tests.functional.crm.scenes import KEY, Scene
from tests.support.crm_fakes import FakeCrm, KilledError, change_message


def test_the_former_contact_is_cleared_first() -> None:
    """Where people are known by e-mail, a new address leaves nothing of the member on the contact before."""
    scene = Scene()
    scene.tell(email="old@example.com")
    assert scene.work() == [None]
    assert scene.crm.cleared == []
    scene.tell(email="new@example.com")
    assert scene.work() == [None]
    assert scene.crm.cleared == [ContactRef(key=KEY, id="1", email="old@example.com")]
    assert scene.mirrors.mirrors[KEY].email == "new@example.com"


def test_what_cannot_be_cleared_is_not_left_behind() -> None:
    """While the former contact cannot be cleared, the new one is not written."""
    scene = Scene()
    scene.tell(email="old@example.com")
    scene.work()
    scene.tell(email="new@example.com")
    scene.crm.clears[KEY] = CrmOutcome(state="retry", reason="http_503")
    assert isinstance(scene.work()[0], TransientError)
    assert len(scene.crm.calls) == 1
    scene.crm.clears.clear()
    scene.clock.forward(10)
    assert scene.work() == [None]
    assert len(scene.crm.calls) == 2


def test_where_members_are_known_by_key_nothing_is_cleared() -> None:
    """There an upsert moves the contact."""
    scene = Scene(crm=FakeCrm(homes_by="key"))
    scene.tell(email="old@example.com")
    scene.work()
    scene.tell(email="new@example.com")
    assert scene.work() == [None]
    assert scene.crm.cleared == []


@pytest.mark.parametrize("by", ["key", "email"])
def test_an_address_that_is_gone(by: str) -> None:
    """After an erasure the CRM holds nothing of the member any more."""
    scene = Scene(crm=FakeCrm(homes_by="email" if by == "email" else "key"))
    scene.tell(email="old@example.com")
    scene.work()
    scene.crm.outcomes[KEY] = CrmOutcome(state="skipped", reason="no_email")
    scene.tell(email=None)
    assert scene.work() == [None]
    assert [home.email for home in scene.crm.cleared] == ["old@example.com"]
    assert scene.crm.held == {}
    scene.tell(email=None, tier_name="Gold")
    scene.work()
    assert len(scene.crm.cleared) == 1, "what is gone is not cleared again"


@pytest.mark.parametrize("by", ["key", "email"])
def test_a_refusal_to_clear_is_not_the_last_word(by: str) -> None:
    """Somebody erased changes no more: what a CRM would not clear is tried again with whatever asks next."""
    scene = Scene(crm=FakeCrm(homes_by="email" if by == "email" else "key"))
    scene.tell(email="old@example.com")
    scene.work()
    scene.tell(email=None)
    scene.crm.outcomes[KEY] = CrmOutcome(state="skipped", reason="no_email")
    scene.crm.clears[KEY] = CrmOutcome(state="refused", reason="http_400")
    assert scene.work() == [None], "its message is done: a state that is shown, and no dead letter"
    known = scene.mirrors.mirrors[KEY]
    assert (known.state, known.reason, known.digest) == ("refused", "not_cleared_http_400", None)
    scene.crm.clears.clear()
    assert scene.work() == [None]
    assert scene.crm.held == {}
    assert scene.mirrors.mirrors[KEY].state == "skipped"
    cleared = len(scene.crm.cleared)
    scene.work()
    assert len(scene.crm.cleared) == cleared, "what is gone is not cleared again"


@pytest.mark.parametrize("by", ["key", "email"])
def test_an_erasure_after_a_crash(by: str) -> None:
    """Whoever was killed after the first call ever made for a member leaves a trace by which it is cleared."""
    scene = Scene(crm=FakeCrm(homes_by="email" if by == "email" else "key"))
    scene.tell(email="old@example.com")

    def killed() -> None:
        raise KilledError

    scene.crm.after.append(killed)
    with pytest.raises(KilledError):
        scene.work()
    assert scene.crm.held.keys() == {KEY}
    scene.clock.forward(130)
    scene.tell(email=None)
    scene.crm.outcomes[KEY] = CrmOutcome(state="skipped", reason="no_email")
    assert scene.work() == [None]
    assert scene.crm.held == {}


def test_a_contact_that_is_known_by_key_is_cleared_once() -> None:
    """All addresses that were noted of it lead to the same contact."""
    scene = Scene(crm=FakeCrm(homes_by="key"))
    scene.tell(email="old@example.com")
    scene.work()
    scene.tell(email="new@example.com")
    scene.crm.outcomes[KEY] = CrmOutcome(state="retry", reason="http_500", alone=True)
    scene.work()
    scene.tell(email=None)
    scene.crm.outcomes[KEY] = CrmOutcome(state="skipped", reason="no_email")
    assert scene.work() == [None]
    assert [home.key for home in scene.crm.cleared] == [KEY]


def test_an_address_that_changes_on_the_way_is_not_written() -> None:
    """Only an address that the claim has noted is written to: a worker that dies leaves a trace of it."""
    scene = Scene()
    scene.tell(email="first@example.com")
    plain = scene.mirrors.claim

    def claim(keys: Sequence[str], **how: object) -> object:
        scene.tell(email="second@example.com")
        return plain(keys, **how)  # type: ignore[arg-type]  # handed through

    setattr(scene.mirrors, "claim", claim)  # noqa: B010 - the fake is a dataclass
    assert isinstance(scene.work()[0], TransientError)
    assert scene.crm.calls == []
    setattr(scene.mirrors, "claim", plain)  # noqa: B010 - likewise
    assert scene.work() == [None]
    assert scene.crm.held[KEY].email == "second@example.com"


def test_a_backfills_member_is_marked() -> None:
    """Where there are no jobs, what a back-fill alone asks for says so when it is sent; whom a change names too is news."""
    scene = Scene(crm=FakeCrm(homes_by="key"))
    other = key_of(7002)
    scene.tell()
    scene.members.records[other] = MemberRecord(member=member(7002), version=1)
    filled = [change_message(f"fill.{key}", key, quiet=True) for key in (KEY, other)]
    assert scene.work(*filled, change_message("m", KEY)) == [None] * 3
    assert {key: held.backfill for key, held in scene.crm.held.items()} == {KEY: False, other: True}
