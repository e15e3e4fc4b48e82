"""What keeps a CRM equal to the programme: writing, auditing, and what is remembered of it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from relay.wiring import common, crms, platform

if TYPE_CHECKING:
    from relay.adapters.inventory import DynamoInventory
    from relay.adapters.mirrors import DynamoMirrors
    from relay.mirrors.auditing import Auditing
    from relay.mirrors.breaker import Breaker
    from relay.mirrors.mirroring import Mirroring
    from relay.mirrors.writing import Writing
    from relay.ports.crm import Outcome


@cache
def mirrors() -> DynamoMirrors:
    """Return what this function's target holds of the members."""
    from relay.adapters.mirrors import DynamoMirrors

    return DynamoMirrors(common.setting("MIRRORS_TABLE"), common.setting("TARGET"))


@cache
def mirroring() -> Mirroring:
    """Return the work of `crm_sync`, for its target."""
    from relay.mirrors.auditing import ERRAND as AUDIT
    from relay.mirrors.mirroring import Mirroring

    target = common.setting("TARGET")
    return Mirroring(
        shop=common.setting("SHOP_DOMAIN"),
        crm=crms.crm(),
        members=common.members(),
        mirrors=mirrors(),
        clock=common.now,
        credential=common.setting(f"{target.upper()}_SECRET"),
        observe=observe_mirrored,
        rechecks=platform.rechecks(),
        breaker=breaker(),
        errands={AUDIT: auditing().run},
    )


@cache
def writing() -> Writing:
    """Return what it takes to write members to this function's target."""
    from relay.mirrors.writing import Writing

    return Writing(
        crm=crms.crm(),
        members=common.members(),
        mirrors=mirrors(),
        clock=common.now,
        observe=observe_mirrored,
    )


@cache
def inventory() -> DynamoInventory:
    """Return all that was noted of this function's target."""
    from relay.adapters.inventory import DynamoInventory

    return DynamoInventory(common.setting("MIRRORS_TABLE"), common.setting("TARGET"))


@cache
def auditing() -> Auditing:
    """Return the audits of this function's target."""
    from relay.adapters.sqs import SqsOutgoing
    from relay.mirrors.auditing import Auditing

    queue = SqsOutgoing(common.setting("SOURCE_URL"), common.setting("SOURCE_NAME"))
    return Auditing(writing=writing(), inventory=inventory(), queue=queue)


@cache
def breaker() -> Breaker:
    """Return what keeps this function from a CRM that is down."""
    from relay.adapters.gates import DynamoGates
    from relay.mirrors.breaker import Breaker

    return Breaker(
        gates=DynamoGates(common.setting("MIRRORS_TABLE"), common.setting("TARGET")), clock=common.now
    )


def observe_mirrored(key: str, outcome: Outcome) -> None:
    """Count an outcome, and log one that a person may want to look at. The member goes by its key alone."""
    if outcome.state == "mirrored":
        common.telemetry().measure("Mirrored", 1)
        if outcome.reason == "identity_conflict":
            common.telemetry().measure("IdentityConflict", 1)
    elif outcome.state in {"skipped", "refused"}:
        name = "skipped_no_email" if outcome.reason == "no_email" else outcome.state
        common.telemetry().outcome(
            name,
            event_id=None,
            topic=None,
            target=common.setting("TARGET"),
            member=key,
            reason=outcome.reason,
        )
