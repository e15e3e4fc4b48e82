"""The whole state of the simulated platform, and the creation of its events.

No I/O here: a command yields its events one by one, and the caller delivers them. The same seed, start and commands
give the same history, event for event.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from sim.ambiguities import Switches
from sim.behaviour import BehaviourRates
from sim.clock import Clock
from sim.errors import NotFoundError
from sim.event_faults import with_event_faults
from sim.events import DASHED_ID_TOPICS, TOPIC_WITHOUT_ID, V1_NAMES, Event, hex_id
from sim.expected_state import ExpectedState
from sim.faults import FaultInjector, mutate_payload
from sim.incidents import IncidentLog
from sim.model import Member, Shop, Tier, TierKind
from sim.schedule import Schedule, ScheduledAction

MILLISECOND: Final = timedelta(milliseconds=1)
ERASED_AFTER: Final = timedelta(hours=1)
"""When a member that the fault `erasure` strikes is anonymised."""

FIRST_CUSTOMER: Final = 7_733_540_500_000


class World:
    """The shop, its members, the clock and the schedule."""

    def __init__(self, shop: Shop, tiers: list[Tier], clock: Clock, seed: int = 0) -> None:
        self.shop = shop
        self.tiers = {tier.id: tier for tier in tiers}
        self.clock = clock
        self.seed = seed
        self.switches = Switches()
        self.faults = FaultInjector(seed)
        self.behaviour = BehaviourRates()
        self.schedule = Schedule()
        self.expected_state = ExpectedState()
        self.incidents = IncidentLog()
        self.customers: dict[str, Member] = {}
        self.members: dict[str, Member] = {}
        self.order: list[str] = []
        self.position: dict[str, int] = {}
        self.by_tier: dict[str, dict[str, None]] = {tier.id: {} for tier in tiers}
        # Separate sources: an injected fault or an additional id must not change the behaviour of members.
        self.id_rng = random.Random(f"{seed}/ids")  # noqa: S311 - a seeded history can be repeated
        self.behaviour_rng = random.Random(f"{seed}/life")  # noqa: S311 - likewise
        self.ordinal = 0
        self.serial = 0
        self._last_customer = FIRST_CUSTOMER
        self._previous: dict[str, Event] = {}

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self.clock.now

    def member(self, member_id: str) -> Member:
        """Return a member.

        Raises:
            NotFoundError: the member does not exist.

        """
        try:
            return self.members[member_id]
        except KeyError:
            raise NotFoundError(f"no such member: {member_id}") from None

    def tier(self, tier_id: str | None) -> Tier:
        """Return a tier.

        Raises:
            NotFoundError: the tier does not exist.

        """
        tier = self.tiers.get(tier_id or "")
        if tier is None:
            raise NotFoundError(f"no such tier: {tier_id}")
        return tier

    def free_tier(self) -> Tier | None:
        """Return the free tier that was created first."""
        return next((tier for tier in self.tiers.values() if tier.kind is TierKind.FREE), None)

    def new_customer_id(self) -> str:
        """Return a new id of a Shopify customer: 13 digits, as text."""
        self._last_customer += self.id_rng.randrange(3, 50_000, 2)
        return str(self._last_customer)

    def new_shopify_id(self) -> int:
        """Return a new id of any other Shopify object."""
        return self.id_rng.randrange(10**10, 10**14)

    def next_serial(self) -> int:
        """Return the number of the next ledger entry."""
        self.serial += 1
        return self.serial

    def add_member(self, member: Member) -> None:
        """Append a customer to the list of members."""
        self.customers.pop(member.id, None)
        if member.id not in self.members:
            self.members[member.id] = member
            self.position[member.id] = len(self.order)
            self.order.append(member.id)

    def assign_tier(self, member: Member, tier_id: str | None) -> None:
        """Set the tier of a member."""
        if member.tier_id:
            self.by_tier[member.tier_id].pop(member.id, None)
        member.tier_id = tier_id
        if tier_id:
            self.by_tier[tier_id][member.id] = None

    def next_timestamp(self, member: Member) -> datetime:
        """Return the time of the next event of a member: no two events share a millisecond."""
        at = self.now.replace(microsecond=self.now.microsecond // 1000 * 1000)
        if member.last_timestamp is not None:
            at = max(at, member.last_timestamp + MILLISECOND)
        member.last_timestamp = at
        return at

    def emit(
        self, member: Member, topic: str | None, payload: dict[str, Any], at: datetime, v1: str | None = None
    ) -> Event:
        """Create an event, and record it in the expected state and the incidents."""
        self.ordinal += 1
        triggered_at = at + self.id_rng.randrange(15, 900) * MILLISECOND
        identity = None
        if topic != TOPIC_WITHOUT_ID:
            identity = hex_id(self.id_rng.getrandbits(128), dashed=topic in DASHED_ID_TOPICS)
        event = Event(
            ordinal=self.ordinal,
            topic=topic,
            v1=v1 or V1_NAMES.get(topic or ""),
            member_id=member.id,
            at=at,
            triggered_at=triggered_at,
            payload=mutate_payload(self.faults, self.ordinal, payload),
            id=identity,
        )
        event = with_event_faults(self.faults, event, self._previous.get(member.id))
        if topic:
            self._previous[member.id] = event
        if topic == "customer.updated" or "wrong_clock" in event.faults:
            # Its time is that of triggering: a later event must not have an earlier time.
            member.last_timestamp = triggered_at
        if topic and self.faults.draw("erasure", self.ordinal) and not member.anonymized:
            self.schedule.add(self.now + ERASED_AFTER, "anonymise", member.id)
        self.expected_state.record_event(event)
        self.incidents.record_event(event)
        return event

    def advance(self, until: datetime, handlers: Handlers) -> Iterator[Event]:
        """Advance virtual time and perform the actions due, in order.

        Raises:
            AheadOfTimeError: that would pass the real time; nothing has changed.

        """
        self.clock.check(until)
        for action in self.schedule.pop_due(until):
            self.clock.advance_to(action.at)
            yield from handlers[action.kind](self, action)
        self.clock.advance_to(until)


Handlers = dict[str, Callable[[World, ScheduledAction], Iterator[Event]]]
