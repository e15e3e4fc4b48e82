"""100,000 credit updates of 40,000 members reach HubSpot in the fewest calls, never too fast, and all of them.

Three runs in virtual time, with the real batch runner, `CrmSync` and adapter: everything queued beforehand; the same with
HubSpot down for two hours in the middle; and everything arriving over five minutes. Prints one line for each run,
`RESULT {json}`, and fails if a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from typing import Any

from fakes.hubspot import FakeHubspot
from relay.adapters.hubspot import Hubspot
from relay.model.effects import Note
from relay.model.messages import EventEffects, MemberChanged, dump
from relay.ports.crm import ContactRef
from relay.ports.members import MemberRecord
from relay.ports.messaging import OutgoingMessage
from relay.rules.crm_profile import NOT_COMPARED, crm_profile
from relay.rules.settings import Rules

from tests.contract.crm.profiles import key_of, member
from tests.contract.crm.tokens import FixedToken
from tests.support.virtual_crm import VirtualCrmRun, most_in_a_window
from tests.support.virtual_time import BEGIN

PROVIDERS_LIMIT = 100
PROVIDERS_SECONDS = 10.0
OUTAGE = timedelta(hours=2)
PROFILE_CALLS = 1.1
NOTE_CALLS = 1.25
"""The calls that may be made for each call of an ideal run, in which every message is there at the beginning."""


def main() -> int:
    """Do the runs of the command line; return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=40_000)
    parser.add_argument("--updates", type=int, default=100_000)
    parser.add_argument("--only", choices=["queued", "outage", "arriving"])
    arguments = parser.parse_args()
    scenarios: dict[str, Callable[[], dict[str, Any]]] = {
        "queued": lambda: prove(arguments.members, arguments.updates),
        "outage": lambda: prove(arguments.members, arguments.updates, outage=True),
        "arriving": lambda: prove(arguments.members, arguments.updates, over=timedelta(minutes=5)),
    }
    broken = False
    for name, scenario in scenarios.items():
        if arguments.only in {None, name}:
            began = time.monotonic()
            result = scenario()
            result = {"run": name, **result, "wall_seconds": round(time.monotonic() - began, 1)}
            print(f"RESULT {json.dumps(result)}", flush=True)
            broken = broken or bool(result["broken"])
    return int(broken)


def prove(  # noqa: PLR0913 - a run's knobs, each by its name
    members: int,
    updates: int,
    *,
    outage: bool = False,
    over: timedelta = timedelta(),
    batch: int = 1000,
    errors: Sequence[timedelta] = (),
) -> dict[str, Any]:
    """Do one run; return its figures, and under `broken` the promises that it broke.

    After each time of `errors` from the beginning, a single call is answered 503.
    """
    run, fake = _set_up(members, updates, outage=outage, over=over, batch=batch)
    run.crm.ensure_schema()
    run.transport.calls.clear()
    run.transport.errors.extend(BEGIN + after for after in errors)
    ended = run.run()
    found = _figures(run, fake, members, updates)
    run.transport.close()
    found["virtual_seconds"] = round((ended - BEGIN).total_seconds())
    promises = {
        "mirrored": found["mirrored"] == members,
        "mismatches": found["mismatches"] == 0,
        "notes": found["notes_told"] == updates,
        "dead_letters": found["dead_letters"] == 0,
        "rate": found["most_in_10_s"] <= PROVIDERS_LIMIT and found["refused_429"] == 0,
        "note_calls": bool(over) or found["note_calls_ratio"] <= NOTE_CALLS,
        "profile_calls": bool(over) or found["profile_calls_ratio"] <= PROFILE_CALLS,
    }
    return {**found, "broken": [name for name, kept in promises.items() if not kept]}


