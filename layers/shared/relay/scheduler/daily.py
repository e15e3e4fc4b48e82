"""Makes the daily run: reads every member, sends what came due, measures the programme, sends the digest, keeps old letters.

It is due at `Rules.digest_at` by the shop's clock and may take several ticks: its progress is saved after each
page, over the version that was read. So a tick that comes twice, late or beside another finds what is left to
do, and a crash repeats one page at most, whose notes and alerts have the same ids again. A run covers the time
since the run before, however long that is. Members are read a second time only where the measures have changed.

An import brings members that no webhook told of. So at the tick after its end a run of its own measures the programme,
and a valuable member stands out from then on; all else waits for the day's run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from typing import Final

from relay.ingest.fanout import alerts_of, changes_of
from relay.model import calendar
from relay.model.header import MessageHeader
from relay.model.kpis import DailyTotals
from relay.model.member import Member
from relay.model.messages import DIGEST_TOPIC, DailyDigest, MemberChanged, Outbox, dump
from relay.ports.kpis import KpiStore
from relay.ports.members import MeasuresStore, MemberStore
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.ports.runtime import Telemetry
from relay.ports.scans import DailyRun, DailyRunStore, Phase, Scan
from relay.queues.batch import Context
from relay.rules.measures import Counts, measured
from relay.rules.segments import is_high_value
from relay.rules.settings import Rules
from relay.scheduler.crm_alerts import crm_alerts
from relay.scheduler.digest import add_member, digest_lines
from relay.scheduler.measuring import add_to_counts
from relay.scheduler.reminders import Window, reminders

NEEDED_MS: Final = 20_000
"""The slowest page takes at most this long: a megabyte of members, with notes and alerts for all of them."""

MISSED_DAYS: Final = 7
"""At most so many missed days get a digest afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyRunner:
    """Makes the daily run. Notes go to `changes`, alerts and digests to the notifier's queue `alerts`.

    `archive` journals dead letters before they expire (`scheduler/old_letters.py`). `imported_at` returns when the latest
    import has ended, None without one.
    """

    shop: str
    zone: tzinfo
    runs: DailyRunStore
    members: MemberStore
    measures: MeasuresStore
    member_scan: Scan[Member]
    sync_status_scan: Scan[tuple[str, str]]
    kpis: KpiStore
    changes: MessageSender
    alerts: MessageSender
    telemetry: Telemetry
    archive: Callable[[DailyRun, Context], None] = lambda _run, _context: None
    imported_at: Callable[[], datetime | None] = lambda: None

    def advance(self, now: datetime, context: Context) -> str:
        """Do what is due at `now` while there is time; return the phase that the run is in.

        Raises:
            ConflictError: another tick has saved more progress than this one has read.
            TransientError: not now; the next tick continues.

        """
        _, rules = self.members.load(())
        run = self._current(now, rules)
        while run.phase != "done" and context.get_remaining_time_in_millis() > NEEDED_MS:
            run = self._save(self._step(run, rules, context))
            if run.phase in {"high_value", "done"}:
                _, rules = self.members.load(())
            if run.phase == "done":
                run = self._current(now, rules)
        return run.phase

    def _current(self, now: datetime, rules: Rules) -> DailyRun:
        """Return the run to make now: the one that was begun, else the next one that is due."""
        day = calendar.latest(now, rules.digest_at, self.zone)
        due = calendar.moment(day, rules.digest_at, self.zone)
        known = self.runs.load()
        if known is None or known.day - calendar.DAY > day:
            # Nothing is due from before the first tick; and a clock that is set back begins anew.
            version = known.version if known else 0
            first = DailyRun(
                day=day, begin=due, end=due, digest_day=day - calendar.DAY, phase="done", version=version
            )
            return self._save(first)
        if known.phase != "done":
            return known
        imported = self.imported_at()
        following = DailyRun(
            day=known.day,
            begin=known.end,
            end=known.end,
            digest_day=known.digest_day,
            measured_import=imported,
            told=known.told,
            version=known.version,
        )
        if known.day < day and due > known.end:
            return replace(following, day=day, end=due)
        return known if imported in {None, known.measured_import} else following

    def _step(self, run: DailyRun, rules: Rules, context: Context) -> DailyRun:
        match run.phase:
            case "members":
                return self._members(run, rules)
            case "high_value":
                return self._high_value(run, rules)
            case "sync_states":
                page = self.sync_status_scan.page(run.cursor)
                totals = run.totals.with_mirrors(page.items)
                return _advanced(replace(run, totals=totals), page.cursor, "digest")
            case "digest":
                self._send_digests(run)
                return replace(
                    run,
                    told=self._tell_of_crms(run),
                    phase="letters",
                    digest_day=run.day - calendar.DAY,
                    totals=DailyTotals(),
                    counts=Counts(),
                    measures=None,
                )
            case _:
                self.archive(run, context)
                return replace(run, phase="done")

    def _members(self, run: DailyRun, rules: Rules) -> DailyRun:
        page = self.member_scan.page(run.cursor)
        # As of the first page: once the new ones are written, a repetition must still know whose flag they change.
        run = replace(run, measures=run.measures or rules.measures)
        window = Window(begin=run.begin, end=run.end, zone=self.zone)
        self._send_reminders(page.items, rules, window)
        totals, counts = run.totals, run.counts
        for member in page.items:
            totals = add_member(totals, member, rules, window)
            counts = add_to_counts(counts, member, rules, window.end)
        if page.unreadable:
            # Newer code has written them, in the middle of a deployment; the other members need not wait.
            self.telemetry.outcome("unreadable_members", event_id=None, topic=None, number=page.unreadable)
        run = replace(run, totals=totals, counts=counts)
        is_over = page.cursor is None
        return _advanced(
            run, page.cursor, "high_value" if is_over and self._measure(run, rules) else _after_measuring(run)
        )

    def _measure(self, run: DailyRun, rules: Rules) -> bool:
        """Write the programme's measures; return whether they differ from those with which the run began."""
        before = run.measures or rules.measures
        found = measured(run.counts, before, rules.currency, run.end.astimezone(self.zone).date())
        if found != rules.measures:
            self.measures.store_measures(found)
        return found != before

    def _high_value(self, run: DailyRun, rules: Rules) -> DailyRun:
        """Send the CRMs the members that the new measures make valuable or ordinary, so that their flag follows.

        As a back-fill: it starts no flow, since nothing happened to these members.
        """
        before = rules.model_copy(update={"measures": run.measures or rules.measures})
        page = self.member_scan.page(run.cursor)
        flipped = [m for m in page.items if is_high_value(m, before) != is_high_value(m, rules)]
        changes = [MemberChanged(member=member.key, backfill=True) for member in flipped]
        _send_all(self.changes, [OutgoingMessage(body=dump(change)) for change in changes])
        return _advanced(run, page.cursor, _after_measuring(run))

    def _send_reminders(self, members: Sequence[Member], rules: Rules, window: Window) -> None:
        changes: list[OutgoingMessage] = []
        alerts: list[OutgoingMessage] = []
        for member in members:
            due = Outbox(member=member.key, changed=False, events=tuple(reminders(member, rules, window)))
            changes += changes_of(due)
            alerts += alerts_of(due)
        _send_all(self.alerts, alerts)
        _send_all(self.changes, changes)

    def _send_digests(self, run: DailyRun) -> None:
        """Send the digests of the days that have ended since; the last one has the present state as well."""
        last = run.day - calendar.DAY
        missed = [day for back in range(MISSED_DAYS) if (day := last - back * calendar.DAY) > run.digest_day]
        digests = [
            self._digest(day, run.end, run.totals if day == last else None) for day in reversed(missed)
        ]
        messages = [
            OutgoingMessage(body=dump(digest), header=MessageHeader(topic=DIGEST_TOPIC))
            for digest in digests
            if digest.lines
        ]
        _send_all(self.alerts, messages)

    def _tell_of_crms(self, run: DailyRun) -> tuple[str, ...]:
        """Send what people must know of the CRMs; return what they were told and is not over."""
        alerts, told = crm_alerts(run.totals, run.told, shop=self.shop, day=run.day, at=run.end)
        messages = [
            OutgoingMessage(
                body=dump(alert), header=MessageHeader(event_id=alert.event_id, topic=alert.topic)
            )
            for alert in alerts
        ]
        _send_all(self.alerts, messages)
        return told

    def _digest(self, day: date, at: datetime, totals: DailyTotals | None) -> DailyDigest:
        begin, end = calendar.bounds(day, self.zone)
        week_before = calendar.bounds(day - 7 * calendar.DAY, self.zone)
        return DailyDigest(
            id=f"digest:{self.shop}:{day.isoformat()}",
            at=at,
            day=day,
            lines=digest_lines(self.kpis.between(begin, end), totals, self.kpis.between(*week_before)),
        )

    def _save(self, run: DailyRun) -> DailyRun:
        self.runs.save(run)
        return replace(run, version=run.version + 1)


def _after_measuring(run: DailyRun) -> Phase:
    return "done" if run.only_measures else "sync_states"


def _advanced(run: DailyRun, cursor: str | None, following: Phase) -> DailyRun:
    """Return the run after a page: further on in the same phase, or at the beginning of the next."""
    return replace(run, cursor=cursor, phase=run.phase if cursor else following)


def _send_all(target: MessageSender, messages: Sequence[OutgoingMessage]) -> None:
    """Send messages and raise the first refusal: the next tick then sends all of the page again."""
    for refusal in target.send(messages) if messages else ():
        if refusal is not None:
            raise refusal
