"""The clever part: an operation is described once, and is a method of both clients.

    class Members(Resource[KindT]):
        @operation("GET", "/v2.0/admin/members/{}", page="admin/members")
        def get(self, customer_id: CustomerId) -> Call[Member]:
            return Call(one(Member, "member"), CustomerId(customer_id))

The function only *describes* a call. Taken from a resource of `Client`, `members.get` is a
`(customer_id: CustomerId) -> Member`; from one of `AsyncClient` it returns an awaitable of it. The two
are told apart by the type parameter of the resource (`Resource[Sync]`, `Resource[Async]`), in the
overloads of `__get__`: that is all mypy needs to check arguments and infer replies on either. At run
time there is nothing to tell apart: the client's `run` returns a value or an awaitable, as it does.

Taken from the class (`Members.get`) it is the operation itself, with `method`, `template`, `name`, and
`of(…)`, which makes a `Call` for use inside a longer conversation. Three kinds share the mechanism: an
`operation` is one request, a `listing` is pages of them (`_paging.py`), and a `compound` is a
conversation of several, safer than its parts.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Concatenate, Final, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from inveterate._call import Call
from inveterate._intents import Intents
from inveterate._paging import AsyncPages, Pages, Turn
from inveterate._replies import Page
from inveterate._retries import Retries, converse
from inveterate._steps import Conversation

P = ParamSpec("P")
T = TypeVar("T")
KindT = TypeVar("KindT")

PAGES: Final = "https://help.inveterate.com/dev/api-reference-docs/public-api-2.0-reference/"


class Sync:
    """The kind of client whose methods return."""


class Async:
    """The kind of client whose methods are awaited."""


class Talk(Protocol):
    """What a resource needs of its client: somebody who does what a conversation's steps say."""

    retries: Retries
    intents: Intents

    def run(self, conversation: Conversation[Any]) -> Any:
        """Run it; return what it returns, or an awaitable of that."""
        ...

    def pages(self, turn: Turn[Any], cursor: str | None) -> Any:
        """Make `Pages`, or `AsyncPages`, of a conversation for each page."""
        ...


class Resource(Generic[KindT]):
    """A noun of the API, belonging to one client."""

    name: ClassVar[str]

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    def __repr__(self) -> str:
        return f"<{self.name}>"


class _Bindable(Generic[P, T]):
    """What turns a description into a method of both clients."""

    _describe: Callable[Concatenate[Any, P], Any]

    def _start(self, place: Resource[Any], *args: P.args, **kwargs: P.kwargs) -> Conversation[T]:
        raise NotImplementedError

    @overload
    def __get__(self, place: None, owner: type) -> Self: ...
    @overload
    def __get__(self, place: Resource[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, place: Resource[Async], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, place: Resource[Any] | None, owner: type) -> Any:
        if place is None:
            return self
        talk = place._talk  # noqa: SLF001 - our own

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return talk.run(self._start(place, *args, **kwargs))

        return _named(method, self._describe)


class Endpoint(Generic[P, T]):
    """What the documentation lists: method, path, and whether it may be repeated.

    `template` is the path with `{}` for each id; `page` is where it is documented; `successor` is set
    on what is deprecated.
    """

    name: str = ""

    def __init__(
        self,
        describe: Callable[Concatenate[Any, P], Call[T]],
        method: str,
        template: str,
        page: str,
        successor: str,
    ) -> None:
        self._describe = describe
        self.method, self.template, self.page, self.successor = method, template, PAGES + page, successor
        self.retryable = method == "GET"
        self.__doc__ = describe.__doc__

    def __set_name__(self, owner: type[Resource[Any]], attribute: str) -> None:
        self.name = f"{owner.name}.{attribute.strip('_')}"

    def of(self, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
        """Describe one call of it.

        Raises:
            ValueError: for an argument that cannot be right, such as an empty id.

        """
        call: Call[T] = self._describe(None, *args, **kwargs)
        return call.at(self.method, self.template, retryable=self.retryable)

    def warn(self, depth: int) -> None:
        """Say that it is deprecated, where it is, to the caller `depth` calls up."""
        if self.successor:
            text = f"v1 {self.name} is deprecated: use {self.successor} of API v2.0"
            warnings.warn(text, DeprecationWarning, stacklevel=depth + 1)


class Operation(Endpoint[P, T], _Bindable[P, T]):
    """One request, one reply."""

    def _start(self, place: Resource[Any], *args: P.args, **kwargs: P.kwargs) -> Conversation[T]:
        self.warn(3)
        return converse(self.of(*args, **kwargs), place._talk.retries)  # noqa: SLF001 - our own


class Listing(Endpoint[P, Page[T]]):
    """Pages of rows. Its description takes the cursor as the keyword `cursor`."""

    @overload
    def __get__(self, place: None, owner: type) -> Self: ...
    @overload
    def __get__(self, place: Resource[Sync], owner: type) -> Callable[P, Pages[T]]: ...
    @overload
    def __get__(self, place: Resource[Async], owner: type) -> Callable[P, AsyncPages[T]]: ...
    def __get__(self, place: Resource[Any] | None, owner: type) -> Any:
        if place is None:
            return self
        talk = place._talk  # noqa: SLF001 - our own

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            self.warn(2)
            self.of(*args, **kwargs)  # a wrong argument is told here, not at the first turn of a loop

            def turn(cursor: str | None) -> Conversation[Page[T]]:
                onward: Any = {**kwargs, "cursor": cursor}
                return converse(self.of(*args, **onward), talk.retries)

            begin: Any = kwargs.get("cursor")
            return talk.pages(turn, begin)

        return _named(method, self._describe)


class Compound(_Bindable[P, T]):
    """A conversation of several requests. Its description gets the resource's client as `self._talk`."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Conversation[T]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    def _start(self, place: Resource[Any], *args: P.args, **kwargs: P.kwargs) -> Conversation[T]:
        conversation: Conversation[T] = self._describe(place, *args, **kwargs)
        return conversation


compound = Compound


def operation(
    method: str, template: str, *, page: str, successor: str = ""
) -> Callable[[Callable[Concatenate[Any, P], Call[T]]], Operation[P, T]]:
    """Make an operation of a description; `page` is its place under the reference's address."""
    return lambda describe: Operation(describe, method, template, page, successor)


def listing(
    template: str, *, page: str, successor: str = ""
) -> Callable[[Callable[Concatenate[Any, P], Call[Page[T]]]], Listing[P, T]]:
    """Make a paged `GET` of a description that takes the cursor as the keyword `cursor`."""
    return lambda describe: Listing(describe, "GET", template, page, successor)


def _named(method: Callable[P, T], description: Callable[..., Any]) -> Callable[P, T]:
    """Let `help()` and a debugger see the description."""
    method.__doc__, method.__name__ = description.__doc__, description.__name__
    return method
