"""Changed members are written to one CRM, as they are now: as few calls as can be, and none in vain.

A batch of messages is a set of members. They are read once, all together; what the CRM holds already is
not sent (`writing.py`); the rest is sent in batches of the CRM's size. Who would not fill a call, of
members or of notes, while the queue has more than a call takes, waits once for company.

Notes follow when the CRM holds their members: in the order of their times, many members in one call. A
note whose member is not mirrored yet stays with its message.

A member that the CRM refuses is noted as refused and not tried again until it changes. What is not now
or not allowed goes back to the queue, which has the patience (`batch.py`); while nobody gets through, all
messages go back unread (`breaker.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from relay.batch import HELD, Answers, Context, Message
from relay.breaker import Breaker, Door
from relay.canonical import Profile
from relay.changes import Change, Doubt, load
from relay.effects import effect_id
from relay.errors import HeldError, MisconfiguredError, ParkedError, PermanentError, TransientError
from relay.member import member_key
from relay.ports.crm import Crm, Home, Outcome
from relay.ports.members import Members
from relay.ports.mirrors import Gate, Mirror, Mirrors
from relay.ports.running import Clock
from relay.rechecking import NO_EMAIL, Rechecks
from relay.writing import GRACE, Standing, Writing, holds, noted

NEEDED_MS: Final = 25_000
"""One batch, with a conflict or a missing property to mend, takes no longer (`adapters/hubspot/upsert.py`)."""

NOTES_WAIT: Final = 12
"""How long a note waits for a member without an address, in delays of `rechecking.py`: two hours by default.

