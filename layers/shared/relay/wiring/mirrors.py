"""What `crm_sync` is made of: the synchronisation with its target, the audits, and what is stored of the target."""

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
def sync_states() -> DynamoSyncStates:
    """Return the sync states of this function's target."""
    from relay.adapters.dynamodb.crm_state import DynamoSyncStates

    return DynamoSyncStates(common.setting("MIRRORS_TABLE"), common.setting("TARGET"))


@cache
def crm_sync() -> CrmSync:
    """Return the work of `crm_sync` for its target."""
    from relay.crm.audit import AUDIT_TOPIC
    from relay.crm.sync import CrmSync

    target = common.setting("TARGET")
    return CrmSync(
        shop=common.setting("SHOP_DOMAIN"),
        crm=crms.crm(),
        members=common.members(),
        sync_states=sync_states(),
        clock=common.now,
        credential=common.setting(f"{target.upper()}_SECRET"),
        observe=observe_outcome,
        rechecks=platform.rechecks(),
        breaker=circuit_breaker(),
        commands={AUDIT_TOPIC: crm_audit().run},
    )


@cache
def claimed_write() -> ClaimedWrite:
    """Return what writes members to this function's target."""
    from relay.crm.claimed_write import ClaimedWrite

    return ClaimedWrite(
        crm=crms.crm(),
        members=common.members(),
        sync_states=sync_states(),
        clock=common.now,
        observe=observe_outcome,
    )


@cache
def sync_state_scan() -> DynamoSyncStateScan:
    """Return the scan of this function's target."""
    from relay.adapters.dynamodb.sync_state_scan import DynamoSyncStateScan

    return DynamoSyncStateScan(common.setting("MIRRORS_TABLE"), common.setting("TARGET"))


@cache
def crm_audit() -> CrmAudit:
    """Return the audits of this function's target."""
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.crm.audit import CrmAudit

    queue = SqsOutgoing(common.setting("SOURCE_URL"), common.setting("SOURCE_NAME"))
    return CrmAudit(writer=claimed_write(), sync_state_scan=sync_state_scan(), queue=queue)


@cache
def circuit_breaker() -> CircuitBreaker:
    """Return the circuit breaker of this function's target."""
    from relay.adapters.dynamodb.circuit import DynamoCircuits
    from relay.crm.circuit_breaker import CircuitBreaker

    circuits = DynamoCircuits(common.setting("MIRRORS_TABLE"), common.setting("TARGET"))
    return CircuitBreaker(circuits=circuits, clock=common.now)


def observe_outcome(key: str, outcome: CrmOutcome) -> None:
    """Count an outcome; log one that may need attention, with the member's key alone."""
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
