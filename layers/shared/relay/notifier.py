"""Telling people: each matter once, again when it grows worse, and when it is over, by every channel.

Every step is noted in the occasion before and after it is taken, so that a crash anywhere leads to one
message, or to a second one that says that it may be a repeat: unsent → sending → sent. No server is
called while nobody has claimed the right to: of two runs with one occasion, the table lets one win.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from relay import changes
from relay.batch import Answers, Context, Message
from relay.changes import Telling
from relay.errors import (
    ConflictError,
    MisconfiguredError,
    PermanentError,
    TransientError,
    UnansweredError,
)
from relay.member import Member
from relay.occasions import (
    UNCONFIRMED,
    Occasion,
    Owed,
    Part,
    State,
    drop,
    due,
    judge,
    mark,
    revive,
    step,
)
from relay.ports import Announcement, Channel, Clock, Members, Occasions, Telemetry

LEASE: Final = timedelta(seconds=60)
"""How long a channel's part stays claimed. The function's timeout may not be longer: after it, who
claimed is dead."""

_NEEDED_MS: Final = 20_000
"""One telling at its worst: two channels that hang, and the table's writes around them."""

_CONFLICTS: Final = 5
_LONGEST_KEY: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """The work on a batch of alert messages."""

    occasions: Occasions
    members: Members
    channels: Sequence[Channel]
    clock: Clock
    telemetry: Telemetry

    def work(self, messages: Sequence[Message], context: Context) -> Answers:
        """Tell people what the messages say, the oldest first: an opening ahead of its closing."""
        answers: dict[str, Exception | None] = {}
        tellings: list[tuple[Telling, Message]] = []
        for message in messages:
            try:
                tellings.append((read(message.body), message))
            except PermanentError as error:
                answers[message.id] = error
        tellings.sort(key=lambda pair: pair[0].at)
        round_ = _Round(self, frozenset(telling.member for telling, _ in tellings))
        for telling, message in tellings:
            if context.get_remaining_time_in_millis() < _NEEDED_MS:
                break
            try:
                # The dead letters take off the number of deferrals: such a message was redriven, or is new.
                round_.tell(telling, fresh=message.receives == 1 and message.deferrals == 0)
            except Exception as error:  # noqa: BLE001 - a defect in one matter must not hold up the others
                answers[message.id] = error
            else:
                answers[message.id] = None
        return answers


def read(body: str) -> Telling:
    """Read an alert message.

    Raises:
        PermanentError: `unreadable_message`.

    """
    telling = changes.load(Telling, body)
    if not 0 < len(telling.alert.occasion.encode()) <= _LONGEST_KEY:
        raise PermanentError("unreadable_message", "alert.occasion")
    return telling


