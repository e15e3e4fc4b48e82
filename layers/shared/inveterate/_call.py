"""One call of one operation, as a value: everything there is to know before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar
from urllib.parse import quote

from inveterate._json import write_json
from inveterate._replies import Envelope
from inveterate._wire_model import WireModel, to_wire

T = TypeVar("T")


class Call(Generic[T]):
    """The variable parts of a request (`ids`, `query`, `body`) and the reader of its reply; `at` adds the path.

    Path segments and query values are quoted here and nowhere else, each exactly once.
    """

    __slots__ = ("body", "ids", "method", "path", "query", "read", "retryable", "template")

    def __init__(
        self,
        read: Callable[[Envelope], T],
        *ids: str,
        query: Mapping[str, str | None] | None = None,
        body: Mapping[str, object] | WireModel | None = None,
    ) -> None:
        self.read = read
        self.ids = ids
        self.query = {name: value for name, value in query.items() if value is not None} if query else {}
        self.body = to_wire(body) if isinstance(body, WireModel) else body
        self.method = self.path = self.template = ""
        self.retryable = False

    def at(self, method: str, template: str, *, retryable: bool) -> Call[T]:
        """Bind the call to an operation: `template` has one `{}` for each id."""
        self.method, self.template, self.retryable = method, template, retryable
        self.path = template.format(*(quote(part, safe="") for part in self.ids)) if self.ids else template
        return self

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
