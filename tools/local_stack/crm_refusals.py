"""HubSpot refuses every member for a part of the month, as a full account does, and is mended: no member may be left behind.

Every write of contacts is answered with one lasting code. Relay's schedule of waiting members goes by the real time, a month
takes minutes here: so what still waits in the end is queued at once, as `relay mirror retry hubspot` does it. A circuit that
the code has opened ends by itself, five minutes of real time after its last probe at the latest.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from local_stack.environment import LocalEnvironment
from local_stack.errors import LocalStackError
from local_stack.local_http import get, post

TARGET: Final = "hubspot"
BEGINS, ENDS = 5, 20
"""The days of the month, by the scenario's steps, between which HubSpot refuses."""

_PATH: Final = "/batch/upsert"
_CODE: Final = "LIMIT_EXCEEDED"
_NEVER_ENDING: Final = 1_000_000


def begin(environment: LocalEnvironment) -> None:
    """Let HubSpot refuse every member from now on."""
    fault = {"status": 400, "code": _CODE, "path": _PATH, "times": _NEVER_ENDING}
    post(f"{environment.hubspot}/_standin/faults", json=fault).raise_for_status()


def end(environment: LocalEnvironment) -> None:
    """Let HubSpot take members again."""
    post(f"{environment.hubspot}/_standin/heal", json={}).raise_for_status()


def refused_calls(environment: LocalEnvironment) -> int:
    """Return how many calls HubSpot has refused."""
    asked = get(f"{environment.hubspot}/_standin/requests").raise_for_status().json()
    return sum(
        each["path"].endswith(_PATH) and each.get("status") == HTTPStatus.BAD_REQUEST for each in asked
    )


def release(environment: LocalEnvironment) -> None:
    """Queue all members that wait, to be tried at once.

    Raises:
        LocalStackError: the queue does not take the request.

    """
    from relay.adapters.aws.boto import BotoAws
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.crm.waiting import round_message

    function = f"{environment.stack.name}-{TARGET}"
    found = environment.aws.client("lambda").get_function_configuration(FunctionName=function)
    queue = found["Environment"]["Variables"]["SOURCE_URL"]
    sender = SqsOutgoing(queue, TARGET, BotoAws(environment.aws.client))
    [refusal] = sender.send([round_message(datetime.now(UTC), everyone=True)])
    if refusal:
        raise LocalStackError("the members that wait could not be queued")


def left_behind(environment: LocalEnvironment) -> list[str]:
    """Return a sentence for each member that waits or was refused."""
    from relay.adapters.aws.boto import BotoAws
    from relay.adapters.dynamodb.scans import DynamoSyncStateScan

    aws = BotoAws(environment.aws.client)
    scan = DynamoSyncStateScan(environment.stack.outputs["MirrorsTable"], TARGET, aws)
    found, cursor = [], None
    while True:
        page = scan.page(cursor)
        found += [
            f"{key} is {state.state}: {state.reason}"
            for key, state in page.items
            if state.state in {"waiting", "refused"}
        ]
        cursor = page.cursor
        if cursor is None:
            return found
