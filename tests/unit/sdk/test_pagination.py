"""Lists end correctly, continue from a cursor, and send each cursor back unchanged."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inveterate import BadRequestError, CustomerId, InveterateError, ListEnd, UnreadableReplyError
from inveterate import _pagination as pagination

from tests.support.sdk.scripted_platform import Script, ok, pages


def ids(script: Script, **options: Any) -> list[str]:
    """Read a whole list of members."""
    with script.client() as client:
        return [str(member.customer_id) for member in client.members.list(**options)]


def test_pages_are_fetched_as_they_are_asked_for() -> None:
    """The second page is not asked for while the first is being read."""
    script = Script(*pages([1, 2], [3], cursors=["2", None]))
    with script.client() as client:
        members = iter(client.members.list())
        assert [next(members).customer_id for _ in range(2)] == ["1", "2"]
        assert len(script.requests) == 1
        assert next(members).customer_id == "3"
    assert [dict(request.url.params) for request in script.requests] == [
        {"limit": "100"},
        {"limit": "100", "lastCustomerId": "2"},
    ]


@pytest.mark.parametrize(
    ("answers", "read", "end"),
    [
        (pages([1], [2], cursors=["1", None]), ["1", "2"], ListEnd.NO_CURSOR),
        (pages([1], [2], cursors=["1", ""]), ["1", "2"], ListEnd.NO_CURSOR),
        (pages([1], [2], cursors=["1", {}]), ["1", "2"], ListEnd.NO_CURSOR),
        (pages([1], [], cursors=["1", "2"]), ["1"], ListEnd.EMPTY_PAGE),
        (pages([1], [2], cursors=["1", "1"]), ["1", "2"], ListEnd.REPEATED),
        (pages([1], [2], [3], cursors=["1", "2", "1"]), ["1", "2", "3"], ListEnd.REPEATED),
        ([ok({"members": [{"customerId": 1}]})], ["1"], ListEnd.NO_CURSOR),
        ([ok([{"customerId": 1}], lastCustomerId="1"), ok([])], ["1"], ListEnd.EMPTY_PAGE),
        ([*pages([1], cursors=["1"]), ok({})], ["1"], ListEnd.NO_CURSOR),
    ],
)
def test_a_list_ends(answers: list[httpx.Response], read: list[str], end: ListEnd) -> None:
    """At a missing, empty or repeated cursor, or an empty page; the cursor at either level."""
    with Script(*answers).client() as client:
        members = client.members.list()
        assert [member.customer_id for member in members] == read
        assert members.end is end


def test_a_list_without_an_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that invents cursors ends in an error, and its list does not count as whole."""
    monkeypatch.setattr(pagination, "MAX_PAGES", 5)
    counter = iter(range(10**6))
    script = Script(lambda _: ok({"members": [{"customerId": 1}], "lastCustomerId": str(next(counter))}))
    with pytest.raises(UnreadableReplyError):
        ids(script)
    assert len(script.requests) == 5


def test_a_list_continues_from_a_cursor() -> None:
    """After a crash in the middle of a page, that page comes again; none is left out."""
    script = Script(*pages([1, 2], [3, 4], cursors=["2", "4"]), ok([]))
    with script.client() as client:
        members = client.members.list()
        for member in members:
            if member.customer_id == "3":
                break
        resume = members.cursor
        assert resume == "2"
        page = next(client.members.list(cursor=resume).by_page())
    assert script.requests[-1].url.params["lastCustomerId"] == "2"
    assert page.cursor is None


CURSORS = st.one_of(
    st.text(min_size=1, max_size=40),
    st.dictionaries(
        st.text(max_size=5),
        st.one_of(st.integers(-(2**63), 2**63), st.text(max_size=5), st.booleans(), st.none()),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 2**63),
)


@given(cursor=CURSORS)
def test_a_cursor_is_sent_back_unchanged(cursor: Any) -> None:
    """Text, object or number: encoded once, so that decoding once gives it back."""
    if cursor == "":
        return
    body = json.dumps({"data": {"credits": [{"amount": 1}], "lastCreditEntry": cursor}})
    script = Script(httpx.Response(200, content=body), ok([]))
    with script.client() as client:
        list(client.members.credits.list(CustomerId(42)))
    query = script.requests[1].url.raw_path.decode().partition("lastCreditEntry=")[2]
    assert "&" not in query
    sent = unquote(query)
    assert (sent if isinstance(cursor, str) else json.loads(sent)) == cursor


def test_money_in_a_cursor_keeps_its_digits() -> None:
    """24.90 does not become 24.9, nor a long number a rounded one."""
    entry = '{"amount":24.90,"id":12345678901234567890.123456789}'
    body = f'{{"data": {{"credits": [{{"amount": 1}}], "lastCreditEntry": {entry}}}}}'
    script = Script(httpx.Response(200, content=body), ok([]))
    with script.client() as client:
        list(client.members.credits.list(CustomerId(42)))
    assert script.requests[1].url.params["lastCreditEntry"] == entry


@pytest.mark.parametrize("cursor", ["x" * 6001, {"a": "x" * 6001}, "\ud800", "DEEP"])
def test_a_cursor_that_cannot_be_sent_back_is_a_typed_error(cursor: Any) -> None:
    """It is not an error of the HTTP library."""
    content = json.dumps({"data": {"members": [{"customerId": 1}], "lastCustomerId": cursor}})
    content = content.replace('"DEEP"', '{"a":' * 600 + "1" + "}" * 600)
    with pytest.raises(InveterateError):
        ids(Script(httpx.Response(200, content=content)))