def _set_up(
    members: int, updates: int, *, outage: bool, over: timedelta, batch: int
) -> tuple[VirtualCrmRun, FakeHubspot]:
    """Return a run whose updates are all queued, or arrive over time."""
    fake = FakeHubspot()
    # The middle of a run of this size.
    middle = BEGIN + timedelta(seconds=updates / 1000)
    run = VirtualCrmRun(
        fake_crm=fake.app(),
        adapter=lambda transport: Hubspot("http://crm", FixedToken(), transport=transport, events=True),
        rate_limits=Hubspot.rate_limits,
        down=(middle, middle + OUTAGE) if outage else None,
        batch=batch,
    )
    chance = random.Random(20261122)  # noqa: S311 - the same every time, and no secret
    # Every member has at least one update; the others, and the order, are random.
    whose = [*range(members), *(chance.randrange(members) for _ in range(updates - members))]
    chance.shuffle(whose)
    updated: dict[int, int] = {}
    for number, customer in enumerate(whose):
        updated[customer] = updated.get(customer, 0) + 1
        at = BEGIN + over * (number / updates)
        run.arrivals.append((at, update(run, customer, updated[customer], at)))
    if not over:
        # Queued before the start: all changes have happened, and only the messages are left.
        run.queue.arrivals.extend((at, partial(_given, happen())) for at, happen in _drained(run))
    return run, fake


def _drained(run: VirtualCrmRun) -> list[tuple[datetime, Callable[[], OutgoingMessage]]]:
    events = list(run.arrivals)
    run.arrivals.clear()
    return events


def _given(message: OutgoingMessage) -> OutgoingMessage:
    return message


def update(run: VirtualCrmRun, customer: int, nth: int, at: datetime) -> Callable[[], OutgoingMessage]:
    """Return what happens at an update: the record is written, and the change message is returned."""

    def happen() -> OutgoingMessage:
        key = key_of(customer)
        balance = Decimal(customer % 500) + nth
        changed = member(
            customer,
            at + timedelta(milliseconds=nth),
            tier_name="Gold",
            credit_balance=balance,
            joined_at=BEGIN,
        )
        run.members.records[key] = replace(MemberRecord(member=changed), version=nth)
        note = Note(rule="credits", name="Store Credit Changed", properties={"amount": Decimal(1)})
        event_effects = EventEffects(
            event_id=f"{customer}-{nth}", topic="customer.credits.updated", at=at, effects=(note,)
        )
        return OutgoingMessage(body=dump(MemberChanged(member=key, events=(event_effects,))))

    return happen


def _figures(run: VirtualCrmRun, fake: FakeHubspot, members: int, updates: int) -> dict[str, Any]:
    calls = run.transport.calls
    profiles = [call for call in calls if call.path.endswith("/contacts/batch/upsert")]
    notes = [call for call in calls if call.path.endswith("/send/batch")]
    crm = run.crm
    return {
        "members": members,
        "updates": updates,
        "profile_calls": len(profiles),
        "profile_calls_in_vain": sum(call.status == HTTPStatus.SERVICE_UNAVAILABLE for call in profiles),
        "profile_calls_ratio": round(len(profiles) / (members / crm.batch_size), 3),
        "note_calls": len(notes),
        "note_calls_ratio": round(len(notes) / (updates / crm.notes_batch_size), 3),
        "notes_told": len(fake.portal.events.occurrences),
        "all_calls": len(calls),
        "most_in_10_s": most_in_a_window([call.at for call in calls], PROVIDERS_SECONDS),
        "most_events_in_1_s": crm.notes_batch_size * most_in_a_window([call.at for call in notes], 1.0),
        "refused_429": sum(call.status == HTTPStatus.TOO_MANY_REQUESTS for call in calls),
        "mirrored": sum(mirror.state == "mirrored" for mirror in run.sync_states.states.values()),
        "mismatches": mismatches(run),
        "dead_letters": len(run.dead.sent),
        "invocations": run.invocations,
        "longest_invocation": round(run.longest, 1),
        "deferred": run.queue.deferred,
        "rate_limit_writes": run.reserved.reservations,
    }


def mismatches(run: VirtualCrmRun) -> int:
    """Return how many members differ in HubSpot from their record."""
    wrong = 0
    records = list(run.members.records.values())
    for begin in range(0, len(records), 100):
        wanted = [crm_profile(record.member, Rules()) for record in records[begin : begin + 100]]
        theirs = run.crm.read([ContactRef(key=ours.key) for ours in wanted])
        wrong += sum(
            _compared(run.crm.expected_fields(ours)) != _compared(theirs.get(ours.key, {})) for ours in wanted
        )
    return wrong


def _compared(fields: Any) -> dict[str, str]:
    return {name: text for name, text in fields.items() if name not in NOT_COMPARED}


if __name__ == "__main__":
    sys.exit(main())
