"""Members that exchange e-mail addresses, as `crm_sync` sees it: in any batches, with a fault at any call.

A member whose address another one still has waits for it, and the other may wait in turn: two for each other, or three in
a ring. Whatever is refused, lost or killed on the way, each ends on one contact under its new address, within the first
tries of the schedule, and the messages do not multiply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

import pytest

from tests.contract.crm.profiles import key_of
from tests.contract.crm.running_sync import RunningSync
from tests.contract.crm.setups import CrmTestSetup
from tests.contract.crm.test_moves import OURS, PROVIDERS, StruckTransport
from tests.support.virtual_crm import InProcessTransport
from tests.support.virtual_time import VirtualClock

WAYS: Final = ("refused", "busy", "lost", "before", "after")
SWAP: Final = (7001, 7002)
RING: Final = (7001, 7002, 7003)
SOON: Final = timedelta(hours=3)
"""The schedule's first two tries, after 15 minutes and an hour, and what a killed invocation costs."""

AT_ONCE: Final = timedelta(minutes=10)
"""What passes by itself costs no wait of the schedule."""


class Ring:
    """Members of which each moves to the next one's address, a CRM that holds them, and a transport to strike."""

    def __init__(self, setup: CrmTestSetup, transport: StruckTransport, customers: Sequence[int]) -> None:
        self.setup, self.transport, self.customers = setup, transport, customers
        self.sync = RunningSync(setup.crm)
        for customer in customers:
            self.sync.change(customer, f"{customer}@example.com", f"tier {customer}")
        self.sync.run(timedelta(minutes=2))
        assert self._shown() == {each: f"{each}@example.com" for each in customers}

    def move(self, *, apart: bool) -> None:
        """Change each member's address to the next one's; `apart`, each in an invocation of its own."""
        self.sync.alone = apart
        for customer, email in self.wanted().items():
            self.sync.change(customer, email, f"new {customer}")

    def wanted(self) -> dict[int, str]:
        """Return the address that each member is to have."""
        following = [*self.customers[1:], self.customers[0]]
        return {each: f"{other}@example.com" for each, other in zip(self.customers, following, strict=True)}

    def check(self) -> None:
        """Find each member on one contact, under its new address, with nothing noted and nothing on the way."""
        assert self._shown() == self.wanted(), self._states()
        tiers = {contact["key"]: contact["tier_name"] for contact in self._ours()}
        assert tiers == {key_of(each): f"new {each}" for each in self.customers}
        assert len(self._ours()) == len(self.customers)
        for customer in self.customers:
            state = self.sync.sync_state(customer)
            assert (state.state, state.waiting, state.previous_contacts) == ("mirrored", None, frozenset())
        assert self.sync.later == [], "messages are left"

    def _shown(self) -> dict[int, Any]:
        shown = {each: self.setup.shown(key_of(each)) for each in self.customers}
        return {each: (fields or {}).get("email") for each, fields in shown.items()}

    def _ours(self) -> list[Any]:
        return [contact for contact in self.setup.contacts() if OURS & contact.keys()]

    def _states(self) -> list[str]:
        states = [self.sync.sync_state(each) for each in self.customers]
        return [f"{state.state} {state.reason}" for state in states]


MakeRing = Callable[..., Ring]


@pytest.fixture(params=PROVIDERS)
def make(request: pytest.FixtureRequest) -> Iterator[MakeRing]:
    """Return a function that makes a ring of these members in the provider's CRM."""
    clock, made = VirtualClock(), list[StruckTransport]()

    def transport(app: Any, refuse: Any) -> StruckTransport:
        made.append(StruckTransport(InProcessTransport(app, clock), refuse))
        return made[-1]

    def ring(customers: Sequence[int]) -> Ring:
        return Ring(*PROVIDERS[request.param](transport), customers)

    yield ring
    for each in made:
        each.inner.close()


@pytest.mark.parametrize("apart", [False, True])
def test_address_swap(make: MakeRing, apart: bool) -> None:  # noqa: FBT001 - a table's column
    """Two members that swap addresses have them within minutes, in one invocation and in two."""
    swap = make(SWAP)
    swap.move(apart=apart)
    swap.sync.run(timedelta(minutes=3))
    swap.check()
    assert swap.sync.received <= 2 + 2 + 1, (
        "the two changes, twice, and one message that brings them together"
    )


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("number", [3, 4, 5])
def test_ring_of_three(make: MakeRing, number: int, apart: bool) -> None:  # noqa: FBT001 - a table's column
    """So have three members of which each wants the next one's address; and four, and five."""
    ring = make(range(7001, 7001 + number))
    ring.move(apart=apart)
    ring.sync.run(timedelta(minutes=3))
    ring.check()
    assert ring.sync.received <= 2 * number + 1


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("at", range(1, 9))
@pytest.mark.parametrize(("customers", "apart"), [(SWAP, False), (SWAP, True), (RING, True)])
def test_swap_parted_by_a_fault(
    make: MakeRing,
    customers: Sequence[int],
    apart: bool,  # noqa: FBT001 - a table's column
    at: int,
    how: str,
) -> None:
    """A fault at any call parts them for some tries at most, and no message breeds others."""
    ring = make(customers)
    ring.transport.strike(at, how)
    ring.move(apart=apart)
    ring.sync.run(AT_ONCE if how in {"busy", "lost"} else SOON)
    ring.check()
    # Their changes, each twice at most for the fault; the clock's ticks; and what brings them together or again.
    ticks = SOON // timedelta(minutes=15)
    assert ring.sync.received <= 4 * len(customers) + ticks + 6


def test_a_ring_that_is_too_long(make: MakeRing) -> None:
    """Eight in a ring wait for two weeks and are refused by name, or are apart where addresses may be shared.

    Each message comes of a change or of the schedule: what takes others along does not queue them.
    """
    ring = make(range(7001, 7009))
    ring.move(apart=True)
    ring.sync.run(timedelta(days=16))
    states = {(state.state, state.reason) for state in map(ring.sync.sync_state, ring.customers)}
    apart = ring.setup.crm.name in {"salesforce", "webhook"}
    assert states == ({("mirrored", "")} if apart else {("refused", "email_held_by_member")})
    tries, ticks = 18, timedelta(days=16) // timedelta(minutes=15)
    assert ring.sync.received <= ticks + len(ring.customers) * (3 + tries)


def test_a_ring_that_is_never_taken(make: MakeRing) -> None:
    """Members of a ring that the provider refuses for two weeks are refused then, and stay so: each has one schedule."""
    ring = make(RING)
    ring.transport.strike(0, "always")
    ring.move(apart=True)
    ring.sync.run(timedelta(days=16))
    assert {ring.sync.sync_state(customer).state for customer in RING} == {"refused"}
    tries, ticks = 18, timedelta(days=16) // timedelta(minutes=15)
    assert ring.sync.received <= ticks + len(RING) * (3 + tries)


def test_many_members_of_one_address(make: MakeRing) -> None:
    """Thirty members that want one address wait for whoever has it; no try of theirs costs the others one."""
    ring = make(SWAP)
    for customer in range(30):
        ring.sync.change(customer, f"{SWAP[0]}@example.com", "twin")
    ring.sync.run(timedelta(hours=12))
    tries, ticks = 4, timedelta(hours=12) // timedelta(minutes=15)
    assert ring.sync.received <= 2 + ticks + 30 * (1 + tries)
