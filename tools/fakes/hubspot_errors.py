"""The errors of the fake HubSpot, in the form that HubSpot documents."""

from __future__ import annotations

from typing import Any


class HubspotError(Exception):
    """A request or record that HubSpot refuses: the status, and the parts of the error body."""

    def __init__(
        self, status: int, category: str, message: str, code: str = "", property_name: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.message = message
        self.code = code
        self.property_name = property_name

    def body(self, trace: str | None = None) -> dict[str, Any]:
        """Return the error body; with `trace`, the entry of a 207 for the record with this trace id."""
        body: dict[str, Any] = {
            "status": "error",
            "category": self.category,
            "message": self.message,
            "errors": [],
        }
        if self.code:
            context = {"context": {"propertyName": [self.property_name]}} if self.property_name else {}
            body["errors"] = [{"message": self.message, "code": self.code, **context}]
        if trace is not None:
            body["context"] = {"objectWriteTraceId": [trace]}
        return body
