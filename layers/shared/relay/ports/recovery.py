"""The port of a recovery after a restore of the members table: how far it is, so that the command goes on where it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One recovery. `since` is the moment to which the table was restored, None where the whole journal is read.

    `erased_at` is when the journal's erasures were all applied; `run_id` is the run that compares the members with the
    platform from then on, and `compared` whether it has ended; `audited` are the CRMs that were compared with the table.
    """

    began: datetime
    since: datetime | None = None
    erased_at: datetime | None = None
    run_id: str = ""
    compared: bool = False
    audited: tuple[str, ...] = ()
    ended: datetime | None = None
    version: int = 0


class RecoveryStore(Protocol):
    """Where the latest recovery is kept."""

    def load(self) -> Recovery | None:
        """Return it as of the latest write; None where there never was one. Raises `TransientError`."""
        ...

    def save(self, recovery: Recovery) -> Recovery:
        """Write it as version + 1, and return it so.

        Raises:
            ConflictError: another command wrote first.
            TransientError: the table does not answer.

        """
        ...
