"""Every failure is one error of the tree, names its request, and never holds the key."""

from __future__ import annotations

import logging
import pickle
import traceback
from typing import Any

import httpx
import inveterate
import pytest
from inveterate import (
    AmbiguousWriteError,
    BadKeyError,
    BadRequestError,
    Client,
    ConflictError,
    ConnectionFailedError,
    CustomerId,
    InveterateError,
    NotFoundError,
    RateLimitError,
    RequestLog,
    ServerError,
    StatusError,
    TimedOutError,
    UnreadableReplyError,
)

from tests.support.sdk.scripted_platform import BAD_KEY, KEY, MERCHANT, QUICK, Script, ok

MEMBER = CustomerId(42)
PRIVATE = "private"[::-1]  # so that no line of source that a traceback quotes holds it


def read(script: Script) -> InveterateError:
    """Return the error of a read."""
    with script.client() as client, pytest.raises(InveterateError) as caught:
        client.members.get(MEMBER)
    return caught.value


def write(script: Script) -> InveterateError:
    """Return the error of a write."""
    with script.client() as client, pytest.raises(InveterateError) as caught:
        client.members.credits.add(MEMBER, 5)
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind", "kind_of_write"),
    [
        (301, StatusError, AmbiguousWriteError),
        (303, StatusError, AmbiguousWriteError),
        (400, NotFoundError, BadRequestError),
        (401, BadKeyError, BadKeyError),
        (403, BadKeyError, BadKeyError),
        (404, NotFoundError, NotFoundError),
        (408, BadRequestError, AmbiguousWriteError),
        (409, ConflictError, ConflictError),
        (410, NotFoundError, NotFoundError),
        (418, BadRequestError, BadRequestError),
        (422, BadRequestError, BadRequestError),
        (429, RateLimitError, RateLimitError),
        (499, BadRequestError, AmbiguousWriteError),
        (500, ServerError, AmbiguousWriteError),
        (502, ServerError, AmbiguousWriteError),
        (504, ServerError, AmbiguousWriteError),
        (599, ServerError, AmbiguousWriteError),
    ],
)
def test_a_status_has_one_meaning(
    status: int, kind: type[InveterateError], kind_of_write: type[InveterateError]
) -> None:
    """A write's 5xx may be half done and says so; a refusal is a refusal for both."""
    reply = httpx.Response(status, json={"message": "because"}, headers={"x-amzn-RequestId": "r-1"})
    error = read(Script(reply))
    assert type(error) is kind
    assert (error.method, error.path, error.status) == ("GET", "/v2.0/admin/members/42", status)
    assert (error.message, error.request_id) == ("because", "r-1")
    assert str(error) == f"GET /v2.0/admin/members/42: {status} because (request r-1)"
    error = write(Script(reply))
    assert type(error) is kind_of_write
    assert (error.method, error.status, error.request_id) == ("POST", status, "r-1")
    if kind_of_write is AmbiguousWriteError:
        assert type(error.__cause__) is kind


@pytest.mark.parametrize("merchant", [BAD_KEY, httpx.Response(401), httpx.Response(403)])
@pytest.mark.parametrize("message", ["Unauthorized", "Bad Request", "limit must be a number"])
def test_a_400_is_a_bad_key_where_the_merchant_is_refused_as_well(
    message: str, merchant: httpx.Response
) -> None:
    """The documentation has one status for both; the message does not decide."""
    for act in (read, write):
        script = Script(httpx.Response(400, json={"message": message}), merchant=merchant)
        assert type(act(script)) is BadKeyError
        assert (len(script.requests), len(script.checks)) == (1, 1)


@pytest.mark.parametrize("message", ["Unauthorized", "Check your API key", "Bad Request"])
def test_a_400_with_a_good_key_is_about_the_request(message: str) -> None:
    """A read by id has no other parameter, so the id is missing; a write is refused."""
    reply = httpx.Response(400, json={"message": message})
    assert type(read(Script(reply))) is NotFoundError
    assert type(write(Script(reply))) is BadRequestError
    with Script(reply).client() as client, pytest.raises(BadRequestError):
        client.benefits.list()


@pytest.mark.parametrize(
    "merchant", [httpx.Response(500), httpx.ReadError("cut"), httpx.Response(200), ok({}), ok(None)]
)
@pytest.mark.parametrize("status", [400, 404, 410, 200])
def test_without_a_good_key_no_member_is_missing(status: int, merchant: Any) -> None:
    """A check that fails leaves it open: the read fails with the error of the check."""
    error = read(Script(httpx.Response(status, json={"message": "x", "data": {}}), merchant=merchant))
    assert not isinstance(error, NotFoundError | BadKeyError)
    assert isinstance(error.__cause__, InveterateError | httpx.ReadError)


