"""What only a real account enforces, asserted of the template as CloudFormation sees it: after the SAM transform."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from stack_template.names import FUNCTION_NAME, MAX_STACK_NAME, fault
from stack_template.retained import retained

from tests.support.template_data import TEMPLATE, deployed
from tests.unit.template.deployed import CONSUMERS, TARGETS

REGIONS = ("us-east-1", "us-gov-west-1", "cn-northwest-1")
ACCOUNT = "123456789012"
STACK = "s" * MAX_STACK_NAME
PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE["Parameters"]
RESOURCES = deployed()

NAMES = {
    "AWS::Lambda::Function": ("FunctionName", 64),
    "AWS::Lambda::LayerVersion": ("LayerName", 140),
    "AWS::Scheduler::Schedule": ("Name", 64),
    "AWS::SQS::Queue": ("QueueName", 80),
    "AWS::ApiGatewayV2::Api": ("Name", 128),
    "AWS::CloudWatch::Alarm": ("AlarmName", 255),
    "AWS::CloudWatch::Dashboard": ("DashboardName", 255),
    "AWS::Logs::QueryDefinition": ("Name", 255),
    "AWS::Logs::LogStream": ("LogStreamName", 512),
}
"""Types whose resources we name, or whose name SAM would take from the logical id alone; and the name's limit."""

MAY_BE_NAMED = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::IAM::Role": "RoleName",
    "AWS::KinesisFirehose::DeliveryStream": "DeliveryStreamName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
}
"""Types whose names CloudFormation makes of the stack's, unless the template says otherwise."""


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == kind}


def named(value: Any) -> str:
    """Return a physical name for a stack whose own name is as long as it may be."""
    if value == {"Ref": "AWS::StackName"}:
        return STACK
    return str(value["Fn::Sub"]).replace("${AWS::StackName}", STACK)


@pytest.mark.parametrize("kind", NAMES)
def test_every_physical_name_begins_with_the_stacks_and_fits(kind: str) -> None:
    """Else a second stack of the account cannot be deployed, or the longest allowed name is refused half-way."""
    property_name, limit = NAMES[kind]
    names = {logical: named(properties[property_name]) for logical, properties in of_type(kind).items()}
    assert all(name.startswith(STACK) for name in names.values())
    assert all(len(name) <= limit for name in names.values())
    assert len(set(names.values())) == len(names)


def test_no_other_resource_has_a_name_of_ours_without_the_stacks() -> None:
    """A name that CloudFormation makes begins with the stack's; a log group may lie in a folder."""
    for name, resource in RESOURCES.items():
        given = resource["Properties"].get(MAY_BE_NAMED.get(resource["Type"], ""))
        assert given is None or named(given).removeprefix("/aws/vendedlogs/").startswith(STACK), name


def test_a_stack_name_that_is_too_long_is_refused_at_once() -> None:
    """One character more, and the longest function's name would end the deployment after minutes."""
    longest = max(
        len(named(properties["FunctionName"])) for properties in of_type("AWS::Lambda::Function").values()
    )
    assert longest == FUNCTION_NAME
    assert fault(STACK) is None
    assert f"may have {MAX_STACK_NAME}" in str(fault(STACK + "s"))
    assert all("is no name" in str(fault(name)) for name in ("", "1shop", "shop_a", "-shop", "shop a"))


def test_the_access_log_has_what_the_api_demands_and_why_it_answered_itself() -> None:
    """A stage is refused without the request's id; a throttled or failing receiver has no reason anywhere else."""
    [stage] = of_type("AWS::ApiGatewayV2::Stage").values()
    format_ = json.loads(stage["AccessLogSettings"]["Format"])
    assert {"$context.requestId", "$context.error.message", "$context.integrationErrorMessage"} <= set(
        format_.values()
    )
    assert "path" not in str(format_).lower()
    group = RESOURCES[stage["AccessLogSettings"]["DestinationArn"]["Fn::GetAtt"][0]]["Properties"]
    assert named(group["LogGroupName"]).startswith("/aws/vendedlogs/")


