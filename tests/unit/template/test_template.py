"""template.yaml says what the service needs: what the local AWS does not check is required here by name."""

from __future__ import annotations

import pytest
from relay.adapters.inveterate_api import SETTLED_AFTER
from relay.grants.granter import NEEDED_MS
from stack_template.expanded import source

from tests.support.template_data import (
    FUNCTIONS,
    RESOURCES,
    TEMPLATE,
    allowed,
    environment,
    of_type,
    role_of,
    text,
    timeout,
)
from tests.unit.template.deployed import TARGETS


def test_every_function_names_its_layer_but_the_receiver() -> None:
    """SAM adds a layer of Globals to every function, and the receiver's would change apart from its code."""
    assert "Layers" not in TEMPLATE["Globals"]["Function"]
    layers = {name: function.get("Layers") for name, function in FUNCTIONS.items()}
    assert layers.pop("ReceiverFunction") is None
    assert set(map(str, layers.values())) == {str([{"Ref": "SharedLayer"}])}


def test_the_fan_out_isolates_and_keeps_what_fails() -> None:
    """A write that cannot be sent on is halved out of its batch, retried, and then kept as a dead letter."""
    [event] = FUNCTIONS["FanoutFunction"]["Events"].values()
    how = event["Properties"]
    assert how["StartingPosition"] == "TRIM_HORIZON"
    assert how["BisectBatchOnFunctionError"] is True
    assert how["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert text(how["DestinationConfig"]["OnFailure"]["Destination"]) == "DeadLetters.Arn"
    assert RESOURCES["Members"]["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


def test_a_function_that_grants_is_dead_before_its_request_counts_as_lost() -> None:
    """Else one that hangs between its claim and its request could wake up and grant what another has since."""
    assert 5 * timeout("GrantsFunction") <= SETTLED_AFTER
    assert 1000 * timeout("GrantsFunction") > NEEDED_MS


def test_promises_outlive_the_stack_and_the_key() -> None:
    """What is forgotten could be granted twice; only time forgets it, by the attribute that the items have."""
    table = RESOURCES["Grants"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert "Condition" not in table
    properties = table["Properties"]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_without_a_key_nothing_is_reconciled_or_granted() -> None:
    """The queue, its reader and the permissions to send to it are there with the key, and not without."""
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


def test_the_tables_are_kept_and_can_be_restored() -> None:
    """Members and the journal outlive the stack; members can be restored to any second; all is encrypted."""
    for name in ("Members", "JournalBucket"):
        policies = (RESOURCES[name]["DeletionPolicy"], RESOURCES[name]["UpdateReplacePolicy"])
        assert policies == ("RetainExceptOnCreate", "Retain")
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


def test_inveterates_own_names_and_ids_are_left_alone_unless_asked_for() -> None:
    """Neither `Inveterate: …` nor `external_id` is written to Klaviyo by default."""
    for name in ("KlaviyoCompatNames", "KlaviyoSetExternalId"):
        assert TEMPLATE["Parameters"][name]["Default"] == "false"


def test_the_journal_is_private_and_packed() -> None:
    """One encrypted bucket without public access, gzip, folders by date."""
    bucket = RESOURCES["JournalBucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == {"Ref": "JournalDays"}
    stream = RESOURCES["Journal"]["Properties"]["ExtendedS3DestinationConfiguration"]
    assert stream["CompressionFormat"] == "GZIP"
    assert stream["Prefix"] == "journal/!{timestamp:yyyy/MM/dd}/"


@pytest.mark.parametrize("section", ["Parameters", "Outputs"])
def test_each_parameter_and_output_is_described(section: str) -> None:
    """The console and `aws cloudformation describe-stacks` show the sentence to a person who knows no template."""
    assert [
        name for name, about in source()[section].items() if not about.get("Description", "").strip()
    ] == []
