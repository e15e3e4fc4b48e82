"""The AWS clients, one of each per Lambda environment, and the errors that stand for AWS's refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from relay.errors import MisconfiguredError, TransientError

if TYPE_CHECKING:
    import boto3

_MISCONFIGURED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "InvalidSignatureException",
        "KMSAccessDeniedException",
        "NotFound",
        "ParameterNotFound",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    }
)


@cache
def _session() -> boto3.session.Session:
    import boto3

    return boto3.session.Session()


@cache
def client(service: str, *, attempts: int = 3) -> Any:
    """Return the client of an AWS service: connect 2 s, read 8 s, three attempts in all by default."""
    config = Config(
        connect_timeout=2, read_timeout=8, retries={"mode": "standard", "total_max_attempts": attempts}
    )
    return _session().client(service, config=config)  # type: ignore[call-overload]  # one function for all services


@contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Translate what AWS raises. `what` names the resource; no message of AWS is repeated.

    Raises:
        MisconfiguredError: a permission or resource is missing.
        TransientError: everything else that AWS answers or fails to answer.

    """
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code in _MISCONFIGURED:
            raise MisconfiguredError(f"{what}: {code}", setting=what) from error
        raise TransientError(f"{what}: {code}") from error
    except (AwsConnectionError, HTTPClientError) as error:
        raise TransientError(f"{what}: {type(error).__name__}") from error
