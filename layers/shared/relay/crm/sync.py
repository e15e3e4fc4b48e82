"""Changed members are written to one CRM, as they are now: as few calls as can be, and none in vain.

A batch of messages is a set of members. They are read once, all together; what the CRM holds already is
not sent (`writing.py`); the rest is sent in batches of the CRM's size (`members.py`). Notes follow when the
CRM holds their members (`notes.py`). Who would not fill a call, of members or of notes, while the queue has
more than a call takes, waits once for company (`company.py`).

A member that the CRM refuses is noted as refused and not tried again until it changes. What is not now
or not allowed goes back to the queue, which has the patience (`batch.py`); while nobody gets through, all
messages go back unread (`breaker.py`, `doors.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from relay.crm import recheck
from relay.crm.circuit_breaker import CircuitBreaker
from relay.crm.circuits import Doors
from relay.crm.claimed_write import ClaimedWrite
from relay.crm.contact_writer import ContactWriter
from relay.crm.results import Judge
from relay.crm.run import SyncRun
from relay.crm.timeline import TimelineWriter
from relay.errors import PermanentError, TransientError
from relay.model.member import member_key
from relay.model.messages import MemberChanged, load
from relay.ports.crm import Crm, CrmOutcome
from relay.ports.crm_state import SyncStateStore
from relay.ports.members import MemberStore
from relay.ports.runtime import Clock
from relay.queues.batch import Context, Message, Results
from relay.queues.requests import RecheckQueue

Command: TypeAlias = Callable[[Message, Context], Exception | None]
"""What else may be asked of `crm_sync` by a message; the answer as for any message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmSync:
    """The work of `crm_sync` for one CRM.

    `credential` is the setting to name when the CRM turns us away; `observe` hears of every call's outcomes;
    `rechecks` is where a missing e-mail is asked about, None where no API is configured. `errands` are by
    the message's topic.
    """

    shop: str
    crm: Crm
    members: MemberStore
    mirrors: SyncStateStore
    clock: Clock
    credential: str
    observe: Callable[[str, CrmOutcome], None]
    rechecks: RecheckQueue | None = None
    breaker: CircuitBreaker | None = None
    errands: Mapping[str, Command] = field(default_factory=dict)

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Mirror the members that these change messages name, each once."""
        doors = Doors(self.crm, self.breaker)
        try:
            door = doors.enter()
        except TransientError as error:
            return dict.fromkeys((message.id for message in messages), error)
        this = SyncRun(door, context)
        answers = self._sort(messages, this)
        if this.changes:
            answers |= self._mirror(this, doors)
        doors.leave(door)
        return answers

    def _sort(self, messages: Sequence[Message], this: SyncRun) -> dict[str, Exception | None]:
        """Read the messages; run errands; answer what is no message of ours."""
        answers: dict[str, Exception | None] = {}
        for message in messages:
            errand = self.errands.get(message.header.topic or "")
            try:
                if errand:
                    answers[message.id] = errand(message, this.context)
                else:
                    this.changes[message.id] = self._read(message.body)
                    this.messages[message.id] = message
            except PermanentError as error:
                answers[message.id] = error
        return answers

    def _read(self, body: str) -> MemberChanged:
        change = load(MemberChanged, body)
        _, _, customer_id = change.member.rpartition(":")
        if not customer_id or change.member != member_key(self.shop, customer_id):
            raise PermanentError("other_shop", "member")
        return change

    def _mirror(self, this: SyncRun, doors: Doors) -> dict[str, Exception | None]:
        writing = ClaimedWrite(
            crm=self.crm, members=self.members, mirrors=self.mirrors, clock=self.clock, observe=self.observe
        )
        try:
            # The mirrors first: see `writing.py`, 1.
            this.known = self.mirrors.load(this.members)
            this.profiles = writing.profiles(this.members)
        except TransientError as error:
            return dict.fromkeys(this.changes, error)
        judge = Judge(self.crm.name, self.credential)
        ContactWriter(self.crm, writing, doors).mirror(this)
        this.standings |= recheck.ask(self.rechecks, this.standings)
        notes = TimelineWriter(self.crm, doors, judge, self.rechecks, self.clock).tell(this)
        return {
            message_id: judge.verdict(this.standings[change.member]) or notes.get(message_id)
            for message_id, change in this.changes.items()
        }
