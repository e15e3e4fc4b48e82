"""template.yaml says what the service needs: what the local AWS does not check is required here by name."""

from __future__ import annotations

import re
from typing import Any

import pytest
from relay.adapters.hubspot.paths import DEFAULT_VERSION, PATHS
from relay.adapters.inveterate_api import SETTLED_AFTER
from relay.platform.granting import NEEDED_MS
from relay.routing import FOLDERS, queue_variable

from tests.fakes import ROOT
from tests.stack import (
    FUNCTIONS,
    QUEUES,
    RESOURCES,
    TEMPLATE,
    allowed,
    environment,
    of_type,
    role_of,
    statements,
    text,
    timeout,
)

POLL = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
LOG = {("logs:CreateLogStream", "Logs.Arn"), ("logs:PutLogEvents", "Logs.Arn")}
DAY = 86_400
TARGETS = {
    "HubSpot": ("URL", "SECRET", "VERSION", "EVENTS"),
    "Klaviyo": ("URL", "SECRET", "REVISION", "SET_EXTERNAL_ID", "COMPAT_NAMES"),
    "Salesforce": ("URL", "SECRET", "OBJECT", "VERSION"),
    "Webhook": ("URL", "SECRET"),
}
"""The CRMs, by the prefix of their resources, with the settings of their own."""

CONSUMERS = {folder: folder.replace("_", " ").title().replace(" ", "") for folder in FOLDERS.values()}


def queue_events(function: str) -> list[dict[str, Any]]:
    """Return the queues that a function reads, with how."""
    events = FUNCTIONS[function].get("Events", {}).values()
    return [event["Properties"] for event in events if event["Type"] == "SQS"]


READERS = [function for function in FUNCTIONS if queue_events(function)]


@pytest.mark.parametrize(("folder", "name"), CONSUMERS.items())
def test_every_topic_has_a_queue_a_role_and_a_function(folder: str, name: str) -> None:
    """A topic's function is its folder's, reads its own queue, and knows everything that it needs to know."""
    function = f"{name}Function"
    assert FUNCTIONS[function]["CodeUri"] == f"functions/{folder}"
    assert [text(event["Queue"]) for event in queue_events(function)] == [f"{name}Queue.Arn"]
    assert environment(function) == {
        "POWERTOOLS_SERVICE_NAME": folder,
        "SOURCE_URL": {"Ref": f"{name}Queue"},
        "SOURCE_NAME": folder,
        "DEAD_LETTERS_URL": {"Ref": "DeadLetters"},
        "MEMBERS_TABLE": {"Ref": "Members"},
        "JOURNAL_STREAM": {"Ref": "Journal"},
    }
    own = {f"sqs:{call}" for call in ("SendMessage", "SendMessageBatch", "DeleteMessageBatch")} | POLL
    assert allowed(role_of(function)) == {
        *((action, f"{name}Queue.Arn") for action in own),
        ("sqs:SendMessage", "DeadLetters.Arn"),
        ("sqs:SendMessageBatch", "DeadLetters.Arn"),
        ("dynamodb:BatchGetItem", "Members.Arn"),
        ("dynamodb:PutItem", "Members.Arn"),
        ("firehose:PutRecordBatch", "Journal.Arn"),
        *LOG,
    }


@pytest.mark.parametrize("function", ["ReceiverFunction", "ClockFunction"])
def test_the_receiver_and_the_clock_know_every_queue(function: str) -> None:
    """Whatever can be placed can be sent: 15 topic queues and `unclaimed`, by the names that routing gives them."""
    known = {name: text(value) for name, value in environment(function).items() if name.startswith("QUEUE_")}
    assert known == {
        **{queue_variable(folder): f"{name}Queue" for folder, name in CONSUMERS.items()},
        "QUEUE_UNCLAIMED": "Unclaimed",
    }


