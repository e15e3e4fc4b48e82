"""Readable stand-ins for the ports of `crm_sync`, shared by the CRM tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Literal

from relay.errors import ConflictError
from relay.model.effects import Note, effect_id
from relay.model.messages import EventEffects, MemberChanged, dump
from relay.ports.crm import BulkImport, ContactRef, CrmOutcome, RateLimit
from relay.ports.crm_state import CircuitRecord, Claim, ClaimResult, SyncState
from relay.queues.batch import Message
from relay.rules.crm_profile import CrmProfile

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
MIRRORED = CrmOutcome(state="mirrored", id="1")


@dataclass
class FakeClock:
    """A clock that is put forward by hand."""

    now: datetime = START

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@dataclass
class FakeMirrors:
    """The mirrors table in memory, by the same rules."""

    mirrors: dict[str, SyncState] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    claims: int = 0
    failure: Exception | None = None

    def load(self, keys: Sequence[str]) -> Mapping[str, SyncState]:
        """Return what is there."""
        if self.failure:
            raise self.failure
        return {key: self.mirrors.get(key, SyncState()) for key in keys}

    def claim(
        self,
        keys: Sequence[str],
        *,
        now: datetime,
        until: datetime,
        emails: Mapping[str, str] = MappingProxyType({}),
    ) -> Mapping[str, Claim]:
        """Claim those that nobody has."""
        claims = {}
        for key in keys:
            known = self.mirrors.get(key, SyncState())
            if known.busy_until is None or known.busy_until <= now:
                self.claims += 1
                self.tokens[key] = f"claim-{self.claims}"
                stray = {emails[key]} if key in emails else set()
                self.mirrors[key] = replace(known, busy_until=until, strays=known.strays | stray)
                claims[key] = Claim(token=self.tokens[key], mirror=self.mirrors[key])
        return claims

    def settle(self, settlements: Sequence[ClaimResult]) -> Mapping[str, Exception | None]:
        """Note the outcomes."""
        return {settlement.profile.key: self._settle(settlement) for settlement in settlements}

    def _settle(self, settlement: ClaimResult) -> Exception | None:
        key, outcome = settlement.profile.key, settlement.outcome
        if self.tokens.get(key) != settlement.token:
            self.tokens[key] = "nobody"
            self.mirrors[key] = replace(self.mirrors[key], digest=None)
            return ConflictError("lost")
        del self.tokens[key]
        lasting = settlement.sure and outcome.state in {"mirrored", "skipped", "refused"}
        known, pending = self.mirrors[key], outcome.state == "pending"
        if outcome.state == "mirrored":
            known = replace(known, id=outcome.id, email=settlement.profile.email, strays=frozenset())
        elif outcome.state == "skipped":
            known = replace(known, id=None, email=None, strays=frozenset())
        self.mirrors[key] = replace(
            known,
            digest=settlement.profile.digest if lasting else None,
            state=outcome.state,
            reason=outcome.reason,
            busy_until=settlement.quiet_until,
            job=outcome.id if pending else None,
            offered=(settlement.offered or settlement.profile.digest) if pending else None,
        )
        return None


@dataclass
class FakeGates:
    """A target's gate in memory."""

    gate: CircuitRecord = field(default_factory=CircuitRecord)

    def load(self) -> CircuitRecord:
        """Return it."""
        return self.gate

    def swap(self, known: CircuitRecord, wanted: CircuitRecord) -> bool:
        """Write it, unless somebody wrote since."""
        if self.gate.version != known.version:
            return False
        self.gate = wanted
        return True


@dataclass
class FakeTurnstiles:
    """Turnstiles in memory; `leases` counts the writes."""

    free_at: dict[int, datetime] = field(default_factory=dict)
    leases: int = 0

    def lease(self, number: int, *, earliest: datetime, latest: datetime, span: timedelta) -> datetime | None:
        """Take the next span."""
        begin = max(self.free_at.get(number, earliest), earliest)
        if begin > latest:
            return None
        self.leases += 1
        self.free_at[number] = begin + span
        return begin


