"""In-memory implementations of the ports of `crm_sync`, shared by the CRM tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal

from relay.errors import ConflictError, TransientError
from relay.model.effects import Note, effect_id
from relay.model.messages import EventEffects, MemberChanged, dump
from relay.ports.crm import BulkImport, ContactNotes, ContactRef, CrmOutcome, RateLimit
from relay.ports.crm_state import CircuitRecord, Claim, ClaimResult, SyncState
from relay.ports.scans import Page
from relay.queues.batch import Message
from relay.rules.crm_profile import CrmProfile

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
MIRRORED = CrmOutcome(state="mirrored", id="1")


@dataclass
class FakeClock:
    """A clock that tests move forward."""

    now: datetime = START

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@dataclass
class FakeSyncStates:
    """The sync states of one CRM in memory, by the same rules as the table."""

    states: dict[str, SyncState] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    claims: int = 0
    failure: Exception | None = None

    def load(self, members: Sequence[str]) -> Mapping[str, SyncState]:
        """Return the sync states."""
        if self.failure:
            raise self.failure
        return {key: self.states.get(key, SyncState()) for key in members}

    def claim(
        self,
        members: Sequence[str],
        *,
        now: datetime,
        until: datetime,
        emails: Mapping[str, str] = MappingProxyType({}),
    ) -> Mapping[str, Claim]:
        """Claim the members without a claim."""
        claims = {}
        for key in members:
            known = self.states.get(key, SyncState())
            if known.claimed_until is None or known.claimed_until <= now:
                self.claims += 1
                self.tokens[key] = f"claim-{self.claims}"
                possible = {emails[key]} if key in emails else set()
                self.states[key] = replace(
                    known, claimed_until=until, possible_emails=known.possible_emails | possible
                )
                claims[key] = Claim(token=self.tokens[key], sync_state=self.states[key])
        return claims

    def note_previous(self, member: str, token: str, contacts: Collection[str]) -> None:
        """Note contacts under a claim."""
        if self.tokens.get(member) != token:
            raise TransientError("the claim was lost")
        known = self.states[member]
        self.states[member] = replace(known, previous_contacts=known.previous_contacts | set(contacts))

    def release_claims(self, results: Sequence[ClaimResult]) -> Mapping[str, Exception | None]:
        """Store the outcomes."""
        return {result.profile.key: self._release_claim(result) for result in results}

    def _release_claim(self, result: ClaimResult) -> Exception | None:
        key, outcome = result.profile.key, result.outcome
        if self.tokens.get(key) != result.token:
            self.tokens[key] = "none"
            self.states[key] = replace(self.states[key], digest=None)
            return ConflictError("lost")
        del self.tokens[key]
        final = result.final and outcome.state in {"mirrored", "skipped", "refused"}
        known, pending = self.states[key], outcome.state == "pending"
        held = result.held or outcome.state == "mirrored"
        if held:
            known = replace(known, id=outcome.id, email=result.profile.email, possible_emails=frozenset())
        elif outcome.state == "skipped":
            known = replace(
                known, id=None, email=None, possible_emails=frozenset(), previous_contacts=frozenset()
            )
        if result.previous_contacts is not None:
            known = replace(known, previous_contacts=result.previous_contacts)
        is_end = outcome.state in {"mirrored", "skipped", "refused"}
        self.states[key] = replace(
            known,
            waiting=result.waiting or (None if is_end else known.waiting),
            digest=result.profile.digest if held or final else None,
            state=outcome.state,
            reason=outcome.reason,
            claimed_until=result.blocked_until,
            job=outcome.id if pending else None,
            made_contacts=result.made_contacts,
            job_digest=(result.job_digest or result.profile.digest) if pending else None,
        )
        return None


@dataclass
class FakeSyncStateScan:
    """All sync states of `store` as one page, and the progress of the run `name`; another run is an error.

    The page after a given cursor has the cursor `next_cursor`.
    """

    store: FakeSyncStates = field(default_factory=FakeSyncStates)
    name: str = "audit"
    next_cursor: str = "third"
    scans: int = 0
    progress: dict[str, Any] = field(default_factory=dict)

    def page(self, cursor: str | None = None) -> Page[tuple[str, SyncState]]:
        """Return the page."""
        return Page(items=list(self.store.states.items()), cursor=self.next_cursor if cursor else None)

    def waiting(self) -> Sequence[tuple[str, SyncState]]:
        """Return the members that wait."""
        self.scans += 1
        return [(key, state) for key, state in self.store.states.items() if state.waiting]

    def postpone(self, members: Sequence[str], now: datetime, until: datetime) -> None:
        """Set the next try of those that still wait."""
        for key in members:
            state = self.store.states[key]
            if state.waiting:
                waiting = replace(state.waiting, tried=now, next_try=until)
                self.store.states[key] = replace(state, waiting=waiting)

    def load_run(self, name: str) -> Mapping[str, Any]:
        """Return the progress."""
        assert name == self.name
        return self.progress

    def save_run(self, name: str, progress: Mapping[str, Any]) -> None:
        """Store the progress."""
        assert name == self.name
        self.progress = dict(progress)


@dataclass
class FakeCircuits:
    """The circuit of one CRM in memory."""

    record: CircuitRecord = field(default_factory=CircuitRecord)

    def load(self) -> CircuitRecord:
        """Return the record."""
        return self.record

    def compare_and_swap(self, known: CircuitRecord, wanted: CircuitRecord) -> bool:
        """Write the record, unless it was written since."""
        if self.record.version != known.version:
            return False
        self.record = wanted
        return True


@dataclass
class FakeRateLimits:
    """The rate limits of one CRM in memory; `reservations` counts the writes."""

    free_at: dict[int, datetime] = field(default_factory=dict)
    reservations: int = 0

    def reserve(
        self, number: int, *, earliest: datetime, latest: datetime, span: timedelta
    ) -> datetime | None:
        """Reserve the next span."""
        begin = max(self.free_at.get(number, earliest), earliest)
        if begin > latest:
            return None
        self.reservations += 1
        self.free_at[number] = begin + span
        return begin


@dataclass
class FakeBulkImport:
    """Jobs in memory. `outcome` is that of every member of a job; with `known` false, jobs are forgotten."""

    size: int = 1000
    jobs: list[list[CrmProfile]] = field(default_factory=list)
    outcome: CrmOutcome = field(default_factory=lambda: CrmOutcome(state="pending"))
    known: bool = True

    def submit(self, profiles: Sequence[CrmProfile], notes: ContactNotes | None = None) -> CrmOutcome:
        """Take a job."""
        self.jobs.append(list(profiles))
        return CrmOutcome(state="pending", id=f"job-{len(self.jobs)}")

    def collect(self, job: str, keys: Sequence[str]) -> Mapping[str, CrmOutcome]:
        """Return the outcomes."""
        return dict.fromkeys(keys, self.outcome) if self.known else {}


_GONE = CrmOutcome(state="skipped", reason="no such contact")


class KilledError(BaseException):
    """The function's process ends here: no code of ours catches it."""


