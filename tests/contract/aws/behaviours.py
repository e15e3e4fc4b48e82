"""What AWS does that Relay relies on: one function for each behaviour, played against any AWS behind one call.

Each takes an `Account` with fresh resources and asserts what AWS's documentation and service models say. The suite
runs them against the fakes of tests/support/aws, against moto and against the local AWS; what one of the latter two
lacks is named in `LACKS`, and expected to fail.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pytest
from relay.adapters.aws.client import RefusedCallError


class Call(Protocol):
    """One call to AWS, as `AwsClient.call`."""

    def __call__(self, service: str, operation: str, body: Mapping[str, Any], /) -> dict[str, Any]:
        """Return the reply or raise `RefusedCallError`."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """Fresh resources: a queue, a table with hash key `pk`, one with `pk` and `sk`, a topic, a stream, a parameter."""

    call: Call
    queue: str
    table: str
    ranged: str
    topic: str
    stream: str
    parameter: str


BEHAVIOURS: Final[dict[str, Callable[[Account], None]]] = {}

LACKS: Final[dict[str, dict[str, str]]] = {
    "fake": {},
    "moto": {
        "sqs_takes_ten_attributes_and_no_more": "takes any number",
        "sqs_refuses_an_empty_attribute": "refuses it under another code, or takes it",
        "sqs_refuses_characters_outside_of_xml": "takes U+FFFF and U+FFFE",
        "sqs_answers_each_entry_by_itself": "takes the entry that AWS refuses",
        "dynamodb_refuses_an_item_over_400_kb": "counts 405,000 bytes as the limit",
        "dynamodb_refuses_a_39th_digit": "takes any number of digits",
        "dynamodb_writes_25_items_at_once": "takes 26",
        "firehose_refuses_501_records": "takes 501",
        "firehose_refuses_a_record_over_1000_kib": "takes records of any size",
        "sns_refuses_a_batch_over_256_kib": "takes any size",
        "sns_refuses_a_subject_of_100_characters": "takes line feeds",
    },
    "local": {
        "sqs_refuses_a_delay_beyond_15_minutes": "takes any delay",
        "sqs_takes_ten_attributes_and_no_more": "takes any number",
        "sqs_refuses_an_empty_attribute": "takes it",
        "firehose_refuses_a_record_over_1000_kib": "takes records of any size",
        "sns_refuses_a_batch_over_256_kib": "takes any size",
        "sns_refuses_a_subject_of_100_characters": "takes any subject",
    },
}
"""Behaviours that a stand-in does not have, with what it does instead."""


def behaviour(function: Callable[[Account], None]) -> Callable[[Account], None]:
    """Add a behaviour under the function's name."""
    BEHAVIOURS[function.__name__] = function
    return function


def refusal(account: Account, service: str, operation: str, body: Mapping[str, Any]) -> RefusedCallError:
    """Return the refusal that a call gets."""
    with pytest.raises(RefusedCallError) as refused:
        account.call(service, operation, body)
    return refused.value


def put(account: Account, key: str, **more: Any) -> dict[str, Any]:
    return account.call(
        "dynamodb", "PutItem", {"TableName": account.table, "Item": {"pk": {"S": key}, **more}}
    )


def get(account: Account, key: str) -> dict[str, Any]:
    reply = account.call(
        "dynamodb",
        "GetItem",
        {"TableName": account.table, "Key": {"pk": {"S": key}}, "ConsistentRead": True},
    )
    item: dict[str, Any] = reply.get("Item", {})
    return item


def send(account: Account, body: str = "body", **more: Any) -> dict[str, Any]:
    return account.call("sqs", "SendMessage", {"QueueUrl": account.queue, "MessageBody": body, **more})


def entry(number: int, body: str = "b", **more: Any) -> dict[str, Any]:
    return {"Id": str(number), "MessageBody": body, **more}


def send_batch(account: Account, *entries: Mapping[str, Any]) -> dict[str, Any]:
    return account.call("sqs", "SendMessageBatch", {"QueueUrl": account.queue, "Entries": list(entries)})


def receive(account: Account, **more: Any) -> list[dict[str, Any]]:
    reply = account.call(
        "sqs",
        "ReceiveMessage",
        {
            "QueueUrl": account.queue,
            "MaxNumberOfMessages": 10,
            "MessageAttributeNames": ["All"],
            "MessageSystemAttributeNames": ["All"],
            **more,
        },
    )
    messages: list[dict[str, Any]] = reply.get("Messages", [])
    return messages


def attributes(number: int, value: str = "v") -> dict[str, Any]:
    return {f"a{each}": {"DataType": "String", "StringValue": value} for each in range(number)}


