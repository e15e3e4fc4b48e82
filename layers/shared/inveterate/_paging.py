"""Page after page, fetched as they are asked for, and a cursor to go on from after a crash.

The documentation has no rule for the end of a list and no maximum. So it ends at a missing, an empty or
a repeated cursor, or at an empty page, whichever comes first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from enum import StrEnum
from typing import Any, Final, Generic, TypeAlias, TypeVar

from inveterate._errors import UnreadableReplyError
from inveterate._replies import Page
from inveterate._steps import Conversation

T = TypeVar("T")
Turn: TypeAlias = Callable[[str | None], Conversation[Page[T]]]

MOST_PAGES: Final = 100_000
"""More pages than any programme has members: a server that invents a new cursor each time ends here."""


class End(StrEnum):
    """Why a list ended. After `REPEATED` it is not certain that it was complete."""

    NO_CURSOR = "no_cursor"
    EMPTY_PAGE = "empty_page"
    REPEATED = "repeated"


class Turns:
    """Where one reading of a list has got to: the rule alone, without I/O."""

    def __init__(self, cursor: str | None) -> None:
        self.cursor = cursor
        self.end: End | None = None
        self._seen = {cursor}
        self._left = MOST_PAGES

    def took(self, page: Page[Any]) -> None:
        """Note a page that was handed out.

        Raises:
            UnreadableReplyError: when the list has no end.

        """
        self._left -= 1
        if not page.items and not page.unreadable:
            self.end = End.EMPTY_PAGE
        elif page.cursor is None:
            self.end = End.NO_CURSOR
        elif page.cursor in self._seen:
            self.end = End.REPEATED
        elif not self._left:
            raise UnreadableReplyError(f"a list of more than {MOST_PAGES} pages")
        else:
            self._seen.add(page.cursor)
            self.cursor = page.cursor


class _Paged(Generic[T]):
    """What both kinds share: where to begin, and where the latest reading has got to."""

    def __init__(
        self, run: Callable[[Conversation[Page[T]]], Any], turn: Turn[T], cursor: str | None
    ) -> None:
        self._run, self._turn, self._begin = run, turn, cursor
        self._turns = Turns(cursor)

    @property
    def cursor(self) -> str | None:
        """The cursor of the page being handed out: give it to the same method to go on with that page."""
        return self._turns.cursor

    @property
    def end(self) -> End | None:
        """Why the latest reading ended; None while it has not."""
        return self._turns.end

    def _started(self) -> Turns:
        self._turns = Turns(self._begin)
        return self._turns


class Pages(_Paged[T]):
    """A list that is fetched while it is iterated over. Each iteration begins anew."""

    def by_page(self) -> Iterator[Page[T]]:
        """Iterate over pages; after each, `Page.cursor` is where the next would begin."""
        turns = self._started()
        while turns.end is None:
            page: Page[T] = self._run(self._turn(turns.cursor))
            yield page
            turns.took(page)

    def __iter__(self) -> Iterator[T]:
        for page in self.by_page():
            yield from page.items


class AsyncPages(_Paged[T]):
    """A list that is fetched while it is iterated over with `async for`. Each iteration begins anew."""

    async def by_page(self) -> AsyncIterator[Page[T]]:
        """Iterate over pages; after each, `Page.cursor` is where the next would begin."""
        turns = self._started()
        while turns.end is None:
            fetched: Awaitable[Page[T]] = self._run(self._turn(turns.cursor))
            page = await fetched
            yield page
            turns.took(page)

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.by_page():
            for item in page.items:
                yield item


def read_all(turn: Turn[T], most_pages: int) -> Conversation[tuple[list[T], bool]]:
    """Read a whole list inside a conversation; tell whether it is certain to be whole."""
    turns, items, whole = Turns(None), list[T](), True
    for _ in range(most_pages):
        page = yield from turn(turns.cursor)
        items += page.items
        whole = whole and not page.unreadable
        turns.took(page)
        if turns.end is not None:
            return items, whole and turns.end is not End.REPEATED
    return items, False
