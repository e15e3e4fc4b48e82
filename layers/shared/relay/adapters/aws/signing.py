"""Signs requests to AWS with the function's own credentials (Signature Version 4).

Standard library only: every function signs its first request during a cold start.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote

from relay.errors import MisconfiguredError


@dataclass(frozen=True, slots=True)
class Credentials:
    """A role's credentials and its region. Secrets are left out of `repr`."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    region: str

    @classmethod
    def from_environment(cls) -> Credentials:
        """Return the credentials that Lambda keeps in the environment.

        They are read for each call: a long-lived process may get new ones.

        Raises:
            MisconfiguredError: a variable is missing; `setting` names it.

        """
        try:
            return cls(
                os.environ["AWS_ACCESS_KEY_ID"],
                os.environ["AWS_SECRET_ACCESS_KEY"],
                os.environ.get("AWS_SESSION_TOKEN", ""),
                os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"],
            )
        except KeyError as missing:
            name = str(missing.args[0])
            raise MisconfiguredError(f"the environment has no {name}", setting=name) from None


def signed_headers(  # noqa: PLR0913 - the parts of a request that are signed, each by its name
    credentials: Credentials,
    service: str,
    *,
    host: str,
    path: str,
    headers: Mapping[str, str],
    content: bytes,
    now: datetime,
) -> dict[str, str]:
    """Return `headers` with host, date, session token and the signature of a POST request.

    `headers` have lower-case names, `host` is the host and, unless it is the scheme's default, the port.
    """
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    signed = {**headers, "host": host, "x-amz-date": stamp}
    if credentials.session_token:
        signed["x-amz-security-token"] = credentials.session_token
    names = sorted(signed)
    canonical = "\n".join(
        [
            "POST",
            quote(path, safe="/-_.~"),
            "",
            *(f"{name}:{' '.join(signed[name].split())}" for name in names),
            "",
            ";".join(names),
            sha256(content).hexdigest(),
        ]
    )
    scope = f"{stamp[:8]}/{credentials.region}/{service}/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, sha256(canonical.encode()).hexdigest()])
    key = _signing_key(credentials.secret_key, scope)
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return signed


@lru_cache(maxsize=16)
def _signing_key(secret_key: str, scope: str) -> bytes:
    """Return the key of a day, region and service: four digests that are the same for all its requests."""
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