# SQS


@behaviour
def sqs_sends_and_hands_out_attributes(account: Account) -> None:
    """Body and attributes come back as they went in, with receive count and time of sending."""
    send(account, "bödy\U0001f600", MessageAttributes=attributes(1, "välue"))
    (message,) = receive(account)
    assert message["Body"] == "bödy\U0001f600"
    assert message["MessageAttributes"]["a0"]["StringValue"] == "välue"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert message["Attributes"]["SentTimestamp"].isdigit()


@behaviour
def sqs_hides_what_was_received(account: Account) -> None:
    """A second reader gets nothing while the first has the message."""
    send(account)
    assert len(receive(account)) == 1
    assert receive(account) == []


@behaviour
def sqs_counts_receives(account: Account) -> None:
    """A message that is visible again comes with a larger count."""
    send(account)
    receive(account, VisibilityTimeout=0)
    assert receive(account)[0]["Attributes"]["ApproximateReceiveCount"] == "2"


@behaviour
def sqs_deletes_by_receipt(account: Account) -> None:
    """What is deleted does not come back."""
    send(account)
    (message,) = receive(account, VisibilityTimeout=0)
    reply = account.call(
        "sqs",
        "DeleteMessageBatch",
        {"QueueUrl": account.queue, "Entries": [{"Id": "0", "ReceiptHandle": message["ReceiptHandle"]}]},
    )
    assert [done["Id"] for done in reply["Successful"]] == ["0"]
    assert receive(account) == []


@behaviour
def sqs_delays_a_message(account: Account) -> None:
    """A delayed message is not there yet."""
    send_batch(account, entry(0, DelaySeconds=900))
    assert receive(account) == []


@behaviour
def sqs_refuses_a_delay_beyond_15_minutes(account: Account) -> None:
    """900 seconds are the most."""
    assert (
        refusal(
            account,
            "sqs",
            "SendMessage",
            {"QueueUrl": account.queue, "MessageBody": "b", "DelaySeconds": 901},
        ).code
        == "InvalidParameterValue"
    )


@behaviour
def sqs_takes_ten_attributes_and_no_more(account: Account) -> None:
    """The eleventh attribute is refused."""
    send(account, MessageAttributes=attributes(10))
    refused = refusal(
        account,
        "sqs",
        "SendMessage",
        {"QueueUrl": account.queue, "MessageBody": "b", "MessageAttributes": attributes(11)},
    )
    assert refused.code == "InvalidParameterValue"


@behaviour
def sqs_refuses_an_empty_attribute(account: Account) -> None:
    """An attribute has a value."""
    refused = refusal(
        account,
        "sqs",
        "SendMessage",
        {"QueueUrl": account.queue, "MessageBody": "b", "MessageAttributes": attributes(1, "")},
    )
    assert refused.code == "InvalidParameterValue"


@behaviour
def sqs_refuses_characters_outside_of_xml(account: Account) -> None:
    """U+FFFF and control characters are refused in a body."""
    for text in ("a\uffffb", "a\x00b", "a\x1bb", "a\ufffeb"):
        refused = refusal(account, "sqs", "SendMessage", {"QueueUrl": account.queue, "MessageBody": text})
        assert refused.code == "InvalidMessageContents"


@behaviour
def sqs_takes_one_mebibyte(account: Account) -> None:
    """1,048,576 bytes with attributes; a byte more is refused."""
    send(account, "x" * 1_048_576)
    refused = refusal(
        account, "sqs", "SendMessage", {"QueueUrl": account.queue, "MessageBody": "x" * 1_048_577}
    )
    assert refused.code == "InvalidParameterValue"


@behaviour
def sqs_refuses_a_batch_that_is_too_heavy(account: Account) -> None:
    """The whole batch may weigh 1 MiB."""
    entries = [entry(number, "x" * 600_000) for number in range(2)]
    refused = refusal(account, "sqs", "SendMessageBatch", {"QueueUrl": account.queue, "Entries": entries})
    assert refused.code == "AWS.SimpleQueueService.BatchRequestTooLong"


@behaviour
def sqs_refuses_eleven_entries(account: Account) -> None:
    """Ten entries are the most."""
    entries = [entry(number) for number in range(11)]
    refused = refusal(account, "sqs", "SendMessageBatch", {"QueueUrl": account.queue, "Entries": entries})
    assert refused.code == "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"


@behaviour
def sqs_refuses_equal_ids_in_a_batch(account: Account) -> None:
    """Each entry has an id of its own."""
    entries = [entry(0), entry(0)]
    refused = refusal(account, "sqs", "SendMessageBatch", {"QueueUrl": account.queue, "Entries": entries})
    assert refused.code == "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"


