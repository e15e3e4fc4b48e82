"""Reads secrets from SSM (SecureStrings) at first use, and again after five minutes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from relay.adapters.aws.client import AwsCaller, aws, aws_errors
from relay.errors import MisconfiguredError

_KEPT_SECONDS: Final = 300.0


@dataclass(slots=True)
class Secret:
    """One SecureString. It is read again every five minutes, so that a rotation needs no deployment."""

    name: str
    aws: AwsCaller = field(default_factory=aws)
    _value: str | None = field(default=None, repr=False)
    _read_at: float = 0.0

    def value(self) -> str:
        """Return the secret.

        Raises:
            MisconfiguredError: it is missing or empty, or the function may not read it.
            TransientError: SSM does not answer.

        """
        now = time.monotonic()
        if self._value is None or now - self._read_at > _KEPT_SECONDS:
            return self.renewed()
        return self._value

    @property
    def is_kept(self) -> bool:
        """Whether a value is kept, so that it may be an old one."""
        return self._value is not None

    def renewed(self) -> str:
        """Return the secret as it is now; what is kept stays where it cannot be read. Errors as in `value`."""
        self._value, self._read_at = self._read(), time.monotonic()
        return self._value

    def forget(self) -> None:
        """Drop the value, because a server has refused it: the next use reads it again."""
        self._value = None

    def _read(self) -> str:
        with aws_errors(f"secret {self.name}"):
            value: str = self.aws.call("ssm", "GetParameter", {"Name": self.name, "WithDecryption": True})[
                "Parameter"
            ]["Value"]
        if not value.strip():
            raise MisconfiguredError(f"secret {self.name}: empty", setting=self.name)
        return value.strip()
