"""SSM parameters in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.aws.refusals import refused


@dataclass(slots=True)
class FakeSsm:
    """Secure strings by name."""

    parameters: dict[str, str] = field(default_factory=dict)

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out an operation of the service model."""
        if operation != "GetParameter":
            raise NotImplementedError(f"the fake SSM has no {operation}")
        if body["Name"] not in self.parameters:
            raise refused("ParameterNotFound")
        value = self.parameters[body["Name"]] if body.get("WithDecryption") else "encrypted"
        return {"Parameter": {"Name": body["Name"], "Type": "SecureString", "Value": value}}
