"""Which adapter stands behind which port, from the environment, on first use.

Nothing here runs at import. A setting that is missing is named by the error that says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import TYPE_CHECKING

from relay.errors import MisconfiguredError
from relay.routing import FOLDERS, queue_variable

if TYPE_CHECKING:
    from relay.adapters.figures import DynamoFigures
    from relay.adapters.firehose import FirehoseJournal
    from relay.adapters.inventory import DynamoInventory
    from relay.adapters.members import DynamoMembers
    from relay.adapters.mirrors import DynamoMirrors
    from relay.adapters.pacing import PacedTransport
    from relay.adapters.sns import SnsOutgoing
    from relay.adapters.sqs import SqsOutgoing, SqsSource
    from relay.adapters.telemetry import PowertoolsTelemetry
    from relay.auditing import Auditing
    from relay.batch import Batch
    from relay.breaker import Breaker
    from relay.draining import Drain
    from relay.grant_queue import GrantQueue
    from relay.granting import Granting
    from relay.mirroring import Mirroring
    from relay.notifier import Notifier
    from relay.ports import Channel, Crm, Occasions, Outcome, Rate
    from relay.rechecking import Rechecks
    from relay.reconciling import Reconciling
    from relay.ticking import Clockwork
    from relay.writing import Writing


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
def figures() -> DynamoFigures:
    """Return the programme's figures."""
    from relay.adapters.figures import DynamoFigures

    return DynamoFigures(setting("FIGURES_TABLE"), setting("SHOP_DOMAIN"), now)


@cache
def zone() -> tzinfo:
    """Return the shop's time zone."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(setting("TIME_ZONE"))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise MisconfiguredError("no time zone by the name in TIME_ZONE", setting="TIME_ZONE") from error


@cache
def clockwork() -> Clockwork:
    """Return what the clock does at a tick."""
    from relay.adapters.figures import DynamoRounds
    from relay.adapters.pages import DynamoMirrorStates, DynamoRoll
    from relay.rounds import DailyRound
    from relay.ticking import Clockwork

    shop = setting("SHOP_DOMAIN")
    daily = DailyRound(
        shop=shop,
        zone=zone(),
        rounds=DynamoRounds(setting("FIGURES_TABLE"), shop),
        members=members(),
        roll=DynamoRoll(setting("MEMBERS_TABLE"), shop),
        mirrors=DynamoMirrorStates(setting("MIRRORS_TABLE")),
        figures=figures(),
        changes=changes(),
        alerts=alerts(),
        telemetry=telemetry(),
    )
    return Clockwork(
        shop=shop,
        alerts=alerts(),
        members=members(),
        figures=figures(),
        daily=daily,
        drain=drain(),
        telemetry=telemetry(),
        audited=audited(),
    )


def audited() -> Sequence[SqsOutgoing]:
    """Return the queues of all targets, to ask for their audits."""
    from relay.adapters.sqs import SqsOutgoing

    return [SqsOutgoing(url, url.rpartition("/")[2]) for url in os.environ.get("AUDITED_URLS", "").split()]


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
    """Return the ways to reach people: e-mail always, Slack and PagerDuty where they are configured."""
    from relay.adapters.email import EmailChannel

    ways: list[Channel] = [EmailChannel(setting("EMAIL_TOPIC"))]
    slack_secret = os.environ.get("SLACK_SECRET")
    if slack_secret:
        from relay.adapters.secrets import Secret
        from relay.adapters.slack import SlackChannel

        ways.append(
            SlackChannel(
                Secret(slack_secret), api=setting("SLACK_URL"), channel=os.environ.get("SLACK_CHANNEL", "")
            )
        )
    pagerduty_secret = os.environ.get("PAGERDUTY_SECRET")
    if pagerduty_secret:
        from relay.adapters.pagerduty import PagerDutyChannel
        from relay.adapters.secrets import Secret

        ways.append(
            PagerDutyChannel(setting("PAGERDUTY_URL"), Secret(pagerduty_secret), setting("SHOP_DOMAIN"))
        )
    return tuple(ways)


@cache
def notifier() -> Notifier:
    """Return the work of `notifier`; it knows the rules as it last read them."""
    from relay.addressing import zone_of
    from relay.notifier import Notifier

    return Notifier(
        shop=setting("SHOP_DOMAIN"),
        occasions=occasions(),
        members=members(),
        channels=channels(),
        clock=now,
        telemetry=telemetry(),
        zone=zone_of(setting("TIME_ZONE")),
    )


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

    return Batch(
        source=source(), dead_letters=dead_letters(), clock=now, log=log, observe_put_off=observe_put_off
    )


def observe_put_off(age: timedelta, errors: Sequence[Exception]) -> None:
    """Measure what waits, for the alarms on a target: how long by now, and whether for a person's mending.

    A message that is put off is a new one to SQS, so the queue's own age says nothing of an outage.
    """
    shop = setting("SHOP_DOMAIN")
    telemetry().measure("Lag", age.total_seconds(), "Seconds", shop=shop)
    if any(isinstance(error, MisconfiguredError) for error in errors):
        telemetry().measure("Misconfigured", 1, shop=shop)


@cache
def mirrors() -> DynamoMirrors:
    """Return what this function's target holds of the members."""
    from relay.adapters.mirrors import DynamoMirrors

    return DynamoMirrors(setting("MIRRORS_TABLE"), setting("TARGET"))


