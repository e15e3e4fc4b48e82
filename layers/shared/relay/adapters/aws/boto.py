"""Calls AWS by botocore, for the operator's commands and for `grants`: its transactions need botocore's idempotency token."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as AwsConnectionError

from relay.adapters.aws.client import NoAnswerError, RefusedCallError

if TYPE_CHECKING:
    import boto3


@cache
def _session() -> boto3.session.Session:
    import boto3

    return boto3.session.Session()


@cache
def client(service: str, *, attempts: int = 3) -> Any:
    """Return botocore's client of an AWS service: connect 2 s, read 8 s, three attempts in all by default."""
    config = Config(
        connect_timeout=2, read_timeout=8, retries={"mode": "standard", "total_max_attempts": attempts}
    )
    return _session().client(service, config=config)  # type: ignore[call-overload]  # one function for all services


@dataclass(slots=True)
class BotoAws:
    """Calls AWS by botocore, in place of `AwsClient`. `client_of` returns botocore's client of a service."""

    client_of: Callable[[str], Any] = client
    ends_at: float | None = None

    def call(
        self,
        service: str,
        operation: str,
        body: Mapping[str, Any],
        *,
        repeatable: bool = True,  # noqa: ARG002 - botocore decides by its own settings
    ) -> dict[str, Any]:
        """Return the reply to one call.

        Raises:
            RefusedCallError: AWS refused the call.
            NoAnswerError: no answer came.

        """
        try:
            reply: dict[str, Any] = getattr(self.client_of(service), xform_name(operation))(**body)
        except ClientError as error:
            response: Mapping[str, Any] = error.response
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            fields = {name: value for name, value in response.items() if name != "ResponseMetadata"}
            raise RefusedCallError(response["Error"]["Code"], status, _json(fields)) from error
        except (AwsConnectionError, HTTPClientError) as error:
            sent = isinstance(error, ReadTimeoutError | ConnectionClosedError)
            raise NoAnswerError(type(error).__name__, sent=sent) from error
        reply.pop("ResponseMetadata", None)
        written: dict[str, Any] = _json(reply)
        return written


def boto_aws() -> BotoAws:
    """Return AWS by this environment's botocore clients."""
    return BotoAws()


def _json(value: Any) -> Any:
    """Return a reply as JSON has it: bytes as base64."""
    if isinstance(value, Mapping):
        return {name: _json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
