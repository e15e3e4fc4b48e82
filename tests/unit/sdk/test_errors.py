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
    NoRecordError,
    NotFoundError,
    RateLimitError,
    RequestLog,
    ServerError,
    StatusError,
    TimedOutError,
    UnreadableReplyError,
)

from tests.support.sdk.scripted_platform import KEY, QUICK, Script, ok

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
        (400, BadRequestError, BadRequestError),
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


@pytest.mark.parametrize("message", ["Unauthorized", "Invalid API key", "Check your API key"])
def test_a_bad_key_may_come_as_a_400(message: str) -> None:
    """The documentation answers a bad key with 400, and v1 has two sentences for it."""
    assert type(read(Script(httpx.Response(400, json={"message": message})))) is BadKeyError


def test_a_200_that_refuses_is_an_error() -> None:
    """v1 answers `success: false` with a status that is not documented."""
    reply = httpx.Response(200, json={"success": False, "data": {}, "errors": ["Invalid API key"]})
    assert type(read(Script(reply))) is BadKeyError
    assert type(write(Script(reply))) is AmbiguousWriteError


def test_a_lone_message_of_a_bad_key_is_not_an_empty_list() -> None:
    """v1 answers `Unauthorized` with a status that is not documented; other lone messages are empty lists."""
    refusing = Script(httpx.Response(200, json={"message": "Unauthorized"}))
    with refusing.client() as client, pytest.raises(BadKeyError):
        list(client.members.list())
    with Script(httpx.Response(200, json={"message": "no members"})).client() as client:
        assert list(client.members.list()) == []


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


@pytest.mark.parametrize("content", ODD_JSON)
def test_a_200_to_a_write_in_json_of_any_shape_is_accepted(content: bytes) -> None:
    """The documentation has no shape for it."""
    with Script(httpx.Response(200, content=content)).client() as client:
        client.members.credits.add(MEMBER, 5)


@pytest.mark.parametrize(
    "content", [b"", b"  ", b"null", b"{}", b'{"message": "ok"}', b'{"data": {}}', b'{"data": []}']
)
def test_a_200_without_a_record(content: bytes) -> None:
    """An empty reply is not a member; a write accepts it."""
    reply = httpx.Response(200, content=content)
    assert type(read(Script(reply))) is NoRecordError
    with Script(reply).client() as client:
        client.members.credits.add(MEMBER, 5)


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
