"""What asks the platform: reading members again, and giving credits."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from relay.wiring import common

if TYPE_CHECKING:
    from relay.grants.granter import Granter
    from relay.queues.requests import GrantQueue, RecheckQueue
    from relay.reconcile.reconciler import Reconciler


@cache
def rechecks() -> RecheckQueue | None:
    """Return the queue of `reconcile`; None where no API is configured, and nobody could answer."""
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.queues.requests import RecheckQueue

    url = os.environ.get("RECHECKS_URL")
    return RecheckQueue(SqsOutgoing(url, "reconcile"), _recheck_delay()) if url else None


@cache
def grant_queue() -> GrantQueue | None:
    """Return the queue of `grants`; None where no API is configured, and nobody could grant."""
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.queues.requests import GrantQueue

    url = os.environ.get("GRANTS_URL")
    return GrantQueue(SqsOutgoing(url, "grants"), _recheck_delay()) if url else None


def _recheck_delay() -> int:
    return int(common.setting("RECHECK_DELAY"))


@cache
def reconciling() -> Reconciler:
    """Return the work of `reconcile`."""
    from relay.adapters.aws.ssm import Secret
    from relay.adapters.dynamodb.throttle import DynamoReadThrottle
    from relay.adapters.inveterate_api import InveterateApi
    from relay.reconcile.reconciler import DELAYS, Reconciler

    return Reconciler(
        shop=common.setting("SHOP_DOMAIN"),
        members=common.members(),
        turns=DynamoReadThrottle(common.setting("MIRRORS_TABLE")),
        api=InveterateApi(common.setting("INVETERATE_URL"), Secret(common.setting("INVETERATE_SECRET"))),
        journal=common.journal(),
        clock=common.now,
        telemetry=common.telemetry(),
        every=timedelta(seconds=DELAYS * _recheck_delay()),
    )


@cache
def granting() -> Granter:
    """Return the work of `grants`."""
    from relay.adapters.aws.ssm import Secret
    from relay.adapters.dynamodb.grant_records import DynamoGrantRecords
    from relay.adapters.inveterate_api import InveterateApi
    from relay.grants.granter import Granter
    from relay.rules.segments import is_high_value

    return Granter(
        shop=common.setting("SHOP_DOMAIN"),
        members=common.members(),
        promises=DynamoGrantRecords(common.setting("GRANTS_TABLE"), common.now),
        api=InveterateApi(common.setting("INVETERATE_URL"), Secret(common.setting("INVETERATE_SECRET"))),
        journal=common.journal(),
        clock=common.now,
        telemetry=common.telemetry(),
        worth=is_high_value,
    )
