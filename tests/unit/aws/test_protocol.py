"""Requests, replies, errors and addresses are those of botocore, read from the services' own models."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import botocore.session
import pytest
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from relay.adapters.aws.protocol import (
    SERVICES,
    BrokenReplyError,
    decode,
    encode,
    endpoint,
    error_code,
    refusal_fields,
)

ITEM = {"pk": {"S": "shop:1"}, "b": {"B": b"\x00\xff"}, "n": {"N": "1.5"}, "m": {"M": {"x": {"NULL": True}}}}
ATTRIBUTES = {
    "relay": {"DataType": "String", "StringValue": '{"id":"é&=+ "}'},
    "b": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
}

REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("dynamodb", "PutItem", {"TableName": "t", "Item": ITEM, "ConditionExpression": "n = :n"}),
    ("dynamodb", "GetItem", {"TableName": "t", "Key": {"pk": {"S": "ü"}}, "ConsistentRead": True}),
    (
        "dynamodb",
        "UpdateItem",
        {"TableName": "t", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "SET a = :a"},
    ),
    ("dynamodb", "DeleteItem", {"TableName": "t", "Key": {"pk": {"S": "a"}}}),
    (
        "dynamodb",
        "BatchGetItem",
        {"RequestItems": {"t": {"Keys": [{"pk": {"S": "a"}}], "ConsistentRead": True}}},
    ),
    ("dynamodb", "BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": {"Item": ITEM}}]}}),
    ("dynamodb", "TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "t", "Item": ITEM}}]}),
    ("dynamodb", "Query", {"TableName": "t", "KeyConditionExpression": "pk = :p", "Limit": 3}),
    ("dynamodb", "Scan", {"TableName": "t", "Segment": 0, "TotalSegments": 2}),
    ("sqs", "SendMessage", {"QueueUrl": "https://q/1/n", "MessageBody": "a\uffffb\U0001f600"}),
    (
        "sqs",
        "SendMessageBatch",
        {
            "QueueUrl": "https://q/1/n",
            "Entries": [
                {"Id": "0", "MessageBody": "é", "DelaySeconds": 900, "MessageAttributes": ATTRIBUTES},
            ],
        },
    ),
    ("sqs", "DeleteMessageBatch", {"QueueUrl": "q", "Entries": [{"Id": "0", "ReceiptHandle": "r"}]}),
    ("sqs", "ReceiveMessage", {"QueueUrl": "q", "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}),
    ("firehose", "PutRecordBatch", {"DeliveryStreamName": "s", "Records": [{"Data": b"line\n\xff"}]}),
    ("ssm", "GetParameter", {"Name": "/a/b", "WithDecryption": True}),
    ("sns", "Publish", {"TopicArn": "arn:aws:sns:r:1:t", "Message": "a&b=c d\u00e9", "Subject": "s"}),
    (
        "sns",
        "PublishBatch",
        {
            "TopicArn": "arn",
            "PublishBatchRequestEntries": [
                {"Id": "0", "Message": "m", "MessageAttributes": ATTRIBUTES},
                {"Id": "1", "Message": "é\n"},
            ],
        },
    ),
]


@cache
def session() -> Any:
    return botocore.session.Session()


@cache
def model(service: str) -> ServiceModel:
    return ServiceModel(session().get_component("data_loader").load_service_model(service, "service-2"))


def protocol(service: str) -> str:
    return {"sns": "query"}.get(service, "json")


@pytest.mark.parametrize(("service", "operation", "body"), REQUESTS, ids=lambda value: str(value)[:20])
def test_a_request_is_botocores(service: str, operation: str, body: dict[str, Any]) -> None:
    """Target, content type and content say the same as botocore's serialiser for the service's model."""
    written = create_serializer(protocol(service), include_validation=True).serialize_to_request(
        body, model(service).operation_model(operation)
    )
    headers, content = encode(SERVICES[service], operation, body)
    expected = {name.lower(): value for name, value in written["headers"].items()}
    assert headers["content-type"] == expected["content-type"]
    assert headers.get("x-amz-target") == expected.get("x-amz-target")
    assert content.isascii()
    if service == "sns":
        expected_form = {name: str(value) for name, value in written["body"].items()}
        assert dict(parse_qsl(content.decode(), keep_blank_values=True, strict_parsing=True)) == expected_form
    else:
        assert json.loads(content) == json.loads(written["body"])


def parsed(service: str, operation: str, status: int, headers: dict[str, str], content: bytes) -> Any:
    """Return what botocore's parser makes of a reply."""
    shape: Any = model(service).operation_model(operation).output_shape
    return create_parser(protocol(service)).parse(
        {"status_code": status, "headers": headers, "body": content}, shape
    )


