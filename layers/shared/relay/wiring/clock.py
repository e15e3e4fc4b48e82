"""What the clock does: the figures, the daily round, and another look at what nobody claimed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import tzinfo
from functools import cache
from typing import TYPE_CHECKING

from relay.errors import MisconfiguredError
from relay.topics import FOLDERS, queue_variable
from relay.wiring import common

if TYPE_CHECKING:
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.adapters.dynamodb.kpis import DynamoKpis
    from relay.ingest.unclaimed import UnclaimedDrain
    from relay.scheduler.tick import Scheduler


@cache
def figures() -> DynamoKpis:
    """Return the programme's figures."""
    from relay.adapters.dynamodb.kpis import DynamoKpis

    return DynamoKpis(common.setting("FIGURES_TABLE"), common.setting("SHOP_DOMAIN"), common.now)


@cache
def zone() -> tzinfo:
    """Return the shop's time zone."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(common.setting("TIME_ZONE"))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise MisconfiguredError("no time zone by the name in TIME_ZONE", setting="TIME_ZONE") from error


@cache
def clockwork() -> Scheduler:
    """Return what the clock does at a tick."""
    from relay.adapters.dynamodb.kpis import DynamoDailyRuns
    from relay.adapters.dynamodb.scans import DynamoMemberScan, DynamoSyncStatePages
    from relay.scheduler.daily import DailyRound
    from relay.scheduler.tick import Scheduler

    shop = common.setting("SHOP_DOMAIN")
    daily = DailyRound(
        shop=shop,
        zone=zone(),
        rounds=DynamoDailyRuns(common.setting("FIGURES_TABLE"), shop),
        members=common.members(),
        roll=DynamoMemberScan(common.setting("MEMBERS_TABLE"), shop),
        mirrors=DynamoSyncStatePages(common.setting("MIRRORS_TABLE")),
        figures=figures(),
        changes=common.changes(),
        alerts=common.alerts(),
        telemetry=common.telemetry(),
    )
    return Scheduler(
        shop=shop,
        alerts=common.alerts(),
        members=common.members(),
        figures=figures(),
        daily=daily,
        drain=drain(),
        telemetry=common.telemetry(),
        audited=audited(),
    )


def audited() -> Sequence[SqsOutgoing]:
    """Return the queues of all targets, to ask for their audits."""
    from relay.adapters.aws.sqs import SqsOutgoing

    return [SqsOutgoing(url, url.rpartition("/")[2]) for url in os.environ.get("AUDITED_URLS", "").split()]


@cache
def drain() -> UnclaimedDrain:
    """Return what looks at `unclaimed` again."""
    from relay.adapters.aws.sqs import SqsInbox, SqsOutgoing
    from relay.ingest.unclaimed import UnclaimedDrain

    topics = {
        folder: SqsOutgoing(common.setting(queue_variable(folder)), folder) for folder in FOLDERS.values()
    }
    return UnclaimedDrain(
        shop=common.setting("SHOP_DOMAIN"),
        unclaimed=SqsInbox(common.setting("UNCLAIMED_URL"), "unclaimed"),
        topics=topics,
        dead_letters=common.dead_letters(),
        journal=common.journal(),
    )
