"""The whole state of the simulated platform, and the one way in which something is told.

No I/O here: who calls a command receives the events that it causes, one by one, and may deliver them.
The same seed, the same start and the same commands make the same history, event for event.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from sim.agenda import Agenda, Happening
from sim.clock import Clock
from sim.errors import NotThereError
from sim.events import DASHED, V1_NAMES, WITHOUT_ID, Event, hex_id
from sim.faults import Faults
from sim.habits import Habits
from sim.model import Member, Shop, Tier, TierKind
from sim.mutations import mutated
from sim.occasions import Occasions
from sim.switches import Switches
from sim.truth import Truth

MILLISECOND: Final = timedelta(milliseconds=1)
FIRST_CUSTOMER: Final = 7_733_540_500_000


class World:
    """The shop, its members, the clock and what is planned."""

    def __init__(self, shop: Shop, tiers: list[Tier], clock: Clock, seed: int = 0) -> None:
        self.shop = shop
        self.tiers = {tier.id: tier for tier in tiers}
        self.clock = clock
        self.seed = seed
        self.switches = Switches()
        self.faults = Faults(seed)
        self.habits = Habits()
        self.agenda = Agenda()
        self.truth = Truth()
        self.occasions = Occasions()
        self.customers: dict[str, Member] = {}
        self.members: dict[str, Member] = {}
        self.order: list[str] = []
        self.position: dict[str, int] = {}
        self.by_tier: dict[str, dict[str, None]] = {tier.id: {} for tier in tiers}
        # Separate sources: breaking something, or drawing one more id, must not change who lives how.
        self.ids = random.Random(f"{seed}/ids")  # noqa: S311 - a history that can be repeated is the point
        self.life = random.Random(f"{seed}/life")  # noqa: S311 - likewise
        self.ordinal = 0
        self.serial = 0
        self._last_customer = FIRST_CUSTOMER

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self.clock.now

    def member(self, member_id: str) -> Member:
        """Find a member.

        Raises:
            NotThereError: when there is none.

        """
        try:
            return self.members[member_id]
        except KeyError:
            raise NotThereError(f"no such member: {member_id}") from None

    def tier(self, tier_id: str | None) -> Tier:
        """Find a tier.

        Raises:
            NotThereError: when there is none.

        """
        tier = self.tiers.get(tier_id or "")
        if tier is None:
            raise NotThereError(f"no such tier: {tier_id}")
        return tier

    def free_tier(self) -> Tier | None:
        """Return the free tier that was created first."""
        return next((tier for tier in self.tiers.values() if tier.kind is TierKind.FREE), None)

    def new_customer_id(self) -> str:
        """Make the id of a Shopify customer: 13 digits, as text."""
        self._last_customer += self.ids.randrange(3, 50_000, 2)
        return str(self._last_customer)

    def big_number(self) -> int:
        """Make an id as Shopify numbers its other things."""
        return self.ids.randrange(10**10, 10**14)

    def next_serial(self) -> int:
        """Count the shop's ledger entries."""
        self.serial += 1
        return self.serial

    def enrol(self, member: Member) -> None:
        """Make a customer part of the list of members, at its end."""
        self.customers.pop(member.id, None)
        if member.id not in self.members:
            self.members[member.id] = member
            self.position[member.id] = len(self.order)
            self.order.append(member.id)

    def place(self, member: Member, tier_id: str | None) -> None:
        """Note the member's tier."""
        if member.tier_id:
            self.by_tier[member.tier_id].pop(member.id, None)
        member.tier_id = tier_id
        if tier_id:
            self.by_tier[tier_id][member.id] = None

    def stamp(self, member: Member) -> datetime:
        """Return the time of what now happens to a member: no two things at one time, to the millisecond."""
        at = self.now.replace(microsecond=self.now.microsecond // 1000 * 1000)
        if member.stamped is not None:
            at = max(at, member.stamped + MILLISECOND)
        member.stamped = at
        return at

    def tell(
        self, member: Member, topic: str | None, payload: dict[str, Any], at: datetime, v1: str | None = None
    ) -> Event:
        """Make an event of what happened, and note what it lets the world know."""
        self.ordinal += 1
        triggered_at = at + self.ids.randrange(15, 900) * MILLISECOND
        identity = None
        if topic != WITHOUT_ID:
            identity = hex_id(self.ids.getrandbits(128), dashed=topic in DASHED)
        event = Event(
            ordinal=self.ordinal,
            topic=topic,
            v1=v1 or V1_NAMES.get(topic or ""),
            member_id=member.id,
            at=at,
            triggered_at=triggered_at,
            payload=mutated(self.faults, self.ordinal, payload),
            id=identity,
        )
        if topic == "customer.updated":
            # This topic has no time but that of its triggering: nothing later may seem older.
            member.stamped = triggered_at
        self.truth.learn(event)
        self.occasions.learn(event)
        return event

    def advance(self, until: datetime, handlers: Handlers) -> Iterator[Event]:
        """Turn the clock and let happen what is due, in order.

        Raises:
            AheadOfTimeError: when that would pass the wall clock; then nothing has happened.

        """
        self.clock.check(until)
        for happening in self.agenda.due(until):
            self.clock.reach(happening.at)
            yield from handlers[happening.kind](self, happening)
        self.clock.reach(until)


Handlers = dict[str, Callable[[World, Happening], Iterator[Event]]]
