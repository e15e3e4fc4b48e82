"""The AWS account and region that a command works in, and each of AWS's refusals in words with what to do.

Credentials and region are those that the AWS CLI would take. `--profile`, `--region` and `--endpoint-url` replace
what the environment says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from relay_cli.errors import CliError, UsageError

if TYPE_CHECKING:
    import argparse

    import boto3

_SERVER_FAULT: Final = 500
_ADDRESS: Final = re.compile(r"https?://[^\s\x80-\U0010ffff]+$")
_SIGN_IN: Final = (
    "sign in again: `aws sso login`, with --profile where you use one; then run the command again"
)
_CLOCK: Final = "set this machine's clock: AWS takes requests of the last and the next 15 minutes only"
_PERMISSIONS: Final = "docs/security.md lists the permissions that each command needs"

_FAILED_DEPLOYMENT: Final = "docs/troubleshooting.md has what to do where a deployment fails"
_ACCOUNT: Final = re.compile(r"\b\d{12}\b")
_LONGEST: Final = 500
"""Characters of AWS's own sentence that are shown."""

_ANOTHER_PAGE: Final = (
    "the answer does not come from AWS: a proxy or a login page answered instead",
    "check HTTPS_PROXY, NO_PROXY and --endpoint-url",
)

_CODES: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "RequestExpired"),
        ("the AWS credentials have expired", _SIGN_IN),
    ),
    **dict.fromkeys(
        ("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"),
        ("AWS does not know these credentials", "check AWS_PROFILE, --profile and the access key"),
    ),
    **dict.fromkeys(
        ("RequestTimeTooSkewed", "InvalidSignatureException", "SignatureDoesNotMatch"),
        ("AWS refuses the signature: this machine's clock or the secret access key is wrong", _CLOCK),
    ),
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"),
        ("these AWS credentials lack a permission", _PERMISSIONS),
    ),
    **dict.fromkeys(
        ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"),
        ("AWS takes no more calls at the moment", "run the command again in a minute"),
    ),
    "OptInRequired": (
        "this AWS account has not enabled the service or the region",
        "enable it in the console",
    ),
}
"""By the code of AWS's answer, what it means and what to do."""

_LOCAL_FAULTS: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(
        ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
        (
            "no AWS credentials were found",
            "set AWS_PROFILE or name a profile with --profile; `aws configure list` shows what is found",
        ),
    ),
    "ConfigParseError": (
        "the AWS configuration file cannot be read",
        "mend it: it is ~/.aws/config, ~/.aws/credentials, or what AWS_CONFIG_FILE names",
    ),
    "ProfileNotFound": (
        "the AWS profile does not exist",
        "`aws configure list-profiles` shows those that do",
    ),
    **dict.fromkeys(
        (
            "SSOTokenLoadError",
            "UnauthorizedSSOTokenError",
            "TokenRetrievalError",
            "SSOError",
            "LoginTokenLoadError",
        ),
        ("the sign-in at AWS has expired", _SIGN_IN),
    ),
    **dict.fromkeys(
        ("NoRegionError", "InvalidRegionError"),
        (
            "the AWS region is not set or is not a region",
            "name one with --region, or set AWS_REGION, for example eu-central-1",
        ),
    ),
    **dict.fromkeys(
        (
            "EndpointConnectionError",
            "ConnectTimeoutError",
            "ReadTimeoutError",
            "ConnectionClosedError",
            "ConnectionError",
        ),
        ("AWS cannot be reached", "check the network, --region and --endpoint-url"),
    ),
    "ProxyConnectionError": ("the proxy does not answer", "check HTTPS_PROXY and NO_PROXY"),
    "SSLError": (
        "the connection to AWS is not trusted",
        "behind a proxy that signs anew, set AWS_CA_BUNDLE to its certificate",
    ),
    "ResponseParserError": _ANOTHER_PAGE,
    "EOFError": (
        "the AWS profile asks for a second factor, and no terminal is here to type it",
        "get credentials of a session first: `aws sts get-session-token`, then set AWS_SESSION_TOKEN and its like",
    ),
}
"""By the name of botocore's exception, what it means and what to do."""


