"""Sends the outbox of each write of the members table, in the order of the writes.

Changes go to the CRMs, alerts to the notifier, rechecks to `reconcile`, grants to `grants`; what is counted goes
to the table of KPIs.

What cannot be sent now stops the shard, and Lambda brings it again. What can never be sent goes to the dead letters,
with the message itself, and the shard goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from relay.errors import PermanentError, TransientError
from relay.model.effects import Alert, Note, Recheck, effect_id
from relay.model.header import MessageHeader
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
from relay.queues.requests import GrantQueue, RecheckQueue, change_message, grants_of
from relay.rules.timeline import with_common_properties


@dataclass(frozen=True, slots=True)
class _Write:
    """One write of the table: its place in the stream, and its outbox."""

    sequence: str
    outbox: Outbox | None
    readable: bool = True


_Pairs: TypeAlias = Sequence[tuple[_Write, OutgoingMessage]]


def fan_out(  # noqa: PLR0913 - the records, and every destination by its name
    records: Sequence[Mapping[str, Any]],
    changes: MessageSender,
    alerts: MessageSender,
    telemetry: Telemetry,
    rechecks: RecheckQueue | None = None,
    *,
    kpis: KpiStore | None = None,
    grants: GrantQueue | None = None,
    dead_letters: MessageSender | None = None,
) -> str | None:
    """Send everything that these records of the stream carry; return the sequence number of the first that failed.

    Lambda then delivers that write and all after it again, so none is skipped. `rechecks` and `grants` are None
    where no API is configured: rechecks are then left out, and a grant is logged as `grant_without_api`. Without
    `kpis` nothing is counted.
    """
    writes = [_read(record, telemetry) for record in records]
    outboxes = [(write, write.outbox) for write in writes if write.outbox]
    grant_pairs = [(write, grant) for write, outbox in outboxes for grant in grants_of(outbox)]
    batches: list[tuple[str, _Pairs, MessageSender]] = [
        ("alerts", [(write, message) for write, outbox in outboxes for message in alerts_of(outbox)], alerts),
        (
            "changes",
            [(write, message) for write, outbox in outboxes for message in changes_of(outbox)],
            changes,
        ),
    ]
    if rechecks:
        requests = [
            (write, rechecks.message(request))
            for write, outbox in outboxes
            for request in _rechecks_of(outbox)
        ]
        batches.append(("reconcile", requests, rechecks.queue))
    if grants:
        messages = [(write, grants.message(grant)) for write, grant in grant_pairs]
        batches.append(("grants", messages, grants.queue))
    else:
        _log_without_api([grant for _, grant in grant_pairs], telemetry)
    failed = {write.sequence for write in writes if not write.readable}
    for name, pairs, target in batches:
        failed |= _send(name, pairs, target, dead_letters, telemetry)
    if kpis:
        failed |= _count(outboxes, kpis, telemetry)
    return next((write.sequence for write in writes if write.sequence in failed), None)


def _send(
    name: str,
    pairs: _Pairs,
    target: MessageSender,
    dead_letters: MessageSender | None,
    telemetry: Telemetry,
) -> set[str]:
    """Send the messages to the target of this name; return the sequence numbers of the writes that have to come again."""
    refusals = target.send([message for _, message in pairs]) if pairs else []
    failed = set()
    never: list[tuple[_Write, OutgoingMessage]] = []
    for (write, message), refusal in zip(pairs, refusals, strict=True):
        if refusal is None:
            continue
        telemetry.outcome("not_sent", event_id=None, topic=None, reason=str(refusal))
        if isinstance(refusal, PermanentError) and dead_letters:
            never.append((write, _letter(name, message, refusal)))
        else:
            failed.add(write.sequence)
    if never and dead_letters:
        answers = dead_letters.send([letter for _, letter in never])
        for (write, letter), answer in zip(never, answers, strict=True):
            if isinstance(answer, PermanentError):
                # Too large even for the dead letters. The journal has the event; the shard must not stand for it.
                event_id, topic = letter.header.event_id, letter.header.topic
                telemetry.outcome("never_sent", event_id=event_id, topic=topic, target=name)
            elif answer:
                failed.add(write.sequence)
    return failed


def _letter(name: str, message: OutgoingMessage, refusal: PermanentError) -> OutgoingMessage:
    header = replace(message.header, source_queue=name, reason=refusal.reason, error=type(refusal).__name__)
    return OutgoingMessage(body=message.body, header=header)


def _count(outboxes: Sequence[tuple[_Write, Outbox]], kpis: KpiStore, telemetry: Telemetry) -> set[str]:
    """Store what is counted; return the sequence numbers of the writes of what was refused."""
    pairs = [(write, kpi) for write, outbox in outboxes for kpi in kpi_events(outbox)]
    refusals = kpis.put([kpi for _, kpi in pairs]) if pairs else []
    failed = set()
    for (write, _), refusal in zip(pairs, refusals, strict=True):
        if refusal is not None:
            telemetry.outcome("kpi_not_stored", event_id=None, topic=None, reason=str(refusal))
            if not isinstance(refusal, PermanentError):
                # A count that the table will never take is logged and left out: the shard goes on.
                failed.add(write.sequence)
    try:
        kpis.add_webhooks(writes_by_hour(outbox for _, outbox in outboxes))
    except (PermanentError, TransientError) as error:
        # These counts serve only to detect silence: a few that are missing do not make an hour a silent one.
        telemetry.outcome("webhook_count_not_stored", event_id=None, topic=None, reason=str(error))
    return failed


def _log_without_api(grants: Sequence[GrantRequest], telemetry: Telemetry) -> None:
    """Log grants that a merchant's rules want and that no API is configured for: they must not go unnoticed."""
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
        # deployment: delivered again, it is read. Skipped, its alerts would be lost.
        telemetry.outcome("unreadable_outbox", event_id=None, topic=None, reason=str(error))
        return _Write(stream["SequenceNumber"], None, readable=False)
    return _Write(stream["SequenceNumber"], outbox)


def changes_of(outbox: Outbox) -> list[OutgoingMessage]:
    """Return the change of the member with its notes; none where nothing changed that a CRM shows."""
    with_notes = tuple(
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
    events = tuple(event_effects for event_effects in with_notes if event_effects.effects)
    if not (outbox.changed or events):
        return []
    return [change_message(MemberChanged(member=outbox.member, events=events, backfill=outbox.backfill))]


def _rechecks_of(outbox: Outbox) -> list[RecheckRequest]:
    return [
        RecheckRequest(member=outbox.member, reason=effect.reason)
        for event_effects in outbox.events
        for effect in event_effects.effects
        if isinstance(effect, Recheck)
    ]


def alerts_of(outbox: Outbox) -> list[OutgoingMessage]:
    """Return the alerts, each as a message for the notifier."""
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
            header=MessageHeader(event_id=event_effects.event_id, topic=event_effects.topic),
        )
        for event_effects in outbox.events
        for effect in event_effects.effects
        if isinstance(effect, Alert)
    ]