def test_the_api_takes_what_no_programme_sends_and_no_more() -> None:
    """2,000 requests a second."""
    [stage] = of_type("AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 2000, "ThrottlingBurstLimit": 2000}


def test_the_journal_is_written_under_the_documented_trust_and_says_why_it_fails() -> None:
    """Firehose documents sts:ExternalId alone; without an error log it drops silently after 24 hours."""
    [stream] = of_type("AWS::KinesisFirehose::DeliveryStream").values()
    destination = stream["ExtendedS3DestinationConfiguration"]
    role = RESOURCES[destination["RoleARN"]["Fn::GetAtt"][0]]["Properties"]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": {"Ref": "AWS::AccountId"}}}
    log = destination["CloudWatchLoggingOptions"]
    assert log["Enabled"] is True
    assert RESOURCES[log["LogStreamName"]["Ref"]]["Properties"]["LogGroupName"] == log["LogGroupName"]
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    assert {"Fn::GetAtt": [log["LogGroupName"]["Ref"], "Arn"]} in [
        statement["Resource"] for statement in statements if statement["Action"] == "logs:PutLogEvents"
    ]


def test_topics_have_no_maximum_and_slow_servers_have() -> None:
    """A maximum keeps five pollers at an idle queue for ever; CRMs, the notifier and the API need theirs."""
    maxima = {}
    for properties in of_type("AWS::Lambda::EventSourceMapping").values():
        if queue := re.search(r"'(\w+?)(?:Queue)?', 'Arn'", str(properties["EventSourceArn"])):
            maxima[queue[1]] = properties["ScalingConfig"]
    limited = {"Fn::If": ["LimitsTopics", {"MaximumConcurrency": {"Ref": "TopicConcurrency"}}, NOTHING]}
    for name in CONSUMERS.values():
        assert maxima.pop(name) == limited
    assert maxima == {name: {"MaximumConcurrency": 2} for name in (*TARGETS, "Alerts", "Reconcile", "Grants")}
    parameter = PARAMETERS["TopicConcurrency"]
    allowed = [
        text for text in ["", *map(str, range(1002))] if re.fullmatch(parameter["AllowedPattern"], text)
    ]
    assert (parameter["Default"], allowed) == ("", ["", *map(str, range(2, 1001))])


NOTHING = {"Ref": "AWS::NoValue"}


def test_only_the_receivers_concurrency_can_be_reserved() -> None:
    """By a parameter, and by nothing else: an account with a limit of ten could not deploy a reservation."""
    reserved = {
        name: properties.get("ReservedConcurrentExecutions", NOTHING)
        for name, properties in of_type("AWS::Lambda::Function").items()
    }
    assert reserved.pop("ReceiverFunction") == {
        "Fn::If": ["ReservesReceiver", {"Ref": "ReceiverConcurrency"}, NOTHING]
    }
    assert all(value == NOTHING for value in reserved.values())
    parameter = PARAMETERS["ReceiverConcurrency"]
    assert parameter["Default"] == ""
    assert not re.fullmatch(parameter["AllowedPattern"], "0")  # 0 would refuse every webhook


def test_a_failing_record_of_the_stream_is_bounded_by_its_age() -> None:
    """How tries are spaced is documented nowhere; the stream forgets after 24 hours, and four are left to read it."""
    [mapping] = [
        each for each in of_type("AWS::Lambda::EventSourceMapping").values() if "StartingPosition" in each
    ]
    assert mapping["MaximumRecordAgeInSeconds"] == 20 * 3600
    assert "MaximumRetryAttempts" not in mapping


def test_what_outlives_the_stack_goes_with_a_failed_first_creation() -> None:
    """`Retain` would leave empty orphans; and the template that adopts them has exactly these."""
    kept = {name for name, resource in RESOURCES.items() if resource.get("UpdateReplacePolicy") == "Retain"}
    assert kept == {"Members", "Grants", "JournalBucket"}
    assert {RESOURCES[name]["DeletionPolicy"] for name in kept} == {"RetainExceptOnCreate"}
    assert not [name for name, resource in RESOURCES.items() if resource.get("DeletionPolicy") == "Retain"]
    adopting = retained()
    assert adopting["Resources"].keys() == kept
    assert adopting["Parameters"].keys() == {"JournalDays"}
    assert all(adopting["Resources"][name]["Properties"] == RESOURCES[name]["Properties"] for name in kept)


def test_the_journal_can_be_restored_for_thirty_days_and_is_gone_then() -> None:
    """A version that was deleted, by mistake or by an erasure, is kept for 30 days and no longer."""
    bucket = RESOURCES["JournalBucket"]["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    assert [
        rule["NoncurrentVersionExpiration"] for rule in rules if "NoncurrentVersionExpiration" in rule
    ] == [{"NoncurrentDays": 30}]
    [markers] = [rule for rule in rules if "ExpiredObjectDeleteMarker" in rule]
    assert "ExpirationInDays" not in markers
    assert not any(rule.get("Prefix") for rule in rules)


def test_the_template_stays_explicit() -> None:
    """`Fn::ForEach` would need another transform, and a flag of SAM's that is off by default."""
    assert TEMPLATE["Transform"] == "AWS::Serverless-2016-10-31"
    assert "Fn::ForEach" not in str(TEMPLATE)


URLS = [name for name in PARAMETERS if name.endswith("Url")]


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://127.0.0.1.example.com/x",
        "http://localhost@example.com",
        "http://localhost.example.com:80",
        "http://10.0.0.1",
        "ftp://example.com",
        "https://",
        "https:///x",
        "https://user:password@example.com",
        "https://example.com/a b",
        "api.example.com",
    ],
)
def test_a_url_in_the_clear_is_refused(name: str, url: str) -> None:
    """Each is called with a secret. The loopback alone may be plain, where the fakes of a local run are."""
    assert not re.fullmatch(PARAMETERS[name]["AllowedPattern"], url)


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "https://api.example.com:8443/v1?x=1&y=a@b",
        "http://127.0.0.1:4566/x",
        "http://localhost:80",
        "http://[::1]:80/",
        "http://localhost",
    ],
)
def test_a_url_that_keeps_a_secret_is_taken(name: str, url: str) -> None:
    """TLS to anywhere; anything on this machine."""
    assert re.fullmatch(PARAMETERS[name]["AllowedPattern"], url)
    assert re.fullmatch(PARAMETERS[name]["AllowedPattern"], PARAMETERS[name].get("Default", url))