@behaviour
def sqs_answers_each_entry_by_itself(account: Account) -> None:
    """One entry's refusal leaves the others sent, in a reply with status 200."""
    reply = send_batch(account, entry(0), entry(1, "bad \uffff"), entry(2))
    assert sorted(done["Id"] for done in reply["Successful"]) == ["0", "2"]
    assert [(failed["Id"], failed["SenderFault"]) for failed in reply["Failed"]] == [("1", True)]


@behaviour
def sqs_names_a_missing_queue_by_its_older_code(account: Account) -> None:
    """The code of the query protocol wins."""
    refused = refusal(account, "sqs", "SendMessage", {"QueueUrl": f"{account.queue}-not", "MessageBody": "b"})
    assert refused.code == "AWS.SimpleQueueService.NonExistentQueue"


# DynamoDB


@behaviour
def dynamodb_keeps_every_type(account: Account) -> None:
    """Text, numbers, bytes, flags, lists and maps come back as they went in."""
    item = {
        "b": {"B": b"\x00\xff"},
        "n": {"N": "12345678901234567890.123"},
        "l": {"L": [{"S": "é"}, {"NULL": True}, {"BOOL": False}]},
        "m": {"M": {"x": {"N": "1"}}},
    }
    put(account, "types", **item)
    read = {"pk": {"S": "types"}, **item, "b": {"B": base64.b64encode(b"\x00\xff").decode()}}
    assert get(account, "types") == read


