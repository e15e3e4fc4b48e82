"""`AwsClient.call` by botocore: for AWS in memory (moto), which answers botocore alone, and for comparisons."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError
from relay.adapters.aws.client import NoAnswerError, RefusedCallError


@dataclass(slots=True)
class BotoCall:
    """Stands where `AwsClient` does. `client` makes or finds botocore's client of a service."""

    client: Callable[[str], Any]
    ends_at: float | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)

    def call(self, service: str, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the reply to one call.

        Raises:
            RefusedCallError: AWS refused it.
            NoAnswerError: no answer came.

        """
        self.calls.append((service, operation))
        try:
            reply: dict[str, Any] = getattr(self.client(service), xform_name(operation))(**body)
        except ClientError as error:
            response: Mapping[str, Any] = error.response
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            fields = {name: value for name, value in response.items() if name != "ResponseMetadata"}
            raise RefusedCallError(response["Error"]["Code"], status, _json(fields)) from error
        except (AwsConnectionError, HTTPClientError) as error:
            raise NoAnswerError(type(error).__name__) from error
        reply.pop("ResponseMetadata", None)
        written: dict[str, Any] = _json(reply)
        return written


def _json(value: Any) -> Any:
    """Write a reply as JSON has it: bytes as base64."""
    if isinstance(value, Mapping):
        return {name: _json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
