"""What each write of the members table has to tell, and to ask, sent in the order of the writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relay.errors import PermanentError, TransientError
from relay.model.effects import Alert, Note, Recheck, effect_id
from relay.model.kpis import kpi_events, writes_by_hour
from relay.model.messages import (
    AlertMessage,
    EventEffects,
    GrantRequest,
    MemberChanged,
    Outbox,
    RecheckRequest,
    dump,
    load,
)
from relay.ports.kpis import KpiStore
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.ports.runtime import Telemetry
from relay.queues.requests import GrantQueue, RecheckQueue, grants_of
from relay.rules.timeline import with_common_properties


@dataclass(frozen=True, slots=True)
class _Write:
    """One write of the table: its place in the stream, and what it has to tell."""

    sequence: str
    outbox: Outbox | None
    readable: bool = True


def fan_out(  # noqa: PLR0913 - what was written, and each way on which it can be told
    records: Sequence[Mapping[str, Any]],
    changes: MessageSender,
    alerts: MessageSender,
    telemetry: Telemetry,
    rechecks: RecheckQueue | None = None,
    *,
    figures: KpiStore | None = None,
    grants: GrantQueue | None = None,
) -> str | None:
    """Send changes and alerts of the writes; return the sequence number of the first that was not sent.

    `figures` keeps what is counted; None counts nothing. `rechecks` and `grants` are None where no API is
    configured: then nobody could answer, and doubts are left alone; nobody could grant, and what a rule
    wanted granted is told as `grant_without_api`.

    Lambda then hands out that write and all after it again, so nothing is skipped over.
    """
    writes = [_read(record, telemetry) for record in records]
    told = [(write, write.outbox) for write in writes if write.outbox]
    alert_messages = [(write, message) for write, outbox in told for message in alerts_of(outbox)]
    change_messages = [(write, message) for write, outbox in told for message in changes_of(outbox)]
    failed = {write.sequence for write in writes if not write.readable}
    ways: list[tuple[list[tuple[_Write, OutgoingMessage]], MessageSender]] = [
        (alert_messages, alerts),
        (change_messages, changes),
    ]
    if rechecks:
        asking = [(write, rechecks.message(doubt)) for write in writes for doubt in _doubts(write)]
        ways.append((asking, rechecks.queue))
    wanted = [(write, grant) for write in writes for grant in grants_of(write.outbox)]
    if grants:
        ways.append(([(write, grants.message(grant)) for write, grant in wanted], grants.queue))
    else:
        _tell_of_no_api([grant for _, grant in wanted], telemetry)
    for pairs, target in ways:
        answers = target.send([message for _, message in pairs]) if pairs else []
        for (write, _), refusal in zip(pairs, answers, strict=True):
            if refusal is not None:
                failed.add(write.sequence)
                telemetry.outcome("not_sent", event_id=None, topic=None, reason=str(refusal))
    if figures:
        failed |= _count(writes, figures, telemetry)
    return next((write.sequence for write in writes if write.sequence in failed), None)


def _count(writes: Sequence[_Write], figures: KpiStore, telemetry: Telemetry) -> set[str]:
    """Keep the writes' figures; returns the writes of those that were refused."""
    pairs = [(write, figure) for write in writes if write.outbox for figure in kpi_events(write.outbox)]
    answers = figures.put([figure for _, figure in pairs]) if pairs else []
    failed = set()
    for (write, _), refusal in zip(pairs, answers, strict=True):
        if refusal is not None:
            failed.add(write.sequence)
            telemetry.outcome("kpi_not_stored", event_id=None, topic=None, reason=str(refusal))
    try:
        figures.add_webhooks(writes_by_hour(write.outbox for write in writes if write.outbox))
    except TransientError as error:
        # Nobody reads these to the unit: what is missing of an hour does not make it a silent one.
        telemetry.outcome("webhook_count_not_stored", event_id=None, topic=None, reason=str(error))
    return failed


def _tell_of_no_api(grants: Sequence[GrantRequest], telemetry: Telemetry) -> None:
    """Say what a merchant has switched on and nobody can do: it must not just be missing."""
    for grant in grants:
        telemetry.outcome(
            "grant_without_api",
            event_id=grant.event_id,
            topic=grant.topic,
            member=grant.member,
            rule=grant.rule,
        )


def _read(record: Mapping[str, Any], telemetry: Telemetry) -> _Write:
    stream = record["dynamodb"]
    written = stream.get("NewImage", {}).get("o", {}).get("S")
    try:
        outbox = load(Outbox, written) if written else None
    except PermanentError as error:
        # Most likely a newer function wrote what this older one cannot read yet, in the middle of a
        # deployment: handed out again it is read. Skipped, its alerts would be gone for good.
        telemetry.outcome("unreadable_outbox", event_id=None, topic=None, reason=str(error))
        return _Write(stream["SequenceNumber"], None, readable=False)
    return _Write(stream["SequenceNumber"], outbox)


def changes_of(outbox: Outbox) -> list[OutgoingMessage]:
    """Name the member that changed, with its notes; nothing where nothing that anybody mirrors changed."""
    noted = tuple(
        EventEffects(
            event_id=event_effects.event_id,
            topic=event_effects.topic,
            at=event_effects.at,
            effects=tuple(
                with_common_properties(
                    effect, member=outbox.member, event_id=event_effects.event_id, at=event_effects.at
                )
                for effect in event_effects.effects
                if isinstance(effect, Note)
            ),
        )
        for event_effects in outbox.events
    )
    events = tuple(event_effects for event_effects in noted if event_effects.effects)
    if not (outbox.changed or events):
        return []
    return [OutgoingMessage(body=dump(MemberChanged(member=outbox.member, events=events)), attributes={})]


def _doubts(write: _Write) -> list[RecheckRequest]:
    if write.outbox is None:
        return []
    return [
        RecheckRequest(member=write.outbox.member, reason=effect.reason)
        for event_effects in write.outbox.events
        for effect in event_effects.effects
        if isinstance(effect, Recheck)
    ]


def alerts_of(outbox: Outbox) -> list[OutgoingMessage]:
    """Return what people are told, each for the notifier."""
    return [
        OutgoingMessage(
            body=dump(
                AlertMessage(
                    id=effect_id(event_effects.event_id, effect),
                    event_id=event_effects.event_id,
                    topic=event_effects.topic,
                    member=outbox.member,
                    at=event_effects.at,
                    alert=effect,
                )
            ),
            attributes={"event_id": event_effects.event_id, "topic": event_effects.topic},
        )
        for event_effects in outbox.events
        for effect in event_effects.effects
        if isinstance(effect, Alert)
    ]
