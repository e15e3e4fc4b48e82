"""Tokens of deliveries: whether all that came lately bore one that is known, and the parameter that then demands it.

Inveterate documents no token for the webhooks of API v2.0, and may send one all the same. Demanded too early, it would
refuse every webhook. So the receiver logs 12 hex digits of the SHA-256 of what a delivery bore, and the parameter is set
only where every topic that came within a day bore a token whose digest is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from relay_cli.aws_access import aws_error, is_aws_error
from relay_cli.errors import CliError

if TYPE_CHECKING:
    from relay_cli.stack import Stack

_DAY: Final = 86_400
_QUERY: Final = (
    'filter message = "accepted" and ispresent(topic) | stats count(*) as number by topic, token | limit 1000'
)
_TRIES: Final = 30
_CAPABILITIES: Final = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")


@dataclass(frozen=True)
class Evidence:
    """What the deliveries of the last day bore: topics whose every delivery bore a known token, and the others."""

    with_token: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def is_enough(self) -> bool:
        """Whether tokens can be demanded: deliveries came, and all of them bore one."""
        return bool(self.with_token) and not self.without


def judge(rows: Sequence[Mapping[str, str]], digests: Mapping[str, str]) -> Evidence:
    """Return what rows of the log say, each with `topic` and, where deliveries bore one, `token`: marks by commas.

    Every row of a topic must show a known token: one delivery without it would have been refused.
    """
    from relay.ingest.receive import TOKEN_MARK

    known = {digest[:TOKEN_MARK] for digest in digests.values()}
    topics = {row["topic"] for row in rows if row.get("topic")}
    bare = {
        row["topic"]
        for row in rows
        if row.get("topic") and not known & set((row.get("token") or "").split(","))
    }
    return Evidence(tuple(sorted(topics - bare)), tuple(sorted(bare)))


def evidence_of(
    stack: Stack, digests: Mapping[str, str], sleep: Callable[[float], None] = time.sleep
) -> Evidence:
    """Read the receiver's log of the last day.

    Raises:
        CliError: the log cannot be read.

    """
    logs, now = stack.client("logs"), int(time.time())
    try:
        query = logs.start_query(
            logGroupName=stack.output("LogGroup"), startTime=now - _DAY, endTime=now, queryString=_QUERY
        )["queryId"]
        for _ in range(_TRIES):
            reply = logs.get_query_results(queryId=query)
            if reply["status"] == "Complete":
                rows = [{cell["field"]: cell["value"] for cell in row} for row in reply["results"]]
                return judge(rows, digests)
            sleep(1)
    except Exception as error:
        if is_aws_error(error):
            raise aws_error(error) from None
        raise
    raise CliError("the receiver's log could not be read in time", "run the command again")


def enforce(stack: Stack, digests: Mapping[str, str]) -> bool:
    """Set the parameter TokenDigests and leave all else as it is; return whether there was anything to change.

    Raises:
        CliError: CloudFormation refuses, or the update fails and is rolled back.

    """
    wanted = ",".join(sorted(set(digests.values())))
    if stack.parameters.get("TokenDigests", "") == wanted:
        return False
    parameters: list[dict[str, Any]] = [
        {"ParameterKey": name, "UsePreviousValue": True}
        for name in stack.parameters
        if name != "TokenDigests"
    ]
    formation = stack.client("cloudformation")
    try:
        formation.update_stack(
            StackName=stack.name,
            UsePreviousTemplate=True,
            Parameters=[*parameters, {"ParameterKey": "TokenDigests", "ParameterValue": wanted}],
            Capabilities=list(_CAPABILITIES),
        )
        formation.get_waiter("stack_update_complete").wait(StackName=stack.name)
    except Exception as error:
        if is_aws_error(error):
            raise aws_error(error) from None
        raise
    return True
