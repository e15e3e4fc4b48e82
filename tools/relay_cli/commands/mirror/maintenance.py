"""`relay mirror prepare`, `fill`, `audit` and `sample`: the actions that write to a CRM."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from relay_cli.commands.mirror.advice import advice
from relay_cli.commands.mirror.inspection import member_key_of
from relay_cli.commands.mirror.target import Target
from relay_cli.errors import CliError, UsageError
from relay_cli.prompts import confirm

if TYPE_CHECKING:
    from relay.model.messages import MemberChanged
    from relay.rules.crm_profile import CrmProfile

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]{2,}")

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
    backfill = Backfill(
        member_keys=target.member_keys,
        queue=target.queue,
        sync_state_scan=target.sync_state_scan,
        clock=target.now,
    )
    run = backfill.run(
        afresh=arguments.restart, report=lambda sent: report_progress(f"{sent} members queued")
    )
    return {"target": target.name, **{name: run[name] for name in ("started", "finished", "sent")}}


def audit(target: Target, _: argparse.Namespace) -> dict[str, Any]:
    """Read every contact, repair those that differ, and return the counts."""
    from relay.crm.audit import progress
    from relay.model.messages import AuditStep

    step = AuditStep(run=target.now())
    while True:
        step = target.auditing.step(step, _NoTimeLimit())
        counts = progress(step, target.now())
        target.sync_state_scan.save_run("audit", counts)
        report_progress(f"{step.read} members read, {step.repaired} repaired")
        if step.finished:
            return {"target": target.name, **counts}


def retry(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Queue the members that wait or were refused, or those that are named, to be tried at once."""
    from relay.crm.waiting import retry_change

    named = {member_key_of(target, name) for name in arguments.members}
    keys: list[str] = []
    cursor: str | None = None
    while True:
        page = target.sync_state_scan.page(cursor)
        keys += [
            key
            for key, mirror in page.items
            if key in named or (not named and mirror.state in {"waiting", "refused"})
        ]
        cursor = page.cursor
        if cursor is None:
            break
    if unknown := sorted(named - set(keys)):
        raise UsageError(
            f"{target.name} knows no member {', '.join(unknown)}",
            "nothing was queued; use the digits of the customer id",
        )
    refusals = target.queue.send([retry_change(key) for key in keys]) if keys else []
    if any(refusals):
        raise CliError("the target's queue does not take its messages", "run it again later")
    return {"target": target.name, "queued": len(keys)}


def sample(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Write a sample contact, and one event of each name for it; with `--remove`, remove what it wrote.

    Raises:
        CliError: the address is none, or a member's, or the CRM does not take the contact.

    """
    from relay.model.effects import effect_id
    from relay.ports.crm import ContactRef

    email = arguments.email.strip().lower()
    _check_address(target, email)
    wanted = _sample_profile(target, email)
    if getattr(arguments, "remove", False):
        return _remove_sample(target, wanted.key, email)
    if not arguments.yes:
        confirm(f"This writes a contact {email} to {target.name} and can start automations. Continue?")
    now = target.now()
    written = target.crm.upsert([wanted.sent_at(now)])[wanted.key]
    if written.state != "mirrored":
        reason = written.reason or written.state
        raise CliError(f"{target.name} does not take the sample contact: {reason}", advice(reason))
    contacts = {wanted.key: ContactRef(key=wanted.key, id=written.id, email=wanted.email)}
    changes = _sample_changes(wanted.key, now)
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
        "contact": written.id or "",
        "address": email,
        "fields": sorted(target.crm.expected_fields(wanted)),
        "events": {
            name: outcomes[note].reason or outcomes[note].state
            for note, name in names.items()
            if note in outcomes
        },
        "remove_with": f"relay mirror sample {target.name} --email {email} --remove",
    }


def _sample_profile(target: Target, email: str) -> CrmProfile:
    from relay.model.member import Member
    from relay.model.registers import Register
    from relay.model.stamps import Stamp
    from relay.rules.crm_profile import crm_profile
    from relay.rules.settings import Rules

    values: dict[str, str | Decimal] = {"email": email, "tier_name": "Gold", "credit_balance": Decimal(25)}
    registers = {name: Register(value, Stamp.of(target.now(), SAMPLE)) for name, value in values.items()}
    return crm_profile(Member(shop=target.shop, customer_id=SAMPLE, registers=registers), Rules())


def _check_address(target: Target, email: str) -> None:
    """Refuse an address that is none, or a member's: the sample would take the member's contact."""
    if not _ADDRESS.fullmatch(email):
        raise CliError("that is no e-mail address", "give one of your own: --email you@example.com")
    cursor: str | None = None
    while True:
        page = target.sync_state_scan.page(cursor)
        if any((mirror.email or "").lower() == email for _, mirror in page.items):
            raise CliError("a member has this address", "give another one of your own")
        cursor = page.cursor
        if cursor is None:
            return


def _remove_sample(target: Target, key: str, email: str) -> dict[str, Any]:
    from relay.ports.crm import ContactRef

    outcome = target.crm.clear([ContactRef(key=key, email=email)])[key]
    if outcome.state not in {"mirrored", "skipped"}:
        raise CliError(f"{target.name} does not clear the sample contact: {outcome.reason}", "run it again")
    return {
        "target": target.name,
        "member": key,
        "cleared": outcome.state == "mirrored",
        "left": "the contact itself and its events: delete the contact in the CRM",
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
