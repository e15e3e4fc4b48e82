"""The clock's daily round: look at every member once, say what came due, and send the digest of the day before.

It is due at `Rules.digest_at` by the shop's clock and may take several ticks: how far it is, is noted after
each page, on top of what was read. So a tick that comes twice, at the same time as another or late finds
what is left to do, and a crash repeats one page at most, whose notes and alerts have the same ids again.
A round covers the time since the round before, however long that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from typing import Final

from relay.ingest.fanout import alerts_of, changes_of
from relay.model import calendar
from relay.model.header import MessageHeader
from relay.model.kpis import DailyTotals
from relay.model.member import Member
from relay.model.messages import DIGEST_TOPIC, DailyDigest, Outbox, dump
from relay.ports.kpis import KpiStore
from relay.ports.members import MemberStore
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.ports.runtime import Telemetry
from relay.ports.scans import Pages, Part, Round, Rounds
from relay.queues.batch import Context
from relay.rules.settings import Rules
from relay.scheduler.digest import digest_lines, tallied
from relay.scheduler.reminders import Window, reminders

NEEDED_MS: Final = 20_000
"""One page at its slowest: a megabyte of members is read, and all of them are told of."""

MISSED: Final = 7
"""So many missed days have a digest of their own afterwards; older ones nobody would read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyRound:
    """What the round needs. `changes` are told of notes, `alerts` is the notifier's queue."""

    shop: str
    zone: tzinfo
    rounds: Rounds
    members: MemberStore
    roll: Pages[Member]
    mirrors: Pages[tuple[str, str]]
    figures: KpiStore
    changes: MessageSender
    alerts: MessageSender
    telemetry: Telemetry

    def run(self, now: datetime, context: Context) -> str:
        """Do what is due at `now` while there is time; returns the part that the round is in.

        Raises:
            ConflictError: another tick is at it: it has noted more than this one has read.
            TransientError: not now; the next tick goes on.

        """
        _, rules = self.members.load(())
        round_ = self._current(now, rules)
        while round_.part != "done" and context.get_remaining_time_in_millis() > NEEDED_MS:
            round_ = self._save(self._step(round_, rules))
            if round_.part == "done":
                round_ = self._current(now, rules)
        return round_.part

    def _current(self, now: datetime, rules: Rules) -> Round:
        """Return the round that is to be made now: the one that was begun, else the next one that is due."""
        day = calendar.latest(now, rules.digest_at, self.zone)
        due = calendar.moment(day, rules.digest_at, self.zone)
        known = self.rounds.load()
        if known is None or known.day - calendar.DAY > day:
            # Before the first tick nothing was anybody's to tell; and a clock that is set back begins anew.
            version = known.version if known else 0
            begun = Round(day=day, begin=due, end=due, told=day - calendar.DAY, part="done", version=version)
            return self._save(begun)
        if known.part != "done" or known.day >= day or due <= known.end:
            return known
        return Round(day=day, begin=known.end, end=due, told=known.told, version=known.version)

    def _step(self, round_: Round, rules: Rules) -> Round:
        match round_.part:
            case "members":
                return self._members(round_, rules)
            case "mirrors":
                page = self.mirrors.page(round_.after)
                tally = round_.tally.with_mirrors(page.items)
                return _moved(replace(round_, tally=tally), page.after, "digest")
            case _:
                self._digests(round_)
                return replace(round_, part="done", told=round_.day - calendar.DAY, tally=DailyTotals())

    def _members(self, round_: Round, rules: Rules) -> Round:
        page = self.roll.page(round_.after)
        span = Window(begin=round_.begin, end=round_.end, zone=self.zone)
        self._tell(page.items, rules, span)
        tally = round_.tally
        for member in page.items:
            tally = tallied(tally, member, rules, span)
        if page.unreadable:
            # Newer code has written them, in the middle of a deployment; nobody else is to wait for them.
            self.telemetry.measure("UnreadableMembers", page.unreadable)
        return _moved(replace(round_, tally=tally), page.after, "mirrors")

    def _tell(self, members: Sequence[Member], rules: Rules, span: Window) -> None:
        changes: list[OutgoingMessage] = []
        alerts: list[OutgoingMessage] = []
        for member in members:
            due = Outbox(member=member.key, changed=False, events=tuple(reminders(member, rules, span)))
            changes += changes_of(due)
            alerts += alerts_of(due)
        _all_taken(self.alerts, alerts)
        _all_taken(self.changes, changes)
        self.telemetry.measure("Reminded", len(changes) + len(alerts))

    def _digests(self, round_: Round) -> None:
        """Send the digests of the days that have ended since; the last one says how things stand now."""
        last = round_.day - calendar.DAY
        missed = [
            last - back * calendar.DAY for back in range(MISSED) if last - back * calendar.DAY > round_.told
        ]
        digests = [
            self._digest(day, round_.end, round_.tally if day == last else None) for day in reversed(missed)
        ]
        bodies = [dump(digest) for digest in digests if digest.lines]
        _all_taken(
            self.alerts,
            [OutgoingMessage(body=body, header=MessageHeader(topic=DIGEST_TOPIC)) for body in bodies],
        )
        self.telemetry.measure("Digests", len(bodies))

    def _digest(self, day: date, at: datetime, tally: DailyTotals | None) -> DailyDigest:
        begin, end = calendar.bounds(day, self.zone)
        return DailyDigest(
            id=f"digest:{self.shop}:{day.isoformat()}",
            at=at,
            day=day,
            lines=digest_lines(self.figures.between(begin, end), tally),
        )

    def _save(self, round_: Round) -> Round:
        self.rounds.save(round_)
        return replace(round_, version=round_.version + 1)


def _moved(round_: Round, after: str | None, then: Part) -> Round:
    """Return the round after a page: further on in the same part, or at the beginning of the next."""
    return replace(round_, after=after, part=round_.part if after else then)


def _all_taken(target: MessageSender, messages: Sequence[OutgoingMessage]) -> None:
    """Send, and stand by it: what was refused is sent again with all of its page, by the next tick."""
    for refusal in target.send(messages) if messages else ():
        if refusal is not None:
            raise refusal
