"""The receiver's settings, apart from those of other functions: its zip holds and loads no others.

Standard library only: the receiver imports it at every cold start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from relay.errors import MisconfiguredError
from relay.topics import FOLDERS, UNCLAIMED, queue_variable
from relay.wiring.environment import Settings, SettingsReader


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings(Settings):
    """`queues` are URLs by queue name. One that is missing concerns its own topic only, so it is no problem here."""

    shop: str
    key_digests: tuple[str, ...]
    token_digests: tuple[str, ...]
    token_header: str
    queues: Mapping[str, str]

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        names = (*FOLDERS.values(), UNCLAIMED)
        reader.text("KEY_DIGESTS")
        return cls(
            shop=reader.text("SHOP_DOMAIN"),
            key_digests=_digests(reader, "KEY_DIGESTS"),
            token_digests=_digests(reader, "TOKEN_DIGESTS"),
            token_header=reader.optional("TOKEN_HEADER"),
            queues={name: url for name in names if (url := reader.optional(queue_variable(name)))},
        )

    def queue(self, name: str) -> str:
        """Return the URL of the queue called `name`.

        Raises:
            MisconfiguredError: it is not set.

        """
        if name not in self.queues:
            variable = queue_variable(name)
            raise MisconfiguredError(f"settings: {variable} is missing", setting=variable)
        return self.queues[name]


def _digests(reader: SettingsReader, name: str) -> tuple[str, ...]:
    return tuple(digest.lower() for digest in reader.words(name, ","))
