"""Checks of the AWS account: the stack's state, its secrets, Lambda's limit, the runtime, its event sources and its alarms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from relay_cli.aws_access import error_code
from relay_cli.checks.line import CheckLine, ok
from relay_cli.errors import CliError
from relay_cli.platform import read_parameter
from relay_cli.resources import ALARM, FUNCTION, Resource, names_of
from relay_cli.secrets import cleaned
from relay_cli.stack import Stack

LOW_LIMIT: Final = 100
"""Environments of Lambda: up to here none can be kept for the receiver, and a burst takes them all."""

RUNTIME_ENDS: Final[Mapping[str, date]] = {
    "python3.10": date(2026, 10, 31),
    "python3.11": date(2027, 6, 30),
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
"""Lambda's deprecation dates (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html, read in November 2026)."""

NOTICE: Final = timedelta(days=180)
"""How long before an end a line warns of it."""

_ALARMS_A_CALL: Final = 100


def check_stack(stack: Stack) -> Iterator[CheckLine]:
    """Yield the state of the stack. One that lacks parts raises the error that every command shows."""
    _ = stack.parameters
    state = stack.state or ""
    if state.endswith("_IN_PROGRESS"):
        yield CheckLine(
            "stack", "warning", f"a deployment is under way ({state})", "run the command again after it"
        )
    elif state == "UPDATE_ROLLBACK_COMPLETE":
        yield CheckLine(
            "stack",
            "warning",
            f"the last update was rolled back ({state}); the version before it is in force",
            "its events in CloudFormation say why; then `relay deploy` again",
        )
    else:
        yield ok("stack", f"{stack.name} is deployed ({state})")


