"""What was edited in a CRM behind our back is found by reading it, put right, and reported.

A run reads all members that the CRM should hold, page by page. Each page is one message on the target's
own queue, which sends the next: so it takes its turn among the changes, keeps the CRM's rate, waits out an
outage, and survives the end of any function. A member with a change under way is left to that change.

The fields are ours, so what differs is overwritten; a contact that is gone is made again. How many, and
which fields, is noted in the mirrors table (`relay mirror status`); never a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Final

from relay import days
from relay.batch import Context, Message
from relay.canonical import NOT_COMPARED, Profile
from relay.changes import Audit, dump, load
from relay.errors import PermanentError, TransientError
from relay.ports.crm import NOT_READABLE, Home, Outcome
from relay.ports.mirrors import Inventory
from relay.ports.outgoing import Outgoing, OutgoingMessage
from relay.writing import Writing, holds

ERRAND: Final = "audit"
"""What a message says of itself in its attribute `errand`."""

NEEDED_MS: Final = 40_000
_ABANDONED: Final = timedelta(hours=6)
"""A run that was not heard of for so long is over, and another may begin."""

_AT: Final = time(3)
_ASKED_FOR: Final = timedelta(hours=3)
"""So long the clock asks at every tick, so that a tick that is missed costs no week's audit."""


def due(now: datetime, zone: tzinfo) -> datetime | None:
    """Return the week's audit that is to be asked for now: it is of Monday, three o'clock by the shop's clock."""
    day = days.latest(now, _AT, zone)
    week = days.moment(day - day.weekday() * days.DAY, _AT, zone)
    return week if now - week < _ASKED_FOR else None


def start(queue: Outgoing, at: datetime) -> None:
    """Ask for an audit of the target behind this queue; `at` names the run, so that asking twice is asking once.

    Raises:
        TransientError: when the queue did not take it.

    """
    (refusal,) = queue.send([message(Audit(run=at))])
    if refusal:
        raise TransientError("the audit could not be asked for") from refusal


def message(audit: Audit) -> OutgoingMessage:
    """Return a step as it travels."""
    return OutgoingMessage(body=dump(audit), attributes={"errand": ERRAND})


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, ...]:
    """Return the fields in which a CRM shows something else than we wrote."""
    return tuple(
        name for name in sorted({*ours, *theirs} - NOT_COMPARED) if ours.get(name, "") != theirs.get(name, "")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditing:
    """Audits of one CRM. `queue` is its own."""

    writing: Writing
    inventory: Inventory
    queue: Outgoing

    def run(self, received: Message, context: Context) -> Exception | None:
        """Do one step and send the next, as an errand of `crm_sync`."""
        try:
            audit = load(Audit, received.body)
            if context.get_remaining_time_in_millis() < NEEDED_MS:
                return TransientError("an audit's step needs a whole invocation", retry_after=1)
            if self._is_over(audit):
                return None
            after = self.step(audit)
            if after.cursor:
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

    def step(self, audit: Audit) -> Audit:
        """Audit one page; return the next step, without a cursor where this was the last.

        Raises:
            TransientError: when something cannot be read now.

        """
        page = self.inventory.page(audit.cursor)
        homes = {
            key: Home(key=key, id=mirror.id, email=mirror.email)
            for key, mirror in page.mirrors.items()
            if mirror.state == "mirrored"
        }
        profiles = self.writing.profiles(list(homes)) if homes else {}
        settled = [key for key, wanted in profiles.items() if holds(page.mirrors[key], wanted)]
        theirs = self.writing.crm.read([homes[key] for key in settled]) if settled else {}
        differing = {
            key: differences(self.writing.crm.shown(profiles[key]), theirs[key])
            for key in settled
            if key in theirs
        }
        missing = [key for key in settled if key not in theirs]
        edited = [key for key, names in differing.items() if names]
        repaired = self._repair({key: profiles[key] for key in [*edited, *missing]})
        found = Counter(name for names in differing.values() for name in names)
        return replace(
            audit,
            step=audit.step + 1,
            cursor=page.cursor,
            read=audit.read + len(settled),
            edited=audit.edited + len(edited),
            missing=audit.missing + len(missing),
            repaired=audit.repaired + repaired,
            fields=dict(Counter(audit.fields) + found),
        )

    def _repair(self, wrong: Mapping[str, Profile]) -> int:
        size = self.writing.crm.batch_size
        keys: Sequence[str] = list(wrong)
        repaired = 0
        for begin in range(0, len(keys), size):
            batch = {key: wrong[key] for key in keys[begin : begin + size]}
            standings = self.writing.write(batch, left=timedelta(milliseconds=NEEDED_MS))
            repaired += sum(
                isinstance(standing, Outcome) and standing.state == "mirrored"
                for standing in standings.values()
            )
        return repaired

    def _is_over(self, audit: Audit) -> bool:
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


def report(audit: Audit, now: datetime) -> dict[str, Any]:
    """Return where a run stands after this step, for the table and for people."""
    return {
        "run": audit.run.isoformat(),
        "step": audit.step,
        "at": now.isoformat(timespec="seconds"),
        "finished": audit.cursor is None,
        "read": audit.read,
        "edited": audit.edited,
        "missing": audit.missing,
        "repaired": audit.repaired,
        "fields": dict(audit.fields),
    }
