"""The open incidents as a person at night reads them: title, member, amount, age, and the link to the customer.

A member is the customer id: a name is personal data, and the link leads to it. `relay status` and `relay alerts` show the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from relay.alerts.render.content import customer_link
from relay.alerts.render.times import local_day
from relay.model.effects import MEMBER

from relay_cli.output import age_text

if TYPE_CHECKING:
    from relay.model.effects import Outcome
    from relay.model.incident import Incident
    from relay.model.messages import AlertMessage

_AMOUNTS: Final = ("Amount", "Balance now", "Balance", "Granted", "Expired")
"""The labels of an alert's details that are money, in the order in which one is chosen."""


def _leaving(of_member: str) -> str:
    """Return what is known of a pending cancellation by its key: shop, customer, and the day of the end or `unknown`."""
    *_, day = of_member.split(":")
    when = f" on {local_day(date.fromisoformat(day))}" if day[:1].isdigit() else ""
    return f"A member is going to leave{when}"


_WORDS: Final[dict[str, Callable[[str], str]]] = {
    "cancel": _leaving,
    "dun": lambda _: "A payment of a member failed, and is tried again",
}
"""Titles of the incidents that can be open before a person is told of them, by the first part of the key."""


def incident_rows(incidents: Iterable[Incident], now: datetime) -> list[dict[str, Any]]:
    """Return the incidents, the most severe first and among these the oldest. A member is named by customer id."""
    ordered = sorted(incidents, key=lambda one: (-(one.level or 0), _age(one, now) * -1, one.key))
    return [_row(one, now) for one in ordered]


def _row(incident: Incident, now: datetime) -> dict[str, Any]:
    said = opening_message(incident)
    kind, _, of_member = incident.key.partition(":")
    words = _WORDS.get(kind)
    member = said.member if said else ":".join(of_member.split(":")[:2]) if words else ""
    shop, _, customer = member.rpartition(":")
    return {
        "incident": incident.key,
        "level": incident.level.name.lower() if incident.level else "info",
        "title": _title(said, incident.told) if said else words and words(of_member),
        "customer": customer or None,
        "amount": _amount(said) if said else None,
        "opened_at": incident.opened_at,
        "age_seconds": _age(incident, now),
        "link": customer_link(shop, customer) or None,
        "acknowledged_by": incident.acknowledged_by or None,
        "muted_until": incident.muted_until if incident.muted_until and incident.muted_until > now else None,
    }


def incident_blocks(rows: Iterable[Mapping[str, Any]], remarks: Mapping[str, str] | None = None) -> str:
    """Return the rows for the terminal: level and title, and below them what a person asks next.

    With `remarks` by incident, the incident's key and its remark follow on a line of their own. Without a title the key names it.
    """
    shown = list(rows)
    width = max((len(one["level"]) for one in shown), default=0)
    margin = " " * (width + 2)
    lines: list[str] = []
    for one in shown:
        untold = one["incident"] if remarks is None else "It has not been told to a person yet"
        lines.append(f"{one['level']:<{width}}  {one['title'] or untold}")
        lines.append(f"{margin}{', '.join(_about(one))}")
        if remarks is not None:
            lines.append(f"{margin}{one['incident']}  {remarks[one['incident']]}".rstrip())
    return "\n".join(lines)


def _about(one: Mapping[str, Any]) -> Iterator[str]:
    yield f"open for {age_text(one['age_seconds'])}"
    if one["customer"]:
        yield f"customer {one['customer']}"
    yield from filter(None, (one["amount"], one["link"]))


def opening_message(incident: Incident) -> AlertMessage | None:
    """Return what people read first of the incident: its present thread's, else what waits; None where nothing was to be told."""
    if thread := incident.threads.get(incident.thread_id):
        return thread.first_message
    waiting = [one.alert_message for one in incident.pending]
    waiting += [incident.deferred.alert_message] if incident.deferred else []
    return min(waiting, key=lambda one: one.at, default=None)


def _title(said: AlertMessage, told: Sequence[Outcome]) -> str:
    """Return the title with a word where each channel puts the member's name, and what was told after it."""
    title = said.alert.title.replace(MEMBER, "a member")
    later = [outcome.replace("_", " ") for outcome in told if outcome != said.alert.outcome]
    return "; then: ".join((title[:1].upper() + title[1:], *later))


def _amount(said: AlertMessage) -> str | None:
    details = dict(said.alert.details)
    return next((details[label] for label in _AMOUNTS if details.get(label)), None)


def _age(incident: Incident, now: datetime) -> float:
    return (now - incident.opened_at).total_seconds() if incident.opened_at else 0.0