def longest(parameter: str) -> str:
    """Return a value as long as the parameter takes."""
    definition = PARAMETERS[parameter]
    if "AllowedValues" in definition:
        return max(map(str, definition["AllowedValues"]), key=len)
    if "MaxLength" in definition:
        return "x" * int(definition["MaxLength"])
    if definition["Type"] == "Number":
        return str(definition["MaxValue"])
    fixed = re.sub(r"\\d|\[[^]]*\]", "0", definition["AllowedPattern"]).strip("^$")
    assert not set("*+") & set(fixed), f"{parameter} has no limit"
    return "x" * 32


def value(given: Any, region: str) -> str:  # noqa: PLR0911 - a line for each form that a variable has
    """Return what a variable is at most in a region: of the longest stack name, with every target."""
    url = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")
    match given:
        case {"Ref": "AWS::StackName"}:
            return STACK
        case {"Ref": name} if name in PARAMETERS:
            return longest(name)
        case {"Ref": name} if RESOURCES[name]["Type"] == "AWS::SQS::Queue":
            return f"https://sqs.{region}.{url}/{ACCOUNT}/{named(RESOURCES[name]['Properties']['QueueName'])}"
        case {"Ref": name} if RESOURCES[name]["Type"] == "AWS::SNS::Topic":
            return f"arn:{partition}:sns:{region}:{ACCOUNT}:{STACK}-{name}-0123456789ABC"
        case {"Ref": name}:
            return f"{STACK}-{name}-0123456789ABC"
        case {"Fn::Sub": "${Api.ApiEndpoint}/webhooks"}:
            return f"https://0123456789.execute-api.{region}.{url}/webhooks"
        case {"Fn::If": [_, yes, no]}:
            return max(value(yes, region), value(no, region), key=len)
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(value(part, region) for part in parts)
    assert isinstance(given, str | int)
    return str(given)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("function", of_type("AWS::Lambda::Function"))
def test_the_variables_of_a_function_fit(function: str, region: str) -> None:
    """4,096 bytes, with all targets, the longest stack name, and each parameter as long as it may be."""
    variables = deployed(region)[function]["Properties"]["Environment"]["Variables"]
    size = len(json.dumps({name: value(given, region) for name, given in variables.items()}))
    assert size <= 4096


def test_the_journal_refuses_plain_http() -> None:
    """Every action on the bucket and on its objects, for every caller; the local AWS has no such rule, since it speaks HTTP."""
    policy = RESOURCES["JournalBucketPolicy"]["Properties"]
    assert policy["Bucket"] == {"Ref": "JournalBucket"}
    [statement] = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    bucket, objects = statement["Resource"]
    assert bucket == {"Fn::GetAtt": ["JournalBucket", "Arn"]}
    assert objects == {"Fn::Sub": "${JournalBucket.Arn}/*"}
