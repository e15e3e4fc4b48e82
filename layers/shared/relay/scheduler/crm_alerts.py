"""Tells people, once a day, that a CRM does not take its members, or that the version of its API in use will end. Pure.

A member that a CRM does not take is acknowledged and waits: without this it would not be looked for before it is refused, after
two weeks. What was told is kept with the daily run, so that each condition is told once, and once more when it is over or more
urgent. The share is that of the members that the CRM should hold: whoever waits is tried every day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from relay.model.effects import Alert, AlertAction, Level
from relay.model.kpis import API_ENDS, DailyTotals
from relay.model.messages import AlertMessage
from relay.scheduler.digest import TARGETS

TOPIC: Final = "relay.daily"

MORE_THAN: Final = 10
MORE_THAN_SHARE: Final = 0.01
"""More members than both of these wait or are refused: then a person should look."""

TOLD_BEFORE: Final = timedelta(days=180)
URGENT_BEFORE: Final = timedelta(days=30)

_VERSIONS: Final[Mapping[str, str]] = {
    "hubspot": "HubSpotVersion",
    "klaviyo": "KlaviyoRevision",
    "salesforce": "SalesforceVersion",
}


@dataclass(frozen=True, slots=True)
class _Condition:
    """One thing that is wrong with a CRM; `name` is the last part of its incident's key."""

    target: str
    name: str
    level: Level
    title: str
    details: tuple[tuple[str, str], ...]
    advice: str

    @property
    def told(self) -> str:
        """What is remembered of it: another level is told again."""
        return f"{self.target}:{self.name}:{self.level.name}"


def crm_alerts(
    totals: DailyTotals, told: tuple[str, ...], *, shop: str, day: date, at: datetime
) -> tuple[list[AlertMessage], tuple[str, ...]]:
    """Return the alerts of a day's run, and what is told from now on; `told` is that of the run before."""
    found = [*_not_taken(totals), *_ending_versions(totals, day)]
    now = tuple(sorted(each.told for each in found))
    still = {each.rpartition(":")[0] for each in now}
    opened = [_message(each, "open", shop=shop, day=day, at=at) for each in found if each.told not in told]
    over = sorted({each.rpartition(":")[0] for each in told} - still)
    return [*opened, *(_message(_over(each), "resolve", shop=shop, day=day, at=at) for each in over)], now


def _not_taken(totals: DailyTotals) -> Iterator[_Condition]:
    for target, counts in sorted(totals.mirrors.items()):
        waiting, refused = counts.get("waiting", 0), counts.get("refused", 0)
        number, members = waiting + refused, waiting + refused + counts.get("mirrored", 0)
        if number > MORE_THAN and number > MORE_THAN_SHARE * members:
            yield _Condition(
                target,
                "not-taken",
                Level.ERROR,
                f"{TARGETS.get(target, target)} does not take {number:,} of {members:,} members",
                (("Waiting", f"{waiting:,}"), ("Refused", f"{refused:,}")),
                f"relay mirror status {target} --who names each, why and what to do; then relay mirror retry {target}",
            )


def _ending_versions(totals: DailyTotals, day: date) -> Iterator[_Condition]:
    for target, counts in sorted(totals.mirrors.items()):
        ends = [
            date.fromisoformat(each.removeprefix(API_ENDS)) for each in counts if each.startswith(API_ENDS)
        ]
        for end in ends:
            if end - day <= TOLD_BEFORE:
                urgent = end - day <= URGENT_BEFORE
                yield _Condition(
                    target,
                    "api-version",
                    Level.ERROR if urgent else Level.WARNING,
                    f"{TARGETS.get(target, target)} ends the version of its API that is set on {end.isoformat()}",
                    (("Ends", end.isoformat()),),
                    f"deploy with a newer {_VERSIONS.get(target, 'version')} (docs/{target}.md)",
                )


def _over(told: str) -> _Condition:
    """Return what ends an incident."""
    target, name = told.split(":")
    words = {"not-taken": "takes its members again", "api-version": "has a version of its API that lasts"}
    return _Condition(target, name, Level.WARNING, f"{TARGETS.get(target, target)} {words[name]}", (), "")


def _message(
    condition: _Condition, action: AlertAction, *, shop: str, day: date, at: datetime
) -> AlertMessage:
    """Return the alert; a repetition of the day's run has the same id."""
    key = f"inv:{shop}:{condition.target}:{condition.name}"
    rule = f"alarm.crm-{condition.name}"
    identity = f"{key}|{action}|{condition.level.name}|{day.isoformat()}"
    event_id = hashlib.sha256(identity.encode()).hexdigest()[:32]
    return AlertMessage(
        id=f"{event_id}.{rule}",
        event_id=event_id,
        topic=TOPIC,
        member="",
        at=at,
        alert=Alert(
            rule=rule,
            incident_key=key,
            level=condition.level,
            title=condition.title,
            action=action,
            details=condition.details,
            advice=condition.advice,
        ),
    )