@dataclass(frozen=True)
class AwsAccess:
    """One account and region; None leaves the choice to the environment."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> AwsAccess:
        """Return the access that a command's common options name."""
        return cls(arguments.profile, arguments.region, arguments.endpoint_url)

    @cached_property
    def session(self) -> boto3.Session:
        """boto3's session. botocore reads AWS_DEFAULT_REGION alone, and Lambda's own tools set AWS_REGION."""
        import boto3

        region = self.region or os.environ.get("AWS_REGION") or None
        session = boto3.Session(profile_name=self.profile, region_name=region)
        session.events.register("before-parse", _refuse_page)
        return session

    @property
    def environment(self) -> dict[str, str]:
        """The variables that give a program which this command starts the same account and region."""
        chosen = {
            "AWS_PROFILE": self.profile,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region or os.environ.get("AWS_REGION"),
            "AWS_ENDPOINT_URL": self.endpoint_url,
        }
        return {name: value for name, value in chosen.items() if value}

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service.

        Raises:
            CliError: a setting has a value that no client can be made with.

        """
        endpoint = self.endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
        if endpoint and not _ADDRESS.match(endpoint):
            raise UsageError(
                f"the endpoint {endpoint} is no address",
                "it is --endpoint-url or AWS_ENDPOINT_URL, for example http://127.0.0.1:4566",
            )
        try:
            return self.session.client(service, endpoint_url=self.endpoint_url)  # type: ignore[call-overload]  # one function for all services
        except ValueError as error:
            # botocore's own errors are no ValueErrors: this is a variable such as AWS_MAX_ATTEMPTS, or the profile's.
            if is_aws_error(error):
                raise
            raise CliError(
                "a setting of AWS has a value that does not work",
                "check the variables that begin with AWS_, and the profile: `aws configure list`",
            ) from error


def _refuse_page(response_dict: Mapping[str, Any], **_: object) -> None:
    """Refuse a web page in AWS's place before botocore takes it for an answer.

    AWS names each of its answers in a header. An error of a server is left to botocore, which tries it again.

    Raises:
        CliError: something in between answered.

    """
    headers = {str(name).lower(): str(value) for name, value in response_dict["headers"].items()}
    page = headers.get("content-type", "").partition(";")[0].strip().lower() == "text/html"
    from_aws = any(name.startswith(("x-amz", "x-amzn")) for name in headers)
    if page and not from_aws and response_dict["status_code"] < _SERVER_FAULT:
        raise CliError(*_ANOTHER_PAGE)


def aws_error(error: Exception) -> CliError:
    """Return the error to show for a call that AWS refused or did not answer. It repeats no request."""
    code, name = error_code(error) or _status(error), type(error).__name__
    if code.isdigit():
        # An error without one of AWS's codes. botocore puts the HTTP status there, unless the page can be read as XML.
        what, remedy = f"AWS, or a proxy before it, fails: HTTP {code}", _ANOTHER_PAGE[1]
        return CliError(what, f"run the command again in a minute; if it stays so, {remedy}")
    if code == "ValidationError" and (sentence := _sentence(error)):
        return CliError(
            f"AWS refuses {getattr(error, 'operation_name', 'the call')}: {sentence}", _FAILED_DEPLOYMENT
        )
    if code:
        what, remedy = _CODES.get(code, (f"AWS refuses the call: {code}", _PERMISSIONS))
        operation = getattr(error, "operation_name", "")
        return CliError(f"{what} ({code}{f' for {operation}' if operation else ''})", remedy)
    what, remedy = next(
        (_LOCAL_FAULTS[base.__name__] for base in type(error).__mro__ if base.__name__ in _LOCAL_FAULTS),
        (f"AWS does not answer: {name}", "check AWS_PROFILE, AWS_REGION and the network"),
    )
    detail = ": ".join(filter(None, (name, _named(error))))
    return CliError(f"{what} ({detail})", remedy)


def _named(error: Exception) -> str:
    """Return the profile or the host that a local error is about; empty where there is none. No path or query."""
    about: Mapping[str, Any] = getattr(error, "kwargs", {})
    return str(
        about.get("profile") or urlsplit(str(about.get("endpoint_url") or "")).netloc.rpartition("@")[2]
    )


def _status(error: Exception) -> str:
    """Return the HTTP status of an answer; empty where AWS did not answer."""
    response: Mapping[str, Any] = getattr(error, "response", {})
    return str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))


def _sentence(error: Exception) -> str:
    """Return why CloudFormation refuses a call: it names a parameter, a resource or a state, and repeats no secret."""
    response: Mapping[str, Any] = getattr(error, "response", {})
    text = " ".join(str(response.get("Error", {}).get("Message", "")).split())
    return _ACCOUNT.sub("(account)", text)[:_LONGEST]


def is_aws_error(error: Exception) -> bool:
    """Return whether boto3 or botocore raised the error."""
    return any(base.__module__.partition(".")[0] in {"botocore", "boto3"} for base in type(error).__mro__)


def error_code(error: Exception) -> str:
    """Return AWS's error code; empty where AWS did not answer."""
    response: Mapping[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