@behaviour
def dynamodb_checks_a_condition(account: Account) -> None:
    """A condition that fails refuses the write and returns the item where it was asked for."""
    put(account, "c", n={"N": "1"})
    body = {
        "TableName": account.table,
        "Item": {"pk": {"S": "c"}, "n": {"N": "3"}},
        "ConditionExpression": "#n = :n",
        "ExpressionAttributeNames": {"#n": "n"},
        "ExpressionAttributeValues": {":n": {"N": "2"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    refused = refusal(account, "dynamodb", "PutItem", body)
    assert refused.code == "ConditionalCheckFailedException"
    assert refused.fields["Item"]["n"] == {"N": "1"}
    body["ExpressionAttributeValues"] = {":n": {"N": "1.0"}}
    account.call("dynamodb", "PutItem", body)
    assert get(account, "c")["n"] == {"N": "3"}


@behaviour
def dynamodb_knows_an_item_that_is_not_there(account: Account) -> None:
    """`attribute_not_exists` holds for a missing item; other comparisons with nothing do not."""
    body = {
        "TableName": account.table,
        "Item": {"pk": {"S": "new"}},
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    account.call("dynamodb", "PutItem", body)
    assert refusal(account, "dynamodb", "PutItem", body).code == "ConditionalCheckFailedException"


@behaviour
def dynamodb_updates(account: Account) -> None:
    """SET with arithmetic and if_not_exists, REMOVE, ADD; the update makes the item."""
    body = {
        "TableName": account.table,
        "Key": {"pk": {"S": "u"}},
        "UpdateExpression": "SET n = if_not_exists(n, :zero) + :one, t = :t REMOVE gone ADD c :one",
        "ExpressionAttributeValues": {":zero": {"N": "0"}, ":one": {"N": "1"}, ":t": {"S": "x"}},
        "ReturnValues": "ALL_NEW",
    }
    account.call("dynamodb", "UpdateItem", body)
    reply = account.call("dynamodb", "UpdateItem", body)
    assert reply["Attributes"] == {"pk": {"S": "u"}, "n": {"N": "2"}, "c": {"N": "2"}, "t": {"S": "x"}}


@behaviour
def dynamodb_refuses_a_reserved_word(account: Account) -> None:
    """A reserved word needs a placeholder."""
    refused = refusal(
        account,
        "dynamodb",
        "UpdateItem",
        {
            "TableName": account.table,
            "Key": {"pk": {"S": "r"}},
            "UpdateExpression": "SET status = :s",
            "ExpressionAttributeValues": {":s": {"S": "x"}},
        },
    )
    assert refused.code == "ValidationException"


@behaviour
def dynamodb_refuses_an_unused_placeholder(account: Account) -> None:
    """A value that no expression names is refused."""
    refused = refusal(
        account,
        "dynamodb",
        "UpdateItem",
        {
            "TableName": account.table,
            "Key": {"pk": {"S": "r"}},
            "UpdateExpression": "SET a = :a",
            "ExpressionAttributeValues": {":a": {"S": "x"}, ":b": {"S": "y"}},
        },
    )
    assert refused.code == "ValidationException"


@behaviour
def dynamodb_refuses_an_item_over_400_kb(account: Account) -> None:
    """Names count as well."""
    put(account, "large", t={"S": "x" * 409_000})
    body = {"TableName": account.table, "Item": {"pk": {"S": "large"}, "t": {"S": "x" * 410_000}}}
    assert refusal(account, "dynamodb", "PutItem", body).code == "ValidationException"


@behaviour
def dynamodb_refuses_a_39th_digit(account: Account) -> None:
    """38 digits of precision, and no exponent beyond 125."""
    put(account, "digits", n={"N": "1" * 38})
    for number in ("1" * 39, "1e126", "NaN", "1_0"):
        body = {"TableName": account.table, "Item": {"pk": {"S": "digits"}, "n": {"N": number}}}
        assert refusal(account, "dynamodb", "PutItem", body).code == "ValidationException", number


@behaviour
def dynamodb_refuses_an_empty_key(account: Account) -> None:
    """A key has at least a character."""
    body = {"TableName": account.table, "Item": {"pk": {"S": ""}}}
    assert refusal(account, "dynamodb", "PutItem", body).code == "ValidationException"


@behaviour
def dynamodb_refuses_a_key_twice_in_a_batch(account: Account) -> None:
    """A batch names an item once."""
    keys = [{"pk": {"S": "a"}}, {"pk": {"S": "a"}}]
    body = {"RequestItems": {account.table: {"Keys": keys}}}
    assert refusal(account, "dynamodb", "BatchGetItem", body).code == "ValidationException"


@behaviour
def dynamodb_reads_100_keys_at_once(account: Account) -> None:
    """And no more."""
    put(account, "k1")
    keys = [{"pk": {"S": f"k{number}"}} for number in range(101)]
    reply = account.call("dynamodb", "BatchGetItem", {"RequestItems": {account.table: {"Keys": keys[:100]}}})
    assert reply["Responses"][account.table] == [{"pk": {"S": "k1"}}]
    body = {"RequestItems": {account.table: {"Keys": keys}}}
    assert refusal(account, "dynamodb", "BatchGetItem", body).code == "ValidationException"


@behaviour
def dynamodb_writes_25_items_at_once(account: Account) -> None:
    """And no more."""
    writes = [{"PutRequest": {"Item": {"pk": {"S": f"w{number}"}}}} for number in range(26)]
    reply = account.call("dynamodb", "BatchWriteItem", {"RequestItems": {account.table: writes[:25]}})
    assert not reply.get("UnprocessedItems")
    body = {"RequestItems": {account.table: writes}}
    assert refusal(account, "dynamodb", "BatchWriteItem", body).code == "ValidationException"


@behaviour
def dynamodb_takes_a_transaction_whole_or_not(account: Account) -> None:
    """One condition that fails leaves everything as it was, and says which."""
    put(account, "t1")
    writes = [
        {"Put": {"TableName": account.table, "Item": {"pk": {"S": "t2"}}}},
        {
            "Put": {
                "TableName": account.table,
                "Item": {"pk": {"S": "t1"}},
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        },
    ]
    refused = refusal(account, "dynamodb", "TransactWriteItems", {"TransactItems": writes})
    assert refused.code == "TransactionCanceledException"
    assert [reason["Code"] for reason in refused.fields["CancellationReasons"]] == [
        "None",
        "ConditionalCheckFailed",
    ]
    assert get(account, "t2") == {}


@behaviour
def dynamodb_queries_a_range_in_pages(account: Account) -> None:
    """In the order of the range key, and from where the last page ended."""
    for number in range(5):
        item = {"pk": {"S": "p"}, "sk": {"S": f"{number}"}}
        account.call("dynamodb", "PutItem", {"TableName": account.ranged, "Item": item})
    body: dict[str, Any] = {
        "TableName": account.ranged,
        "KeyConditionExpression": "pk = :p AND sk BETWEEN :a AND :b",
        "ExpressionAttributeValues": {":p": {"S": "p"}, ":a": {"S": "1"}, ":b": {"S": "4"}},
        "Limit": 3,
    }
    first = account.call("dynamodb", "Query", body)
    assert [item["sk"]["S"] for item in first["Items"]] == ["1", "2", "3"]
    second = account.call("dynamodb", "Query", {**body, "ExclusiveStartKey": first["LastEvaluatedKey"]})
    assert [item["sk"]["S"] for item in second["Items"]] == ["4"]
    assert "LastEvaluatedKey" not in second


@behaviour
def dynamodb_filters_after_the_limit(account: Account) -> None:
    """A page may be empty and still not be the last."""
    for number in range(3):
        put(account, f"f{number}", n={"N": str(number)})
    body = {
        "TableName": account.table,
        "FilterExpression": "n = :n",
        "ExpressionAttributeValues": {":n": {"N": "99"}},
        "Limit": 1,
    }
    reply = account.call("dynamodb", "Scan", body)
    assert reply["Items"] == []
    assert "LastEvaluatedKey" in reply


@behaviour
def dynamodb_names_a_missing_table(account: Account) -> None:
    """By the code that Relay takes for a setting's fault."""
    body = {"TableName": "not-there", "Key": {"pk": {"S": "a"}}}
    assert refusal(account, "dynamodb", "GetItem", body).code == "ResourceNotFoundException"


# Firehose, SNS, SSM


@behaviour
def firehose_takes_records(account: Account) -> None:
    """An answer for each record."""
    records = [{"Data": b"line\n"} for _ in range(3)]
    reply = account.call(
        "firehose", "PutRecordBatch", {"DeliveryStreamName": account.stream, "Records": records}
    )
    assert reply["FailedPutCount"] == 0
    assert len(reply["RequestResponses"]) == 3


@behaviour
def firehose_refuses_501_records(account: Account) -> None:
    """500 are the most."""
    body = {
        "DeliveryStreamName": account.stream,
        "Records": [{"Data": b"x"} for _ in range(501)],
    }
    assert refusal(account, "firehose", "PutRecordBatch", body).code in {
        "InvalidArgumentException",
        "ValidationException",
    }


@behaviour
def firehose_refuses_a_record_over_1000_kib(account: Account) -> None:
    """1,024,000 bytes before base64."""
    data = b"x" * (1_000 * 1024 + 1)
    body = {"DeliveryStreamName": account.stream, "Records": [{"Data": data}]}
    assert refusal(account, "firehose", "PutRecordBatch", body).code in {
        "InvalidArgumentException",
        "ValidationException",
    }


@behaviour
def firehose_names_a_missing_stream(account: Account) -> None:
    """By the code that Relay takes for a setting's fault."""
    body = {"DeliveryStreamName": "not-there", "Records": [{"Data": b"x"}]}
    assert refusal(account, "firehose", "PutRecordBatch", body).code == "ResourceNotFoundException"


@behaviour
def sns_publishes_a_batch(account: Account) -> None:
    """An answer for each entry."""
    entries = [
        {"Id": "0", "Message": json.dumps({"a": "é&=+"}), "MessageAttributes": attributes(1, "é")},
        {"Id": "1", "Message": "m"},
    ]
    reply = account.call(
        "sns", "PublishBatch", {"TopicArn": account.topic, "PublishBatchRequestEntries": entries}
    )
    assert sorted(done["Id"] for done in reply["Successful"]) == ["0", "1"]
    assert not reply.get("Failed")


@behaviour
def sns_refuses_a_batch_over_256_kib(account: Account) -> None:
    """All messages together."""
    entries = [{"Id": str(number), "Message": "x" * 140_000} for number in range(2)]
    body = {"TopicArn": account.topic, "PublishBatchRequestEntries": entries}
    assert refusal(account, "sns", "PublishBatch", body).code == "BatchRequestTooLong"


@behaviour
def sns_refuses_a_subject_of_100_characters(account: Account) -> None:
    """Fewer than 100, in ASCII."""
    account.call("sns", "Publish", {"TopicArn": account.topic, "Message": "m", "Subject": "s" * 99})
    for subject in ("s" * 101, "a\nb"):
        body = {"TopicArn": account.topic, "Message": "m", "Subject": subject}
        assert refusal(account, "sns", "Publish", body).code == "InvalidParameter"


@behaviour
def sns_names_a_missing_topic(account: Account) -> None:
    """By the code that Relay takes for a setting's fault."""
    assert refusal(account, "sns", "Publish", {"TopicArn": f"{account.topic}-not", "Message": "m"}).code in {
        "NotFound",
        "NotFoundException",
    }


@behaviour
def ssm_decrypts_where_it_is_asked_to(account: Account) -> None:
    """Without `WithDecryption` the value is not the secret."""
    reply = account.call("ssm", "GetParameter", {"Name": account.parameter, "WithDecryption": True})
    assert reply["Parameter"]["Value"] == "secret"
    reply = account.call("ssm", "GetParameter", {"Name": account.parameter, "WithDecryption": False})
    assert reply["Parameter"]["Value"] != "secret"


@behaviour
def ssm_names_a_missing_parameter(account: Account) -> None:
    """By the code that Relay takes for a setting's fault."""
    assert refusal(account, "ssm", "GetParameter", {"Name": "/not/there"}).code == "ParameterNotFound"
