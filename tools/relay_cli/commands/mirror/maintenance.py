"""`relay mirror prepare`, `fill`, `audit` and `sample`: the actions that write to a CRM."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from relay_cli.commands.mirror.target import Target
from relay_cli.errors import CliError
from relay_cli.prompts import confirm

if TYPE_CHECKING:
    from relay.model.messages import MemberChanged

SAMPLE: Final = "sample"
"""The customer id of the sample member. Shopify's ids are digits, so no customer has it."""


class _NoTimeLimit:
    """A Lambda context for code that asks how much time is left: at a terminal there is no limit."""

    def get_remaining_time_in_millis(self) -> int:
        """Return more than any step needs."""
        return 60_000


def prepare(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Define the fields and events that the CRM lacks, or only list them."""
    names = list(target.crm.ensure_schema(dry_run=arguments.dry_run))
    return {"target": target.name, "would_define" if arguments.dry_run else "defined": names}


def fill(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Queue every member for the target's function, which works through them beside other changes."""
    from relay.crm.backfill import Backfill

    # A fill sends no events. Its field updates can still start automations, since they move people into segments.
    if target.crm.automations and not arguments.yes:
        confirm(
            f"Writing fields can start {target.crm.automations} in {target.name}. No events are sent. Continue?"
        )
    target.crm.check()
    target.resume_calls()
    filling = Backfill(roll=target.roll, queue=target.queue, inventory=target.inventory, clock=target.now)
    run = filling.run(
        afresh=arguments.restart, progress=lambda sent: report_progress(f"{sent} members queued")
    )
    return {"target": target.name, **{name: run[name] for name in ("started", "finished", "sent")}}


def audit(target: Target, _: argparse.Namespace) -> dict[str, Any]:
    """Read every contact, repair those that differ, and return the counts."""
    from relay.crm.audit import report
    from relay.model.messages import AuditStep

    step = AuditStep(run=target.now())
    while True:
        step = target.auditing.step(step, _NoTimeLimit())
        counts = report(step, target.now())
        target.inventory.note("audit", counts)
        report_progress(f"{step.read} members read, {step.repaired} repaired")
        if step.finished:
            return {"target": target.name, **counts}


def sample(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Write a sample contact, and one event of each name for it."""
    from relay.model.effects import effect_id
    from relay.model.member import Member, Register
    from relay.model.stamps import Stamp
    from relay.ports.crm import ContactRef
    from relay.rules.crm_profile import crm_profile
    from relay.rules.settings import Rules

    if not arguments.yes:
        confirm(
            f"This writes a contact {arguments.email} to {target.name} and can start automations. Continue?"
        )
    now = target.now()
    values = {"email": arguments.email.strip().lower(), "tier_name": "Gold", "credit_balance": Decimal(25)}
    registers = {name: Register(value, Stamp.of(now, SAMPLE)) for name, value in values.items()}
    member = Member(shop=target.shop, customer_id=SAMPLE, registers=registers)
    wanted = crm_profile(member, Rules())
    written = target.crm.upsert([wanted.sent_at(now)])[wanted.key]
    if written.state != "mirrored":
        raise CliError(f"{target.name} refuses the sample contact: {written.reason or written.state}")
    homes = {wanted.key: ContactRef(key=wanted.key, id=written.id, email=wanted.email)}
    changes = _sample_changes(wanted.key, now)
    outcomes = target.crm.record(changes, homes)
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


def _sample_changes(key: str, now: datetime) -> list[MemberChanged]:
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


def report_progress(text: str) -> None:
    """Print progress to standard error; standard output has the result alone."""
    print(text, file=sys.stderr, flush=True)
