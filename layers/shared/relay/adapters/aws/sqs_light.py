"""SQS for the receiver's cold start: one signed request, without the quarter of a second that boto3 takes to import.

The receiver calls nothing of AWS but `SendMessage`.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from relay.adapters.aws.signing import Credentials, signed_headers
from relay.errors import TransientError

_CONNECT_SECONDS: Final = 1.0
_READ_SECONDS: Final = 2.0
_HEADERS: Final = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage"}
_OK: Final = 200


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
        headers = signed_headers(
            self.credentials,
            "sqs",
            host=url.netloc,
            path="/",
            headers=_HEADERS,
            content=content,
            now=datetime.now(UTC),
        )
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
