"""`crm_sync` with its queue, its clock and one CRM, all in memory: a message comes again until it is acknowledged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from relay.crm.sync import CrmSync
from relay.crm.waiting import WaitingMembers, request_round
from relay.errors import TransientError
from relay.queues.batch import Message

from tests.contract.crm.in_memory_sync import InMemorySync
from tests.contract.crm.profiles import SHOP, key_of
from tests.support.crm_fakes import FakeSyncStateScan, KilledError, change_message
from tests.support.port_fakes import FakeContext, FakeOutgoing

_STEP: Final = timedelta(seconds=30)
_TICK: Final = timedelta(minutes=15)


@dataclass
class RunningSync(InMemorySync):
    """Members whose changes go through `crm_sync`. With `alone`, each invocation receives one message."""

    alone: bool = False
    queue: FakeOutgoing = field(default_factory=FakeOutgoing)
    later: list[tuple[datetime, Message]] = field(default_factory=list)
    received: int = 0

    def __post_init__(self) -> None:
        """Make the scan over the same sync states."""
        self.scan = FakeSyncStateScan(self.sync_states, name="waiting")

    def change(self, customer: int, email: str, tier: str) -> None:
        """Change a member, and send the message that says so."""
        self.update(customer, email=email, tier_name=tier)
        self.later.append((self.clock.now, self._change(customer)))

    def run(self, span: timedelta) -> None:
        """Let time pass; handle what comes."""
        end = self.clock.now + span
        while self.clock.now < end:
            self._take_sent()
            due = [message for at, message in self.later if at <= self.clock.now]
            self.later = [pair for pair in self.later if pair[0] > self.clock.now]
            for batch in [[message] for message in due] if self.alone else [due] if due else []:
                self._invoke(batch)
            self.clock.forward(_STEP.total_seconds())
            if int(self.clock.now.timestamp()) % int(_TICK.total_seconds()) == 0:
                request_round(self.queue, self.clock.now)

    def _take_sent(self) -> None:
        sent, self.queue.sent = self.queue.sent, []
        for number, each in enumerate(sent):
            message = Message(
                id=f"{self.received}-{number}-{self.clock.now}",
                body=each.body,
                receives=1,
                receipt="r",
                sent_at=self.clock.now,
                header=each.header,
            )
            self.later.append((self.clock.now + timedelta(seconds=each.delay), message))

    def _invoke(self, messages: list[Message]) -> None:
        self.received += len(messages)
        try:
            errors = self._sync().work(messages, FakeContext())
        except KilledError:
            # What the dead invocation had received is visible again after the queue's timeout.
            again = self.clock.now + timedelta(minutes=6)
            self.later += [(again, message) for message in messages]
            return
        for message in messages:
            error = errors[message.id]
            if isinstance(error, TransientError):
                delay = timedelta(seconds=min(error.retry_after or 60, 900))
                self.later.append((self.clock.now + delay, message))

    def _change(self, customer: int) -> Message:
        name = f"change-{customer}-{self.clock.now}"
        return replace(change_message(name, key_of(customer)), sent_at=self.clock.now)

    def _sync(self) -> CrmSync:
        return CrmSync(
            shop=SHOP,
            crm=self.crm,
            members=self.members,
            sync_states=self.sync_states,
            clock=self.clock,
            credential="SECRET",
            observe=lambda *_: None,
            waiting=WaitingMembers(crm=self.crm, scan=self.scan, queue=self.queue, clock=self.clock),
        )
