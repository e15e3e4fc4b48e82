"""Finds fields that were edited in a CRM, corrects them, and reports them.

A run reads all members that the CRM should hold, page by page. Each page is one message on the target's own queue, and
sends the next one. So an audit is processed among the changes, keeps the CRM's rate limits, waits while the CRM is
down, and continues after the end of any invocation. A page that takes more than the time allows becomes another step. A
member with a change under way is skipped: that change writes it.

The fields are ours, so what differs is overwritten. A missing contact is made again where the rules say so
(`remake_contacts`); else its member is refused as `contact_deleted`. A member that could not be
repaired at once is sent to the queue and tried again. So is every member with an uncertain state that no call is
writing: after a failed call, an invocation that ended early, or a refusal to clear. How many members and which fields
is stored in the mirrors table (`relay mirror status`); never a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Final

from relay.crm.backfill import backfill_change
from relay.crm.claimed_write import ClaimedWrite, SyncResult, has_state, is_current
from relay.errors import PermanentError, TransientError
from relay.model import calendar
from relay.model.header import MessageHeader
from relay.model.messages import AuditStep, dump, load
from relay.ports.crm import NOT_READABLE, ContactRef
from relay.ports.crm_state import SyncState, SyncStateScan
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.queues.batch import Context, Message
from relay.rules.crm_profile import NOT_COMPARED, CrmProfile

AUDIT_TOPIC: Final = "relay.audit"
"""The topic of the message by which `crm_sync` does one step of an audit."""

NEEDED_MS: Final = 40_000
_REPAIR_MS: Final = 25_000
"""One batch of repairs takes no longer."""

_ABANDONED: Final = timedelta(hours=6)
"""A run without progress for this long is over, and another may begin."""

_AT: Final = time(3)
_DUE_FOR: Final = timedelta(hours=3)
"""The clock starts the week's audit at every tick for this long, so that a missed tick does not cost the audit."""

_REPAIRED: Final = ("mirrored", "skipped")
_FINAL: Final = (*_REPAIRED, "refused")
"""A refusal concerns the member itself: `relay mirror status` shows it, and another attempt would not change it."""


def due(now: datetime, zone: tzinfo) -> datetime | None:
    """Return the time that names this week's audit (Monday, 3:00 in the shop's zone) while it is due, else None."""
    day = calendar.latest(now, _AT, zone)
    week = calendar.moment(day - day.weekday() * calendar.DAY, _AT, zone)
    return week if now - week < _DUE_FOR else None


def start(queue: MessageSender, at: datetime) -> None:
    """Start an audit of the target behind this queue; `at` names the run, so that starting it twice has no effect.

    Raises:
        TransientError: the queue did not take the message.

    """
    (refusal,) = queue.send([message(AuditStep(run=at))])
    if refusal:
        raise TransientError("the audit could not be started") from refusal