Within six of them, an hour, the API has been asked.
"""

_HELD_SECONDS: Final = 2.0

Errand: TypeAlias = Callable[[Message, Context], Exception | None]
"""What else may be asked of `crm_sync` by a message; the answer as for any message."""


@dataclass(slots=True)
class _Round:
    """One invocation: its messages by id, what they say, and what is known of their members so far."""

    door: Door
    context: Context
    messages: dict[str, Message] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    known: Mapping[str, Mirror] = field(default_factory=dict)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    stop: Standing | None = None

    def has_waited(self, message_id: str) -> bool:
        """Say whether a message has waited for company before."""
        return HELD in self.messages[message_id].attributes

    def of(self, keys: Iterable[str]) -> dict[str, Profile]:
        """Return the profiles of these members."""
        return {key: self.profiles[key] for key in keys}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirroring:
    """The work of `crm_sync` for one CRM.

    `credential` is the setting to name when the CRM turns us away; `observe` hears of every call's outcomes;
    `rechecks` is where a missing e-mail is asked about, None where no API is configured. `errands` are by
    the message attribute `errand`.
    """

    shop: str
    crm: Crm
    members: Members
    mirrors: Mirrors
    clock: Clock
    credential: str
    observe: Callable[[str, Outcome], None]
    rechecks: Rechecks | None = None
    breaker: Breaker | None = None
    errands: Mapping[str, Errand] = field(default_factory=dict)

    def work(self, messages: Sequence[Message], context: Context) -> Answers:
        """Mirror the members that these change messages name, each once."""
        try:
            door = self._enter()
        except TransientError as error:
            return dict.fromkeys((message.id for message in messages), error)
        this = _Round(door, context)
        answers = self._sort(messages, this)
        if this.changes:
            answers |= self._work(this)
        if self.breaker:
            self.breaker.left(door)
        return answers

    def _enter(self) -> Door:
        """Go in, if anybody may; who is let through alone makes sure by the cheapest call there is.

        Raises:
            TransientError: not now.

        """
        if self.breaker is None:
            return Door(Gate())
        door = self.breaker.enter()
        if door.probing:
            try:
                self.crm.check()
            except TransientError as error:
                state: Literal["unauthorised", "retry"] = (
                    "unauthorised" if isinstance(error, MisconfiguredError) else "retry"
                )
                hold = self.breaker.closed(
                    door, Outcome(state=state, reason="still_closed", retry_after=error.retry_after)
                )
                if isinstance(error, MisconfiguredError):
                    raise MisconfiguredError(str(error), setting=error.setting, retry_after=hold) from error
                raise ParkedError(str(error), retry_after=hold) from error
        return door

    def _sort(self, messages: Sequence[Message], this: _Round) -> dict[str, Exception | None]:
        """Read the messages; run errands; answer what is no message of ours."""
        answers: dict[str, Exception | None] = {}
        for message in messages:
            errand = self.errands.get(message.attributes.get("errand", ""))
            try:
                if errand:
                    answers[message.id] = errand(message, this.context)
                else:
                    this.changes[message.id] = self._read(message.body)
                    this.messages[message.id] = message
            except PermanentError as error:
                answers[message.id] = error
        return answers

    def _read(self, body: str) -> Change:
        change = load(Change, body)
        _, _, customer_id = change.member.rpartition(":")
        if not customer_id or change.member != member_key(self.shop, customer_id):
            raise PermanentError("other_shop", "member")
        return change

    def _work(self, this: _Round) -> dict[str, Exception | None]:
        keys = list(dict.fromkeys(change.member for change in this.changes.values()))
        try:
            # The mirrors first: see `writing.py`, 1.
            this.known = self.mirrors.load(keys)
            this.profiles = self._writing.profiles(keys)
        except TransientError as error:
            return dict.fromkeys(this.changes, error)
        self._mirror(this)
        standings = {**this.standings, **self._ask(this.standings)}
        notes = self._notes(this, standings)
        return {
            message_id: self._verdict(standings[change.member]) or notes.get(message_id)
            for message_id, change in this.changes.items()
        }

    @property
    def _writing(self) -> Writing:
        return Writing(
            crm=self.crm, members=self.members, mirrors=self.mirrors, clock=self.clock, observe=self.observe
        )

    # ------------------------------------------------------------------ members

    def _mirror(self, this: _Round) -> None:
        """Write who differs, until the CRM or the time says stop: the rest then stands like the last."""
        stale = [key for key, wanted in this.profiles.items() if not holds(this.known[key], wanted)]
        this.standings |= {key: noted(this.known[key]) for key in this.profiles}
        loud = {change.member for change in this.changes.values() if not change.quiet}
        if self.crm.bulk:
            self._write(this, [key for key in stale if key not in loud], self.crm.bulk.size, quiet=True)
            stale = [key for key in stale if key in loud]
        held = self._held(this, stale)
        waits = HeldError("waits for a fuller batch", retry_after=_HELD_SECONDS)
        this.standings |= dict.fromkeys(held, waits)
        self._write(this, [key for key in stale if key not in held], self.crm.batch_size)

    def _held(self, this: _Round, stale: Sequence[str]) -> set[str]:
        """Return who waits for company: what is over full calls, each message once, and in a crowd alone.

        A crowd is more messages than a call takes members. Each batch of messages would end in a call that
        is half empty; waiting two seconds, those calls are filled, for the price of a queue message a member.
        """
        size = self.crm.batch_size
        over = len(stale) % size
        if len(this.messages) <= size or not over or this.door.probing:
            return set()
        waited = {change.member for message_id, change in this.changes.items() if this.has_waited(message_id)}
        fresh = [key for key in stale if key not in waited]
        return set(fresh[-over:]) if len(fresh) >= over else set()

    def _write(self, this: _Round, keys: Sequence[str], size: int, *, quiet: bool = False) -> None:
        for start in range(0, len(keys), size):
            batch = keys[start : start + size]
            millis = this.context.get_remaining_time_in_millis()
            if this.stop is None and millis < NEEDED_MS:
                # Put off rather than handed back: nothing is wrong with them, so it must spend no receives.
                this.stop = TransientError("no time left in this invocation", retry_after=1)
            if this.stop:
                this.standings |= dict.fromkeys(batch, this.stop)
                continue
            found = self._writing.write(this.of(batch), left=timedelta(milliseconds=millis), quiet=quiet)
            this.standings |= found
            self._tell_breaker(this, [answer for answer in found.values() if isinstance(answer, Outcome)])

    def _tell_breaker(self, this: _Round, answers: Sequence[Outcome]) -> None:
        """Go on after a call in which somebody got through; else stop, and keep the others from calling."""
        why = _shut(answers)
        if why:
            this.stop = this.stop or why
        if self.breaker and why:
            hold = self.breaker.closed(this.door, why)
            if why.state == "retry":
                # Who was not asked for waits with all the others, and comes back with them.
                this.stop = ParkedError(f"{self.crm.name}: {why.reason}", retry_after=hold)
        elif self.breaker and any(answer.state in _THROUGH for answer in answers):
            self.breaker.passed(this.door)

    # -------------------------------------------------------------------- notes

    def _notes(self, this: _Round, standings: Mapping[str, Standing]) -> Mapping[str, Exception]:
        """Record the notes of members that the CRM holds; what keeps a message's notes back, by message id."""
        back: dict[str, Exception] = {}
        due: dict[str, Change] = {}
        for message_id, change in this.changes.items():
            if not _note_ids(change) or self._verdict(standings[change.member]):
                continue  # the message waits with its member
            why = self._keeps_notes(standings[change.member], this.messages[message_id])
            if why:
                back[message_id] = why
            elif _is(standings[change.member], "mirrored"):
                due[message_id] = change
        held = self._held_notes(this, due)
        waits = HeldError("notes wait for a fuller batch", retry_after=_HELD_SECONDS)
        told = self._record(this, standings, {key: due[key] for key in due if key not in held})
        return {**back, **dict.fromkeys(held, waits), **told}

    def _record(
        self, this: _Round, standings: Mapping[str, Standing], due: Mapping[str, Change]
    ) -> Mapping[str, Exception]:
        outcomes: dict[str, Outcome] = {}
        later: set[str] = set()
        for call in _calls(due, self.crm.notes_batch_size):
            if this.stop or this.context.get_remaining_time_in_millis() < NEEDED_MS:
                # A slow receiver of single notes would else outlast us: a crash tells all of them again.
                later |= call.keys()
                continue
            ordered = list(call.values())
            told = self.crm.record(ordered, self._homes(this, standings, ordered))
            self._tell_breaker(this, list(told.values()))
            outcomes |= told
        back: dict[str, Exception] = {}
        for message_id, change in due.items():
            answers = [self._verdict(outcomes[note]) for note in _note_ids(change) if note in outcomes]
            failures = [answer for answer in answers if answer]
            if message_id in later:
                stop = self._verdict(this.stop) if this.stop else None
                back[message_id] = stop or TransientError("notes are for the next invocation", retry_after=1)
            elif failures:
                back[message_id] = failures[0]
        return back

    def _held_notes(self, this: _Round, due: Mapping[str, Change]) -> set[str]:
        """Return whose notes wait for company, as their members might (`_held`): the newest first.

        Half a call at most: notes are as many as messages, and to hold more would keep a queue going round.
        """
        size = self.crm.notes_batch_size
        over = sum(len(_note_ids(change)) for change in due.values()) % size
        if len(this.messages) <= size or over > size // 2 or this.door.probing:
            return set()
        held: set[str] = set()
        newest = sorted(due, key=lambda message_id: due[message_id].happenings[0].at, reverse=True)
        for message_id in newest:
            notes = len(_note_ids(due[message_id]))
            if not this.has_waited(message_id) and notes <= over:
                held.add(message_id)
                over -= notes
        # Unless that fills the calls, nobody needs to wait.
        return held if not over else set()

    def _keeps_notes(self, standing: Standing, message: Message) -> Exception | None:
        """Let notes wait a while for a member whose address is being asked for; a refused one's are dropped."""
        if self.rechecks is None or not _is(standing, "skipped"):
            return None
        delay = self.rechecks.delay
        if self.clock() - message.first_received_at > timedelta(seconds=NOTES_WAIT * delay):
            return None
        return TransientError("notes wait for their member", retry_after=max(delay / 2, 1))

    def _homes(
        self, this: _Round, standings: Mapping[str, Standing], changes: Iterable[Change]
    ) -> Mapping[str, Home]:
        homes = {}
        for key in dict.fromkeys(change.member for change in changes):
            standing = standings[key]
            found = standing.id if isinstance(standing, Outcome) else None
            homes[key] = Home(key=key, id=found or this.known[key].id, email=this.profiles[key].email)
        return homes

    # ----------------------------------------------------------------- verdicts

    def _ask(self, standings: Mapping[str, Standing]) -> Mapping[str, Standing]:
        """Ask the API for addresses that are missing; a member about whom it could not be asked is put off.

        Asked at every message, also where no call was needed: what was asked before may have been lost. Only
        one of the questions within an hour costs a call.
        """
        if self.rechecks is None:
            return {}
        doubts = [
            Doubt(member=key, reason=NO_EMAIL)
            for key, standing in standings.items()
            if isinstance(standing, Outcome) and (standing.state, standing.reason) == ("skipped", NO_EMAIL)
        ]
        answers = self.rechecks.ask(doubts)
        return {
            doubt.member: TransientError("the question about a missing address could not be asked")
            for doubt, refusal in zip(doubts, answers, strict=True)
            if refusal
        }

    def _verdict(self, standing: Standing) -> Exception | None:
        """Say what a member's standing, or a note's, means for its messages."""
        if isinstance(standing, TransientError):
            return standing
        text = f"{self.crm.name}: {standing.reason or standing.state}"
        match standing.state:
            case "mirrored" | "skipped" | "refused":
                return None
            case "unauthorised":
                return MisconfiguredError(text, setting=self.credential, retry_after=standing.retry_after)
            case "pending":
                return TransientError(text, retry_after=GRACE.total_seconds())
            case _:
                wait = max(standing.retry_after or 0, GRACE.total_seconds()) if standing.unanswered else None
                return TransientError(text, retry_after=wait or standing.retry_after)


