"""Calls AWS for every Lambda function but `grants`: `call(service, operation, body)`.

botocore takes most of a cold start and three quarters of the processor time of a small call. The functions that
handle events make few kinds of calls, each with one JSON object in the request and one in the reply. They are made
here: signed, with one deadline for each call, and tried again where that is safe. Every operation that
Relay calls may be repeated: writes are conditional or idempotent by key, a message sent twice has one event id.
`grants` and the command line use botocore (`boto.py`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from relay.adapters.aws.connection import Connections, ExchangeError, RawReply
from relay.adapters.aws.protocol import (
    SERVICES,
    BrokenReplyError,
    Service,
    decode,
    encode,
    endpoint,
    error_code,
    refusal_fields,
)
from relay.adapters.aws.refusals import AGAIN, CLOCK_SKEW, THROTTLED, kind_of
from relay.adapters.aws.signing import Credentials, signed_headers
from relay.errors import MisconfiguredError, PermanentError, RelayError, TransientError

_OK: Final = 200
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429

_MIN_SKEW: Final = timedelta(minutes=4)
"""AWS refuses a request whose time is five minutes off; a smaller difference is not the cause."""

REFUSED: Final = "refused_by_service"
"""The reason of a dead letter whose values, size or characters AWS will never take."""


class RefusedCallError(Exception):
    """AWS refused a call. `code` is its error code, `fields` what the refusal says besides; no message is kept.

    `after_lost_reply` says that an earlier try of the same call got no answer and may have been carried out.
    """

    def __init__(
        self, code: str, status: int, fields: Mapping[str, Any], *, after_lost_reply: bool = False
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.fields = fields
        self.after_lost_reply = after_lost_reply


class NoAnswerError(Exception):
    """AWS gave no answer within the call's time. `code` says why; where `sent`, the call may have been carried out."""

    def __init__(self, code: str, *, sent: bool) -> None:
        super().__init__(code)
        self.code = code
        self.sent = sent


class AwsCaller(Protocol):
    """What adapters need of AWS. `ends_at` (monotonic seconds) is when the invocation ends."""

    ends_at: float | None

    def call(
        self, service: str, operation: str, body: Mapping[str, Any], *, repeatable: bool = True
    ) -> dict[str, Any]:
        """Return the reply to one call, as `AwsClient.call`."""
        ...


