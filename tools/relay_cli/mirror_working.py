"""`relay mirror prepare`, `fill`, `audit` and `sample`: what changes something in a CRM."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from relay_cli.asking import ask
from relay_cli.failing import CliError
from relay_cli.mirror_target import Target

if TYPE_CHECKING:
    from relay.model.messages import MemberChanged

SAMPLE: Final = "sample"
"""Whom samples are about, in the place of a customer's id: no customer of Shopify's has such a one."""


class _Unhurried:
    """A terminal's time: nobody ends us."""

    def get_remaining_time_in_millis(self) -> int:
        """Return what is enough for anything."""
        return 60_000


def prepare(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Define what the CRM lacks, or say what it would be."""
    names = list(target.crm.ensure_schema(dry_run=arguments.dry_run))
    return {"target": target.name, "would_define" if arguments.dry_run else "defined": names}


def fill(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Name every member to the target's queue; it works through them beside what happens meanwhile."""
    from relay.crm.backfill import Backfill

    # A quiet way, where there is one, keeps events back; fields are written all the same, and people enter segments.
    if target.crm.automations and not arguments.yes:
        ask(f"Writing fields can start {target.crm.automations} at {target.name}. No events are sent. Go on?")
    target.crm.check()
    target.reopen()
    filling = Backfill(
        member_keys=target.roll, queue=target.queue, sync_state_scan=target.inventory, clock=target.now
    )
    noted = filling.run(afresh=arguments.afresh, report=lambda sent: say(f"{sent} members queued"))
    return {"target": target.name, **{name: noted[name] for name in ("started", "finished", "sent")}}


def audit(target: Target, _: argparse.Namespace) -> dict[str, Any]:
    """Read all that the CRM should hold, repair what differs, and report."""
    from relay.crm.audit import progress
    from relay.model.messages import AuditStep

    step = AuditStep(run=target.now())
    while True:
        step = target.auditing.step(step, _Unhurried())
        noted = progress(step, target.now())
        target.inventory.save_run("audit", noted)
        say(f"{step.read} members read, {step.repaired} repaired")
        if step.finished:
            return {"target": target.name, **noted}


def sample(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Write a sample member, and one event of each name about it."""
    from relay.model.effects import effect_id
    from relay.model.member import Member, Register
    from relay.ports.crm import ContactRef
    from relay.rules.crm_profile import crm_profile
    from relay.rules.settings import Rules

    if not arguments.yes:
        ask(f"This writes a contact {arguments.email} to {target.name}, and starts flows that listen. Go on?")
    now = target.now()
    told = {"email": arguments.email.strip().lower(), "tier_name": "Gold", "credit_balance": Decimal(25)}
    registers = {name: Register(value, now, SAMPLE) for name, value in told.items()}
    member = Member(shop=target.shop, customer_id=SAMPLE, registers=registers)
    wanted = crm_profile(member, Rules())
    written = target.crm.upsert([wanted.sent_at(now)])[wanted.key]
    if written.state != "mirrored":
        raise CliError(f"{target.name} does not take the sample member: {written.reason or written.state}")
    contacts = {wanted.key: ContactRef(key=wanted.key, id=written.id, email=wanted.email)}
    changes = _samples(wanted.key, now)
    outcomes = target.crm.record(changes, contacts)
    names = {
        effect_id(event_effects.event_id, effect): effect.name
        for change in changes
        for event_effects in change.events
        for effect in event_effects.effects
        if effect.kind == "note"
    }
    return {
        "target": target.name,
        "member": wanted.key,
        "events": {
            name: outcomes[note].reason or outcomes[note].state
            for note, name in names.items()
            if note in outcomes
        },
    }


def _samples(key: str, now: datetime) -> list[MemberChanged]:
    from relay.model.effects import Note
    from relay.model.messages import EventEffects, MemberChanged
    from relay.model.timeline_events import TIMELINE_EVENTS

    stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%S}"
    properties: dict[str, str | Decimal | int | bool] = {
        "tier_id": "sample-tier",
        "tier_name": "Gold",
        "status": "active",
        "amount": Decimal("24.99"),
        "amount_minor": 2499,
        "currency": "USD",
    }
    return [
        MemberChanged(
            member=key,
            events=(
                EventEffects(
                    event_id=f"{SAMPLE}-{stamp}-{number}",
                    topic=SAMPLE,
                    at=now,
                    effects=(Note(rule=SAMPLE, name=name, properties=properties),),
                ),
            ),
        )
        for number, name in enumerate(TIMELINE_EVENTS)
    ]


def say(text: str) -> None:
    """Tell of progress, beside the result."""
    print(text, file=sys.stderr, flush=True)
