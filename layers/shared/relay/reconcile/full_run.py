"""Reads every member of the programme from the API and merges what it finds: the import, and the daily comparison.

One run at a time. What it has done so far lies in the table after each page, so any invocation continues it. Each step
is a message in reconcile's own queue, which sends the next one; the clock's tick sends one where that chain broke.
Two steps at once do no harm: the second to write its progress finds another version and ends.

1. *Listing*: each page is compared with the records, and merged as dated readings. A list that is not certain to be
   whole decides nothing about absence.
2. *Absent*: members of the table that the list did not show are read one by one. Only that the API knows none by this
   id, while the key is good, makes a member gone: status `none`, and personal data stay. A dry run ends before: it
   does not store which members it has seen.

A run stops, says so, and waits for `relay reconcile --confirm` where the list has under 90 % of the last run's members
(no member is gone then), or before it would change the status of, or clear a field for, more than max(20, 1 %) of the
members that the table knew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from relay.errors import ConflictError, TransientError
from relay.ingest.reducer import differs
from relay.model import journal
from relay.model.facts import Facts
from relay.model.fields import FIELDS, NOT_SHOWN
from relay.model.header import MessageHeader
from relay.model.member import Member, member_key, merge
from relay.model.messages import FULL_RUN_TOPIC, Outbox, RunAction, RunCommand, dump
from relay.ports.full_run import FullRun, FullRunStore, RunKind, RunReason, StopReason, Walk
from relay.ports.inveterate import MemberList, MemberPage, MemberReading
from relay.ports.members import MemberRecord, MemberStore
from relay.ports.messaging import Journal, MessageSender, OutgoingMessage
from relay.ports.optimistic import retry_conflicts
from relay.ports.runtime import Clock, Telemetry
from relay.ports.scans import Scan
from relay.queues.batch import Context
from relay.reconcile.api_facts import EARLY, TOPIC, facts_of, facts_of_absence
from relay.reconcile.findings import events_of
from relay.reconcile.programme_alerts import run_alert, send_alert
from relay.rules.settings import Rules

NEEDED_MS: Final = 30_000
"""A page with its two attempts takes at most this long: the call, the journal, and a hundred writes."""

PAUSE: Final = 1.0
"""Seconds from one page to the next at least: Inveterate documents no rate limit, and others call it with this key."""

STALLED: Final = timedelta(minutes=10)
"""A run without progress for this long has lost its chain of messages."""

FEWEST: Final = 20
SHARE: Final = 100
"""A run may alter 20 members, or one in a hundred where that is more."""

FEW_PERCENT: Final = 90

MOST_PAGES: Final = 1_000_000
"""More than any programme has: where the platform makes up cursors, a list ends here."""

OVERLAP: Final = timedelta(minutes=10)
"""A record that was read or told of so shortly before the run began was there."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """One member in a page: the record before, the member after, and what the reading tells."""

    record: MemberRecord
    reading: MemberReading | None
    facts: Facts
    after: Member

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of what differs; `status` for the membership's state, whichever registers make it."""
        before = self.record.member
        names = [name for name in _COMPARED if before.value(name) != self.after.value(name)]
        return (*names, "status") if before.status != self.after.status else tuple(names)

    @property
    def is_altered(self) -> bool:
        """Whether a member that the table knew gets another status or loses a value."""
        before = self.record.member
        if not self.record.version:
            return False
        return before.status != self.after.status or any(
            before.value(name) is not None and self.after.value(name) is None for name in _COMPARED
        )


_COMPARED: Final = tuple(name for name in FIELDS if name not in NOT_SHOWN | {"found_status"})


class _StoppedError(Exception):
    """A brake holds. `run` is what was done until then."""

    def __init__(self, run: FullRun, reason: StopReason) -> None:
        super().__init__(reason)
        self.run, self.reason = run, reason