@dataclass(slots=True)
class _Round:
    """One batch: what was read for it, and the channels that failed in it and are left in peace until the next."""

    notifier: Notifier
    keys: frozenset[str]
    down: dict[str, Exception] = field(default_factory=dict)
    _members: Mapping[str, Member] | None = None

    def tell(self, telling: Telling, *, fresh: bool) -> None:
        """Serve every channel that this telling is owed to, then raise the worst of what went wrong."""
        occasion = self._judged(telling, fresh=fresh)
        failed: dict[str, Exception] = {}
        while next_one := due(occasion, telling.event_id, skip=failed):
            owed, channel = next_one
            try:
                occasion = self._serve(occasion, owed, channel, failed)
            except ConflictError:
                # Somebody else serves the same occasion. Theirs is the newer truth, and may be all it takes.
                occasion = self.notifier.occasions.load(occasion.key)
        _raise_worst([*failed.values(), *_given_up(occasion, telling.event_id)])

    def _judged(self, telling: Telling, *, fresh: bool) -> Occasion:
        """Note in the occasion what the telling means to it."""
        names = [channel.name for channel in self.notifier.channels]
        for _ in range(_CONFLICTS):
            before = self.notifier.occasions.load(telling.alert.occasion)
            verdict = judge(before, telling)
            after = step(before, telling, names)
            if fresh and verdict == "known":
                after = revive(after, telling.event_id)
            try:
                saved = after if after == before else self._save(after)
            except ConflictError:
                continue
            if saved.owed_by(telling.event_id) is None:
                self._log("kept_quiet", telling, verdict=verdict)
            return saved
        raise TransientError("table occasions: too many writers")

    def _serve(self, occasion: Occasion, owed: Owed, name: str, failed: dict[str, Exception]) -> Occasion:
        """Take one channel one step on, and note how it went."""
        channel = next((channel for channel in self.notifier.channels if channel.name == name), None)
        if channel is None:
            return self._save(drop(occasion, name))
        if name in self.down:
            failed[name] = self.down[name]
            return occasion
        part, event_id, now = owed.parts[name], owed.telling.event_id, self.notifier.clock()
        if part.until is not None and part.until > now:
            wait = (part.until - now).total_seconds()
            failed[name] = TransientError(f"{name}: being told by another run", retry_after=wait)
            return occasion
        if part.state is State.REPEATING:
            given_up = Part(state=State.GIVEN_UP, reason=UNCONFIRMED)
            return self._save(mark(occasion, event_id, name, given_up))
        state = State.SENDING if part.state is State.UNSENT else State.REPEATING
        claim = Part(state=state, until=now + LEASE)
        occasion = self._save(mark(occasion, event_id, name, claim))
        after = self._announce(channel, owed, before=part, claim=claim, failed=failed)
        return self._noted(occasion, event_id, name, after)

    def _announce(
        self, channel: Channel, owed: Owed, *, before: Part, claim: Part, failed: dict[str, Exception]
    ) -> Part:
        """Tell one channel and return how its part stands then."""
        announcement = Announcement(
            telling=owed.telling,
            kind=owed.kind,
            member=self._member(owed.telling),
            repeat=claim.state is State.REPEATING,
        )
        try:
            channel.announce(announcement)
        except PermanentError as error:
            return Part(state=State.GIVEN_UP, reason=error.reason)
        except UnansweredError as error:
            failed[channel.name] = self.down[channel.name] = error
            return replace(claim, until=None)
        except TransientError as error:
            failed[channel.name] = self.down[channel.name] = error
            return replace(before, until=None)
        except Exception as error:  # noqa: BLE001 - a defect in one channel must not keep the others from being told
            failed[channel.name] = error
            return replace(claim, until=None)
        self._log("told", owed.telling, channel=channel.name, kind=owed.kind, repeat=announcement.repeat)
        self.notifier.telemetry.measure("AlertsTold", 1, channel=channel.name)
        return Part(state=State.SENT)

    def _noted(self, occasion: Occasion, event_id: str, channel: str, part: Part) -> Occasion:
        """Note what became of a part that is ours by claim, whatever others wrote meanwhile."""
        for _ in range(_CONFLICTS):
            try:
                return self._save(mark(occasion, event_id, channel, part))
            except ConflictError:
                occasion = self.notifier.occasions.load(occasion.key)
        raise TransientError("table occasions: too many writers")

    def _save(self, occasion: Occasion) -> Occasion:
        self.notifier.occasions.save(occasion)
        return replace(occasion, version=occasion.version + 1)

    def _member(self, telling: Telling) -> Member | None:
        """Return the member as it is now. Who it is, is worth a wait less than that it is told at all."""
        key = telling.member
        if self._members is None or key not in self._members:
            wanted = {known for known in {*self.keys, key} if known}
            try:
                records, _ = self.notifier.members.load(wanted)
            except TransientError as error:
                # A missing permission would make every alert nameless, and must not do so unseen.
                self._log("nameless", telling, reason=str(error))
                records = {}
            self._members = {key: record.member for key, record in records.items()}
        return self._members.get(key)

    def _log(self, outcome: str, telling: Telling, **about: object) -> None:
        """Log one outcome, by event and rule; whom it is about stays out of the log."""
        self.notifier.telemetry.outcome(
            outcome, event_id=telling.event_id, topic=telling.topic, rule=telling.alert.rule, **about
        )


def _given_up(occasion: Occasion, event_id: str) -> list[Exception]:
    """Return, for what a channel never got of this event, the reason that the dead letter shall carry."""
    owed = occasion.owed_by(event_id)
    return [
        PermanentError(part.reason, channel)
        for channel, part in (owed.parts if owed else {}).items()
        if part.state is State.GIVEN_UP
    ]


def _raise_worst(errors: Iterable[Exception]) -> None:
    """Raise what keeps the message alive the longest: what was given up for one channel can wait for the others."""
    worst = max(errors, key=_gravity, default=None)
    if worst is not None:
        raise worst


def _gravity(error: Exception) -> tuple[int, float]:
    match error:
        case MisconfiguredError():
            return 3, error.retry_after or 0.0
        case TransientError():
            return 2, error.retry_after or 0.0
        case PermanentError():
            return 0, 0.0
        case _:
            return 1, 0.0
