"""Requests are signed as botocore signs them, whatever the credentials, the place and the content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from relay.adapters.aws.client import _host
from relay.adapters.aws.signing import Credentials, signed_headers
from relay.errors import MisconfiguredError

PLACES = [
    "https://sqs.eu-west-1.amazonaws.com/",
    "https://dynamodb.cn-north-1.amazonaws.com.cn/",
    "https://firehose.us-gov-west-1.amazonaws.com/",
    "http://127.0.0.1:4566/",
    "http://localhost:80/",
    "https://proxy.example:443/",
    "https://proxy.example:8443/a b/ü/",
]
TOKENS = ["", "session/token+with=signs", " padded  inside "]
CONTENTS = [b"", b"{}", '{"MessageBody": "é\\uffff"}'.encode(), b"Action=Publish&Message=a+b%26"]


def theirs(credentials: Credentials, service: str, url: str, headers: dict[str, str], content: bytes) -> str:
    """Return botocore's signature of the same request."""
    request = AWSRequest("POST", url, data=content)
    for name, value in headers.items():
        if name not in {"host", "authorization"}:
            request.headers[name] = value
    request.context["timestamp"] = headers["x-amz-date"]
    token = credentials.session_token or None
    auth = SigV4Auth(
        BotoCredentials(credentials.access_key, credentials.secret_key, token), service, credentials.region
    )
    canonical = auth.canonical_request(request)
    return auth.signature(auth.string_to_sign(request, canonical), request)


@pytest.mark.parametrize(("url", "token", "content"), list(product(PLACES, TOKENS, CONTENTS)))
@pytest.mark.parametrize("service", ["sqs", "sns"])
def test_the_signature_is_botocores(url: str, token: str, content: bytes, service: str) -> None:
    """Every place, token and content gives the signature of the reference implementation."""
    credentials = Credentials("AKIDEXAMPLE", "secret/+=", token, "eu-west-1")
    place = urlsplit(url)
    headers = signed_headers(
        credentials,
        service,
        host=_host(place.scheme, place.netloc),
        path=place.path,
        headers={"content-type": "application/x-amz-json-1.0", "x-amz-target": "A.B"},
        content=content,
        now=datetime.now(UTC),
    )
    assert headers["authorization"].endswith(
        f"Signature={theirs(credentials, service, url, headers, content)}"
    )


def test_the_next_day_has_a_key_of_its_own() -> None:
    """The signing key is kept for a day, a region and a service, and for no other."""
    seen = set()
    for days, region, service in product((0, 1), ("eu-west-1", "us-east-1"), ("sqs", "dynamodb")):
        credentials = Credentials("AKID", "secret", "", region)
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)
        headers = signed_headers(
            credentials, service, host="h.example", path="/", headers={}, content=b"", now=now
        )
        signature = theirs(credentials, service, "https://h.example/", headers, b"")
        assert headers["authorization"].endswith(signature)
        seen.add(signature)
    assert len(seen) == 8


def test_no_secret_in_a_repr() -> None:
    """What a traceback may show of credentials holds neither the secret nor the session's token."""
    shown = repr(Credentials("AKID", "the-secret", "the-token", "eu-west-1"))
    assert "the-secret" not in shown
    assert "the-token" not in shown


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_missing_variable_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without credentials is a misconfiguration that names the variable."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "x")
    monkeypatch.delenv(missing)
    with pytest.raises(MisconfiguredError, match=missing):
        Credentials.from_environment()
