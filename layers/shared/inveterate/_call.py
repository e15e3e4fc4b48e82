"""One call of one operation, as a value: everything there is to know before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar
from urllib.parse import quote

from inveterate._ids import CustomerId
from inveterate._json import write_json
from inveterate._replies import Envelope
from inveterate._wire_model import WireModel, to_wire

T = TypeVar("T")


class Call(Generic[T]):
    """The variable parts of a request (`ids`, `query`, `body`) and the reader of its reply; `at` adds the path.

    `customer_id` is the member that the call names, if any: a reply about another one is refused.
    `retry_query` is added on a second try where the platform answers 400: parameters that are documented
    as required and make no sense. `plain_text` allows a reply that is a code and not JSON. Path segments and query values are quoted here and nowhere else, each exactly once.
    """

    __slots__ = (
        "body",
        "customer_id",
        "ids",
        "method",
        "path",
        "plain_text",
        "query",
        "read",
        "retry_query",
        "retryable",
        "template",
    )

    def __init__(  # noqa: PLR0913 - a call has that many parts, most of them rare
        self,
        read: Callable[[Envelope], T],
        *ids: str,
        query: Mapping[str, str | None] | None = None,
        body: Mapping[str, object] | WireModel | None = None,
        member: CustomerId | None = None,
        retry_query: Mapping[str, str] | None = None,
        plain_text: bool = False,
    ) -> None:
        self.read = read
        self.ids = ids
        self.query = {name: value for name, value in query.items() if value is not None} if query else {}
        self.body = to_wire(body) if isinstance(body, WireModel) else body
        self.customer_id = member or next((one for one in ids if isinstance(one, CustomerId)), None)
        self.retry_query = dict(retry_query or {})
        self.plain_text = plain_text
        self.method = self.path = self.template = ""
        self.retryable = False

    def at(self, method: str, template: str, *, retryable: bool) -> Call[T]:
        """Bind the call to an operation: `template` has one `{}` for each id."""
        self.method, self.template, self.retryable = method, template, retryable
        self.path = template.format(*(quote(part, safe="") for part in self.ids)) if self.ids else template
        return self

    def second_try(self) -> Call[T] | None:
        """Return the call with `retry_query`; None where there is nothing to add."""
        if not self.retry_query:
            return None
        second = Call(self.read, *self.ids, query={**self.query, **self.retry_query}, body=self.body)
        second.customer_id, second.plain_text = self.customer_id, self.plain_text
        return second.at(self.method, self.template, retryable=self.retryable)

    @property
    def target(self) -> str:
        """Path and query, quoted."""
        if not self.query:
            return self.path
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in self.query.items())
        return f"{self.path}?{query}"

    @property
    def content(self) -> bytes | None:
        """The body as JSON bytes; None where the operation has none."""
        return None if self.body is None else write_json(self.body).encode()

    def __repr__(self) -> str:
        return f"<Call {self.method} {self.path}>"
