"""A reminder that waited for its CRM is sent only while its reason lasts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from relay.model.effects import Note
from relay.model.messages import EventEffects, MemberChanged, dump
from relay.queues.batch import Message
from relay.rules.timeline import note

from tests.functional.crm.crm_setups import KEY, CrmSetup
from tests.support.crm_fakes import START, change_message

DAY = timedelta(days=1)
TRIAL = {"trial_ends_at": START + 3 * DAY, "joined_at": START - 4 * DAY}
FEE = {"seen_status": "ACTIVE", "next_payment_on": date(2026, 11, 25), "joined_at": START - 4 * DAY}


def reminders(setup: CrmSetup) -> Message:
    """Return the message of the daily run: one reminder of each kind, as the member is now."""
    member = setup.members.load([KEY])[0][KEY].member
    notes: tuple[Note, ...] = (
        note("trial.ending", "Trial Ending", member, days=3, trial_ends_at=START + 3 * DAY),
        note("renewal.upcoming", "Renewal Upcoming", member, days=3, renews_on=date(2026, 11, 25)),
        note("credits.expiring", "Store Credit Expiring", member, days=1, expires_at=START + DAY),
        note("join.paid", "Membership Joined", member),
    )
    events = (EventEffects(event_id="r", topic="relay.clock", at=START, effects=notes),)
    return replace(change_message("m", KEY), body=dump(MemberChanged(member=KEY, events=events)))


@pytest.mark.parametrize(
    ("at_first", "then", "later", "sent"),
    [
        (TRIAL, {}, timedelta(0), {"trial.ending", "credits.expiring"}),
        (FEE, {}, timedelta(0), {"renewal.upcoming", "credits.expiring"}),
        # The CRM was down for days: the trial, the credits and the day of the fee are over.
        (TRIAL, {}, 4 * DAY, set()),
        (FEE, {}, 2 * DAY, {"renewal.upcoming"}),
        (FEE, {}, 4 * DAY, set()),
        # Another end, another day.
        (TRIAL, {"trial_ends_at": START + 9 * DAY}, timedelta(0), {"credits.expiring"}),
        (FEE, {"next_payment_on": date(2027, 1, 1)}, timedelta(0), {"credits.expiring"}),
        # The member has left, or is about to; the trial was paid.
        (TRIAL, {"cancelled_at": START}, timedelta(0), set()),
        (FEE, {"cancelled_at": START}, timedelta(0), set()),
        (FEE, {"pending_since": START}, timedelta(0), {"credits.expiring"}),
        (TRIAL, {"last_payment_at": START + 2.5 * DAY}, timedelta(0), {"credits.expiring"}),
    ],
)
def test_a_reminder_stops_when_its_reason_is_gone(
    at_first: dict[str, Any], then: dict[str, Any], later: timedelta, sent: set[str]
) -> None:
    """What an event has told is written in any case."""
    setup = CrmSetup()
    setup.update_member(**at_first)
    message = reminders(setup)
    if then:
        setup.update_member(**{**at_first, **then})
    setup.clock.now += later
    assert setup.work(message) == [None]
    assert {id_.removeprefix("r.") for id_ in setup.crm.recorded} == {*sent, "join.paid"}


def test_a_message_of_a_reminder_alone_is_done() -> None:
    """Nothing is written, and nothing waits."""
    setup = CrmSetup()
    setup.update_member()
    told = MemberChanged(
        member=KEY,
        events=(
            EventEffects(
                event_id="r",
                topic="relay.clock",
                at=START,
                effects=(Note(rule="trial.ending", name="Trial Ending", properties={"trial_ends_at": "x"}),),
            ),
        ),
    )
    assert setup.work(replace(change_message("m", KEY), body=dump(told))) == [None]
    assert setup.crm.recorded == []
