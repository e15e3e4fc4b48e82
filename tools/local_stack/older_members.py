"""Imports the members that are older than the subscriptions, as `relay import` does, and looks for them in the CRM."""

from __future__ import annotations

import time
from typing import Final

from local_stack.environment import LocalEnvironment
from local_stack.errors import LocalStackError
from local_stack.observer import Observer
from local_stack.progress import ReportProgress
from local_stack.verdict import OlderMembers

_MAX_WAIT: Final = 300.0
_INTERVAL: Final = 1.0


def import_members(
    environment: LocalEnvironment, expected: int, progress: ReportProgress, observer: Observer
) -> OlderMembers:
    """Start an import, wait until it has ended and the CRM has its members; return what came of it.

    Raises:
        LocalStackError: the import does not end.

    """
    from relay.adapters.aws.boto import BotoAws
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.adapters.dynamodb.platform import DynamoFullRuns
    from relay.reconcile.full_run import run_message

    outputs, aws = environment.stack.outputs, BotoAws(environment.aws.client)
    [refusal] = SqsOutgoing(outputs["ReconcileQueueUrl"], "reconcile", aws).send(
        [run_message("import", run_id="older")]
    )
    if refusal:
        raise LocalStackError("the import could not be started")
    runs, until = DynamoFullRuns(outputs["MirrorsTable"], aws), time.monotonic() + _MAX_WAIT
    while (run := runs.load()) is None or run.is_active:
        if time.monotonic() > until:
            raise LocalStackError(f"the import does not end: {run.read if run else 0} members were read")
        time.sleep(_INTERVAL)
    while len(observer.contacts()) < expected and time.monotonic() < until:
        time.sleep(_INTERVAL)
    found = OlderMembers(
        expected, len(observer.contacts()), len(observer.slack_messages()) + len(list(observer.emails()))
    )
    progress(
        f"imported {run.read} members that are older than the subscriptions; {found.in_crm} are in the CRM"
    )
    return found
