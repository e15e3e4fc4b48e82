"""One batch's tellings, served channel by channel, so that a crash anywhere costs one marked repeat at most.

Every step is noted in the occasion before and after it is taken: unsent → sending → sent. No server is
called while nobody has claimed the right to: of two runs with one occasion, the table lets one win.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from relay.addressing import addressed, is_quiet
from relay.changes import Telling
from relay.effects import Level
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
    Held,
    Occasion,
    Owed,
    Part,
    State,
    Why,
    addressees,
    judge,
    notice,
    speaks_for_itself,
    step,
)
from relay.owing import drop, due, mark, revive
from relay.ports.telling import Announcement, Channel
from relay.rules import Rules
from relay.waiting import Entry, Room, admit, enter

if TYPE_CHECKING:
    from relay.notifier import Notifier

LEASE: Final = timedelta(seconds=60)
"""How long a channel's part stays claimed. The function's timeout may not be longer: after it, who
claimed is dead."""

_CONFLICTS: Final = 5


@dataclass(slots=True)
class Round:
    """One batch: the rules, who is spoken of, and the channels that failed in it and are left in peace until the next."""

    notifier: Notifier
    rules: Rules
    members: Mapping[str, Member]
    down: dict[str, Exception] = field(default_factory=dict)
    nameless: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The channels that are configured."""
        return tuple(channel.name for channel in self.notifier.channels)

    def tell(self, telling: Telling, *, fresh: bool) -> None:
        """Note what a telling means to its occasion, and serve what it owes."""
        self.serve(self._judged(telling, fresh=fresh), telling.event_id)

    def note(self, telling: Telling, channels: Sequence[str], *, fresh: bool) -> None:
        """Tell something that is over at once."""
        self.serve(self.noted(telling, channels, fresh=fresh), telling.event_id)

    def noted(self, telling: Telling, channels: Sequence[str], *, fresh: bool = False) -> Occasion:
        """Note such a thing in its occasion, once."""

        def noted(before: Occasion) -> Occasion:
            again = revive(before, telling.event_id) if fresh else before
            return notice(again, telling, channels)

        return self.change(telling.alert.occasion, noted)

    def serve(self, occasion: Occasion, event_id: str) -> None:
        """Serve every channel that this event's telling is owed to, then raise the worst of what went wrong."""
        failed: dict[str, Exception] = {}
        while next_one := due(occasion, event_id, skip=failed):
            owed, channel = next_one
            try:
                occasion = self._serve(occasion, owed, channel, failed)
            except ConflictError:
                # Somebody else serves the same occasion. Theirs is the newer truth, and may be all it takes.
                occasion = self.notifier.occasions.load(occasion.key)
        _raise_worst([*failed.values(), *_given_up(occasion, event_id)])

    def change(self, key: str, change: Callable[[Occasion], Occasion]) -> Occasion:
        """Change an occasion, whatever others write meanwhile; return it as written."""
        for _ in range(_CONFLICTS):
            before = self.notifier.occasions.load(key)
            after = change(before)
            try:
                return after if after == before else self._save(after)
            except ConflictError:
                continue
        raise TransientError("table occasions: too many writers")

    def change_room(self, change: Callable[[Room], Room]) -> Room:
        """Change the waiting room likewise."""
        for _ in range(_CONFLICTS):
            before = self.notifier.occasions.room()
            after = change(before)
            if after == before:
                return before
            try:
                self.notifier.occasions.keep(after)
            except ConflictError:
                continue
            return replace(after, version=after.version + 1)
        raise TransientError("table occasions: too many writers")

    def _judged(self, telling: Telling, *, fresh: bool) -> Occasion:
        """Note in the occasion what the telling means to it, and in the waiting room if it has to wait."""
        verdict, why = "known", self._why_to_wait(telling)

        def judged(before: Occasion) -> Occasion:
            nonlocal verdict
            verdict = judge(before, telling)
            if verdict == "known":
                return revive(before, telling.event_id) if fresh else before
            return step(before, telling, addressed(telling, self.rules, self.names), hold=why)

        saved = self.change(telling.alert.occasion, judged)
        if saved.held and saved.held.telling.event_id == telling.event_id:
            # After the occasion, so that nobody finds in the room what is not held. A crash in between
            # brings the message again, which is known then, and still held.
            entry = _entry(saved, saved.held)
            self.change_room(lambda room: enter(room, entry))
            self.log("held_back", telling, verdict=verdict)
        elif saved.owed_by(telling.event_id) is None:
            self.log("kept_quiet", telling, verdict=verdict)
        return saved

    def _why_to_wait(self, telling: Telling) -> Why | None:
        """Say why a telling is not for now; None where it is, or where nobody would hear of it anyway."""
        occasion = self.notifier.occasions.load(telling.alert.occasion)
        verdict = judge(occasion, telling)
        if not addressees(occasion, telling, addressed(telling, self.rules, self.names)):
            return None
        news = verdict in {"opening", "rise"} or speaks_for_itself(occasion, telling)
        level = telling.alert.level if news else occasion.level or Level.INFO
        if level <= Level.WARNING and is_quiet(telling.at, self.rules.quiet_hours, self.notifier.zone):
            return "quiet"
        # The programme's own matters explain a flood: they are never part of it.
        if not news or level is Level.CRITICAL or not telling.member:
            return None
        at_once = False

        def admitted(room: Room) -> Room:
            nonlocal at_once
            room, at_once = admit(room, telling.id, telling.at, self.rules.flood)
            return room

        self.change_room(admitted)
        return None if at_once else "flood"

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
        announcement = self._announcement(occasion, owed, name, repeat=claim.state is State.REPEATING)
        after, thread = self._announce(channel, announcement, before=part, claim=claim, failed=failed)
        return self._noted(occasion, event_id, name, after, thread)

    def _announce(
        self,
        channel: Channel,
        announcement: Announcement,
        *,
        before: Part,
        claim: Part,
        failed: dict[str, Exception],
    ) -> tuple[Part, str | None]:
        """Tell one channel and return how its part stands then, and where the message is kept."""
        try:
            thread = channel.announce(announcement)
        except PermanentError as error:
            return Part(state=State.GIVEN_UP, reason=error.reason), None
        except UnansweredError as error:
            failed[channel.name] = self.down[channel.name] = error
            return replace(claim, until=None), None
        except TransientError as error:
            failed[channel.name] = self.down[channel.name] = error
            return replace(before, until=None), None
        except Exception as error:  # noqa: BLE001 - a defect in one channel must not keep the others from being told
            failed[channel.name] = error
            return replace(claim, until=None), None
        kind, repeat = announcement.kind, announcement.repeat
        self.log("told", announcement.telling, channel=channel.name, kind=kind, repeat=repeat)
        self.notifier.telemetry.measure("AlertsTold", 1, channel=channel.name)
        return Part(state=State.SENT), thread

    def _announcement(self, occasion: Occasion, owed: Owed, channel: str, *, repeat: bool) -> Announcement:
        episode = occasion.episodes.get(owed.episode)
        known = self.who((owed.telling.member, *dict(owed.telling.people)))
        return Announcement(
            telling=owed.telling,
            kind=owed.kind,
            member=known.get(owed.telling.member),
            repeat=repeat,
            first=episode.first if episode else None,
            thread=episode.threads.get(channel) if episode else None,
            people=known,
            mask=self.rules.mask,
        )

    def who(self, keys: Iterable[str]) -> Mapping[str, Member]:
        """Return the members as they are now. Who it is, is worth a wait less than that it is told at all."""
        missing = {key for key in keys if key and key not in self.members}
        if missing and not self.nameless:
            try:
                records, _ = self.notifier.members.load(missing)
            except TransientError as error:
                self.no_names(error)
            else:
                found = {key: record.member for key, record in records.items()}
                self.members = {**self.members, **found}
        return {key: self.members[key] for key in keys if key in self.members}

    def no_names(self, error: TransientError) -> None:
        """Ask no more in this batch. A missing permission would make every alert nameless, and must not do so unseen."""
        self.nameless = True
        self.notifier.telemetry.outcome("nameless", event_id=None, topic=None, reason=str(error))

    def _noted(
        self, occasion: Occasion, event_id: str, channel: str, part: Part, thread: str | None
    ) -> Occasion:
        """Note what became of a part that is ours by claim, whatever others wrote meanwhile."""
        for _ in range(_CONFLICTS):
            try:
                return self._save(mark(occasion, event_id, channel, part, thread))
            except ConflictError:
                occasion = self.notifier.occasions.load(occasion.key)
        raise TransientError("table occasions: too many writers")

    def _save(self, occasion: Occasion) -> Occasion:
        self.notifier.occasions.save(occasion)
        return replace(occasion, version=occasion.version + 1)

    def log(self, outcome: str, telling: Telling, **about: object) -> None:
        """Log one outcome, by event and rule; whom it is about stays out of the log."""
        self.notifier.telemetry.outcome(
            outcome, event_id=telling.event_id, topic=telling.topic, rule=telling.alert.rule, **about
        )


def _entry(occasion: Occasion, held: Held) -> Entry:
    return Entry(
        occasion=occasion.key,
        event_id=held.telling.event_id,
        at=held.telling.at,
        level=occasion.level or held.telling.alert.level,
        why=held.why,
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
    worst = max(errors, key=gravity, default=None)
    if worst is not None:
        raise worst


def gravity(error: Exception) -> tuple[int, float]:
    """Order what went wrong by how long the message must live for it."""
    match error:
        case MisconfiguredError():
            return 3, error.retry_after or 0.0
        case TransientError():
            return 2, error.retry_after or 0.0
        case PermanentError():
            return 0, 0.0
        case _:
            return 1, 0.0
