"""What a person can do something about ends in a sentence with the remedy, and never in a traceback."""

from __future__ import annotations

import errno

import botocore.exceptions as aws
import pytest
from botocore.parsers import ResponseParserError
from inveterate import BadKeyError, ConnectionFailedError, InveterateError
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay_cli import main
from relay_cli.known_errors import known_error
from relay_cli.stack import STATES, Stack


def refused(code: str) -> aws.ClientError:
    """Return the refusal of a call with this code, whose text has an account's number."""
    return aws.ClientError(
        {"Error": {"Code": code, "Message": "arn:aws:iam::123456789012:user/kim"}}, "GetParameter"
    )


@pytest.mark.parametrize(
    ("error", "says", "helps"),
    [
        (refused("ExpiredToken"), "have expired", "aws sso login"),
        (refused("InvalidClientTokenId"), "does not know", "AWS_PROFILE"),
        (refused("RequestTimeTooSkewed"), "clock", "clock"),
        (
            refused("AccessDeniedException"),
            "lack a permission (AccessDeniedException for GetParameter)",
            "docs/security.md",
        ),
        (refused("SomethingNew"), "SomethingNew", ""),
        (aws.NoCredentialsError(), "no AWS credentials", "AWS_PROFILE"),
        (aws.ProfileNotFound(profile="acme"), "profile does not exist", "list-profiles"),
        (aws.UnauthorizedSSOTokenError(), "sign-in", "aws sso login"),
        (aws.NoRegionError(), "region", "--region"),
        (aws.EndpointConnectionError(endpoint_url="https://sqs"), "cannot be reached", "--endpoint-url"),
        (aws.ProxyConnectionError(proxy_url="http://proxy"), "proxy", "HTTPS_PROXY"),
        (ResponseParserError("<html>"), "a proxy or a login page", "HTTPS_PROXY"),
        (EOFError(), "second factor", "get-session-token"),
        (OSError(errno.EADDRINUSE, "Address already in use"), "in use", "another port"),
        (MisconfiguredError("HubSpot refuses", setting="HubSpotSecret"), "HubSpot refuses", "HubSpotSecret"),
        (PermanentError("no_member"), "no_member", ""),
        (TransientError("table members"), "table members", "later"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_says_what_to_do(error: Exception, says: str, helps: str) -> None:
    """Each kind has its sentence and its remedy."""
    found = known_error(error)
    assert found is not None
    assert says in found.message
    assert helps in found.remedy
    assert "123456789012" not in str(found)


def test_cloudformations_own_sentence_is_shown() -> None:
    """It alone says what is wrong with a template, a parameter or a state; a missing permission is not the cause."""
    sentence = "Parameter SlackChannel failed\nto satisfy constraint; arn:aws:iam::123456789012:role/x"
    error = aws.ClientError(
        {"Error": {"Code": "ValidationError", "Message": sentence}},
        "CreateChangeSet",
    )
    found = known_error(error)
    assert found is not None
    assert "CreateChangeSet: Parameter SlackChannel failed to satisfy constraint" in found.message
    assert "123456789012" not in str(found)
    assert "permission" not in str(found)
    assert "troubleshooting" in found.remedy


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (aws.ProfileNotFound(profile="acme"), "acme"),
        (
            aws.EndpointConnectionError(endpoint_url="https://sqs.narnia-1.amazonaws.com/a?b=c"),
            "sqs.narnia-1",
        ),
    ],
)
def test_what_an_error_is_about_is_named(error: Exception, names: str) -> None:
    """The profile may come from a variable, and a wrong region shows in the host alone. No path is repeated."""
    found = known_error(error)
    assert found is not None
    assert names in found.message
    assert "b=c" not in found.message


def test_a_defect_keeps_its_traceback() -> None:
    """An error that a person can do nothing about is not dressed up."""
    assert known_error(KeyError("QueueUrl")) is None


@pytest.mark.parametrize("kind", [BadKeyError, ConnectionFailedError, InveterateError])
def test_the_platforms_words_are_not_shown(kind: type[InveterateError]) -> None:
    """They may repeat the request, with its key."""
    error = kind.__new__(kind)
    Exception.__init__(error, "Bearer secret-key")
    assert "secret-key" not in str(known_error(error))


def test_each_state_has_a_next_step() -> None:
    """A stack that lacks parts is refused with what to do; one that was rolled back after an update still works."""

    class Found(Stack):
        _found = {"StackStatus": "ROLLBACK_COMPLETE", "Outputs": []}  # noqa: RUF012 - a fake

    with pytest.raises(Exception, match="could not be created") as refused_stack:
        Found("relay").output("MembersTable")
    assert "delete the stack" in str(refused_stack.value)
    assert all(remedy for _, remedy in STATES.values())
    assert "UPDATE_ROLLBACK_COMPLETE" not in STATES


def test_no_traceback_without_a_region(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends with 1 and a sentence."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    assert main.main(["alerts"]) == 1
    assert "--region" in capsys.readouterr().err
