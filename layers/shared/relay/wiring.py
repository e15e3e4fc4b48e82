"""Which adapter stands behind which port, from the environment, on first use.

Nothing here runs at import. A setting that is missing is named by the error that says so.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from relay.errors import MisconfiguredError
from relay.routing import FOLDERS, queue_variable

if TYPE_CHECKING:
    from relay.adapters.firehose import FirehoseJournal
    from relay.adapters.members import DynamoMembers
    from relay.adapters.mirrors import DynamoMirrors
    from relay.adapters.sns import SnsOutgoing
    from relay.adapters.sqs import SqsOutgoing, SqsSource
    from relay.adapters.telemetry import PowertoolsTelemetry
    from relay.batch import Batch
    from relay.draining import Drain
    from relay.grant_queue import GrantQueue
    from relay.granting import Granting
    from relay.mirroring import Mirroring
    from relay.ports import Channel, Crm, Occasions, Outcome
    from relay.rechecking import Rechecks
    from relay.reconciling import Reconciling


def setting(name: str) -> str:
    """Return an environment variable that must be there.

    Raises:
        MisconfiguredError: when it is missing or empty.

    """
    value = os.environ.get(name, "")
    if not value:
        raise MisconfiguredError(f"the setting {name} is missing", setting=name)
    return value


def now() -> datetime:
    """Return the wall clock's time."""
    return datetime.now(UTC)


@cache
def telemetry() -> PowertoolsTelemetry:
    """Return the log and the metrics."""
    from relay.adapters.telemetry import PowertoolsTelemetry

    return PowertoolsTelemetry()


@cache
def members() -> DynamoMembers:
    """Return the members table."""
    from relay.adapters.members import DynamoMembers

    return DynamoMembers(setting("MEMBERS_TABLE"), setting("SHOP_DOMAIN"))


@cache
def journal() -> FirehoseJournal:
    """Return the journal."""
    from relay.adapters.firehose import FirehoseJournal

    return FirehoseJournal(setting("JOURNAL_STREAM"))


@cache
def dead_letters() -> SqsOutgoing:
    """Return the queue of what was given up."""
    from relay.adapters.sqs import SqsOutgoing

    return SqsOutgoing(setting("DEAD_LETTERS_URL"), "dead letters")


@cache
def changes() -> SnsOutgoing:
    """Return the topic on which every target hears which member changed."""
    from relay.adapters.sns import SnsOutgoing

    return SnsOutgoing(setting("CHANGES_TOPIC"), "changes")


@cache
def alerts() -> SqsOutgoing:
    """Return the notifier's queue."""
    from relay.adapters.sqs import SqsOutgoing

    return SqsOutgoing(setting("ALERTS_URL"), "alerts")


@cache
def rechecks() -> Rechecks | None:
    """Return the queue of `reconcile`; None where no API is configured, and nobody could answer."""
    from relay.adapters.sqs import SqsOutgoing
    from relay.rechecking import Rechecks

    url = os.environ.get("RECHECKS_URL")
    return Rechecks(SqsOutgoing(url, "reconcile"), _recheck_delay()) if url else None


@cache
def grant_queue() -> GrantQueue | None:
    """Return the queue of `grants`; None where no API is configured, and nobody could grant."""
    from relay.adapters.sqs import SqsOutgoing
    from relay.grant_queue import GrantQueue

    url = os.environ.get("GRANTS_URL")
    return GrantQueue(SqsOutgoing(url, "grants"), _recheck_delay()) if url else None


def _recheck_delay() -> int:
    return int(setting("RECHECK_DELAY"))


@cache
def drain() -> Drain:
    """Return what looks at `unclaimed` again."""
    from relay.adapters.sqs import SqsInbox, SqsOutgoing
    from relay.draining import Drain

    topics = {folder: SqsOutgoing(setting(queue_variable(folder)), folder) for folder in FOLDERS.values()}
    return Drain(
        shop=setting("SHOP_DOMAIN"),
        unclaimed=SqsInbox(setting("UNCLAIMED_URL"), "unclaimed"),
        topics=topics,
        dead_letters=dead_letters(),
        journal=journal(),
    )


@cache
def occasions() -> Occasions:
    """Return the notifier's memory."""
    from relay.adapters.occasions import DynamoOccasions

    return DynamoOccasions(setting("OCCASIONS_TABLE"), now)


