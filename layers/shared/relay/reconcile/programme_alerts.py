"""The alerts of `reconcile` about the whole programme: a full run that stopped, subscriptions that are gone or changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from relay.errors import TransientError
from relay.model.effects import Alert, Level
from relay.model.formats import detail_rows
from relay.model.header import MessageHeader
from relay.model.messages import AlertMessage, dump
from relay.ports.full_run import FullRun
from relay.ports.messaging import MessageSender, OutgoingMessage
from relay.reconcile.api_facts import TOPIC

CONFIRM: Final = "relay reconcile --confirm"
LOOK: Final = "relay reconcile --dry-run"
REPAIR: Final = "relay subscriptions apply"


def send_alert(alerts: MessageSender, alert: AlertMessage) -> None:
    """Send an alert to the notifier.

    Raises:
        TransientError: the queue does not take it.

    """
    header = MessageHeader(event_id=alert.event_id, topic=alert.topic)
    for refusal in alerts.send([OutgoingMessage(body=dump(alert), header=header)]):
        if refusal:
            raise TransientError("the alert could not be sent") from refusal


def run_alert(shop: str, run: FullRun, *, at: datetime) -> AlertMessage:
    """Return what is to be said of a run: that it stopped, that its list was not whole, or that all is well again."""
    key = f"reconcile:{shop}"
    counts = detail_rows(
        ("Members listed", str(max(run.read, run.total or 0))),
        ("Members of the last run", None if run.last_members is None else str(run.last_members)),
        ("Members with another status or a lost value", str(run.altered) if run.altered else None),
        ("Differences by field", _by_field(run.fields)),
    )
    if run.stopped == "few":
        alert = Alert(
            rule="reconcile.stopped",
            incident_key=key,
            level=Level.ERROR,
            title="Inveterate lists far fewer members than before: the comparison has stopped",
            details=counts,
            advice=f"No member counts as gone. Look at the members in Inveterate. If there are so few, run: {CONFIRM}",
        )
    elif run.stopped == "changes":
        alert = Alert(
            rule="reconcile.stopped",
            incident_key=key,
            level=Level.ERROR,
            title="Inveterate's members differ from Relay's in too many places: the comparison has stopped",
            details=counts,
            advice=f"The members after that are as they were. See them all with: {LOOK}. If they are right, run: {CONFIRM}",
        )
    elif not run.whole:
        alert = Alert(
            rule="reconcile.incomplete",
            incident_key=key,
            level=Level.WARNING,
            title="Inveterate's list of members was not certain to be whole",
            details=(*counts, ("The list ended by", run.end)),
            advice="What was listed was compared. No member counts as gone. The next run tries again.",
        )
    else:
        alert = Alert(
            rule="reconcile.whole",
            incident_key=key,
            action="resolve",
            level=Level.INFO,
            title="All members were compared with Inveterate's",
            details=counts,
        )
    event_id = f"{run.id}:{run.stopped or ('whole' if run.whole else 'incomplete')}"
    return AlertMessage(id=event_id, event_id=event_id, topic=TOPIC, member="", at=at, alert=alert)


def _by_field(fields: Mapping[str, int]) -> str | None:
    ordered = sorted(fields.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{name} {count}" for name, count in ordered[:10]) or None


def subscription_alert(shop: str, topic: str, problem: str | None, *, at: datetime) -> AlertMessage:
    """Return the alert that a topic's webhooks do not come (`problem` says why), or come again where it is None."""
    key = f"subscription:{shop}:{topic}"
    if problem is None:
        alert = Alert(
            rule="subscription.back",
            incident_key=key,
            action="resolve",
            level=Level.INFO,
            title=f"The webhook subscription to {topic} is back",
        )
    else:
        alert = Alert(
            rule="subscription.lost",
            incident_key=key,
            level=Level.ERROR,
            title=f"The webhook subscription to {topic} {problem}",
            advice=f"Its webhooks do not reach Relay. Compare with `relay subscriptions plan`, then run: {REPAIR}",
        )
    event_id = f"{topic}:{'back' if problem is None else 'lost'}:{at:%Y%m%dT%H%M}"
    return AlertMessage(id=event_id, event_id=event_id, topic=TOPIC, member="", at=at, alert=alert)
