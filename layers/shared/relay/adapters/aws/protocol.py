"""Writes requests to AWS services and reads their replies: JSON for DynamoDB, SQS, Firehose and SSM, forms and XML for SNS.

Pure functions, standard library only. Facts from the services' published models: target prefixes, JSON
versions, the query protocol of SNS, and the two ways in which an error names its code.
Source: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

Body: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Service:
    """The parts in which the services' requests differ. `target` is empty for the query protocol."""

    name: str
    variable: str
    target: str
    content_type: str


SERVICES: Final[dict[str, Service]] = {
    "dynamodb": Service("dynamodb", "DYNAMODB", "DynamoDB_20120810", "application/x-amz-json-1.0"),
    "sqs": Service("sqs", "SQS", "AmazonSQS", "application/x-amz-json-1.0"),
    "firehose": Service("firehose", "FIREHOSE", "Firehose_20150804", "application/x-amz-json-1.1"),
    "ssm": Service("ssm", "SSM", "AmazonSSM", "application/x-amz-json-1.1"),
    "sns": Service("sns", "SNS", "", "application/x-www-form-urlencoded; charset=utf-8"),
}

_SNS_VERSION: Final = "2010-03-31"

_SUFFIXES: Final = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
}
"""The domain of each partition, by the beginning of its regions' names; all others are `amazonaws.com`."""


class BrokenReplyError(Exception):
    """A reply that cannot be what the service sent: cut off, altered on the way, or no JSON."""


def endpoint(service: Service, region: str) -> str:
    """Return the address of a service: from the environment's variables as the AWS tools read them, else the region's."""
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        for name in (f"AWS_ENDPOINT_URL_{service.variable}", "AWS_ENDPOINT_URL"):
            if url := os.environ.get(name):
                return url
    suffix = next(
        (domain for start, domain in _SUFFIXES.items() if region.startswith(start)), "amazonaws.com"
    )
    return f"https://{service.name}.{region}.{suffix}"


def encode(service: Service, operation: str, body: Body) -> tuple[dict[str, str], bytes]:
    """Return the headers (lower-case names) and the content of a request."""
    headers = {"content-type": service.content_type}
    if service.target:
        headers["x-amz-target"] = f"{service.target}.{operation}"
        # ASCII alone: AWS refuses some characters raw that it takes escaped (U+FFFF in an SQS body).
        return headers, json.dumps(body, separators=(",", ":"), default=_base64).encode("ascii")
    form = [("Action", operation), ("Version", _SNS_VERSION), *_form(body)]
    return headers, urlencode(form).encode("ascii")


def _base64(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} has no place in a request")


_MAPS: Final = frozenset({"MessageAttributes"})
"""The members of SNS requests that are maps; every other object is a structure."""


def _form(value: Any, prefix: str = "", *, is_map: bool = False) -> Iterator[tuple[str, str]]:
    """Flatten a request as the query protocol has it: `a.member.1.b`, `a.entry.1.Name`."""
    if isinstance(value, Mapping):
        for number, (name, inner) in enumerate(value.items(), 1):
            if is_map:
                yield f"{prefix}.entry.{number}.Name", name
                yield from _form(inner, f"{prefix}.entry.{number}.Value")
            else:
                yield from _form(inner, f"{prefix}.{name}" if prefix else name, is_map=name in _MAPS)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for number, inner in enumerate(value, 1):
            yield from _form(inner, f"{prefix}.member.{number}")
    elif isinstance(value, bytes):
        yield prefix, _base64(value)
    elif isinstance(value, bool):
        yield prefix, "true" if value else "false"
    else:
        yield prefix, str(value)


def decode(service: Service, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
    """Return the reply of a call that succeeded. `headers` have lower-case names.

    Raises:
        BrokenReplyError: the checksum that DynamoDB sends does not fit, or it is no reply of this service.

    """
    checksum = headers.get("x-amz-crc32")
    if checksum is not None and checksum != str(zlib.crc32(content)):
        raise BrokenReplyError("checksum")
    if not service.target:
        fields = _decode_xml(content)
        # Every reply has it; the page of a proxy may be XML too.
        if "ResponseMetadata" not in fields:
            raise BrokenReplyError("no metadata")
        return fields
    try:
        reply = json.loads(content)
    except ValueError:
        raise BrokenReplyError("no JSON") from None
    if not isinstance(reply, dict):
        raise BrokenReplyError("no object")
    return reply


def error_code(service: Service, headers: Mapping[str, str], content: bytes) -> str:
    """Return the code of a refusal, without namespace; empty where the reply names none.

    SQS sends two: the one of the header, which older clients know, wins as it does in botocore.
    """
    query_error = headers.get("x-amzn-query-error", "").partition(";")[0]
    if query_error:
        return query_error
    return _short(_error_fields(service, content).get("code", ""))


def refusal_fields(service: Service, content: bytes) -> dict[str, Any]:
    """Return what a refusal's body says besides its code: `CancellationReasons`, `Item`; empty where it is no object."""
    if not service.target:
        return {}
    try:
        reply = json.loads(content)
    except ValueError:
        return {}
    return reply if isinstance(reply, dict) else {}


def _error_fields(service: Service, content: bytes) -> dict[str, str]:
    if not service.target:
        try:
            error = _decode_xml(content).get("Error", {})
        except BrokenReplyError:
            return {}
        return {"code": error.get("Code", "")} if isinstance(error, dict) else {}
    reply = refusal_fields(service, content)
    return {"code": str(reply.get("__type") or "")}


def _short(code: str) -> str:
    """Cut the URL after `:`, then the namespace before `#`."""
    return code.partition(":")[0].rpartition("#")[2]


def _decode_xml(content: bytes) -> dict[str, Any]:
    """Return an XML reply as objects: `…Result` unwrapped, `member` elements as a list."""
    # The parser is loaded with the first reply of SNS: only the functions that publish pay for it.
    from xml.etree import ElementTree as ET

    try:
        # AWS's own reply over TLS; expat bounds the expansion of entities.
        root = ET.fromstring(content)  # noqa: S314 # nosec B314
    except ET.ParseError:
        raise BrokenReplyError("no XML") from None
    reply: dict[str, Any] = {}
    for element in root:
        name = element.tag.rpartition("}")[2]
        value = _element(element)
        if name.endswith("Result") and isinstance(value, dict):
            reply |= value
        else:
            reply[name] = value
    return reply


def _element(element: Any) -> Any:
    children = list(element)
    if not children:
        return (element.text or "").strip()
    names = [child.tag.rpartition("}")[2] for child in children]
    if set(names) == {"member"}:
        return [_element(child) for child in children]
    return {name: _element(child) for name, child in zip(names, children, strict=True)}