@cache
def channels() -> tuple[Channel, ...]:
    """Return the ways to reach people: e-mail always, Slack where it is configured."""
    from relay.adapters.email import EmailChannel

    ways: list[Channel] = [EmailChannel(setting("EMAIL_TOPIC"))]
    slack_secret = os.environ.get("SLACK_SECRET")
    if slack_secret:
        from relay.adapters.secrets import Secret
        from relay.adapters.slack import SlackChannel

        ways.append(SlackChannel(Secret(slack_secret)))
    return tuple(ways)


@cache
def source() -> SqsSource:
    """Return the queue that this function reads."""
    from relay.adapters.sqs import SqsSource

    return SqsSource(setting("SOURCE_URL"), setting("SOURCE_NAME"))


@cache
def batch() -> Batch:
    """Return how this function's messages are settled."""
    from relay.batch import Batch, Message

    def log(outcome: str, message: Message, error: Exception) -> None:
        telemetry().outcome(
            outcome,
            error=type(error).__name__,
            # The texts of our own errors hold no value of a message; those of others might.
            reason=str(error) if type(error).__module__ == "relay.errors" else None,
            message_id=message.id,
            event_id=message.attributes.get("event_id"),
            topic=message.attributes.get("topic"),
            receives=message.receives,
            deferrals=message.deferrals,
        )

    return Batch(source=source(), dead_letters=dead_letters(), clock=now, log=log)


@cache
def mirrors() -> DynamoMirrors:
    """Return what this function's target holds of the members."""
    from relay.adapters.mirrors import DynamoMirrors

    return DynamoMirrors(setting("MIRRORS_TABLE"), setting("TARGET"))


@cache
def crm() -> Crm:
    """Return this function's target. One line for each CRM that there is."""
    targets = {"hubspot": _hubspot}
    target = setting("TARGET")
    if target not in targets:
        raise MisconfiguredError("no CRM by the name in TARGET", setting="TARGET")
    return targets[target]()


def _hubspot() -> Crm:
    from relay.adapters.hubspot import Hubspot
    from relay.adapters.secrets import Secret

    return Hubspot(setting("HUBSPOT_URL"), Secret(setting("HUBSPOT_SECRET")), setting("HUBSPOT_VERSION"))


@cache
def mirroring() -> Mirroring:
    """Return the work of `crm_sync`, for its target."""
    from relay.mirroring import Mirroring

    target = setting("TARGET")
    return Mirroring(
        shop=setting("SHOP_DOMAIN"),
        crm=crm(),
        members=members(),
        mirrors=mirrors(),
        clock=now,
        credential=setting(f"{target.upper()}_SECRET"),
        observe=observe_mirrored,
        rechecks=rechecks(),
    )


@cache
def reconciling() -> Reconciling:
    """Return the work of `reconcile`."""
    from relay.adapters.inveterate_api import InveterateApi
    from relay.adapters.secrets import Secret
    from relay.adapters.turns import DynamoTurns
    from relay.reconciling import DELAYS, Reconciling

    return Reconciling(
        shop=setting("SHOP_DOMAIN"),
        members=members(),
        turns=DynamoTurns(setting("MIRRORS_TABLE")),
        api=InveterateApi(setting("INVETERATE_URL"), Secret(setting("INVETERATE_SECRET"))),
        journal=journal(),
        clock=now,
        telemetry=telemetry(),
        every=timedelta(seconds=DELAYS * _recheck_delay()),
    )


@cache
def granting() -> Granting:
    """Return the work of `grants`."""
    from relay.adapters.inveterate_api import InveterateApi
    from relay.adapters.promises import DynamoPromises
    from relay.adapters.secrets import Secret
    from relay.granting import Granting

    return Granting(
        shop=setting("SHOP_DOMAIN"),
        members=members(),
        promises=DynamoPromises(setting("GRANTS_TABLE"), now),
        api=InveterateApi(setting("INVETERATE_URL"), Secret(setting("INVETERATE_SECRET"))),
        journal=journal(),
        clock=now,
        telemetry=telemetry(),
    )


def observe_mirrored(key: str, outcome: Outcome) -> None:
    """Count an outcome, and log one that a person may want to look at. The member goes by its key alone."""
    if outcome.state == "mirrored":
        telemetry().measure("Mirrored", 1)
    elif outcome.state in {"skipped", "refused"}:
        name = "skipped_no_email" if outcome.reason == "no_email" else outcome.state
        telemetry().outcome(
            name, event_id=None, topic=None, target=setting("TARGET"), member=key, reason=outcome.reason
        )
