"""What HubSpot's stand-in would not do, in HubSpot's words."""

from __future__ import annotations

from typing import Any


class RefusedError(Exception):
    """What HubSpot would not do: the status, and the parts of its error body."""

    def __init__(self, status: int, category: str, message: str, code: str = "", about: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.message = message
        self.code = code
        self.about = about

    def body(self, trace: str | None = None) -> dict[str, Any]:
        """Return the error body; within a 207, for the record with this trace id."""
        body: dict[str, Any] = {
            "status": "error",
            "category": self.category,
            "message": self.message,
            "errors": [],
        }
        if self.code:
            context = {"context": {"propertyName": [self.about]}} if self.about else {}
            body["errors"] = [{"message": self.message, "code": self.code, **context}]
        if trace is not None:
            body["context"] = {"objectWriteTraceId": [trace]}
        return body
