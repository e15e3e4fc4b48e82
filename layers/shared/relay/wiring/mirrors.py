"""What keeps a CRM equal to the programme: writing, auditing, and what is remembered of it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from relay.wiring import common, crms, platform

if TYPE_CHECKING:
    from relay.adapters.dynamodb.crm_state import DynamoSyncStates
    from relay.adapters.dynamodb.sync_state_scan import DynamoSyncStateScan
    from relay.crm.audit import CrmAudit
    from relay.crm.circuit_breaker import CircuitBreaker
    from relay.crm.claimed_write import ClaimedWrite
    from relay.crm.sync import CrmSync
    from relay.ports.crm import CrmOutcome


@cache
def mirrors() -> DynamoSyncStates:
    """Return what this function's target holds of the members."""
    from relay.adapters.dynamodb.crm_state import DynamoSyncStates

    return DynamoSyncStates(common.setting("MIRRORS_TABLE"), common.setting("TARGET"))


@cache
def mirroring() -> CrmSync:
    """Return the work of `crm_sync`, for its target."""
    from relay.crm.audit import AUDIT_COMMAND as AUDIT
    from relay.crm.sync import CrmSync

    target = common.setting("TARGET")
    return CrmSync(
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
def writing() -> ClaimedWrite:
    """Return what it takes to write members to this function's target."""
    from relay.crm.claimed_write import ClaimedWrite

    return ClaimedWrite(
        crm=crms.crm(),
        members=common.members(),
        mirrors=mirrors(),
        clock=common.now,
        observe=observe_mirrored,
    )


@cache
def inventory() -> DynamoSyncStateScan:
    """Return all that was noted of this function's target."""
    from relay.adapters.dynamodb.sync_state_scan import DynamoSyncStateScan

    return DynamoSyncStateScan(common.setting("MIRRORS_TABLE"), common.setting("TARGET"))


@cache
def auditing() -> CrmAudit:
    """Return the audits of this function's target."""
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.crm.audit import CrmAudit

    queue = SqsOutgoing(common.setting("SOURCE_URL"), common.setting("SOURCE_NAME"))
    return CrmAudit(writing=writing(), inventory=inventory(), queue=queue)


@cache
def breaker() -> CircuitBreaker:
    """Return what keeps this function from a CRM that is down."""
    from relay.adapters.dynamodb.circuit import DynamoCircuits
    from relay.crm.circuit_breaker import CircuitBreaker

    return CircuitBreaker(
        gates=DynamoCircuits(common.setting("MIRRORS_TABLE"), common.setting("TARGET")), clock=common.now
    )


def observe_mirrored(key: str, outcome: CrmOutcome) -> None:
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