@dataclass(frozen=True, slots=True, kw_only=True)
class FullRunner:
    """Makes full runs. `steps` is reconcile's own queue, `alerts` the notifier's; `pause` sleeps."""

    shop: str
    members: MemberStore
    member_scan: Scan[Member]
    api: MemberList
    runs: FullRunStore
    journal: Journal
    clock: Clock
    telemetry: Telemetry
    steps: MessageSender
    alerts: MessageSender
    pause: Callable[[float], None]

    def obey(self, command: RunCommand, context: Context) -> None:
        """Do what a command says, as far as this invocation's time goes."""
        run = self.runs.load()
        match command.action:
            case "import" | "reconcile":
                if run is None or (run.id != command.id and not run.is_active):
                    run = self.begin(
                        command.action, "command", run, run_id=command.id, dry_run=command.dry_run
                    )
            case "confirm":
                if run is not None and run.stopped:
                    run = replace(run, confirmed=True, stopped="")
                elif run is None or not run.is_active:
                    begun = self.begin("reconcile", "command", run, run_id=command.id)
                    run = replace(begun, confirmed=True)
            case "next":
                if run is None or run.id != command.id:
                    return
            case "resume":
                pass
        if run is not None and run.is_active:
            self.advance(run, context)

    def tick(self, at: datetime, waiting: int, most_waiting: int) -> None:
        """Begin the day's run, or one in place of very many rechecks, or revive one that lost its chain.

        `at` is the tick's own time, `waiting` how many messages the queue has. It takes no step itself: a step that
        fails has to come again, and a tick that came again would find a run under way.
        """
        run = self.runs.load()
        if run is not None and run.is_active:
            if self.clock() - run.updated > STALLED:
                self._start(run)
            return
        is_daily = run is None or run.last_day is None or run.last_day < at.date()
        waits_for_people = run is not None and run.stopped
        if is_daily or (waiting > most_waiting and not waits_for_people):
            reason: RunReason = "daily" if is_daily else "waiting"
            begun = self.begin("reconcile", reason, run, run_id=f"{reason}-{at:%Y%m%dT%H%M}")
            self._start(replace(begun, last_day=at.date()))

    def stands_in(self) -> bool:
        """Return whether a run reads all members in place of single rechecks."""
        run = self.runs.load()
        return run is not None and run.is_active and run.reason == "waiting"

    def begin(
        self, kind: RunKind, reason: RunReason, before: FullRun | None, *, run_id: str, dry_run: bool = False
    ) -> FullRun:
        """Return a run that begins, not yet stored. The first of all is quiet, like an import."""
        now = self.clock()
        last, is_known = (before.last_members, before.is_known) if before else (None, False)
        self._log("full_run_began", run_id, kind=kind, cause=reason, dry_run=dry_run)
        return FullRun(
            id=run_id,
            kind=kind,
            reason=reason,
            dry_run=dry_run,
            quiet=kind == "import" or not is_known,
            began=now,
            updated=now,
            last_members=last,
            last_day=before.last_day if before else None,
            imported_at=before.imported_at if before else None,
            is_alerted=before.is_alerted if before else False,
            is_known=is_known,
            version=before.version if before else 0,
        )

    def _start(self, run: FullRun) -> None:
        """Store a run and send its step, in this order: a step without a run would do nothing."""
        try:
            self._send_next(self._save(run))
        except ConflictError:
            return

    def advance(self, run: FullRun, context: Context) -> None:
        """Take pages while there is time, then send the next step. Another invocation's write ends this one."""
        try:
            run = self._save(run)
            while run.is_active and context.get_remaining_time_in_millis() > NEEDED_MS:
                run = self._listing(run, context) if run.phase == "listing" else self._absent(run, context)
            if run.is_active:
                self._send_next(run)
        except _StoppedError as stop:
            try:
                self._stop(replace(stop.run, stopped=stop.reason))
            except ConflictError:
                return
        except ConflictError:
            return

    def _listing(self, run: FullRun, context: Context) -> FullRun:
        """Merge pages of the list; return the run with its progress, which is stored."""
        for page in self.api.pages(run.walk.cursor):
            began = self.clock()
            run = self._take(run, page)
            if page.end:
                return self._end_list(run, page)
            walk = _walked(run.walk, page.cursor)
            if walk is None:
                return self._end_list(run, replace(page, end="circle", is_certain=False))
            run = self._save(replace(run, walk=walk))
            if context.get_remaining_time_in_millis() <= NEEDED_MS:
                return run
            self.pause(max(PAUSE - (self.clock() - began).total_seconds(), 0.0))
        return run

    def _take(self, run: FullRun, page: MemberPage) -> FullRun:
        """Compare a page with the records, and write what differs; return the run with its counts."""
        date = page.date or self.clock()
        readings = {
            member_key(self.shop, one.customer_id): MemberReading(member=one, date=date, seconds=page.seconds)
            for one in page.members
        }
        records, rules = self.members.load(readings)
        compared = [self._compare(records[key], reading, date) for key, reading in readings.items()]
        run = replace(
            run,
            since=run.since or date,
            until=date,
            total=run.total or page.total,
            unreadable=run.unreadable + page.unreadable,
        )
        counted = replace(run, read=run.read + len(compared))
        return self._apply(counted, compared, rules, restart=run)

    def _compare(self, record: MemberRecord, reading: MemberReading | None, date: datetime) -> _Compared:
        facts = (
            facts_of(reading, date, record.member)
            if reading
            else facts_of_absence(date, record.member, is_gone=True)
        )
        return _Compared(record, reading, facts, merge(record.member, facts))

    def _apply(
        self, run: FullRun, compared: Sequence[_Compared], rules: Rules, *, restart: FullRun
    ) -> FullRun:
        """Write a page's members up to the brake; return the run with what differed.

        Raises:
            _StoppedError: the next member would be one too many. The run is at the page's beginning.

        """
        altered = run.altered
        most = max(FEWEST, -(-max(run.last_members or 0, run.read) // SHARE))
        taken: list[_Compared] = []
        stopped = False
        for one in compared:
            if one.is_altered:
                if altered >= most and not (run.confirmed or run.dry_run):
                    stopped = True
                    break
                altered += 1
            taken.append(one)
        if not run.dry_run:
            self._write(taken, rules, quiet=run.quiet)
        told = 0 if run.quiet else sum(bool(self._events(one, rules)) for one in taken)
        fields = Counter(name for one in taken if one.record.version for name in one.fields)
        found = {
            "altered": altered,
            "new": run.new + sum(not one.record.version for one in taken),
            "changed": run.changed + sum(bool(one.record.version and one.fields) for one in taken),
            "gone": run.gone + sum(one.reading is None for one in taken),
            "told": run.told + told,
            "fields": dict(Counter(run.fields) + fields),
        }
        if stopped:
            # The page comes again when a person has confirmed: what was written then no longer differs.
            raise _StoppedError(replace(restart, **found), "changes")  # type: ignore[arg-type]  # by name
        return replace(run, **found)  # type: ignore[arg-type]  # by name

    def _events(self, one: _Compared, rules: Rules) -> object:
        return events_of(one.record.member, one.after, one.facts, rules) if one.record.version else ()

    def _write(self, compared: Sequence[_Compared], rules: Rules, *, quiet: bool) -> None:
        """Journal the readings that change a record, then write all: also that a member was there at this time."""
        lines = [self._line(one) for one in compared if one.fields or not one.record.version]
        for refusal in self.journal.write(lines) if lines else ():
            if refusal:
                raise refusal
        for one in compared:
            key = one.record.member.key

            def write(known: MemberRecord, one: _Compared = one) -> None:
                before = known.member
                again = (
                    one
                    if known is one.record
                    else self._compare(
                        known, one.reading, (one.facts.at or self.clock()) + EARLY + _seconds(one)
                    )
                )
                tells = bool(known.version) and not quiet
                outbox = Outbox(
                    member=before.key,
                    changed=differs(before, again.after),
                    events=events_of(before, again.after, again.facts, rules) if tells else (),
                    backfill=quiet,
                )
                self.members.save(replace(known, member=again.after), outbox)

            retry_conflicts(one.record, write, lambda key=key: self._load(key), what="the member")  # type: ignore[misc]  # a default binds the loop's value

    def _line(self, one: _Compared) -> Mapping[str, object]:
        line = journal.reading_line(
            one.facts.event_id,
            topic=TOPIC,
            shop=self.shop,
            customer=one.record.member.customer_id,
            received_at=self.clock(),
            at=one.facts.at,
            reason="full_run",
            body=one.reading.member.raw if one.reading else None,
        )
        return journal.without_body(line) if one.after.is_erased else line

    def _load(self, key: str) -> MemberRecord:
        records, _ = self.members.load([key])
        return records[key]

    def _end_list(self, run: FullRun, page: MemberPage) -> FullRun:
        """Return the run at the end of its list: at the absent members, or finished where the list was not whole."""
        short = run.total is not None and run.read < run.total
        whole = page.is_certain and not run.unreadable and not short
        run = replace(run, whole=whole, end="total" if page.is_certain and short else page.end, walk=Walk())
        few = run.last_members is not None and run.read * 100 < run.last_members * FEW_PERCENT
        if few and not (run.confirmed or run.dry_run):
            raise _StoppedError(replace(run, phase="absent"), "few")
        if run.dry_run or not whole:
            return self._finish(run)
        return self._save(replace(run, phase="absent"))

    def _absent(self, run: FullRun, context: Context) -> FullRun:
        """Read the members of one page of the table that the list did not show."""
        if not run.whole:
            # Confirmed after a short list that was not whole either: it decides nothing about absence.
            return self._finish(run)
        page = self.member_scan.page(run.walk.cursor)
        for member in page.items:
            if not _is_candidate(member, run):
                continue
            if context.get_remaining_time_in_millis() <= NEEDED_MS:
                return self._save(run)
            run = self._save(self._look(run, member))
        if page.cursor is None:
            return self._finish(run)
        return self._save(replace(run, walk=replace(run.walk, cursor=page.cursor)))

    def _look(self, run: FullRun, member: Member) -> FullRun:
        records, rules = self.members.load([member.key])
        reading = self.api.read(member.customer_id)
        date = (reading.date if reading else None) or run.until or self.clock()
        one = self._compare(records[member.key], reading, date)
        return self._apply(run, [one], rules, restart=run)

    def _finish(self, run: FullRun) -> FullRun:
        """Store the end of a run, and say it: to people only where the list was not whole, or where they wait for it."""
        whole = bool(run.whole) and not run.dry_run
        run = replace(
            run, phase="finished", last_members=run.read if whole else run.last_members, walk=Walk()
        )
        if run.dry_run:
            done = self._save(run)
        elif run.quiet:
            # The clock measures the programme anew: who stands out follows from all members.
            done = self._save(replace(run, is_known=True, imported_at=self.clock()))
        else:
            is_fine = bool(run.whole)
            if run.is_alerted or not is_fine:
                send_alert(self.alerts, run_alert(self.shop, run, at=run.until or self.clock()))
            done = self._save(replace(run, is_alerted=not is_fine))
        self._log("full_run_finished", run.id, **_counts(run))
        return done

    def _stop(self, run: FullRun) -> None:
        stopped = replace(run, is_alerted=True)
        send_alert(self.alerts, run_alert(self.shop, stopped, at=run.until or self.clock()))
        self._save(stopped)
        self._log("full_run_stopped", run.id, reason=run.stopped, **_counts(run))

    def _save(self, run: FullRun) -> FullRun:
        return self.runs.save(replace(run, updated=self.clock()))

    def _send_next(self, run: FullRun) -> None:
        for refusal in self.steps.send([run_message("next", run_id=run.id)]):
            if refusal:
                # The message of this step comes again, and goes on.
                raise TransientError("the next step could not be sent") from refusal

    def _log(self, outcome: str, run_id: str, **about: object) -> None:
        self.telemetry.outcome(outcome, event_id=run_id, topic=FULL_RUN_TOPIC, **about)  # type: ignore[arg-type]  # one of the full run's three


def run_message(action: RunAction, *, run_id: str = "", dry_run: bool = False) -> OutgoingMessage:
    """Return a command as it is sent."""
    body = dump(RunCommand(action=action, id=run_id, dry_run=dry_run))
    return OutgoingMessage(body=body, header=MessageHeader(topic=FULL_RUN_TOPIC))


def _is_candidate(member: Member, run: FullRun) -> bool:
    """Return whether a running member of the table was neither listed in this run nor told of since."""
    if run.since is None or member.status in {"none", "cancelled"}:
        return False
    newest, read_at = member.newest_at, member.moment("read_at")
    since = run.since - OVERLAP
    return (newest is None or newest < since) and (read_at is None or read_at < since)


def _walked(walk: Walk, cursor: str | None) -> Walk | None:
    """Return the walk one page further; None where its cursor was there before, or there are too many pages."""
    pages = walk.pages + 1
    if cursor == walk.mark or pages >= MOST_PAGES:
        return None
    if pages >= 2 * walk.mark_at:
        return Walk(cursor=cursor, pages=pages, mark=cursor, mark_at=pages)
    return replace(walk, cursor=cursor, pages=pages)


def _seconds(one: _Compared) -> timedelta:
    return timedelta(seconds=one.reading.seconds if one.reading else 0)


def _counts(run: FullRun) -> dict[str, object]:
    names = ("read", "new", "changed", "altered", "gone", "told", "unreadable", "whole", "end", "quiet")
    return {name: getattr(run, name) for name in names} | {"fields": dict(run.fields)}
