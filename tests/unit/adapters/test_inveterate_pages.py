"""The end of the list of members: what follows a full page without a cursor is asked for once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from inveterate import Client, Retries
from relay.adapters.inveterate_api import MEMBERS_PER_PAGE, InveterateApi
from relay.ports.inveterate import MemberPage


@dataclass
class FixedSecret:
    """The API key, without a store (`Secret`)."""

    name: str = "inveterate"

    def value(self) -> str:
        """Return the key."""
        return "key"

    def forget(self) -> None:
        """Keep it: the next value would be the same."""


@dataclass
class ScriptedList:
    """A platform that lists members, and names the next page's cursor only while more members follow."""

    ids: list[str]
    beyond: str = "empty"
    asked: list[str | None] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request for a page."""
        after = request.url.params.get("lastCustomerId")
        self.asked.append(after)
        begin = self.ids.index(after) + 1 if after in self.ids else 0
        if after == self.ids[-1]:
            if self.beyond == "refused":
                return httpx.Response(400, json={"message": "unknown lastCustomerId"})
            if self.beyond == "again":
                begin = len(self.ids) - MEMBERS_PER_PAGE
        rows = self.ids[begin : begin + MEMBERS_PER_PAGE]
        more = begin + MEMBERS_PER_PAGE < len(self.ids)
        data: dict[str, Any] = {"members": [{"customerId": one} for one in rows]}
        return httpx.Response(200, json={"data": data | ({"lastCustomerId": rows[-1]} if more else {})})


def pages(platform: Callable[[httpx.Request], httpx.Response]) -> list[MemberPage]:
    """Return the pages that Relay reads."""

    def connect(_url: str, key: str, hook: Any) -> Client:
        transport = httpx.MockTransport(platform)
        return Client(key, transport=transport, retries=Retries(max_attempts=1), hooks=(hook,))

    api = InveterateApi("https://inveterate.example", FixedSecret(), connect)  # type: ignore[arg-type]  # a double
    return list(api.pages(None))


@pytest.mark.parametrize(
    ("members", "beyond", "expected"),
    [
        (150, "empty", ("no_cursor", True)),
        (200, "empty", ("empty_page", True)),
        (200, "again", ("full_page", False)),
        (200, "refused", ("full_page", False)),
    ],
)
def test_the_end_of_the_list(members: int, beyond: str, expected: tuple[str, bool]) -> None:
    """A shop with a multiple of a page's members has a whole list, where the platform shows that no more follow."""
    platform = ScriptedList([str(7_000_000_000_000 + number) for number in range(members)], beyond)
    read = pages(platform)
    assert [one.customer_id for page in read for one in page.members] == platform.ids
    assert [page.end for page in read[:-1]] == [""]
    assert (read[-1].end, read[-1].is_certain) == expected
    assert platform.asked.count(platform.ids[-1]) == (members % MEMBERS_PER_PAGE == 0)


def test_a_list_that_goes_on_without_a_cursor() -> None:
    """Members behind a full page without a cursor are read, and each once."""
    platform = ScriptedList([str(7_000_000_000_000 + number) for number in range(250)])

    def silent(request: httpx.Request) -> httpx.Response:
        answer = platform(request).json()
        answer["data"].pop("lastCustomerId", None)
        return httpx.Response(200, json=answer)

    read = pages(silent)
    assert [one.customer_id for page in read for one in page.members] == platform.ids
    assert [page.cursor for page in read] == [platform.ids[99], platform.ids[199], None]
    assert (read[-1].end, read[-1].is_certain) == ("no_cursor", True)