def secret_names(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Return by parameter the SSM parameter that it names."""
    return {name: value for name, value in parameters.items() if name.endswith("Secret") and value}


def check_secrets(stack: Stack) -> Iterator[CheckLine]:
    """Yield a line for each secret that is missing or malformed, or one for all."""
    from botocore.exceptions import ClientError

    named = secret_names(stack.parameters)
    wrong: list[CheckLine] = []
    for parameter, name in named.items():
        try:
            cleaned(read_parameter(stack, name), "value")
        except ClientError as error:
            if error_code(error) not in {"ParameterNotFound", "InvalidKeyId"}:
                raise
            wrong.append(_secret(parameter, f"{name} does not exist, or its key is gone", name))
        except CliError as error:
            wrong.append(_secret(parameter, f"{name}: {error.message}", name))
    if not wrong:
        yield ok("secrets", f"{', '.join(named.values()) or 'none are needed'}")
    yield from wrong


def _secret(parameter: str, text: str, name: str) -> CheckLine:
    put = f"aws ssm put-parameter --overwrite --type SecureString --name {name} --value file:///dev/stdin"
    return CheckLine(f"secret {parameter}", "bad", text, f"pipe the value into `{put}`")


def check_lambda_limit(stack: Stack) -> Iterator[CheckLine]:
    """Yield how many functions the account may run at once."""
    limit = stack.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    yield lambda_limit_line(int(limit))


def lambda_limit_line(limit: int) -> CheckLine:
    """Return the line for a limit."""
    text = f"the account runs {limit:,} functions at once"
    if limit > LOW_LIMIT:
        return ok("Lambda limit", text)
    return CheckLine(
        "Lambda limit",
        "warning",
        f"{text}, all stacks together: a burst of webhooks is answered late or with an error",
        "ask for 1,000: `aws service-quotas request-service-quota-increase --service-code lambda "
        "--quota-code L-B99A9384 --desired-value 1000`; then deploy with ReceiverConcurrency",
    )


def runtime_line(runtime: str, today: date) -> CheckLine:
    """Return the line for the functions' runtime."""
    ends = RUNTIME_ENDS.get(runtime)
    if ends is None:
        return CheckLine(
            "runtime",
            "unknown",
            f"{runtime}: this version of the command does not know when Lambda ends it",
            "AWS lists it: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html",
        )
    if ends - today > NOTICE:
        return ok("runtime", f"{runtime}, supported by Lambda until {ends}")
    state, verb = ("bad", "has ended") if ends < today else ("warning", "ends")
    return CheckLine(
        "runtime",
        "bad" if state == "bad" else "warning",
        f"Lambda's support of {runtime} {verb} on {ends}",
        "deploy with a newer Runtime",
    )


def check_event_sources(stack: Stack, resources: Sequence[Resource]) -> Iterator[CheckLine]:
    """Yield each function whose queue or stream is not read."""
    functions = set(names_of(resources, FUNCTION))
    pages = stack.client("lambda").get_paginator("list_event_source_mappings").paginate()
    states = {
        name: str(one["State"])
        for page in pages
        for one in page["EventSourceMappings"]
        if (name := one["FunctionArn"].partition(":function:")[2].partition(":")[0]) in functions
    }
    yield from event_source_lines(states)


def event_source_lines(states: Mapping[str, str]) -> Iterator[CheckLine]:
    """Yield the lines for the states of event sources by function."""
    wrong = {name: state for name, state in states.items() if state not in {"Enabled", "Updating"}}
    if not states:
        yield CheckLine(
            "event sources", "bad", "no function reads a queue", "deploy the stack again: `relay deploy`"
        )
    elif not wrong:
        yield ok("event sources", f"{len(states)} functions read their queues")
    for name, state in sorted(wrong.items()):
        yield CheckLine(
            f"event source {name}",
            "bad",
            f"is {state}: messages wait, and go to the dead letters after four days",
            f"`aws lambda list-event-source-mappings --function-name {name}` has its UUID; enable it with "
            "`aws lambda update-event-source-mapping --enabled --uuid UUID`",
        )


def check_alarms(stack: Stack, resources: Sequence[Resource]) -> Iterator[CheckLine]:
    """Yield each alarm that is raised, switched off or gone."""
    names = list(names_of(resources, ALARM))
    client = stack.client("cloudwatch")
    found: list[Mapping[str, Any]] = []
    for start in range(0, len(names), _ALARMS_A_CALL):
        reply = client.describe_alarms(AlarmNames=names[start : start + _ALARMS_A_CALL])
        found += [*reply.get("MetricAlarms", ()), *reply.get("CompositeAlarms", ())]
    yield from alarm_lines(stack.name, names, found)


def alarm_lines(stack: str, names: Iterable[str], found: Iterable[Mapping[str, Any]]) -> Iterator[CheckLine]:
    """Yield the lines for a stack's alarms as CloudWatch describes them."""
    known, expected = {str(one["AlarmName"]): one for one in found}, list(names)
    wrong: list[CheckLine] = []
    for name in expected:
        short, alarm = name.removeprefix(f"{stack}-"), known.get(name)
        if alarm is None:
            wrong.append(
                CheckLine(f"alarm {short}", "bad", "was deleted", "deploy the stack again: `relay deploy`")
            )
        elif alarm["StateValue"] == "ALARM":
            since = alarm.get("StateUpdatedTimestamp")
            text = "is raised" + (f" since {since:%Y-%m-%d %H:%M} UTC" if since else "")
            wrong.append(
                CheckLine(f"alarm {short}", "bad", text, f"docs/operations.md has a section {short}")
            )
        elif not alarm.get("ActionsEnabled", True):
            wrong.append(
                CheckLine(
                    f"alarm {short}",
                    "warning",
                    "its actions are switched off: it alerts no person",
                    f"`aws cloudwatch enable-alarm-actions --alarm-names {name}`",
                )
            )
    if not expected:
        yield CheckLine("alarms", "bad", "the stack has none", "deploy the stack again: `relay deploy`")
    elif not wrong:
        yield ok("alarms", f"{len(expected)}, none is raised")
    yield from wrong