@dataclass
class FakeCrm:
    """A CRM in memory. The hooks `before` and `after` a call's writes run once each, in order.

    `slow` runs in every call with notes; `check_error` is raised by `check`.
    """

    name: str = "fake"
    batch_size: int = 100
    members_per_call: int = 100
    version_ends: date | None = None
    held: dict[str, CrmProfile] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)
    before: list[Callable[[], None]] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)
    outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    note_outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    recorded: list[str] = field(default_factory=list)
    slow: Callable[[], None] | None = None
    notes_batch_size: int = 500
    rate_limits: Sequence[RateLimit] = ()
    identified_by: Literal["key", "email"] = "key"
    automations: str = ""
    bulk: BulkImport | None = None
    check_error: Exception | None = None
    named: list[str] = field(default_factory=list)
    cleared: list[ContactRef] = field(default_factory=list)
    clear_outcomes: dict[str, CrmOutcome] = field(default_factory=dict)
    contacts: dict[str, ContactRef] = field(default_factory=dict)

    def upsert(
        self, profiles: Sequence[CrmProfile], notes: ContactNotes | None = None
    ) -> Mapping[str, CrmOutcome]:
        """Take the profiles, unless an outcome is set for a member."""
        self.calls.append([profile.key for profile in profiles])
        if self.before:
            self.before.pop(0)()
        outcomes = {
            profile.key: self.outcomes.get(profile.key) or replace(MIRRORED, id=self._id(profile))
            for profile in profiles
        }
        self.held |= {p.key: p for p in profiles if outcomes[p.key].state == "mirrored"}
        if self.after:
            self.after.pop(0)()
        return outcomes

    def record(
        self, changes: Sequence[MemberChanged], contacts: Mapping[str, ContactRef] = MappingProxyType({})
    ) -> Mapping[str, CrmOutcome]:
        """Take the notes, unless an outcome is set for one."""
        notes = [
            effect_id(event_effects.event_id, effect)
            for change in changes
            for event_effects in change.events
            for effect in event_effects.effects
            if effect.kind == "note"
        ]
        self.contacts |= contacts
        if self.slow:
            self.slow()
        outcomes = {note: self.note_outcomes.get(note, MIRRORED) for note in notes}
        self.recorded += [note for note in notes if outcomes[note].state == "mirrored"]
        return outcomes

    def clear(self, contacts: Sequence[ContactRef]) -> Mapping[str, CrmOutcome]:
        """Remove these members, unless an outcome is set for one."""
        self.cleared += contacts
        return {each.key: self.clear_outcomes.get(each.key) or self._clear(each) for each in contacts}

    def read(self, contacts: Sequence[ContactRef]) -> Mapping[str, Mapping[str, str]]:
        """Return the held members."""
        return {
            each.key: self.expected_fields(self.held[each.key]) for each in contacts if each.key in self.held
        }

    def expected_fields(self, profile: CrmProfile) -> Mapping[str, str]:
        """Return each value as text."""
        return {name: str(value) for name, value in profile.values.items() if value is not None}

    def _id(self, profile: CrmProfile) -> str:
        """Return the id of a member's contact: by address, the member has another one at each."""
        address = str(profile.email).replace("@", " at ")
        return f"contact of {address}" if self.identified_by == "email" else "1"

    def _clear(self, contact: ContactRef) -> CrmOutcome:
        held = self.held.get(contact.key)
        elsewhere = self.identified_by == "email" and held is not None and contact.email != held.email
        return MIRRORED if elsewhere else self._remove(contact.key)

    def _remove(self, key: str) -> CrmOutcome:
        return MIRRORED if self.held.pop(key, None) else _GONE

    def fill_names(self, profiles: Sequence[CrmProfile], contacts: Sequence[ContactRef]) -> None:
        """Keep whose names were to be filled in."""
        self.named += [profile.key for profile in profiles]

    def check(self) -> None:
        """Raise `check_error`, if there is one."""
        if self.check_error:
            raise self.check_error

    def ensure_schema(self, *, dry_run: bool = False) -> Sequence[str]:
        """Lack nothing."""
        return []


def change_message(message_id: str, key: str, *notes: str, backfill: bool = False) -> Message:
    """Return a change of this member as it is received, with notes named like their rules."""
    effects = tuple(Note(rule=rule, name=rule) for rule in notes)
    events = (EventEffects(event_id=message_id, topic="t", at=START, effects=effects),) if notes else ()
    return Message(
        id=message_id,
        body=dump(MemberChanged(member=key, events=events, backfill=backfill)),
        receives=1,
        receipt="r",
        sent_at=START,
    )