def test_the_receiver_may_do_nothing_but_queue_and_log() -> None:
    """Whoever takes the receiver over can read nothing: no secret, no table, no queue."""
    queues = {f"{name}Queue.Arn" for name in CONSUMERS.values()} | {"Unclaimed.Arn"}
    assert allowed("ReceiverRole") == {("sqs:SendMessage", queue) for queue in queues} | LOG


def test_the_clock_may_do_what_is_due_and_no_more() -> None:
    """It empties `unclaimed` into the topics, tells the notifier and the targets, and reads members and mirrors."""
    queues = {f"{name}Queue.Arn" for name in CONSUMERS.values()} | {"DeadLetters.Arn", "Alerts.Arn"}
    queues |= {f"{target}Queue.Arn" for target in TARGETS}
    assert allowed("ClockRole") == {
        *((action, queue) for queue in queues for action in ("sqs:SendMessage", "sqs:SendMessageBatch")),
        ("sqs:ReceiveMessage", "Unclaimed.Arn"),
        ("sqs:DeleteMessage", "Unclaimed.Arn"),
        ("sqs:DeleteMessageBatch", "Unclaimed.Arn"),
        ("firehose:PutRecordBatch", "Journal.Arn"),
        ("dynamodb:BatchGetItem", "Members.Arn"),
        ("dynamodb:Scan", "Members.Arn"),
        ("dynamodb:Scan", "Mirrors.Arn"),
        ("dynamodb:GetItem", "Figures.Arn"),
        ("dynamodb:PutItem", "Figures.Arn"),
        ("dynamodb:Query", "Figures.Arn"),
        ("sns:Publish", "Changes"),
        ("sns:PublishBatch", "Changes"),
        *LOG,
    }


def test_the_fan_out_may_read_the_stream() -> None:
    """The local AWS reads a stream for any function; AWS needs these four by name."""
    may = allowed("FanoutRole")
    for action in ("DescribeStream", "GetRecords", "GetShardIterator"):
        assert (f"dynamodb:{action}", "Members.StreamArn") in may
    assert ("dynamodb:ListStreams", "${Members.Arn}/stream/*") in may
    assert ("sns:Publish", "Changes") in may
    assert {("sqs:SendMessage", "Alerts.Arn"), ("sqs:SendMessage", "DeadLetters.Arn")} <= may
    figures = {action for action, resource in may if resource == "Figures.Arn"}
    assert figures == {"dynamodb:BatchWriteItem", "dynamodb:UpdateItem"}