_THROUGH: Final = frozenset({"mirrored", "refused", "pending"})


def _is(standing: Standing, state: str) -> bool:
    return isinstance(standing, Outcome) and standing.state == state


def _note_ids(change: Change) -> list[str]:
    return [
        effect_id(happening.event_id, effect)
        for happening in change.happenings
        for effect in happening.effects
        if effect.kind == "note"
    ]


def _calls(due: Mapping[str, Change], size: int) -> Iterator[dict[str, Change]]:
    """Yield the changes in the order of their times, as many as one call takes the notes of; a larger one alone."""
    call: dict[str, Change] = {}
    notes = 0
    for message_id in sorted(due, key=lambda message_id: due[message_id].happenings[0].at):
        more = len(_note_ids(due[message_id]))
        if call and notes + more > size:
            yield call
            call, notes = {}, 0
        call[message_id] = due[message_id]
        notes += more
    if call:
        yield call


def _shut(answers: Sequence[Outcome]) -> Outcome | None:
    """Return why no further call should be made: the CRM turned us away, or let nobody through."""
    for answer in answers:
        if answer.state == "unauthorised":
            return answer
    shut = [answer for answer in answers if answer.state == "retry" and not answer.alone]
    called = [answer for answer in answers if answer.state != "skipped"]
    return shut[0] if shut and len(shut) == len(called) else None
