"""What asks the platform: reading members again, and giving credits."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from relay.wiring import common

if TYPE_CHECKING:
    from relay.grant_queue import GrantQueue
    from relay.platform.granting import Granting
    from relay.platform.reconciling import Reconciling
    from relay.rechecking import Rechecks


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
    return int(common.setting("RECHECK_DELAY"))


@cache
def reconciling() -> Reconciling:
    """Return the work of `reconcile`."""
    from relay.adapters.inveterate_api import InveterateApi
    from relay.adapters.secrets import Secret
    from relay.adapters.turns import DynamoTurns
    from relay.platform.reconciling import DELAYS, Reconciling

    return Reconciling(
        shop=common.setting("SHOP_DOMAIN"),
        members=common.members(),
        turns=DynamoTurns(common.setting("MIRRORS_TABLE")),
        api=InveterateApi(common.setting("INVETERATE_URL"), Secret(common.setting("INVETERATE_SECRET"))),
        journal=common.journal(),
        clock=common.now,
        telemetry=common.telemetry(),
        every=timedelta(seconds=DELAYS * _recheck_delay()),
    )


@cache
def granting() -> Granting:
    """Return the work of `grants`."""
    from relay.adapters.inveterate_api import InveterateApi
    from relay.adapters.promises import DynamoPromises
    from relay.adapters.secrets import Secret
    from relay.deciding.worth import is_high_value
    from relay.platform.granting import Granting

    return Granting(
        shop=common.setting("SHOP_DOMAIN"),
        members=common.members(),
        promises=DynamoPromises(common.setting("GRANTS_TABLE"), common.now),
        api=InveterateApi(common.setting("INVETERATE_URL"), Secret(common.setting("INVETERATE_SECRET"))),
        journal=common.journal(),
        clock=common.now,
        telemetry=common.telemetry(),
        worth=is_high_value,
    )