@pytest.mark.parametrize(
    ("service", "operation", "content"),
    [
        ("dynamodb", "GetItem", b'{"Item":{"pk":{"S":"a"},"n":{"N":"1"}}}'),
        ("dynamodb", "PutItem", b"{}"),
        (
            "dynamodb",
            "BatchGetItem",
            b'{"Responses":{"t":[]},"UnprocessedKeys":{"t":{"Keys":[{"pk":{"S":"a"}}]}}}',
        ),
        (
            "sqs",
            "SendMessageBatch",
            b'{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"x"}],"Failed":[{"Id":"1","Code":"InternalError","SenderFault":false}]}',
        ),
        (
            "firehose",
            "PutRecordBatch",
            b'{"FailedPutCount":1,"RequestResponses":[{"RecordId":"r"},{"ErrorCode":"ServiceUnavailableException","ErrorMessage":"m"}]}',
        ),
        ("ssm", "GetParameter", b'{"Parameter":{"Name":"a","Value":"v"}}'),
        (
            "sns",
            "PublishBatch",
            (
                b'<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult>'
                b"<Failed><member><Id>1</Id><Code>InternalError</Code><SenderFault>false</SenderFault></member></Failed>"
                b"<Successful><member><MessageId>m</MessageId><Id>0</Id></member><member><MessageId>n</MessageId><Id>2</Id></member>"
                b"</Successful></PublishBatchResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
                b"</PublishBatchResponse>"
            ),
        ),
        (
            "sns",
            "PublishBatch",
            (
                b'<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult><Failed/>'
                b"<Successful><member><MessageId>m</MessageId><Id>0</Id></member></Successful></PublishBatchResult>"
                b"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishBatchResponse>"
            ),
        ),
        (
            "sns",
            "Publish",
            (
                b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m</MessageId>'
                b"</PublishResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>"
            ),
        ),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_reply_says_what_botocore_reads(service: str, operation: str, content: bytes) -> None:
    """The parts that Relay reads are equal; what neither names is left aside."""
    theirs = parsed(service, operation, 200, {}, content)
    ours = decode(SERVICES[service], {}, content)
    for name, value in theirs.items():
        if name == "ResponseMetadata":
            continue
        mine = ours.get(name) or []
        if service == "sns" and isinstance(value, list):
            assert [{k: v for k, v in entry.items() if k != "SenderFault"} for entry in mine] == [
                {k: v for k, v in entry.items() if k != "SenderFault"} for entry in value
            ]
        else:
            assert mine == value or value in ({}, [])


REFUSALS = [
    (
        "dynamodb",
        "PutItem",
        400,
        {},
        b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"m"}',
    ),
    (
        "dynamodb",
        "PutItem",
        400,
        {},
        b'{"__type":"com.amazon.coral.validate#ValidationException","message":"Item size has exceeded"}',
    ),
    ("dynamodb", "PutItem", 400, {}, b'{"__type":"com.amazon.coral.service#UnrecognizedClientException"}'),
    (
        "sqs",
        "SendMessage",
        400,
        {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"},
        b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"m"}',
    ),
    ("sqs", "SendMessage", 400, {}, b'{"__type":"com.amazonaws.sqs#InvalidMessageContents","message":"m"}'),
    ("sqs", "SendMessage", 403, {}, b'{"__type":"com.amazon.coral.service#InvalidClientTokenId"}'),
    ("firehose", "PutRecordBatch", 400, {}, b'{"__type":"ResourceNotFoundException","message":"m"}'),
    ("ssm", "GetParameter", 400, {}, b'{"__type":"ParameterNotFound"}'),
    ("ssm", "GetParameter", 400, {}, b'{"__type":"InvalidKeyId","message":"m"}'),
    (
        "ssm",
        "GetParameter",
        400,
        {},
        b'{"__type":"AccessDeniedException:http://internal.amazon.com/coral/com.amazon.coral.service#x/"}',
    ),
    (
        "sns",
        "Publish",
        403,
        {},
        b'<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>',
    ),
    (
        "sns",
        "Publish",
        404,
        {},
        b'<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>NotFound</Code><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>',
    ),
]


@pytest.mark.parametrize(
    ("service", "operation", "status", "headers", "content"), REFUSALS, ids=lambda v: str(v)[-24:]
)
def test_an_error_has_botocores_code(
    service: str, operation: str, status: int, headers: dict[str, str], content: bytes
) -> None:
    """Namespaces, the query-compatible header and XML: one code, the same as botocore's."""
    assert (
        error_code(SERVICES[service], headers, content)
        == parsed(service, operation, status, headers, content)["Error"]["Code"]
    )


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"<html>", b"{", b"\xff", b'{"__type":7}'])
@pytest.mark.parametrize("service", sorted(SERVICES))
def test_an_error_that_is_no_error_has_no_code(service: str, content: bytes) -> None:
    """A proxy's page or nothing at all: no code, and no exception."""
    assert error_code(SERVICES[service], {}, content) in {"", "7"}
    assert isinstance(refusal_fields(SERVICES[service], content), dict)