def test_unreadable_rows_are_named_and_the_others_kept() -> None:
    """One odd row does not fail a run over all members."""
    script = Script(
        ok({"members": [{"customerId": 1}, None, "x", {"email": "a@example.com"}, {"customerId": 2}]})
    )
    with script.client() as client:
        (page,) = client.members.list().by_page()
    assert [member.customer_id for member in page] == ["1", "2"]
    assert [member.customer_id for member in page[:1]] == ["1"]
    assert page.unreadable == (
        "data[1] is not an object",
        "data[2] is not an object",
        "data[3] lacks customerId",
    )
    assert len(page.raw["data"]["members"]) == 5


@pytest.mark.parametrize(
    ("answers", "end"),
    [
        (pages([1], [2], cursors=["1", None]), ListEnd.NO_CURSOR),
        (pages([1], [], cursors=["1", None]), ListEnd.EMPTY_PAGE),
        (pages([1], [2], cursors=["1", "1"]), ListEnd.REPEATED),
        (pages([1, 2], [3, 4], cursors=["2", None]), ListEnd.FULL_PAGE),
        (pages([1, 2, 3], cursors=[None]), ListEnd.FULL_PAGE),
        ([ok({"members": [{"customerId": 1}], "nextToken": "x"})], ListEnd.UNRECOGNISED),
        ([ok({"members": [{"customerId": 1}], "page": {"next": "x"}})], ListEnd.UNRECOGNISED),
        (
            [ok({"members": [{"customerId": 1}], "count": 1, "limit": "2", "hasMore": False})],
            ListEnd.NO_CURSOR,
        ),
    ],
)
def test_an_uncertain_end_says_so(answers: list[httpx.Response], end: ListEnd) -> None:
    """A full page without a cursor, or a field that may be one, is not a complete list."""
    with Script(*answers).client() as client:
        members = client.members.list(limit=2)
        list(members)
        assert members.end is end
        assert members.is_complete is (end in {ListEnd.NO_CURSOR, ListEnd.EMPTY_PAGE})


def test_unreadable_rows_are_counted_for_an_iteration() -> None:
    """Whether by row or by page, on both clients; a list with such rows is not complete."""
    answers = [
        ok({"members": [{"customerId": 1}, None], "lastCustomerId": "1"}),
        ok({"members": [{"email": "a@example.com"}, {"customerId": 2}]}),
    ]
    with Script(*answers).client() as client:
        members = client.members.list()
        assert [str(member.customer_id) for member in members] == ["1", "2"]
        assert (members.unreadable, members.is_complete) == (2, False)
        assert members.end is ListEnd.NO_CURSOR

    async def main() -> tuple[int, bool]:
        async with Script(*answers).async_client() as client:
            rows = client.members.list()
            assert len([row async for row in rows]) == 2
            return rows.unreadable, rows.is_complete

    assert asyncio.run(main()) == (2, False)


def test_the_cursor_of_the_first_page_is_sent_on_a_second_try() -> None:
    """It is documented as required, and the first page has none: empty, after a 400 with a good key."""

    def answer(request: httpx.Request) -> httpx.Response:
        known = "lastCustomerId" in request.url.params or "lastCreditEntry" in request.url.params
        return ok([{"customerId": 42}]) if known else httpx.Response(400)

    script = Script(answer)
    with script.client() as client:
        assert len(list(client.members.list())) == 1
        assert len(list(client.storefront.members.credits(CustomerId(42)))) == 1
    assert [request.url.query.decode() for request in script.requests] == [
        "limit=100",
        "limit=100&lastCustomerId=",
        "limit=100",
        "limit=100&lastCreditEntry=",
    ]
    refusing = Script(httpx.Response(400, json={"message": "first"}), httpx.Response(400))
    with refusing.client() as client, pytest.raises(BadRequestError, match="first"):
        list(client.members.list())
    assert len(refusing.requests) == 2


@pytest.mark.parametrize(
    ("data", "read"),
    [
        ({"tags": ["x"], "members": [{"customerId": 1}]}, ["1"]),
        ({"errors": [], "members": [{"customerId": 1}]}, ["1"]),
        ({"records": [{"customerId": 1}]}, ["1"]),
        ({"data": [{"customerId": 1}]}, ["1"]),
        ({"data": {"members": [{"customerId": 1}]}}, ["1"]),
        ({"tags": ["x"], "records": [{"customerId": 1}]}, None),
        ({"errors": []}, None),
        ({"count": 0}, None),
        ({}, None),
        (None, None),
    ],
)
def test_of_several_arrays_only_the_operations_own_counts(data: Any, read: list[str] | None) -> None:
    """An array of another name counts only alone; without any, the list is not empty but unreadable."""
    if read is None:
        with pytest.raises(UnreadableReplyError):
            ids(Script(ok(data)))
    else:
        assert ids(Script(ok(data))) == read


@pytest.mark.parametrize("data", ["text", 7, {"members": {"0": {"customerId": 1}}}])
def test_a_list_without_an_array_is_a_typed_error(data: Any) -> None:
    """An object in place of the array is not an empty list."""
    with pytest.raises(UnreadableReplyError):
        ids(Script(ok(data)))


def test_asyncio_has_the_same_lists() -> None:
    """Iteration and pages, as for the other client."""
    script = Script(*pages([1, 2], [3], cursors=["2", None]))

    async def main() -> list[str]:
        async with script.async_client() as client:
            members = client.members.list(limit=2)
            read = [str(member.customer_id) async for member in members]
            assert members.end is ListEnd.NO_CURSOR
            return read

    assert asyncio.run(main()) == ["1", "2", "3"]


@pytest.mark.parametrize("limit", [0, -1, True])
def test_an_impossible_page_size_is_refused_before_a_request(limit: Any) -> None:
    """The call refuses it, not the first round of a loop."""
    script = Script(ok([]))
    with script.client() as client, pytest.raises(ValueError):
        client.members.list(limit=limit)
    assert script.requests == []
