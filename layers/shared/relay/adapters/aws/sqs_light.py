"""SQS for the receiver's cold start: one signed request, without the quarter of a second that boto3 takes to import.

The receiver calls nothing of AWS but `SendMessage`. The signature is AWS Signature Version 4; a test compares it
with botocore's.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hmac
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from relay.errors import TransientError

_CONNECT_SECONDS: Final = 1.0
_READ_SECONDS: Final = 2.0
_TARGET: Final = "AmazonSQS.SendMessage"
_CONTENT_TYPE: Final = "application/x-amz-json-1.0"
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of the function's role: Lambda sets them once for each environment."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    region: str


@dataclass(slots=True)
class LightSqs:
    """Sends single messages over one connection that is kept; one retry, then it raises a `TransientError`."""

    credentials: Credentials
    endpoint: str | None = None
    _connection: http.client.HTTPConnection | None = None

    def send(self, queue_url: str, body: str, attributes: Mapping[str, str]) -> None:
        """Send one message.

        Raises:
            TransientError: SQS did not take it at either attempt.

        """
        content = json.dumps(
            {
                "QueueUrl": queue_url,
                "MessageBody": body,
                "MessageAttributes": {
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            },
            ensure_ascii=False,
        ).encode()
        # A second copy of a message does no harm: its event id is the same.
        problem = self._try(queue_url, content) and self._try(queue_url, content)
        if problem:
            raise TransientError(f"queue not reached: {problem}")

    def _try(self, queue_url: str, content: bytes) -> str | None:
        """Post once; return what went wrong, None where nothing did."""
        url = urlsplit(self.endpoint or queue_url)
        headers = signed_headers(self.credentials, url.netloc, content, datetime.now(UTC))
        try:
            connection = self._connected(url.scheme, url.netloc)
            connection.request("POST", "/", content, headers)
            reply = connection.getresponse()
            reply.read()
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            return type(error).__name__
        if reply.status == _OK:
            return None
        self._drop()
        return f"status {reply.status}"

    def _connected(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        """Return the connection that is kept, or a new one: a frozen environment may have lost it."""
        if self._connection is None:
            kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
            connection = kind(netloc, timeout=_CONNECT_SECONDS)
            connection.connect()
            connection.sock.settimeout(_READ_SECONDS)
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def signed_headers(credentials: Credentials, host: str, content: bytes, now: datetime) -> dict[str, str]:
    """Return the headers of a `SendMessage` request, its signature included."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "content-type": _CONTENT_TYPE,
        "host": host,
        "x-amz-date": stamp,
        "x-amz-target": _TARGET,
    }
    if credentials.session_token:
        headers["x-amz-security-token"] = credentials.session_token
    names = sorted(headers)
    signed = ";".join(names)
    canonical = "\n".join(
        [
            "POST",
            "/",
            "",
            *(f"{name}:{headers[name]}" for name in names),
            "",
            signed,
            sha256(content).hexdigest(),
        ]
    )
    scope = f"{stamp[:8]}/{credentials.region}/sqs/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
    )
    return headers