@pytest.mark.parametrize("merchant", [httpx.Response(500), httpx.ReadError("cut"), httpx.Response(200)])
def test_a_refused_write_stays_refused_without_a_check(merchant: Any) -> None:
    """Nothing was done, whatever the check of the key says."""
    assert type(write(Script(httpx.Response(400), merchant=merchant))) is BadRequestError


def test_a_bad_key_hides_every_member() -> None:
    """A platform that replies 404 or nothing to a bad key does not make a member missing."""
    for reply in (httpx.Response(404), ok({}), ok(None)):
        assert type(read(Script(reply, merchant=BAD_KEY))) is BadKeyError


def test_a_200_that_refuses_is_an_error() -> None:
    """v1 answers `success: false` with a status that is not documented."""
    reply = httpx.Response(200, json={"success": False, "data": {}, "errors": ["Invalid API key"]})
    assert type(read(Script(reply))) is BadKeyError
    assert type(write(Script(reply))) is AmbiguousWriteError
    reply = httpx.Response(200, json={"success": False, "data": {"customerId": "42"}, "errors": ["no"]})
    assert type(read(Script(reply))) is BadRequestError
    assert type(write(Script(reply))) is AmbiguousWriteError


def test_a_lone_message_is_not_an_empty_list() -> None:
    """v1 answers `Unauthorized` with a status that is not documented; no other message is an empty list."""
    refusing = Script(httpx.Response(200, json={"message": "Unauthorized"}))
    with refusing.client() as client, pytest.raises(BadKeyError):
        list(client.members.list())
    for body in ({"message": "Internal server error"}, {"message": "Forbidden"}, {"message": "ok"}, {}):
        with (
            Script(httpx.Response(200, json=body)).client() as client,
            pytest.raises(UnreadableReplyError),
        ):
            list(client.members.list())


@pytest.mark.parametrize(
    ("cause", "kind", "kind_of_write"),
    [
        (httpx.ConnectError("refused"), ConnectionFailedError, ConnectionFailedError),
        (httpx.ConnectTimeout("slow"), TimedOutError, TimedOutError),
        (httpx.PoolTimeout("full"), TimedOutError, TimedOutError),
        (httpx.ReadTimeout("slow"), TimedOutError, AmbiguousWriteError),
        (httpx.WriteTimeout("slow"), TimedOutError, AmbiguousWriteError),
        (httpx.ReadError("cut"), ConnectionFailedError, AmbiguousWriteError),
        (httpx.RemoteProtocolError("cut"), ConnectionFailedError, AmbiguousWriteError),
        (httpx.ProxyError("no"), ConnectionFailedError, AmbiguousWriteError),
        (httpx.DecodingError("bad gzip"), ConnectionFailedError, AmbiguousWriteError),
    ],
)
def test_no_answer_is_ambiguous_for_a_write_unless_nothing_was_sent(
    cause: Exception, kind: type[InveterateError], kind_of_write: type[InveterateError]
) -> None:
    """A request that failed to connect was never sent; any other may have arrived."""
    assert type(read(Script(cause))) is kind
    assert type(write(Script(cause))) is kind_of_write


NO_JSON = [
    b"<html><body>Sign in to the wireless network</body></html>",
    b'{"message": "ok", "data": {"customerId": "4',
    b"\xff\xfe",
    b'{"data": NaN}',
    b"[" * 100_000,
    b'{"n": ' + b"9" * 5000 + b"}",
]
ODD_JSON = [
    b'{"data": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
    b'"just text"',
    b"17",
    b'{"message": "ok", "data": "text"}',
    b'{"message": "ok", "data": {"email": "a@example.com"}}',
]


@pytest.mark.parametrize("content", [*NO_JSON, *ODD_JSON])
def test_a_200_that_cannot_be_read(content: bytes) -> None:
    """It is a typed error that quotes nothing of the body."""
    error = read(Script(httpx.Response(200, content=content)))
    assert isinstance(error, UnreadableReplyError)
    assert error.status == 200
    assert "wireless" not in str(error)


@pytest.mark.parametrize("content", NO_JSON)
def test_a_200_to_a_write_that_is_not_json_proves_nothing(content: bytes) -> None:
    """A proxy's own page is a 200 as well."""
    error = write(Script(httpx.Response(200, content=content)))
    assert type(error) is AmbiguousWriteError
    assert type(error.__cause__) is UnreadableReplyError


NO_SUCCESS = [
    b"",
    b"  ",
    b"null",
    b"{}",
    b'"just text"',
    b"17",
    b"[]",
    b'{"message": "ok"}',
    b'{"message": "Internal server error"}',
    b'{"message": "Forbidden"}',
    b'{"message": "ok", "data": "text"}',
    b'{"message": "ok", "data": 0}',
]


