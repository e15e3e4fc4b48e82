"""Reads settings out of the environment, typed, and collects every problem.

AWS's own variables (credentials, region, addresses) are read at each call by `adapters/aws`; all else is read here.

Standard library only: the receiver imports it at every cold start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

from relay.errors import MisconfiguredError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_Value = TypeVar("_Value")


def stack_name() -> str:
    """Return the name of the stack, which tells its metrics from another's."""
    return os.environ.get("STACK_NAME", "").strip() or "unknown"


class SettingsReader:
    """Reads environment variables and remembers what is wrong with them, until `check`.

    A setting with a problem is read as an empty value of its type, so that the next one is read as well.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._problems: dict[str, str] = {}

    def text(self, name: str) -> str:
        """Return a setting that must be there."""
        return self._read(name, lambda value: value, "")

    def optional(self, name: str) -> str:
        """Return a setting that may be missing; it is then empty."""
        return self._environment.get(name, "").strip()

    def words(self, name: str, separator: str | None = None) -> tuple[str, ...]:
        """Return a list that may be missing or empty; blank parts are left out."""
        return tuple(part.strip() for part in self.optional(name).split(separator) if part.strip())

    def url(self, name: str) -> str:
        """Return a URL that must be there."""
        return self._read(name, _url, "")

    def integer(self, name: str, *, at_most: int) -> int:
        """Return a whole number from 0 on that must be there."""
        return self._read(name, lambda value: _integer(value, at_most), 0)

    def switch(self, name: str) -> bool:
        """Return a setting that is `true` or `false`; missing is `false`."""
        return bool(self.optional(name)) and self._read(name, _switch, False)  # noqa: FBT003 - the value where there is none

    def choice(self, name: str, known: Mapping[str, _Value]) -> _Value | None:
        """Return the value of `known` under a setting that must be there; None where it is not among them."""

        def pick(value: str) -> _Value:
            if value not in known:
                raise ValueError(f"must be one of {', '.join(known)}")
            return known[value]

        return self._read(name, pick, None)

    def zone(self, name: str) -> ZoneInfo:
        """Return a time zone that must be there; UTC where it has a problem."""
        from zoneinfo import ZoneInfo

        return self._read(name, _zone, None) or ZoneInfo("UTC")

    def check(self) -> None:
        """Raise the problems of all settings read, if there are any.

        Raises:
            MisconfiguredError: with every problem in its text, and all names in its `setting`.

        """
        if self._problems:
            texts = [f"{name} {problem}" for name, problem in self._problems.items()]
            raise MisconfiguredError(f"settings: {'; '.join(texts)}", setting=", ".join(self._problems))

    def _read(self, name: str, parse: Callable[[str], _Value], otherwise: _Value) -> _Value:
        value = self.optional(name)
        if not value:
            self._problems[name] = "is empty" if name in self._environment else "is missing"
            return otherwise
        try:
            return parse(value)
        except ValueError as error:
            # The parsers here word their errors: they say what is expected and repeat no value.
            self._problems[name] = str(error)
            return otherwise


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("is no URL")
    return value


def _integer(value: str, at_most: int) -> int:
    if not (value.isascii() and value.isdigit()) or int(value) > at_most:
        raise ValueError(f"is no whole number from 0 to {at_most}")
    return int(value)


def _switch(value: str) -> bool:
    if value not in {"true", "false"}:
        raise ValueError("must be true or false")
    return value == "true"


def _zone(value: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(value)
    except (ValueError, KeyError, OSError):
        # `Europe` is a folder of the zone files, and a name with a null byte no path at all.
        raise ValueError("is no time zone of the IANA database") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one kind of function."""

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them; the reader keeps the problems."""
        raise NotImplementedError("each kind of settings reads its own")

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the settings of an environment.

        Raises:
            MisconfiguredError: it names every setting that is missing, empty or malformed.

        """
        reader = SettingsReader(environment)
        settings = cls.read(reader)
        reader.check()
        return settings
