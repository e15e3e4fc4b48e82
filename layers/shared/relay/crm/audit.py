"""What was edited in a CRM behind our back is found by reading it, put right, and reported.

A run reads all members that the CRM should hold, page by page. Each page is one message on the target's
own queue, which sends the next: so it takes its turn among the changes, keeps the CRM's rate, waits out an
outage, and survives the end of any function. A page that is more than the time allows is another step. A
member with a change under way is left to that change.

The fields are ours, so what differs is overwritten; a contact that is gone is made again. Whoever could
not be repaired at once is named to the queue, which has the patience. So is everybody of whom nobody is
sure though nobody is writing: a call that failed, a worker that died, a refusal to clear. How many, and
which fields, is noted in the mirrors table (`relay mirror status`); never a value.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Final

from relay.crm.claimed_write import ClaimedWrite
from relay.crm.repair import LASTING, REPAIRED, MirrorRepair, has_state
from relay.errors import PermanentError, TransientError
from relay.model import calendar
from relay.model.header import MessageHeader
from relay.model.messages import AuditStep, dump, load
from relay.ports.crm import NOT_READABLE
from relay.ports.crm_state import SyncStateScan
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.queues.batch import Context, Message

AUDIT_COMMAND: Final = "relay.audit"
"""The topic of an audit's message."""

NEEDED_MS: Final = 40_000
_ABANDONED: Final = timedelta(hours=6)
"""A run that was not heard of for so long is over, and another may begin."""

_AT: Final = time(3)
_ASKED_FOR: Final = timedelta(hours=3)
"""So long the clock asks at every tick, so that a tick that is missed costs no week's audit."""


def due(now: datetime, zone: tzinfo) -> datetime | None:
    """Return the week's audit that is to be asked for now: it is of Monday, three o'clock by the shop's clock."""
    day = calendar.latest(now, _AT, zone)
    week = calendar.moment(day - day.weekday() * calendar.DAY, _AT, zone)
    return week if now - week < _ASKED_FOR else None


def start(queue: MessageSender, at: datetime) -> None:
    """Ask for an audit of the target behind this queue; `at` names the run, so that asking twice is asking once.

    Raises:
        TransientError: when the queue did not take it.

    """
    (refusal,) = queue.send([message(AuditStep(run=at))])
    if refusal:
        raise TransientError("the audit could not be asked for") from refusal


def message(audit: AuditStep) -> OutgoingMessage:
    """Return a step as it travels."""
    return OutgoingMessage(body=dump(audit), header=MessageHeader(topic=AUDIT_COMMAND))


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmAudit:
    """Audits of one CRM. `queue` is its own."""

    writing: ClaimedWrite
    inventory: SyncStateScan
    queue: MessageSender

    def run(self, received: Message, context: Context) -> Exception | None:
        """Do one step and send the next, as an errand of `crm_sync`."""
        try:
            audit = load(AuditStep, received.body)
            if context.get_remaining_time_in_millis() < NEEDED_MS:
                return TransientError("an audit's step needs a whole invocation", retry_after=1)
            if self._is_over(audit):
                return None
            after = self.step(audit, context)
            if not after.finished:
                # First the next step, then the note: a crash between the two sends it twice, and the
                # second finds that it is over; the other way round the run would end here.
                (refusal,) = self.queue.send([message(after)])
                if refusal:
                    return TransientError("an audit's next step could not be sent")
            self.inventory.note("audit", report(after, self.writing.clock()))
        except (PermanentError, TransientError) as error:
            # Who can be told and never asked is not audited, and nothing is wrong with the message.
            told_only = isinstance(error, PermanentError) and error.reason == NOT_READABLE
            return None if told_only else error
        return None

    def step(self, audit: AuditStep, context: Context) -> AuditStep:
        """Audit one page, or as much of it as there is time for; return the next step, `finished` where there is none.

        Raises:
            TransientError: when something cannot be read now.

        """
        page = self.inventory.page(audit.cursor)
        repairs = MirrorRepair(self.writing, self.queue)
        look = repairs.look(page)
        tried = repairs.repair(look.wrong, context)
        whole = len(tried) == len(look.wrong)
        again = [key for key, standing in tried.items() if not has_state(standing, LASTING)]
        again += repairs.unsure(page, look.profiles) if whole else []
        repairs.name(again)
        found = Counter(name for key in tried for name in look.differing.get(key, ()))
        return replace(
            audit,
            step=audit.step + 1,
            # What was repaired differs no more, so the same page again goes on where this step ended.
            cursor=page.cursor if whole else audit.cursor,
            finished=whole and page.cursor is None,
            read=audit.read + (len(look.profiles) if whole else 0),
            edited=audit.edited + len(tried.keys() & look.differing.keys()),
            missing=audit.missing + len(tried.keys() - look.differing.keys()),
            repaired=audit.repaired + sum(has_state(standing, REPAIRED) for standing in tried.values()),
            again=audit.again + len(again),
            fields=dict(Counter(audit.fields) + found),
        )

    def _is_over(self, audit: AuditStep) -> bool:
        """Say whether this step is done already, or another run is under way."""
        noted = self.inventory.run("audit")
        if not noted:
            return False
        if noted["run"] == audit.run.isoformat():
            return int(noted["step"]) > audit.step
        if audit.step:
            return True
        heard = datetime.fromisoformat(noted["at"])
        return not noted["finished"] and self.writing.clock() - heard < _ABANDONED


def report(audit: AuditStep, now: datetime) -> dict[str, Any]:
    """Return where a run stands after this step, for the table and for people."""
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