@pytest.mark.parametrize("content", [*NO_SUCCESS, b'{"message": "ok", "data": null}'])
def test_a_200_that_is_not_the_documented_success_does_not_mean_done(content: bytes) -> None:
    """A gateway's own body is a 200 as well: the write is ambiguous, and a grant is not granted."""
    reply = httpx.Response(200, content=content)
    assert type(write(Script(reply))) is AmbiguousWriteError
    with Script(reply).client() as client:
        result = client.members.credits.grant(MEMBER, 5, key="k", looks=())
    assert result.status == "unknown"


@pytest.mark.parametrize("content", NO_SUCCESS)
def test_a_200_that_is_not_the_documented_success_is_not_a_missing_member(content: bytes) -> None:
    """It says nothing about the member."""
    assert type(read(Script(httpx.Response(200, content=content)))) is UnreadableReplyError


@pytest.mark.parametrize("data", [None, {}, [], {"member": None}, {"member": {}}])
@pytest.mark.parametrize("merchant", [MERCHANT, BAD_KEY])
def test_a_success_without_a_record_is_a_missing_member(data: Any, merchant: httpx.Response) -> None:
    """The same error as a 404, after the same check of the key."""
    script = Script(ok(data), merchant=merchant)
    assert type(read(script)) is (NotFoundError if merchant is MERCHANT else BadKeyError)
    assert len(script.checks) == 1


def everything_shown(error: BaseException | None) -> str:
    """Return everything of an error and its causes that can get into a log."""
    shown = ""
    while error is not None:
        shown += (
            "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)) + repr(error.args)
        )
        request = getattr(error, "_request", None)
        shown += repr(dict(request.headers)) + str(request.url) if request is not None else ""
        error = error.__cause__
    return shown


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(
            400, json={"message": f"the key {KEY} is wrong", "x": KEY}, headers={"x-request-id": KEY}
        ),
        httpx.Response(500, json={"errors": [KEY]}),
        httpx.Response(200, json={"message": KEY, "data": {}}),
        httpx.Response(200, content=f"<p>{KEY}</p>".encode()),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
    ],
)
def test_the_key_is_in_no_error_repr_or_hook(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a message, nor a cause, nor a hook, nor httpx's log has it."""
    caplog.set_level(logging.DEBUG)
    logs: list[RequestLog] = []
    script = Script(answer)
    with script.client(hooks=(logs.append,), retries=QUICK) as client:
        for act in (
            lambda: client.members.get(MEMBER),
            lambda: client.members.credits.add(MEMBER, 5, note=PRIVATE),
            lambda: client.members.credits.list(MEMBER, cursor=PRIVATE).by_page().__next__(),
        ):
            try:
                act()
            except InveterateError as error:
                seen = everything_shown(error)
                assert KEY not in seen
                assert PRIVATE not in seen
        assert KEY not in repr(client) + repr(client.members) + repr(vars(client)) + repr(
            client._transport.config
        )
    assert logs
    assert KEY not in repr(logs)
    assert KEY not in caplog.text
    assert "/42" not in repr(logs)


@pytest.mark.parametrize("key", ["", " ", "a b", "abc\n", "abc\r\nX-Other: 1", "schlüssel", "a\x00b", "a\tb"])
def test_a_key_that_no_header_can_hold_is_refused_without_repeating_it(key: str) -> None:
    """Httpx would quote such a key in its own error."""
    with pytest.raises(ValueError) as caught:
        Client(key)
    assert key.strip() == "" or key not in str(caught.value)


def test_errors_survive_a_process_pool() -> None:
    """Pickling keeps all attributes."""
    error = read(Script(httpx.Response(429, json={"message": "slow"}, headers={"retry-after": "7"})))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(again) is RateLimitError
    assert (str(again), again.status, again.retry_after) == (str(error), 429, 7.0)


def test_the_tree_is_drawn_as_it_is() -> None:
    """The drawing has exactly the classes of the module."""
    from inveterate import _errors

    drawn = {word for word in (_errors.__doc__ or "").split() if word.endswith("Error")}
    written = {name for name in vars(_errors) if name.endswith("Error")}
    assert drawn == written
    assert written <= set(inveterate.__all__)


def test_a_long_message_is_cut() -> None:
    """A long message of the platform does not fill the log."""
    assert len(read(Script(httpx.Response(400, json={"message": "x" * 10_000}))).message) == 300


def test_a_redirect_is_not_followed() -> None:
    """The key is sent to no other host."""
    script = Script(httpx.Response(302, headers={"location": "https://elsewhere.example/"}), ok({}))
    assert type(read(script)) is StatusError
    assert len(script.requests) == 1


def test_a_number_beyond_all_arithmetic_in_an_error_is_no_bare_exception() -> None:
    """Legal JSON that no decimal can hold: the status counts, and the message is empty."""
    error = read(Script(httpx.Response(500, content=b'{"message": "x", "n": 1e99999999999999999999}')))
    assert (type(error), error.message) == (ServerError, "")
