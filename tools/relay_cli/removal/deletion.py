"""Deletes subscriptions, a stack, and the tables, bucket and secrets that outlive it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from relay_cli.aws_access import aws_error, error_code
from relay_cli.checks.platform import leads_here
from relay_cli.errors import CliError
from relay_cli.output import Progress
from relay_cli.removal.plan import Kept, Subscription
from relay_cli.resources import TABLE
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from inveterate import Client, WebhookSubscription

_SECONDS_BETWEEN_LOOKS: Final = 5.0
_LONGEST: Final = 3600.0
_REASONS_SHOWN: Final = 5


def subscriptions_to_delete(
    listed: Iterable[WebhookSubscription], stack: str, url: str
) -> list[Subscription]:
    """Return the subscriptions that are the stack's: by their name, or by where they lead. Those of others stay.

    Raises:
        CliError: one of the stack's has no id or topic, so that it cannot be deleted.

    """
    ours = [
        one for one in listed if one.name == f"relay {stack}" or (url and leads_here(one.callback_url, url))
    ]
    found = [Subscription(str(one.id), one.topic) for one in ours if one.id and one.topic]
    if len(found) < len(ours):
        raise CliError(
            f"{len(ours) - len(found)} subscriptions of this stack have no id or topic in Inveterate's list",
            "delete them at Inveterate, then use --keep-subscriptions",
        )
    return found


def delete_subscriptions(client: Client, wanted: Iterable[Subscription], report: Progress) -> int:
    """Delete subscriptions; return how many. One that is gone already is none to worry about.

    The SDK's errors end the command before the stack is touched; run again, it goes on with the rest.
    """
    from inveterate import NotFoundError, SubscriptionId

    subscriptions = list(wanted)
    for number, one in enumerate(subscriptions, 1):
        with suppress(NotFoundError):
            client.webhook_subscriptions.delete(SubscriptionId(one.id), one.topic)
        report(number, len(subscriptions))
    return len(subscriptions)


def delete_stack(stack: Stack, report: Progress, sleep: Callable[[float], None] = time.sleep) -> None:
    """Delete the stack and wait until it is gone.

    Raises:
        CliError: CloudFormation could not delete it, or takes longer than an hour.

    """
    from botocore.exceptions import ClientError

    client = stack.client("cloudformation")
    # A deleted stack is found by its id alone.
    [found] = client.describe_stacks(StackName=stack.name)["Stacks"]
    stack_id = found["StackId"]
    client.delete_stack(StackName=stack.name)
    until = time.monotonic() + _LONGEST
    waited = 0
    while time.monotonic() < until:
        try:
            [found] = client.describe_stacks(StackName=stack_id)["Stacks"]
        except ClientError as error:
            if error_code(error) == "ValidationError":
                return
            raise aws_error(error) from None
        if found["StackStatus"] == "DELETE_COMPLETE":
            return
        if found["StackStatus"] == "DELETE_FAILED":
            raise CliError(
                f"the stack {stack.name} could not be deleted: {_reasons(client, stack_id)}",
                "mend that and run the command again: what is deleted stays deleted",
            )
        report(waited, None, str(found["StackStatus"]))
        sleep(_SECONDS_BETWEEN_LOOKS)
        waited += int(_SECONDS_BETWEEN_LOOKS)
    raise CliError(f"the stack {stack.name} is still being deleted", "run the command again later")


def _reasons(client: Any, stack_id: str) -> str:
    events = client.describe_stack_events(StackName=stack_id)["StackEvents"]
    failed = [
        f"{one['LogicalResourceId']} ({one.get('ResourceStatusReason', 'no reason given')})"
        for one in events
        if one.get("ResourceStatus") == "DELETE_FAILED" and one.get("PhysicalResourceId") != stack_id
    ]
    return "; ".join(failed[:_REASONS_SHOWN]) or "its events say why"


def delete_kept(stack: Stack, one: Kept, report: Progress) -> None:
    """Delete a table, or empty and delete a bucket; one that is gone already is passed over."""
    from botocore.exceptions import ClientError

    try:
        if one.kind == TABLE:
            stack.client("dynamodb").delete_table(TableName=one.name)
        else:
            _delete_bucket(stack, one.name, report)
    except ClientError as error:
        if error_code(error) not in {"ResourceNotFoundException", "NoSuchBucket"}:
            raise


def _delete_bucket(stack: Stack, name: str, report: Progress) -> None:
    """Delete every version of every object, then the bucket: a bucket with anything in it stays."""
    client, done = stack.client("s3"), 0
    for page in client.get_paginator("list_object_versions").paginate(Bucket=name):
        versions = [
            {"Key": one["Key"], "VersionId": one["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for one in page.get(kind, ())
        ]
        if versions:
            refused = client.delete_objects(Bucket=name, Delete={"Objects": versions, "Quiet": True}).get(
                "Errors", ()
            )
            if refused:
                raise CliError(
                    f"the bucket {name} keeps {len(refused)} objects ({refused[0].get('Code')})",
                    "delete them in the console, then run the command again",
                )
            done += len(versions)
            report(done)
    client.delete_bucket(Bucket=name)


def delete_secret(stack: Stack, name: str) -> None:
    """Delete an SSM parameter; one that is gone already is passed over."""
    from botocore.exceptions import ClientError

    try:
        stack.client("ssm").delete_parameter(Name=name)
    except ClientError as error:
        if error_code(error) != "ParameterNotFound":
            raise