@dataclass
class FakeBulk:
    """Jobs in memory. `outcome` is what is told of every member of a job."""

    size: int = 1000
    jobs: list[list[CrmProfile]] = field(default_factory=list)
    outcome: CrmOutcome = field(default_factory=lambda: CrmOutcome(state="pending"))
    known: bool = True

    def submit(self, profiles: Sequence[CrmProfile]) -> CrmOutcome:
        """Take a job."""
        self.jobs.append(list(profiles))
        return CrmOutcome(state="pending", id=f"job-{len(self.jobs)}")

    def collect(self, job: str, keys: Sequence[str]) -> Mapping[str, CrmOutcome]:
        """Say what became of it."""
        return dict.fromkeys(keys, self.outcome) if self.known else {}


_GONE = CrmOutcome(state="skipped", reason="no such contact")


class KilledError(BaseException):
    """The function's process ends here: nothing of ours catches it."""


@dataclass
class FakeCrm:
    """A CRM in memory. Hooks run once each, in order: before a call's writes take effect, and after."""

    name: str = "fake"
    batch_size: int = 100
    held: dict[str, CrmProfile] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)
    before: list[Callable[[], None]] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    note_outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    noted: list[str] = field(default_factory=list)
    slow: Callable[[], None] | None = None
    """What every call with notes takes."""

    notes_batch_size: int = 500
    rates: Sequence[RateLimit] = ()
    homes_by: Literal["key", "email"] = "key"
    automations: str = ""
    bulk: BulkImport | None = None
    shut: Exception | None = None
    cleared: list[ContactRef] = field(default_factory=list)
    clears: dict[str, CrmOutcome] = field(default_factory=dict)
    homes: dict[str, ContactRef] = field(default_factory=dict)

    def upsert(self, profiles: Sequence[CrmProfile]) -> Mapping[str, CrmOutcome]:
        """Take the profiles, unless an outcome is set for a member."""
        self.calls.append([wanted.key for wanted in profiles])
        if self.before:
            self.before.pop(0)()
        outcomes = {wanted.key: self.outcomes.get(wanted.key, MIRRORED) for wanted in profiles}
        self.held |= {wanted.key: wanted for wanted in profiles if outcomes[wanted.key].state == "mirrored"}
        if self.after:
            self.after.pop(0)()
        return outcomes

    def record(
        self, changes: Sequence[MemberChanged], homes: Mapping[str, ContactRef] = MappingProxyType({})
    ) -> Mapping[str, CrmOutcome]:
        """Take the notes, unless an outcome is set for one."""
        notes = [
            effect_id(event_effects.event_id, effect)
            for change in changes
            for event_effects in change.events
            for effect in event_effects.effects
            if effect.kind == "note"
        ]
        self.homes |= homes
        if self.slow:
            self.slow()
        outcomes = {note: self.note_outcomes.get(note, MIRRORED) for note in notes}
        self.noted += [note for note in notes if outcomes[note].state == "mirrored"]
        return outcomes

    def clear(self, homes: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Forget these members, unless an outcome is set for one."""
        self.cleared += homes
        return {home.key: self.clears.get(home.key) or self._forget(home.key) for home in homes}

    def read(self, homes: Sequence[ContactRef]) -> Mapping[str, Mapping[str, str]]:
        """Return what is held."""
        return {home.key: self.shown(self.held[home.key]) for home in homes if home.key in self.held}

    def shown(self, profile: CrmProfile) -> Mapping[str, str]:
        """Write each value as text."""
        return {name: str(value) for name, value in profile.values.items() if value is not None}

    def _forget(self, key: str) -> CrmOutcome:
        return MIRRORED if self.held.pop(key, None) else _GONE

    def check(self) -> None:
        """Find nothing wrong, unless it is shut."""
        if self.shut:
            raise self.shut

    def ensure_schema(self, *, dry_run: bool = False) -> Sequence[str]:
        """Lack nothing."""
        return []


def change_message(message_id: str, key: str, *notes: str, quiet: bool = False) -> Message:
    """Return a change of this member as it is received, with notes by their rules' names."""
    effects = tuple(Note(rule=rule, name=rule) for rule in notes)
    events = (EventEffects(event_id=message_id, topic="t", at=START, effects=effects),) if notes else ()
    return Message(
        id=message_id,
        body=dump(MemberChanged(member=key, events=events, backfill=quiet)),
        receives=1,
        receipt="r",
        sent_at=START,
    )
