"""template.yaml lets each function do what it must, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest
from relay.adapters.dynamodb import keys

from tests.support.port_fakes import ROOT
from tests.support.template_data import (
    FUNCTIONS,
    RESOURCES,
    TEMPLATE,
    allowed,
    environment,
    of_type,
    role_of,
    statements,
    text,
)
from tests.unit.template.deployed import CONSUMERS, LOG, TARGETS, settled


def test_the_receiver_may_do_nothing_but_queue_and_log() -> None:
    """Whoever takes the receiver over can read nothing: no secret, no table, no queue."""
    queues = {f"{name}Queue.Arn" for name in CONSUMERS.values()} | {"Unclaimed.Arn"}
    assert allowed("ReceiverRole") == {("sqs:SendMessage", queue) for queue in queues} | LOG


def test_the_clock_may_do_what_is_due_and_no_more() -> None:
    """It drains `unclaimed` into the topics, sends to the notifier and the targets, and reads members and mirrors."""
    queues = {f"{name}Queue.Arn" for name in CONSUMERS.values()} | {"DeadLetters.Arn", "Alerts.Arn"}
    queues |= {"ReconcileQueue.Arn"}  # the tick begins and revives the full run
    queues |= {f"{target}Queue.Arn" for target in TARGETS}
    assert allowed("ClockRole") == {
        *((action, queue) for queue in queues for action in ("sqs:SendMessage", "sqs:SendMessageBatch")),
        ("sqs:ReceiveMessage", "Unclaimed.Arn"),
        ("sqs:DeleteMessage", "Unclaimed.Arn"),
        ("sqs:DeleteMessageBatch", "Unclaimed.Arn"),
        ("sqs:ChangeMessageVisibility", "Unclaimed.Arn"),
        ("sqs:ChangeMessageVisibilityBatch", "Unclaimed.Arn"),
        ("sqs:ReceiveMessage", "DeadLetters.Arn"),
        ("sqs:DeleteMessage", "DeadLetters.Arn"),
        ("sqs:DeleteMessageBatch", "DeadLetters.Arn"),
        ("sqs:ChangeMessageVisibility", "DeadLetters.Arn"),
        ("sqs:ChangeMessageVisibilityBatch", "DeadLetters.Arn"),
        ("s3:ListBucket", "JournalBucket.Arn"),
        ("s3:ListBucketVersions", "JournalBucket.Arn"),
        *(
            (f"s3:{action}", f"${{JournalBucket.Arn}}/{files}")
            for action in ("GetObject", "PutObject", "DeleteObjectVersion")
            for files in ("journal/*", "erasure-pass.json")
        ),
        ("firehose:PutRecordBatch", "Journal.Arn"),
        ("dynamodb:BatchGetItem", "Members.Arn"),
        ("dynamodb:Scan", "Members.Arn"),
        ("dynamodb:PutItem", "Members.Arn"),  # of one key, the measures
        ("dynamodb:Scan", "Mirrors.Arn"),
        ("dynamodb:GetItem", "Mirrors.Arn"),  # of one key, the full run
        ("dynamodb:GetItem", "Figures.Arn"),
        ("dynamodb:PutItem", "Figures.Arn"),
        ("dynamodb:Query", "Figures.Arn"),
        ("sns:Publish", "Changes"),
        ("sns:PublishBatch", "Changes"),
        *LOG,
    }


def test_the_clock_writes_one_item_of_the_members_table() -> None:
    """The measures: no member's record, and no rules."""
    [put] = [each for each in statements("ClockRole") if each["Action"] == "dynamodb:PutItem"]
    assert put["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["measures"]}}


def test_the_fan_out_may_read_the_stream() -> None:
    """The local AWS reads a stream for any function; AWS needs these four by name."""
    may = allowed("FanoutRole")
    for action in ("DescribeStream", "GetRecords", "GetShardIterator"):
        assert (f"dynamodb:{action}", "Members.StreamArn") in may
    assert ("dynamodb:ListStreams", "${Members.Arn}/stream/*") in may
    assert ("sns:Publish", "Changes") in may
    assert {("sqs:SendMessage", "Alerts.Arn"), ("sqs:SendMessage", "DeadLetters.Arn")} <= may
    actions = {action for action, resource in may if resource == "Figures.Arn"}
    assert actions == {"dynamodb:BatchWriteItem", "dynamodb:UpdateItem"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_has_a_role_of_its_own_and_may_log(function: str) -> None:
    """One role each, for Lambda alone, with its policy written out; logging is allowed to the stack's group only."""
    role = role_of(function)
    assert [other for other in FUNCTIONS if role_of(other) == role] == [function]
    properties = RESOURCES[role]["Properties"]
    assert "ManagedPolicyArns" not in properties
    [trust] = properties["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert allowed(role) >= LOG
    assert FUNCTIONS[function].get("Policies") is None
    built = {"BuildMethod": "makefile"} if function == "ReceiverFunction" else {"SkipBuild": True}
    assert RESOURCES[function]["Metadata"] == built
    assert (ROOT / FUNCTIONS[function]["CodeUri"] / "app.py").is_file()


@pytest.mark.parametrize("role", of_type("AWS::IAM::Role"))
def test_no_role_may_do_more_than_it_names(role: str) -> None:
    """No wildcard for an action, none for a whole resource; a wildcard within one is argued below."""
    within = {"dynamodb:ListStreams": "/stream/*", "kms:Decrypt": ":key/*"}
    for action, resource in allowed(role):
        assert "*" not in action
        assert resource != "*"
        if "*" in resource and not resource.startswith("${JournalBucket.Arn}/"):
            assert resource.endswith(within[action])


def test_a_click_may_be_queued_for_the_notifier_and_no_more() -> None:
    """A function that anyone can call reads its signing secret, and sends to one queue."""
    [secret] = [resource for action, resource in allowed("SlackActionsRole") if action == "ssm:GetParameter"]
    [decrypt] = [resource for action, resource in allowed("SlackActionsRole") if action == "kms:Decrypt"]
    assert secret.endswith(":parameter${SlackSigningSecret}")
    assert allowed("SlackActionsRole") == {
        ("sqs:SendMessage", "Alerts.Arn"),
        ("ssm:GetParameter", secret),
        ("kms:Decrypt", decrypt),
        *LOG,
    }


SECRETS = {
    "SlackSecret": ["NotifierRole"],
    "SlackSigningSecret": ["SlackActionsRole"],
    "PagerDutySecret": ["NotifierRole"],
    **{f"{target}Secret": [f"{target}Role"] for target in TARGETS},
    "InveterateSecret": ["ReconcileRole", "GrantsRole"],
}


@pytest.mark.parametrize(
    ("role", "secret"), [(role, secret) for secret, roles in SECRETS.items() for role in roles]
)
def test_a_secret_is_read_by_its_own_functions_through_ssm(role: str, secret: str) -> None:
    """The key's id is the merchant's, so the condition says of which parameter, and that only SSM may ask."""
    decrypts = [statement for statement in statements(role) if statement["Action"] == "kms:Decrypt"]
    [condition] = [
        statement["Condition"]["StringEquals"]
        for statement in decrypts
        if secret in text(statement["Condition"]["StringEquals"]["kms:EncryptionContext:PARAMETER_ARN"])
    ]
    assert text(condition["kms:ViaService"]) == "ssm.${AWS::Region}.amazonaws.com"
    assert text(condition["kms:EncryptionContext:PARAMETER_ARN"]).endswith(f":parameter${{{secret}}}")
    reads = [resource for action, resource in allowed(role) if action == "ssm:GetParameter"]
    assert [resource.endswith(f":parameter${{{secret}}}") for resource in reads].count(True) == 1
    readers = [
        other
        for other in of_type("AWS::IAM::Role")
        if any(action == "ssm:GetParameter" and secret in resource for action, resource in allowed(other))
    ]
    assert readers == SECRETS[secret]


def test_the_notifier_and_the_mirror_know_their_places() -> None:
    """Every variable that wiring reads for them is set."""
    assert environment("NotifierFunction").keys() == {
        "POWERTOOLS_SERVICE_NAME",
        "SOURCE_URL",
        "SOURCE_NAME",
        "DEAD_LETTERS_URL",
        "TRIES_TABLE",
        "INCIDENTS_TABLE",
        "MEMBERS_TABLE",
        "KPIS_TABLE",
        "EMAIL_TOPIC",
        "SLACK_SECRET",
        "SLACK_URL",
        "SLACK_CHANNEL",
        "SLACK_SIGNING_SECRET",
        "PAGERDUTY_SECRET",
        "PAGERDUTY_URL",
        "RUNBOOK_URL",
        "TIME_ZONE",
    }
    for target, own in TARGETS.items():
        assert environment(f"{target}Function").keys() == {
            "TIME_ZONE",
            "POWERTOOLS_SERVICE_NAME",
            "SOURCE_URL",
            "SOURCE_NAME",
            "DEAD_LETTERS_URL",
            "TRIES_TABLE",
            "MEMBERS_TABLE",
            "MIRRORS_TABLE",
            "TARGET",
            *(f"{target.upper()}_{name}" for name in own),
            "RECHECKS_URL",
            "RECHECK_DELAY",
        }
    assert environment("SlackActionsFunction").keys() == {
        "POWERTOOLS_SERVICE_NAME",
        "SLACK_SIGNING_SECRET",
        "SLACK_TEAM_ID",
        "SLACK_URL",
        "ALERTS_URL",
    }
    assert environment("FanoutFunction").keys() == {
        "POWERTOOLS_SERVICE_NAME",
        "CHANGES_TOPIC",
        "ALERTS_URL",
        "KPIS_TABLE",
        "RECHECKS_URL",
        "RECHECK_DELAY",
        "GRANTS_URL",
        "DEAD_LETTERS_URL",
    }
    queues = {name for name in environment("ClockFunction") if name.startswith("QUEUE_")}
    assert environment("ClockFunction").keys() - queues == {
        "POWERTOOLS_SERVICE_NAME",
        "TIME_ZONE",
        "MEMBERS_TABLE",
        "MIRRORS_TABLE",
        "KPIS_TABLE",
        "CHANGES_TOPIC",
        "ALERTS_URL",
        "UNCLAIMED_URL",
        "DEAD_LETTERS_URL",
        "JOURNAL_STREAM",
        "JOURNAL_BUCKET",
        "JOURNAL_DAYS",
        "CRM_QUEUE_URLS",
        "RECHECKS_URL",
    }
    assert all(f"{target}Queue" in str(environment("ClockFunction")["CRM_QUEUE_URLS"]) for target in TARGETS)
    assert environment("ReconcileFunction").keys() == {
        "POWERTOOLS_SERVICE_NAME",
        "SOURCE_URL",
        "SOURCE_NAME",
        "DEAD_LETTERS_URL",
        "TRIES_TABLE",
        "MEMBERS_TABLE",
        "MIRRORS_TABLE",
        "JOURNAL_STREAM",
        "INVETERATE_URL",
        "INVETERATE_SECRET",
        "RECHECK_DELAY",
        "ALERTS_URL",
        "CALLBACK_URL",
        "KEY_DIGESTS",
    }
    assert environment("GrantsFunction").keys() == {
        "POWERTOOLS_SERVICE_NAME",
        "SOURCE_URL",
        "SOURCE_NAME",
        "DEAD_LETTERS_URL",
        "TRIES_TABLE",
        "MEMBERS_TABLE",
        "GRANTS_TABLE",
        "JOURNAL_STREAM",
        "INVETERATE_URL",
        "INVETERATE_SECRET",
    }
    assert TEMPLATE["Globals"]["Function"]["Environment"]["Variables"].keys() == {"SHOP_DOMAIN", "STACK_NAME"}


WRITES = {f"dynamodb:{call}" for call in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")}


def keys_of(statement: Mapping[str, Any]) -> list[str]:
    """Return the patterns of the partition keys that a statement is for; `*` without a condition."""
    [(operator, condition)] = statement.get("Condition", {"": {"": ["*"]}}).items()
    assert operator in {"", "ForAllValues:StringLike", "ForAllValues:StringEquals"}
    [(key, patterns)] = condition.items()
    assert key in {"", "dynamodb:LeadingKeys"}
    return [text(pattern).replace("${ShopDomain}", "acme.myshopify.com") for pattern in patterns]


def may(role: str, action: str, table: str, key: str) -> bool:
    """Tell whether a role may do something with the item that has this partition key."""
    return any(
        action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        and text(statement["Resource"]) == f"{table}.Arn"
        and any(fnmatchcase(key, pattern) for pattern in keys_of(statement))
        for statement in statements(role)
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_the_operator_writes_the_rules(function: str) -> None:
    """They lie in the members table: a function that writes there names the keys, and `rules` is none of them."""
    role = role_of(function)
    assert not any(may(role, action, "Members", keys.RULES) for action in WRITES)
    merges = function in {*(f"{name}Function" for name in CONSUMERS.values()), "ReconcileFunction"}
    member = f"{keys.members_of('acme.myshopify.com')}42"
    assert may(role, "dynamodb:PutItem", "Members", member) is merges
    assert not may(role, "dynamodb:UpdateItem", "Members", member)
    assert not may(role, "dynamodb:PutItem", "Members", f"{keys.members_of('other.myshopify.com')}42")
    assert may(role, "dynamodb:PutItem", "Members", "measures") is (function == "ClockFunction")
    reads = any(event["Type"] == "SQS" for event in FUNCTIONS[function].get("Events", {}).values())
    assert may(role, "dynamodb:UpdateItem", "Incidents", "try#0123") is reads
    assert not may(role, "dynamodb:UpdateItem", "Incidents", keys.incident("failed:42"))


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_writes_its_own_state_alone(target: str) -> None:
    """A CRM's function that is taken over can make no other CRM forget a member, or open its circuit."""
    for owner in TARGETS:
        name = owner.lower()
        for key in (
            keys.sync_state(name, "acme.myshopify.com:42"),
            keys.circuit(name),
            keys.rate_limit(name, 0),
            keys.run(name, "audit"),
        ):
            for action in ("dynamodb:BatchGetItem", "dynamodb:UpdateItem"):
                assert may(f"{target}Role", action, "Mirrors", key) is (owner == target)
    assert not may(f"{target}Role", "dynamodb:UpdateItem", "Mirrors", keys.read_throttle("42"))


def test_reconcile_may_read_the_api_and_write_members() -> None:
    """Its queue, members, turns and the journal; the API's key is known to no other function."""
    [key] = [resource for action, resource in allowed("ReconcileRole") if action == "ssm:GetParameter"]
    [decrypt] = [resource for action, resource in allowed("ReconcileRole") if action == "kms:Decrypt"]
    assert allowed("ReconcileRole") == {
        *settled("ReconcileQueue.Arn"),
        ("dynamodb:BatchGetItem", "Members.Arn"),
        ("dynamodb:PutItem", "Members.Arn"),
        ("dynamodb:Scan", "Members.Arn"),
        ("dynamodb:UpdateItem", "Incidents.Arn"),
        ("dynamodb:GetItem", "Mirrors.Arn"),
        ("dynamodb:UpdateItem", "Mirrors.Arn"),
        ("dynamodb:PutItem", "Mirrors.Arn"),
        ("sqs:SendMessage", "Alerts.Arn"),
        ("sqs:SendMessageBatch", "Alerts.Arn"),
        ("firehose:PutRecordBatch", "Journal.Arn"),
        ("ssm:GetParameter", key),
        ("kms:Decrypt", decrypt),
        *LOG,
    }


def test_grants_may_read_members_and_write_promises() -> None:
    """It changes no member and no rule; the API's key is known to it and to reconcile, and to no other function."""
    [key] = [resource for action, resource in allowed("GrantsRole") if action == "ssm:GetParameter"]
    [decrypt] = [resource for action, resource in allowed("GrantsRole") if action == "kms:Decrypt"]
    assert allowed("GrantsRole") == {
        *settled("GrantsQueue.Arn"),
        ("dynamodb:BatchGetItem", "Members.Arn"),
        ("dynamodb:UpdateItem", "Incidents.Arn"),
        *((f"dynamodb:{call}Item", "Grants.Arn") for call in ("Get", "Put", "Update", "Delete")),
        ("firehose:PutRecordBatch", "Journal.Arn"),
        ("ssm:GetParameter", key),
        ("kms:Decrypt", decrypt),
        *LOG,
    }
    knowing = [name for name in FUNCTIONS if "InveterateSecret" in str(environment(name))]
    assert knowing == ["ReconcileFunction", "GrantsFunction"]