@cache
def crm() -> Crm:
    """Return this function's target. One line for each CRM that there is."""
    targets = {
        "hubspot": _hubspot,
        "klaviyo": _klaviyo,
        "salesforce": _salesforce,
        "webhook": _webhook,
    }
    target = setting("TARGET")
    if target not in targets:
        raise MisconfiguredError("no CRM by the name in TARGET", setting="TARGET")
    return targets[target]()


def _hubspot() -> Crm:
    from relay.adapters.hubspot import Hubspot
    from relay.adapters.secrets import Secret

    return Hubspot(
        setting("HUBSPOT_URL"),
        Secret(setting("HUBSPOT_SECRET")),
        setting("HUBSPOT_VERSION"),
        paced(Hubspot.rates),
        events=os.environ.get("HUBSPOT_EVENTS") == "true",
    )


def paced(rates: Sequence[Rate]) -> PacedTransport:
    """Return a transport that keeps this target's rates, together with all other environments."""
    from relay.adapters.pacing import DynamoTurnstiles, paced_transport
    from relay.pacing import Pace

    turnstiles = DynamoTurnstiles(setting("MIRRORS_TABLE"), setting("TARGET"))
    return paced_transport(Pace(rates, turnstiles, now, time.sleep))


def _klaviyo() -> Crm:
    from relay.adapters.klaviyo import Klaviyo, Options
    from relay.adapters.secrets import Secret

    options = Options(
        revision=setting("KLAVIYO_REVISION"),
        external_id=os.environ.get("KLAVIYO_SET_EXTERNAL_ID") == "true",
        compat=os.environ.get("KLAVIYO_COMPAT_NAMES") == "true",
    )
    return Klaviyo(setting("KLAVIYO_URL"), Secret(setting("KLAVIYO_SECRET")), options, paced(Klaviyo.rates))


def _salesforce() -> Crm:
    from relay.adapters.salesforce import Org, Salesforce
    from relay.adapters.secrets import Secret

    org = Org(setting("SALESFORCE_URL"), setting("SALESFORCE_OBJECT"), setting("SALESFORCE_VERSION"))
    return Salesforce(org, Secret(setting("SALESFORCE_SECRET")))


def _webhook() -> Crm:
    from relay.adapters.secrets import Secret
    from relay.adapters.webhook import Webhook

    return Webhook(setting("WEBHOOK_URL"), Secret(setting("WEBHOOK_SECRET")))


@cache
def mirroring() -> Mirroring:
    """Return the work of `crm_sync`, for its target."""
    from relay.auditing import ERRAND as AUDIT
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
        breaker=breaker(),
        errands={AUDIT: auditing().run},
    )


@cache
def writing() -> Writing:
    """Return what it takes to write members to this function's target."""
    from relay.writing import Writing

    return Writing(crm=crm(), members=members(), mirrors=mirrors(), clock=now, observe=observe_mirrored)


@cache
def inventory() -> DynamoInventory:
    """Return all that was noted of this function's target."""
    from relay.adapters.inventory import DynamoInventory

    return DynamoInventory(setting("MIRRORS_TABLE"), setting("TARGET"))


@cache
def auditing() -> Auditing:
    """Return the audits of this function's target."""
    from relay.adapters.sqs import SqsOutgoing
    from relay.auditing import Auditing

    queue = SqsOutgoing(setting("SOURCE_URL"), setting("SOURCE_NAME"))
    return Auditing(writing=writing(), inventory=inventory(), queue=queue)


@cache
def breaker() -> Breaker:
    """Return what keeps this function from a CRM that is down."""
    from relay.adapters.gates import DynamoGates
    from relay.breaker import Breaker

    return Breaker(gates=DynamoGates(setting("MIRRORS_TABLE"), setting("TARGET")), clock=now)


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
    from relay.worth import is_high_value

    return Granting(
        shop=setting("SHOP_DOMAIN"),
        members=members(),
        promises=DynamoPromises(setting("GRANTS_TABLE"), now),
        api=InveterateApi(setting("INVETERATE_URL"), Secret(setting("INVETERATE_SECRET"))),
        journal=journal(),
        clock=now,
        telemetry=telemetry(),
        worth=is_high_value,
    )


def observe_mirrored(key: str, outcome: Outcome) -> None:
    """Count an outcome, and log one that a person may want to look at. The member goes by its key alone."""
    if outcome.state == "mirrored":
        telemetry().measure("Mirrored", 1)
        if outcome.reason == "identity_conflict":
            telemetry().measure("IdentityConflict", 1)
    elif outcome.state in {"skipped", "refused"}:
        name = "skipped_no_email" if outcome.reason == "no_email" else outcome.state
        telemetry().outcome(
            name, event_id=None, topic=None, target=setting("TARGET"), member=key, reason=outcome.reason
        )
