"""Lists, fetched page after page on demand, with a cursor to continue from after a crash.

The documentation has no rule for the end of a list and no maximum. A list ends at a missing, an empty or
a repeated cursor, or at an empty page, whichever comes first. Only some of these ends prove that the list is
complete: see `ListEnd`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from enum import StrEnum
from typing import Any, Final, Generic, TypeAlias, TypeVar

from inveterate._errors import UnreadableReplyError
from inveterate._replies import Page
from inveterate._steps import Steps

T = TypeVar("T")
FetchPage: TypeAlias = Callable[[str | None], Steps[Page[T]]]
"""The steps that fetch the page at a cursor; None is the first page."""

MAX_PAGES: Final = 100_000
"""More pages than any programme has members: a server that invents a new cursor each time ends here."""


class ListEnd(StrEnum):
    """Why a list ended. Only after `NO_CURSOR` and `EMPTY_PAGE` is it complete."""

    NO_CURSOR = "no_cursor"
    """The last page has no cursor, and fewer rows than requested."""
    EMPTY_PAGE = "empty_page"
    """The last page has no rows."""
    REPEATED = "repeated"
    """The platform sent a cursor again."""
    FULL_PAGE = "full_page"
    """The last page has no cursor, but as many rows as requested: more may follow."""
    UNRECOGNISED = "unrecognised"
    """The last page has no cursor, but a field that may be one under another name (`Page.unrecognised`)."""


_COMPLETE: Final = frozenset({ListEnd.NO_CURSOR, ListEnd.EMPTY_PAGE})

_USUAL_PAGE_SIZES: Final = frozenset({10, 20, 25, 30, 50, 100, 200, 250, 500, 1000})


class ListPosition:
    """Position of one reading of a list, and the rule for its end. It does no I/O."""

    def __init__(self, cursor: str | None) -> None:
        self.cursor = cursor
        self.end: ListEnd | None = None
        self.unreadable = 0
        self._seen = {cursor}
        self._left = MAX_PAGES

    def advance(self, page: Page[Any]) -> None:
        """Move past a page that was handed out.

        Raises:
            UnreadableReplyError: when the list has more than `MAX_PAGES` pages.

        """
        self._left -= 1
        self.unreadable += len(page.unreadable)
        if not page.items and not page.unreadable:
            self.end = ListEnd.EMPTY_PAGE
        elif page.cursor is None:
            self.end = _end_without_cursor(page)
        elif page.cursor in self._seen:
            self.end = ListEnd.REPEATED
        elif not self._left:
            raise UnreadableReplyError(f"a list of more than {MAX_PAGES} pages")
        else:
            self._seen.add(page.cursor)
            self.cursor = page.cursor


def _end_without_cursor(page: Page[Any]) -> ListEnd:
    if page.full:
        return ListEnd.FULL_PAGE
    return ListEnd.UNRECOGNISED if page.unrecognised else ListEnd.NO_CURSOR


class _PagedList(Generic[T]):
    """The state that both kinds of list share: the first cursor, and the position of the latest reading."""

    def __init__(self, run: Callable[[Steps[Page[T]]], Any], fetch: FetchPage[T], cursor: str | None) -> None:
        self._run, self._fetch, self._first = run, fetch, cursor
        self._position = ListPosition(cursor)

    @property
    def cursor(self) -> str | None:
        """The cursor of the page being handed out: pass it to the same method to continue with that page."""
        return self._position.cursor

    @property
    def end(self) -> ListEnd | None:
        """Why the latest reading ended; None while it has not."""
        return self._position.end

    @property
    def unreadable(self) -> int:
        """How many rows of the latest reading are not records and were left out; see `Page.unreadable`."""
        return self._position.unreadable

    @property
    def is_complete(self) -> bool:
        """Whether the latest reading has ended, and has certainly read every row."""
        return self.end in _COMPLETE and not self.unreadable

    def _restart(self) -> ListPosition:
        self._position = ListPosition(self._first)
        return self._position


class Pages(_PagedList[T]):
    """A list that is fetched while it is iterated over. Each iteration starts from the beginning."""

    def by_page(self) -> Iterator[Page[T]]:
        """Iterate over pages; `Page.cursor` is where the next page begins."""
        position = self._restart()
        while position.end is None:
            page: Page[T] = self._run(self._fetch(position.cursor))
            yield page
            position.advance(page)

    def __iter__(self) -> Iterator[T]:
        for page in self.by_page():
            yield from page.items


class AsyncPages(_PagedList[T]):
    """A list that is fetched while it is iterated over with `async for`. Each iteration starts from the beginning."""

    async def by_page(self) -> AsyncIterator[Page[T]]:
        """Iterate over pages; `Page.cursor` is where the next page begins."""
        position = self._restart()
        while position.end is None:
            fetched: Awaitable[Page[T]] = self._run(self._fetch(position.cursor))
            page = await fetched
            yield page
            position.advance(page)

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.by_page():
            for item in page.items:
                yield item


def read_all(fetch: FetchPage[T], max_pages: int) -> Steps[tuple[list[T], bool]]:
    """Read a whole list within other steps; return its rows, and whether it is certain to be whole.

    It is stricter than `ListEnd`: a last page of a usual page size is not certain either, since the
    platform may send fewer rows than requested and leave out the cursor.
    """
    position, items = ListPosition(None), list[T]()
    for _ in range(max_pages):
        page = yield from fetch(position.cursor)
        items += page.items
        position.advance(page)
        if position.end is not None:
            certain = position.end in _COMPLETE and not position.unreadable
            return items, certain and len(page) not in _USUAL_PAGE_SIZES
    return items, False