def test_the_fan_out_isolates_and_keeps_what_fails() -> None:
    """A write that cannot be told is halved out of its batch, tried for long, and then kept as a dead letter."""
    [event] = FUNCTIONS["FanoutFunction"]["Events"].values()
    how = event["Properties"]
    assert how["StartingPosition"] == "TRIM_HORIZON"
    assert how["BisectBatchOnFunctionError"] is True
    assert how["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert text(how["DestinationConfig"]["OnFailure"]["Destination"]) == "DeadLetters.Arn"
    assert RESOURCES["Members"]["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


@pytest.mark.parametrize("function", READERS)
def test_whoever_reads_a_queue_reads_it_well(function: str) -> None:
    """The poller's permissions, partial failures, six timeouts of visibility, and deferrals that are no loop."""
    [event] = queue_events(function)
    queue = text(event["Queue"]).partition(".")[0]
    assert {(action, f"{queue}.Arn") for action in POLL} <= allowed(role_of(function))
    assert ("sqs:SendMessage", f"{queue}.Arn") in allowed(role_of(function))
    assert event["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert QUEUES[queue]["VisibilityTimeout"] >= 6 * timeout(function)
    assert FUNCTIONS[function]["RecursiveLoop"] == "Allow"
    assert environment(function)["SOURCE_URL"] == {"Ref": queue}
    assert environment(function)["DEAD_LETTERS_URL"] == {"Ref": "DeadLetters"}


@pytest.mark.parametrize("queue", QUEUES)
def test_nothing_leaves_a_queue_by_itself(queue: str) -> None:
    """Four days in a queue, then 14 in the dead letters; five receives, but a thousand where reading is polling."""
    properties = QUEUES[queue]
    assert properties["SqsManagedSseEnabled"] is True
    if queue == "DeadLetters":
        assert properties["MessageRetentionPeriod"] == 14 * DAY
        return
    assert properties["MessageRetentionPeriod"] == 4 * DAY
    assert text(properties["RedrivePolicy"]["deadLetterTargetArn"]) == "DeadLetters.Arn"
    assert properties["RedrivePolicy"]["maxReceiveCount"] == (1000 if queue == "Unclaimed" else 5)


def test_unclaimed_is_hidden_for_longer_than_the_clock_works() -> None:
    """A tick looks at each message once: it must not come back before the function has ended."""
    assert QUEUES["Unclaimed"]["VisibilityTimeout"] >= 6 * timeout("ClockFunction")


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
    assert RESOURCES[function]["Metadata"] == {"SkipBuild": True}
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


SECRETS = {
    "SlackSecret": ["NotifierRole"],
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
        "OCCASIONS_TABLE",
        "MEMBERS_TABLE",
        "EMAIL_TOPIC",
        "SLACK_SECRET",
        "SLACK_URL",
        "SLACK_CHANNEL",
        "PAGERDUTY_SECRET",
        "PAGERDUTY_URL",
        "TIME_ZONE",
    }
    for target, own in TARGETS.items():
        assert environment(f"{target}Function").keys() == {
            "POWERTOOLS_SERVICE_NAME",
            "SOURCE_URL",
            "SOURCE_NAME",
            "DEAD_LETTERS_URL",
            "MEMBERS_TABLE",
            "MIRRORS_TABLE",
            "TARGET",
            *(f"{target.upper()}_{name}" for name in own),
            "RECHECKS_URL",
            "RECHECK_DELAY",
        }
    assert environment("FanoutFunction").keys() == {
        "POWERTOOLS_SERVICE_NAME",
        "CHANGES_TOPIC",
        "ALERTS_URL",
        "FIGURES_TABLE",
        "RECHECKS_URL",
        "RECHECK_DELAY",
        "GRANTS_URL",
    }
    queues = {name for name in environment("ClockFunction") if name.startswith("QUEUE_")}
    assert environment("ClockFunction").keys() - queues == {
        "POWERTOOLS_SERVICE_NAME",
        "TIME_ZONE",
        "MEMBERS_TABLE",
        "MIRRORS_TABLE",
        "FIGURES_TABLE",
        "CHANGES_TOPIC",
        "ALERTS_URL",
        "UNCLAIMED_URL",
        "DEAD_LETTERS_URL",
        "JOURNAL_STREAM",
        "AUDITED_URLS",
    }
    assert all(f"{target}Queue" in str(environment("ClockFunction")["AUDITED_URLS"]) for target in TARGETS)
    assert environment("ReconcileFunction").keys() == {
        "POWERTOOLS_SERVICE_NAME",
        "SOURCE_URL",
        "SOURCE_NAME",
        "DEAD_LETTERS_URL",
        "MEMBERS_TABLE",
        "MIRRORS_TABLE",
        "JOURNAL_STREAM",
        "INVETERATE_URL",
        "INVETERATE_SECRET",
        "RECHECK_DELAY",
    }
    assert environment("GrantsFunction").keys() == {
        "POWERTOOLS_SERVICE_NAME",
        "SOURCE_URL",
        "SOURCE_NAME",
        "DEAD_LETTERS_URL",
        "MEMBERS_TABLE",
        "GRANTS_TABLE",
        "JOURNAL_STREAM",
        "INVETERATE_URL",
        "INVETERATE_SECRET",
    }
    assert TEMPLATE["Globals"]["Function"]["Environment"]["Variables"].keys() == {
        "POWERTOOLS_METRICS_NAMESPACE",
        "SHOP_DOMAIN",
    }


def test_reconcile_may_read_the_api_and_write_members() -> None:
    """Its queue, members, turns and the journal; the API's key is known to no other function."""
    own = {f"sqs:{call}" for call in ("SendMessage", "SendMessageBatch", "DeleteMessageBatch")} | POLL
    [key] = [resource for action, resource in allowed("ReconcileRole") if action == "ssm:GetParameter"]
    [decrypt] = [resource for action, resource in allowed("ReconcileRole") if action == "kms:Decrypt"]
    assert allowed("ReconcileRole") == {
        *((action, "ReconcileQueue.Arn") for action in own),
        ("sqs:SendMessage", "DeadLetters.Arn"),
        ("sqs:SendMessageBatch", "DeadLetters.Arn"),
        ("dynamodb:BatchGetItem", "Members.Arn"),
        ("dynamodb:PutItem", "Members.Arn"),
        ("dynamodb:GetItem", "Mirrors.Arn"),
        ("dynamodb:UpdateItem", "Mirrors.Arn"),
        ("firehose:PutRecordBatch", "Journal.Arn"),
        ("ssm:GetParameter", key),
        ("kms:Decrypt", decrypt),
        *LOG,
    }


def test_grants_may_read_members_and_write_promises() -> None:
    """It changes no member and no rule; the API's key is known to it and to reconcile, and to no other function."""
    own = {f"sqs:{call}" for call in ("SendMessage", "SendMessageBatch", "DeleteMessageBatch")} | POLL
    [key] = [resource for action, resource in allowed("GrantsRole") if action == "ssm:GetParameter"]
    [decrypt] = [resource for action, resource in allowed("GrantsRole") if action == "kms:Decrypt"]
    assert allowed("GrantsRole") == {
        *((action, "GrantsQueue.Arn") for action in own),
        ("sqs:SendMessage", "DeadLetters.Arn"),
        ("sqs:SendMessageBatch", "DeadLetters.Arn"),
        ("dynamodb:BatchGetItem", "Members.Arn"),
        *((f"dynamodb:{call}Item", "Grants.Arn") for call in ("Get", "Put", "Update", "Delete")),
        ("firehose:PutRecordBatch", "Journal.Arn"),
        ("ssm:GetParameter", key),
        ("kms:Decrypt", decrypt),
        *LOG,
    }
    knowing = [name for name in FUNCTIONS if "InveterateSecret" in str(environment(name))]
    assert knowing == ["ReconcileFunction", "GrantsFunction"]


def test_a_function_that_grants_is_dead_before_its_request_counts_as_lost() -> None:
    """Else one that hangs between its claim and its request could wake up and grant what another has since."""
    assert 5 * timeout("GrantsFunction") <= SETTLED_AFTER
    assert 1000 * timeout("GrantsFunction") > NEEDED_MS


def test_promises_outlive_the_stack_and_the_key() -> None:
    """What is forgotten could be granted twice; only time forgets it, by the attribute that the items have."""
    table = RESOURCES["Grants"]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert "Condition" not in table
    properties = table["Properties"]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_without_a_key_nothing_is_reconciled_or_granted() -> None:
    """The queue, its reader and who may send to it are there with the key, and not without."""
    for name in ("Queue", "Role", "Function"):
        assert RESOURCES[f"Reconcile{name}"]["Condition"] == "HasInveterate"
        assert RESOURCES[f"Grants{name}"]["Condition"] == "HasInveterate"
    wanted = environment("FanoutFunction")["GRANTS_URL"]
    assert wanted == {"Fn::If": ["HasInveterate", {"Ref": "GrantsQueue"}, ""]}
    for name, queues in (
        ("FanoutFunction", ["ReconcileQueue.Arn", "GrantsQueue.Arn"]),
        *((f"{target}Function", ["ReconcileQueue.Arn"]) for target in TARGETS),
    ):
        asks = environment(name)["RECHECKS_URL"]
        assert asks == {"Fn::If": ["HasInveterate", {"Ref": "ReconcileQueue"}, ""]}
        sends = [
            statement["Fn::If"]
            for policy in RESOURCES[role_of(name)]["Properties"]["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
            if "Fn::If" in statement
        ]
        assert [(condition, text(sent["Resource"])) for condition, sent, _ in sends] == [
            ("HasInveterate", queue) for queue in queues
        ]


def test_a_doubt_waits_no_longer_than_a_queue_can() -> None:
    """SQS delays by 15 minutes at most."""
    delay = TEMPLATE["Parameters"]["RecheckDelay"]
    assert (delay["Default"], delay["MaxValue"]) == (600, 900)


def test_every_folder_is_deployed() -> None:
    """A function without a block in the template would be dead code."""
    folders = {f"functions/{path.parent.name}" for path in (ROOT / "functions").glob("*/app.py")}
    assert {properties["CodeUri"] for properties in FUNCTIONS.values()} == folders


def test_the_tables_are_kept_and_can_be_restored() -> None:
    """Members and the journal outlive the stack; members can be restored to any second; all is encrypted."""
    for name in ("Members", "JournalBucket"):
        assert RESOURCES[name]["DeletionPolicy"] == RESOURCES[name]["UpdateReplacePolicy"] == "Retain"
    members = RESOURCES["Members"]["Properties"]
    assert members["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    for table in of_type("AWS::DynamoDB::Table").values():
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["SSESpecification"] == {"SSEEnabled": True}


def test_the_access_log_has_no_path() -> None:
    """The path holds the callback key; the route's key does not."""
    settings = RESOURCES["ApiStage"]["Properties"]["AccessLogSettings"]
    assert "$context.routeKey" in settings["Format"]
    assert "path" not in settings["Format"].lower()
    assert RESOURCES["ReceiverRoute"]["Properties"]["RouteKey"] == "POST /webhooks/{key}"


def test_alarms_reach_the_notifiers_queue() -> None:
    """Raw, from their own topic alone, and what cannot be handed over goes to the dead letters."""
    subscription = RESOURCES["AlarmsSubscription"]["Properties"]
    assert subscription["RawMessageDelivery"] is True
    assert text(subscription["TopicArn"]) == "Alarms"
    assert text(subscription["Endpoint"]) == "Alerts.Arn"
    assert text(subscription["RedrivePolicy"]["deadLetterTargetArn"]) == "DeadLetters.Arn"
    [statement] = RESOURCES["AlertsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "Alarms"}}}


def test_the_clock_is_told_the_time() -> None:
    """Scheduled work goes by the tick's own time, and only the schedule may start the clock."""
    [event] = FUNCTIONS["ClockFunction"]["Events"].values()
    assert event["Properties"]["ScheduleExpression"] == "rate(15 minutes)"
    assert event["Properties"]["Input"] == '{"time": "<aws.scheduler.scheduled-time>"}'
    assert allowed("ClockScheduleRole") == {("lambda:InvokeFunction", "ClockFunction.Arn")}


def test_figures_are_forgotten() -> None:
    """Each bears its time to go; they are found by day and time."""
    figures = RESOURCES["Figures"]["Properties"]
    assert figures["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert [(key["AttributeName"], key["KeyType"]) for key in figures["KeySchema"]] == [
        ("pk", "HASH"),
        ("sk", "RANGE"),
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_hears_of_changes_raw_and_loses_none(target: str) -> None:
    """SNS hands messages over as they are, and what it cannot hand over goes to the dead letters."""
    subscription = RESOURCES[f"{target}Subscription"]["Properties"]
    assert subscription["RawMessageDelivery"] is True
    assert text(subscription["Endpoint"]) == f"{target}Queue.Arn"
    assert text(subscription["RedrivePolicy"]["deadLetterTargetArn"]) == "DeadLetters.Arn"
    for policy, queue in ((f"{target}QueuePolicy", f"{target}Queue"), ("DeadLettersPolicy", "DeadLetters")):
        [statement] = RESOURCES[policy]["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
        assert (statement["Action"], text(statement["Resource"])) == ("sqs:SendMessage", f"{queue}.Arn")
        changes, alarms = {"Ref": "Changes"}, {"Ref": "Alarms"}
        sources = [changes, alarms] if policy == "DeadLettersPolicy" else changes
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": sources}}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_like_hubspot(target: str) -> None:
    """The blocks differ by their names and settings alone: what one target needs, every target does."""
    for part in ("Queue", "QueuePolicy", "Subscription", "Role"):
        ours, theirs = RESOURCES[f"{target}{part}"], RESOURCES[f"HubSpot{part}"]
        assert str(ours) == str(theirs).replace("HubSpot", target).replace("hubspot", target.lower())
    assert FUNCTIONS[f"{target}Function"]["CodeUri"] == "functions/crm_sync"


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_a_block_of_its_own(target: str) -> None:
    """Queue, policy, subscription, role, function and alarms come with the target and go with it; they read one queue."""
    parts = ("Queue", "QueuePolicy", "Subscription", "Role", "Function")
    alarms = ("Unauthorised", "Late", "VeryLate", "Stuck")
    block = [f"{target}{part}" for part in (*parts, *alarms)]
    assert {RESOURCES[name]["Condition"] for name in block} == {f"Has{target}"}
    assert [name for name, each in RESOURCES.items() if each.get("Condition") == f"Has{target}"] == block
    known = environment(f"{target}Function")
    assert known["TARGET"] == known["SOURCE_NAME"] == target.lower()
    [event] = queue_events(f"{target}Function")
    assert text(event["Queue"]) == f"{target}Queue.Arn"
    assert known["SOURCE_URL"] == {"Ref": f"{target}Queue"}
    for name in TARGETS[target]:
        setting = {"Ref": f"{target}{name.title().replace('_', '')}"}
        assert known[f"{target.upper()}_{name}"] == setting


def test_every_version_of_hubspots_api_can_be_chosen() -> None:
    """The parameter offers the versions whose paths the adapter knows, and by default its own."""
    parameter = TEMPLATE["Parameters"]["HubSpotVersion"]
    assert set(parameter["AllowedValues"]) == set(PATHS)
    assert parameter["Default"] == DEFAULT_VERSION


def test_every_target_can_be_named_and_needs_its_secret() -> None:
    """The parameter takes the names that there are and no other; a rule of its own asks for each one's secret."""
    pattern = TEMPLATE["Parameters"]["Targets"]["AllowedPattern"]
    assert set(re.findall(r"[a-z]+", pattern)) == {target.lower() for target in TARGETS}
    asked = {
        rule["RuleCondition"]["Fn::Contains"][1]: str(rule["Assertions"])
        for rule in TEMPLATE["Rules"].values()
        if rule["RuleCondition"].get("Fn::Contains", [None])[0] == {"Ref": "Targets"}
    }
    assert asked.keys() == {target.lower() for target in TARGETS}
    assert all(re.fullmatch(pattern, target) and not re.fullmatch(pattern, f"{target}s") for target in asked)
    for target in TARGETS:
        assert f"'Ref': '{target}Secret'" in asked[target.lower()]


def test_inveterates_own_names_and_ids_are_left_alone_unless_asked_for() -> None:
    """Neither `Inveterate: …` nor `external_id` is written to Klaviyo by default."""
    for name in ("KlaviyoCompatNames", "KlaviyoSetExternalId"):
        assert TEMPLATE["Parameters"][name]["Default"] == "false"


def test_the_journal_is_private_and_packed() -> None:
    """One encrypted bucket that nobody outside can see, gzip, folders by date."""
    bucket = RESOURCES["JournalBucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == {"Ref": "JournalDays"}
    stream = RESOURCES["Journal"]["Properties"]["ExtendedS3DestinationConfiguration"]
    assert stream["CompressionFormat"] == "GZIP"
    assert stream["Prefix"] == "journal/!{timestamp:yyyy/MM/dd}/"
