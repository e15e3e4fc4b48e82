"""A whole month of a programme, and not one address, telephone number or name in what Relay writes about itself."""

from __future__ import annotations

import io
import json
import traceback
from datetime import timedelta
from typing import Any, cast

import pytest
from aws_lambda_powertools import Logger
from relay.adapters.aws.telemetry import PowertoolsTelemetry
from relay.model.effects import Note
from relay.rules.settings import Rules
from sim import behaviour_engine, programme
from sim.model import Member
from sim.world import World

from tests.support.in_memory_relay import Programme
from tests.support.port_fakes import SHOP
from tests.support.timeline_page import deliver
from tests.unit.sim.sim_worlds import make_world

pytestmark = pytest.mark.slow

ALLOWED = 3
"""Characters of a name below which it says nothing: it would be found in any word."""


def lively() -> World:
    """Return a programme in which everything happens that members do."""
    place = make_world(seed=7, members=25)
    behaviour_engine.set_behaviour(
        place,
        {"orders": 2, "redemptions": 2, "cancellations": 1, "tier_changes": 1, "card_updates": 1,
         "profile_updates": 1, "payment_fails": 0.5, "retry_fails": 0.6},
    )  # fmt: skip
    return place


def everybody(place: World) -> dict[str, Member]:
    """Return all people by customer id."""
    return {**place.customers, **place.members}


def personal(place: World) -> set[str]:
    """Return what no log may contain: addresses, telephone numbers, names."""
    people = everybody(place).values()
    texts = {
        text
        for one in people
        for text in (one.email.strip(), one.phone, one.first_name, one.last_name)
        if text
    }
    return {text for text in texts if len(text) > ALLOWED} | {text.lower() for text in texts if "@" in text}


def test_no_personal_data_in_what_relay_writes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Logs, metrics, notes, alerts, dead letters and errors, with some events that break on the way."""
    log = io.StringIO()
    telemetry = PowertoolsTelemetry("notifier", SHOP, Logger(service="relay", stream=log, level="DEBUG"))
    place, relay = lively(), Programme(rules=Rules())
    relay.world.telemetry = relay.notifier.telemetry = cast("Any", telemetry)
    errors: list[str] = []
    for number, event in enumerate(programme.advance(place, timedelta(days=31))):
        who = everybody(place)[event.member_id]
        if number % 11 == 0:
            event.payload["detail"] = [event.payload.get("customer"), who.email]
        if number % 13 == 0:
            event.payload["customerId"] = who.email
        try:
            deliver(relay, place, event, event.triggered_at, attempts=1)
        except Exception:  # noqa: BLE001 - whatever breaks, its text is what this test reads
            errors.append(traceback.format_exc(limit=0))
    letters = [dict(sent.attributes) for sent in relay.world.dead_letters.sent]
    alerts = [
        (each.id, each.alert.incident_key, each.alert.title, each.alert.details, each.alert.advice)
        for each in relay.alert_messages
    ]
    notes = [effect.properties for change in relay.changes for event_effects in change.events
             for effect in event_effects.effects if isinstance(effect, Note)]  # fmt: skip
    written = [log.getvalue(), *capsys.readouterr(), *errors]
    written += [json.dumps(part, default=str, ensure_ascii=False) for part in (letters, alerts, notes)]
    assert log.getvalue().count("\n") > 100
    assert "AlertsSent" in written[1]
    assert relay.sent
    assert letters
    assert not [text for text in personal(place) if any(text in part for part in written)]
