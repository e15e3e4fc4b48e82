"""Operations as descriptors: each is described once, and is a method of both clients.

    class Members(Resource[KindT]):
        @operation("GET", "/v2.0/admin/members/{}", page="admin/members")
        def get(self, customer_id: CustomerId) -> Call[Member]:
            return Call(read_one(Member, "member"), CustomerId(customer_id))

The function only *describes* a call. Taken from a resource of `Client`, `members.get` is a
`(customer_id: CustomerId) -> Member`; from one of `AsyncClient` it returns an awaitable of it. The two
differ in the type parameter of the resource (`Resource[Sync]`, `Resource[Async]`), in the
overloads of `__get__`. That is all a type checker needs to check arguments and infer replies on either.
At run time there is no difference: the client's `run` returns a value or an awaitable.

Taken from the class (`Members.get`) it is the operation itself, with `method`, `template`, `name`, and
`of(…)`, which returns a `Call` for use within other steps. Three kinds share the mechanism: an
`operation` is one request, a `listing` is a paged list (`_pagination.py`), and a `compound` is several
requests that are safer together than each alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Concatenate, Final, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from inveterate._call import Call
from inveterate._idempotency import Intents
from inveterate._pagination import AsyncPages, FetchPage, Pages
from inveterate._replies import Page
from inveterate._retries import Retries, request_steps
from inveterate._steps import Steps

P = ParamSpec("P")
T = TypeVar("T")
KindT = TypeVar("KindT")

PAGES: Final = "https://help.inveterate.com/dev/api-reference-docs/public-api-2.0-reference/"


class Sync:
    """The kind of client whose methods return values."""


class Async:
    """The kind of client whose methods are awaited."""


class Transport(Protocol):
    """The part of a client that a resource needs: it executes the steps of a call."""

    retries: Retries
    intents: Intents

    def run(self, steps: Steps[Any]) -> Any:
        """Execute the steps; return their result, or an awaitable of it."""
        ...

    def pages(self, fetch: FetchPage[Any], cursor: str | None) -> Any:
        """Return `Pages` or `AsyncPages` that fetch each page with `fetch`."""
        ...


class Resource(Generic[KindT]):
    """A group of operations, bound to one client."""

    name: ClassVar[str]

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __repr__(self) -> str:
        return f"<{self.name}>"


class _Bindable(Generic[P, T]):
    """Turns a description into a method of both clients."""

    _describe: Callable[Concatenate[Any, P], Any]

    def _start(self, resource: Resource[Any], *args: P.args, **kwargs: P.kwargs) -> Steps[T]:
        raise NotImplementedError("each kind of operation begins its own steps")

    @overload
    def __get__(self, resource: None, owner: type) -> Self: ...
    @overload
    def __get__(self, resource: Resource[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, resource: Resource[Async], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, resource: Resource[Any] | None, owner: type) -> Any:
        if resource is None:
            return self
        transport = resource._transport  # noqa: SLF001 - our own

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return transport.run(self._start(resource, *args, **kwargs))

        return _named(method, self._describe)


class Endpoint(Generic[P, T]):
    """One documented request: method, path, and whether it may be repeated.

    `template` is the path with `{}` for each id; `page` is its documentation; `successor` is set on
    deprecated operations.
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
        """Return one call of the operation.

        Raises:
            ValueError: for an argument that cannot be right, such as an empty id.

        """
        call: Call[T] = self._describe(None, *args, **kwargs)
        return call.at(self.method, self.template, retryable=self.retryable)

    def warn(self, depth: int) -> None:
        """Emit the deprecation warning, if there is one, for the caller `depth` frames up."""
        if self.successor:
            text = f"v1 {self.name} is deprecated: use {self.successor} of API v2.0"
            warnings.warn(text, DeprecationWarning, stacklevel=depth + 1)


class Operation(Endpoint[P, T], _Bindable[P, T]):
    """An operation of one request and one reply."""

    def _start(self, resource: Resource[Any], *args: P.args, **kwargs: P.kwargs) -> Steps[T]:
        self.warn(3)
        return request_steps(self.of(*args, **kwargs), resource._transport.retries)  # noqa: SLF001 - our own


class Listing(Endpoint[P, Page[T]]):
    """A paged list. Its description takes the cursor as the keyword `cursor`."""

    @overload
    def __get__(self, resource: None, owner: type) -> Self: ...
    @overload
    def __get__(self, resource: Resource[Sync], owner: type) -> Callable[P, Pages[T]]: ...
    @overload
    def __get__(self, resource: Resource[Async], owner: type) -> Callable[P, AsyncPages[T]]: ...
    def __get__(self, resource: Resource[Any] | None, owner: type) -> Any:
        if resource is None:
            return self
        transport = resource._transport  # noqa: SLF001 - our own

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            self.warn(2)
            self.of(*args, **kwargs)  # a wrong argument fails here, not in the first round of a loop

            def fetch(cursor: str | None) -> Steps[Page[T]]:
                with_cursor: Any = {**kwargs, "cursor": cursor}
                return request_steps(self.of(*args, **with_cursor), transport.retries)

            first: Any = kwargs.get("cursor")
            return transport.pages(fetch, first)

        return _named(method, self._describe)


class Compound(_Bindable[P, T]):
    """An operation of several requests. Its description has the client's transport as `self._transport`."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    def _start(self, resource: Resource[Any], *args: P.args, **kwargs: P.kwargs) -> Steps[T]:
        steps: Steps[T] = self._describe(resource, *args, **kwargs)
        return steps


compound = Compound


def operation(
    method: str, template: str, *, page: str, successor: str = ""
) -> Callable[[Callable[Concatenate[Any, P], Call[T]]], Operation[P, T]]:
    """Return a decorator that makes an operation; `page` is its path under the reference's address."""
    return lambda describe: Operation(describe, method, template, page, successor)


def listing(
    template: str, *, page: str, successor: str = ""
) -> Callable[[Callable[Concatenate[Any, P], Call[Page[T]]]], Listing[P, T]]:
    """Return a decorator that makes a paged `GET`; the description takes the keyword `cursor`."""
    return lambda describe: Listing(describe, "GET", template, page, successor)


def _named(method: Callable[P, T], description: Callable[..., Any]) -> Callable[P, T]:
    """Give the method the docstring and the name of its description."""
    method.__doc__, method.__name__ = description.__doc__, description.__name__
    return method
