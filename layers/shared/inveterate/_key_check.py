"""Tells a bad key from a bad request and from a missing member: reads the merchant with the same key.

The platform documents one status, 400, for a malformed key, wrong parameters and an unknown id. A read of
the merchant has no parameters, so a refusal of it is about the key ("doubles as a key check").
"""

from __future__ import annotations

from typing import Any, Final

from inveterate._call import Call
from inveterate._decode import decode
from inveterate._error_mapping import error_for, replaced
from inveterate._errors import (
    BadKeyError,
    BadRequestError,
    InveterateError,
    NotFoundError,
    TimedOutError,
    UnreadableReplyError,
)
from inveterate._replies import Envelope
from inveterate._steps import HttpReply, Send, SendOutcome, Steps

_V2: Final = "/v2.0/"
_V2_CHECK: Final = "/v2.0/admin/merchant"
_V1_CHECK: Final = "/merchant"
_BAD_REQUEST: Final = 400


def classify(call: Call[Any], error: InveterateError, within: float) -> Steps[InveterateError]:
    """Return the final error of a refused call; `within` is the time in seconds left for a read of the merchant.

    A read is missing only while the key is good. A refused write stays refused, whatever the check says.
    """
    if not _is_doubtful(call, error):
        return error
    if call.template in {_V2_CHECK, _V1_CHECK}:
        return replaced(error, BadKeyError) if _key_is_refused(error) else error
    failure = yield from _check(call, error, within)
    if failure is None:
        return _of_good_key(call, error)
    if _key_is_refused(failure):
        return replaced(error, BadKeyError)
    return failure if call.retryable else error


def _check(call: Call[Any], error: InveterateError, within: float) -> Steps[InveterateError | None]:
    """Read the merchant; return None where the key is good, else the error of the check, caused by `error`."""
    if within <= 0:
        failure: InveterateError | None = replaced(error, TimedOutError)
    else:
        path = _V2_CHECK if call.template.startswith(_V2) else _V1_CHECK
        check = Call(_read_merchant).at("GET", path, retryable=True)
        outcome: SendOutcome = yield Send(check, 1, within)
        failure = error_for(check, outcome)
        if isinstance(outcome, HttpReply) and failure is None:
            merchant = decode(check, outcome)
            failure = merchant if isinstance(merchant, InveterateError) else None
    if failure is not None:
        failure.__cause__ = error
    return failure


def _read_merchant(envelope: Envelope) -> bool:
    """Return True for any merchant: an empty record does not prove that the key is good."""
    if not envelope.data:
        raise UnreadableReplyError("no merchant")
    return True


def _is_doubtful(call: Call[Any], error: InveterateError) -> bool:
    if isinstance(error, BadRequestError):
        return error.status == _BAD_REQUEST or error.status in range(200, 300)
    # A write's 404 is definite. A read's, or a 2xx without data, may come from a key without access.
    if isinstance(error, NotFoundError):
        return call.retryable
    return type(error) is UnreadableReplyError and error.status is not None and call.retryable


def _key_is_refused(error: InveterateError) -> bool:
    return isinstance(error, BadKeyError) or (
        isinstance(error, BadRequestError) and error.status == _BAD_REQUEST
    )


def _of_good_key(call: Call[Any], error: InveterateError) -> InveterateError:
    """Return the error with a good key: a 400 to a read with an id and no other parameter means a missing id."""
    alone = call.retryable and bool(call.ids) and not call.query
    if isinstance(error, BadRequestError) and error.status == _BAD_REQUEST and alone:
        return replaced(error, NotFoundError)
    return error