def test_a_refusals_other_fields_are_kept() -> None:
    """A transaction says why for each of its parts."""
    content = b'{"__type":"a#TransactionCanceledException","CancellationReasons":[{"Code":"None"}]}'
    assert refusal_fields(SERVICES["dynamodb"], content)["CancellationReasons"] == [{"Code": "None"}]


def test_a_checksum_that_does_not_fit_is_no_reply() -> None:
    """DynamoDB sends a CRC-32 of the body; botocore retries such a reply as well."""
    content = b'{"Item":{}}'
    decode(SERVICES["dynamodb"], {"x-amz-crc32": str(zlib.crc32(content))}, content)
    with pytest.raises(BrokenReplyError):
        decode(SERVICES["dynamodb"], {"x-amz-crc32": "1"}, content)


@pytest.mark.parametrize("content", [b"<html>502</html>", b"[]", b'{"a":', b"\xff\xfe"])
def test_a_success_that_is_no_object_is_no_reply(content: bytes) -> None:
    """A page of a proxy with status 200 is not taken for a success."""
    with pytest.raises(BrokenReplyError):
        decode(SERVICES["dynamodb"], {}, content)
    with pytest.raises(BrokenReplyError):
        decode(SERVICES["sns"], {}, b"not xml")


def regions() -> list[tuple[str, str]]:
    """Return services and regions: all partitions that botocore knows, the first three regions of each."""
    found = []
    for partition in session().get_available_partitions():
        for service in SERVICES:
            found += [(service, region) for region in session().get_available_regions(service, partition)[:3]]
    return found


def test_the_address_is_botocores_in_every_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commercial regions, China, GovCloud, the European and the isolated partitions."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    pairs = regions()
    assert {"cn-north-1", "us-gov-east-1"} <= {region for _, region in pairs}
    for service, region in pairs:
        theirs = session().create_client(service, region_name=region).meta.endpoint_url
        assert endpoint(SERVICES[service], region) == theirs


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"AWS_ENDPOINT_URL": "http://a:1"}, "http://a:1"),
        ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_SQS": "http://b:2"}, "http://b:2"),
        ({"AWS_ENDPOINT_URL_DYNAMODB": "http://b:2"}, "https://sqs.eu-west-1.amazonaws.com"),
        (
            {"AWS_ENDPOINT_URL": "http://a:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "https://sqs.eu-west-1.amazonaws.com",
        ),
    ],
)
def test_the_environment_may_name_the_address(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of the AWS tools hold, the service's own before the general one."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert endpoint(SERVICES["sqs"], "eu-west-1") == expected
    theirs = botocore.session.Session().create_client("sqs", region_name="eu-west-1").meta.endpoint_url
    assert theirs == expected


def test_bytes_travel_as_base64() -> None:
    """And a value that JSON has no place for is refused before anything is sent."""
    _, content = encode(SERVICES["firehose"], "PutRecordBatch", {"Records": [{"Data": b"\x00"}]})
    assert json.loads(content)["Records"][0]["Data"] == base64.b64encode(b"\x00").decode()
    with pytest.raises(TypeError, match="datetime"):
        encode(SERVICES["sqs"], "SendMessage", {"MessageBody": datetime.now(UTC)})