@dataclass(slots=True)
class AwsClient:
    """Calls AWS. Seconds throughout: `call_seconds` bounds a call with all its tries, `try_seconds` one try.

    `ends_at` (of `clock`) is when the invocation ends: no call and no pause goes beyond it. `skew` is how far
    AWS's clock was found to be ahead of this machine's.
    """

    max_tries: int = 4
    call_seconds: float = 12.0
    try_seconds: float = 8.0
    connections: Connections = field(default_factory=Connections)
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    jitter: Callable[[], float] = random.random
    ends_at: float | None = None
    skew: timedelta = timedelta()

    def call(
        self, service: str, operation: str, body: Mapping[str, Any], *, repeatable: bool = True
    ) -> dict[str, Any]:
        """Return the reply to one call. Bytes in `body` are sent as base64, as AWS's JSON has them.

        Throttling, a server's errors and lost connections are tried again, with a jittered pause. A call that is
        not `repeatable` is tried again only after a refusal, which has changed nothing.

        Raises:
            RefusedCallError: AWS refused the call, or throttled every try.
            NoAnswerError: no whole answer came in time.
            MisconfiguredError: the environment has no credentials.

        """
        kind = SERVICES[service]
        headers, content = encode(kind, operation, body)
        deadline = self._deadline()
        lost_reply = False
        corrected = False
        reconnected = False
        tries = 0
        while True:
            tries += 1
            problem: RefusedCallError | NoAnswerError
            try:
                reply = self._exchange(kind, headers, content, deadline)
                if reply.status == _OK:
                    return decode(kind, reply.headers, reply.content)
            except ExchangeError as error:
                if error.was_kept and not reconnected and repeatable:
                    # The other side had closed a kept connection and has not read the request: this does not count as a try.
                    reconnected = True
                    tries -= 1
                    continue
                lost_reply = lost_reply or error.sent
                problem = NoAnswerError(str(error), sent=lost_reply)
            except BrokenReplyError as error:
                lost_reply = True
                problem = NoAnswerError(f"broken reply: {error}", sent=True)
            else:
                code = error_code(kind, reply.headers, reply.content) or f"status {reply.status}"
                problem = RefusedCallError(
                    code, reply.status, refusal_fields(kind, reply.content), after_lost_reply=lost_reply
                )
                if not corrected and code in CLOCK_SKEW and self._correct_clock(reply):
                    corrected = True
                    continue
                if not _is_worth_another_try(problem):
                    raise problem
                lost_reply = lost_reply or reply.status >= _SERVER_ERROR
            may_be_done = lost_reply and not repeatable
            if may_be_done or tries >= self.max_tries or not self._pause(tries, deadline):
                raise problem

    def _deadline(self) -> float:
        deadline = self.clock() + self.call_seconds
        return deadline if self.ends_at is None else min(deadline, self.ends_at)

    def _exchange(
        self, service: Service, headers: Mapping[str, str], content: bytes, deadline: float
    ) -> RawReply:
        credentials = Credentials.from_environment()
        address = urlsplit(endpoint(service, credentials.region))
        path = address.path or "/"
        signed = signed_headers(
            credentials,
            service.name,
            host=_host(address.scheme, address.netloc),
            path=path,
            headers=headers,
            content=content,
            now=self.now() + self.skew,
        )
        return self.connections.exchange(
            address, path, signed, content, min(deadline, self.clock() + self.try_seconds)
        )

    def _correct_clock(self, reply: RawReply) -> bool:
        """Take AWS's time from the refusal; return False where this machine's clock is not the cause."""
        try:
            theirs = parsedate_to_datetime(reply.headers.get("date", ""))
        except (TypeError, ValueError):
            return False
        if theirs.tzinfo is None:
            theirs = theirs.replace(tzinfo=UTC)
        skew = theirs - self.now()
        if abs(skew - self.skew) < _MIN_SKEW:
            return False
        self.skew = skew
        return True

    def _pause(self, tries: int, deadline: float) -> bool:
        """Wait before the next try, up to 0.1 s, 0.2 s, 0.4 s …; return False where the deadline leaves no time for one."""
        seconds = self.jitter() * min(0.1 * 2 ** (tries - 1), 2.0)
        if self.clock() + seconds >= deadline:
            return False
        self.sleep(seconds)
        return True


def _host(scheme: str, netloc: str) -> str:
    """Return the host as it is signed: without the scheme's own port."""
    return netloc.removesuffix(":443" if scheme == "https" else ":80")


def _is_worth_another_try(refusal: RefusedCallError) -> bool:
    return (
        refusal.code in THROTTLED
        or refusal.code in AGAIN
        or refusal.status >= _SERVER_ERROR
        or refusal.status == _TOO_MANY
    )


_CALLERS: Final[list[AwsCaller]] = []


def aws() -> AwsCaller:
    """Return this environment's client, made at the first call: its connections serve all invocations."""
    if not _CALLERS:
        _CALLERS.append(AwsClient())
    return _CALLERS[-1]


def use(caller: AwsCaller | None) -> None:
    """Make `aws` return this caller from now on: the operator's commands call AWS by botocore, tests call fakes."""
    _CALLERS[:] = [] if caller is None else [caller]


def refusal_error(what: str, code: str, *, sender_fault: bool = False) -> RelayError:
    """Return the error for a refusal with this code; `what` names the resource.

    `sender_fault` is what a refused entry of a batch says of itself.
    """
    match kind_of(code, sender_fault=sender_fault):
        case "permanent":
            return PermanentError(REFUSED, f"{what}: {code}")
        case "misconfigured":
            return MisconfiguredError(f"{what}: {code}", setting=what)
        case _:
            return TransientError(f"{what}: {code}")


@contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Translate a failed call into an error of `relay.errors`; `what` names the resource.

    Raises:
        PermanentError: `refused_by_service`, for a value, size or character that the service will never take.
        MisconfiguredError: a missing permission, resource or credential.
        TransientError: every other refusal, and where no answer came.

    """
    try:
        yield
    except RefusedCallError as refusal:
        raise refusal_error(what, refusal.code) from refusal
    except NoAnswerError as error:
        raise TransientError(f"{what}: {error.code}") from error