def message(audit: AuditStep) -> OutgoingMessage:
    """Return the message of a step."""
    return OutgoingMessage(body=dump(audit), header=MessageHeader(topic=AUDIT_TOPIC))


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A page's certain members, by key: their profiles, the fields that differ in the CRM, and what to write again."""

    profiles: Mapping[str, CrmProfile]
    differing: Mapping[str, tuple[str, ...]]
    wrong: Mapping[str, CrmProfile]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmAudit:
    """Audits of one CRM. `queue` is the target's own."""

    writer: ClaimedWrite
    sync_state_scan: SyncStateScan
    queue: MessageSender

    def run(self, received: Message, context: Context) -> Exception | None:
        """Do one step and send the next, as a command of `crm_sync`."""
        try:
            audit = load(AuditStep, received.body)
            if context.get_remaining_time_in_millis() < NEEDED_MS:
                return TransientError("an audit's step needs a whole invocation", retry_after=1)
            if self._is_over(audit):
                return None
            after = self.step(audit, context)
            if not after.finished:
                # Send the next step before storing the progress: a crash between the two sends the step twice, and
                # the second finds that it is over. In the other order the run would end here.
                (refusal,) = self.queue.send([message(after)])
                if refusal:
                    return TransientError("an audit's next step could not be sent")
            self.sync_state_scan.save_run("audit", progress(after, self.writer.clock()))
        except (PermanentError, TransientError) as error:
            # A target that cannot be read is not audited, and nothing is wrong with the message.
            unreadable = isinstance(error, PermanentError) and error.reason == NOT_READABLE
            return None if unreadable else error
        return None

    def step(self, audit: AuditStep, context: Context) -> AuditStep:
        """Audit one page, or as much of it as there is time for; return the next step, or the `finished` last one.

        Raises:
            TransientError: the CRM, a table or the queue does not answer.

        """
        page = self.sync_state_scan.page(audit.cursor)
        sync_states = dict(page.items)
        comparison = self._compare(sync_states)
        results = self._repair(comparison.wrong, context)
        whole = len(results) == len(comparison.wrong)
        again = [key for key, result in results.items() if not has_state(result, *_FINAL)]
        again += self._uncertain(sync_states, comparison.profiles) if whole else []
        self._enqueue(again)
        fields = Counter(name for key in results for name in comparison.differing.get(key, ()))
        return replace(
            audit,
            step=audit.step + 1,
            # What was repaired no longer differs, so the same page again continues where this step ended.
            cursor=page.cursor if whole else audit.cursor,
            finished=whole and page.cursor is None,
            read=audit.read + (len(comparison.profiles) if whole else 0),
            edited=audit.edited + len(results.keys() & comparison.differing.keys()),
            missing=audit.missing + len(results.keys() - comparison.differing.keys()),
            repaired=audit.repaired + sum(has_state(result, *_REPAIRED) for result in results.values()),
            again=audit.again + len(again),
            fields=dict(Counter(audit.fields) + fields),
        )

    def _is_over(self, audit: AuditStep) -> bool:
        """Return whether this step is done already, or another run is under way."""
        stored = self.sync_state_scan.load_run("audit")
        if not stored:
            return False
        if stored["run"] == audit.run.isoformat():
            return int(stored["step"]) > audit.step
        if audit.step:
            return True
        latest = datetime.fromisoformat(stored["at"])
        return not stored["finished"] and self.writer.clock() - latest < _ABANDONED

    def _compare(self, sync_states: Mapping[str, SyncState]) -> _Comparison:
        """Read what the CRM holds of a page's members, and compare it with their records."""
        contacts = {
            key: ContactRef(key=key, id=sync_state.id, email=sync_state.email)
            for key, sync_state in sync_states.items()
            if sync_state.state == "mirrored"
        }
        profiles = self.writer.profiles(list(contacts)) if contacts else {}
        current = {key: profile for key, profile in profiles.items() if is_current(sync_states[key], profile)}
        crm = self.writer.crm
        found = crm.read([contacts[key] for key in current]) if current else {}
        named = [key for key in current if key in found]
        if named:
            crm.fill_names([current[key] for key in named], [contacts[key] for key in named])
        differing = {
            key: names
            for key, profile in current.items()
            if key in found and (names := differences(crm.expected_fields(profile), found[key]))
        }
        missing = [key for key in current if key not in found]
        return _Comparison(current, differing, {key: current[key] for key in [*differing, *missing]})

    def _repair(self, wrong: Mapping[str, CrmProfile], context: Context) -> dict[str, SyncResult]:
        """Write these members while there is time, at least one call; return the results of those that were tried."""
        size = self.writer.crm.batch_size
        keys: Sequence[str] = list(wrong)
        results: dict[str, SyncResult] = {}
        for begin in range(0, len(keys), size):
            left = context.get_remaining_time_in_millis()
            if results and left < _REPAIR_MS:
                break
            batch = {key: wrong[key] for key in keys[begin : begin + size]}
            results |= self.writer.write(batch, left=timedelta(milliseconds=left))
        return results

    def _uncertain(
        self, sync_states: Mapping[str, SyncState], current: Mapping[str, CrmProfile]
    ) -> list[str]:
        """Return the members whose state in the CRM is uncertain, and that no call is writing."""
        now = self.writer.clock()
        return [
            key
            for key, sync_state in sync_states.items()
            if key not in current
            and sync_state.state != "waiting"  # it has a schedule of its own
            and (sync_state.digest is None or sync_state.claimed_until is not None)
            and (sync_state.claimed_until is None or sync_state.claimed_until <= now)
        ]

    def _enqueue(self, keys: Sequence[str]) -> None:
        if keys and any(self.queue.send([backfill_change(key) for key in keys])):
            raise TransientError("the target's queue does not take its messages")


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the fields whose value in a CRM is not the one that we wrote."""
    return tuple(
        name for name in sorted({*ours, *theirs} - NOT_COMPARED) if ours.get(name, "") != theirs.get(name, "")
    )


def progress(audit: AuditStep, now: datetime) -> dict[str, Any]:
    """Return a run's progress after this step, as the table stores it and `relay mirror status` shows it."""
    return {
        "run": audit.run.isoformat(),
        "step": audit.step,
        "at": now.isoformat(timespec="seconds"),
        "finished": audit.finished,
        "read": audit.read,
        "edited": audit.edited,
        "missing": audit.missing,
        "repaired": audit.repaired,
        "again": audit.again,
        "fields": dict(audit.fields),
    }
