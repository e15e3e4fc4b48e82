"""Inveterate's API through Relay's SDK: reads one member or all, dated by the answer, lists subscriptions, grants credits once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from inveterate import (
    BadKeyError,
    BadRequestError,
    Client,
    CustomerId,
    GrantStatus,
    Intents,
    InveterateError,
    ListEnd,
    NotFoundError,
    RateLimitError,
    RequestLog,
    Retries,
    ServerError,
)

from relay.errors import ConflictError, MisconfiguredError, PermanentError, TransientError
from relay.ports.inveterate import MemberPage, MemberReading, PlatformSubscription

if TYPE_CHECKING:
    from inveterate import Page, Pages
    from inveterate.models.members import Member

    from relay.adapters.aws.ssm import Secret

    _Listing: TypeAlias = tuple[Pages[Member], Iterator[Page[Member]], Page[Member]]

_TIMEOUT: Final = 8.0
_RETRIES: Final = Retries(max_attempts=2, base_delay=0.3, deadline=15.0, max_retry_after=2.0)
"""Short: the queue retries for days, and a function that waits is paid for."""

LOOKS: Final = (0.5, 2.0)
"""Seconds before each reading of the ledger. Few: the queue asks again later, and a function that waits is paid for."""

MEMBERS_PER_PAGE: Final = 100
"""What v1 documents as the maximum; v2.0 documents none."""

_TOTALS: Final = ("total", "totalCount", "totalMembers", "total_count")
"""Where a list may say how many rows it has. No page documents one: a number under such a name only ever casts doubt."""

SETTLED_AFTER: Final = 600.0
"""Seconds after which the SDK may take a request for lost, if the ledger proves it."""


@dataclass(slots=True)
class InveterateApi:
    """`ports.MemberApi` and `ports.CreditGranter`. `connect` makes a client of an address, a key and a hook for requests."""

    url: str
    secret: Secret
    connect: Callable[[str, str, Callable[[RequestLog], object]], Client] = field(
        default=lambda url, key, hook: Client(
            key, base_url=url, timeout=_TIMEOUT, retries=_RETRIES, hooks=(hook,)
        )
    )
    looks: Sequence[float] = LOOKS
    _client: Client | None = field(default=None, repr=False)
    _key: str = field(default="", repr=False)
    _last: RequestLog | None = None

    def read(self, customer_id: str) -> MemberReading | None:
        """Read a member; None where the API knows none by this id."""
        client = self._connected()
        with self._errors():
            try:
                member = client.members.get(CustomerId(customer_id))
            except NotFoundError:
                # The answer to an unknown id, however the documentation is read; a wrong key has another.
                return None
        last = self._last
        return MemberReading(
            member=member, date=last.date if last else None, seconds=last.seconds if last else _TIMEOUT
        )

    def pages(self, cursor: str | None) -> Iterator[MemberPage]:
        """Yield the pages of the list of members from a cursor on, each fetched when it is asked for."""
        client = self._connected()
        pages, listed, page = self._begin(client, cursor)
        while True:
            last = self._last
            ends = page.cursor is None or not _has_rows(page)
            beyond = None
            if ends:
                # The list decides about its end when it is asked for the next page; without a cursor it fetches none.
                next(listed, None)
                beyond = self._beyond(client, page) if pages.end is ListEnd.FULL_PAGE and page.items else None
            end = ListEnd.EMPTY_PAGE if beyond and not _has_rows(beyond[2]) else pages.end
            goes_on = beyond is not None and _has_rows(beyond[2])
            following = str(page.items[-1].customer_id) if goes_on else None if ends else page.cursor
            yield MemberPage(
                members=page.items,
                cursor=following,
                date=last.date if last else None,
                seconds=last.seconds if last else _TIMEOUT,
                end=str(end or "") if ends and not goes_on else "",
                is_certain=ends and end in {ListEnd.NO_CURSOR, ListEnd.EMPTY_PAGE},
                unreadable=len(page.unreadable),
                total=_total(page.raw),
            )
            if beyond and goes_on:
                pages, listed, page = beyond
                continue
            if ends:
                return
            with self._errors():
                next_page = next(listed, None)
            if next_page is None:
                # The platform sent a cursor again: nothing more can be read.
                yield MemberPage(members=(), cursor=None, date=None, seconds=0.0, end=str(pages.end or ""))
                return
            page = next_page

    def _begin(self, client: Client, cursor: str | None) -> _Listing:
        pages = client.members.list(limit=MEMBERS_PER_PAGE, cursor=cursor)
        listed = iter(pages.by_page())
        with self._errors():
            return pages, listed, next(listed)

    def _beyond(self, client: Client, page: Page[Member]) -> _Listing | None:
        """Ask for what follows a full page without a cursor; None where the platform does not say.

        The cursor is documented as the last customer's id, so a shop with a multiple of a page's members can be certain.
        """
        pages = client.members.list(limit=MEMBERS_PER_PAGE, cursor=str(page.items[-1].customer_id))
        listed = iter(pages.by_page())
        with self._errors():
            try:
                following = next(listed)
            except (BadRequestError, NotFoundError):
                return None
        known = {one.customer_id for one in page.items}
        # The platform ignored the cursor where it sent a member again.
        is_again = any(one.customer_id in known for one in following.items)
        return None if is_again else (pages, listed, following)

    def subscriptions(self) -> Sequence[PlatformSubscription]:
        """Return the subscriptions of the shop, those of other apps included."""
        client = self._connected()
        with self._errors():
            page = client.webhook_subscriptions.list()
        if page.unreadable or (page.items and not any(one.name for one in page)):
            raise TransientError("Inveterate: the list of subscriptions cannot be read for certain")
        return [
            PlatformSubscription(
                topic=one.topic or "", name=one.name or "", callback_url=one.callback_url or ""
            )
            for one in page
        ]

    def grant(  # noqa: PLR0913 - what, for which member, once per what, and whether to try again
        self, customer_id: str, amount: Decimal, *, key: str, note: str, intents: Intents, again: bool
    ) -> GrantStatus:
        """Grant credits once for the key; without `again` a request that may have been lost is not repeated."""
        client = self._connected()
        with self._errors():
            try:
                return client.members.credits.grant(
                    CustomerId(customer_id),
                    amount,
                    key=key,
                    note=note,
                    intents=intents,
                    looks=self.looks,
                    settled_after=SETTLED_AFTER if again else math.inf,
                ).status
            except (BadRequestError, NotFoundError) as error:
                raise PermanentError("grant_refused", _named(error)) from error
            except ValueError as error:
                # The amount was checked before, so the key was claimed for another amount just now.
                raise ConflictError("the key was claimed for another grant") from error

    def close(self) -> None:
        """Close the pooled connections."""
        if self._client:
            self._client.close()
            self._client = None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Translate the SDK's errors."""
        try:
            yield
        except BadKeyError as error:
            self.secret.forget()
            raise MisconfiguredError(f"Inveterate: {_named(error)}", setting=self.secret.name) from error
        except (RateLimitError, ServerError) as error:
            raise TransientError(f"Inveterate: {_named(error)}", retry_after=error.retry_after) from error
        except InveterateError as error:
            raise TransientError(f"Inveterate: {_named(error)}") from error

    def _connected(self) -> Client:
        """Return a client with the present key: a rotated key needs a new client."""
        key = self.secret.value()
        if self._client is None or key != self._key:
            self.close()
            self._key = key
            try:
                self._client = self.connect(self.url, key, self._remember)
            except ValueError:
                # The SDK's text says whether the key or the address is malformed, and repeats neither.
                raise MisconfiguredError(
                    "Inveterate: no such key or address", setting=self.secret.name
                ) from None
        return self._client

    def _remember(self, request: RequestLog) -> None:
        self._last = request


def _named(error: InveterateError) -> str:
    """Return an error's class and status without its text: path and message may hold a member's id."""
    return f"{type(error).__name__} {error.status or ''}".strip()


def _has_rows(page: Page[Member]) -> bool:
    """Return whether a page has rows, readable or not."""
    return bool(page.items or page.unreadable)


def _total(raw: Any) -> int | None:
    """Return how many rows the reply says that the list has; None where it does not say."""
    reply: dict[str, Any] = raw if isinstance(raw, dict) else {}
    data = reply.get("data")
    for place in (reply, data if isinstance(data, dict) else {}):
        for name in _TOTALS:
            value = place.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                return value
    return None
