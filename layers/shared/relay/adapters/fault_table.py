"""Says whose fault an answer is: one table of codes for each provider, each row with the page that says so.

later       not now: a limit, a lock, an outage; the message is deferred
waits       a lasting answer that a person can mend, or an unknown one: the member waits and is tried again
member      this member's own fault, whatever is done about the others: refused
setting     a setting of the stack, by its name
definition  what Relay defines in the CRM is missing there or differs, and no member is at fault

A code that is in no table waits: no member is refused for ever because of an answer that is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from relay.ports.crm import CrmOutcome

Blame: TypeAlias = Literal["later", "waits", "member", "setting", "definition"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: what an answer blames, and where that is written.

    `setting` is the stack's parameter, or what to look at in the CRM; empty, it is the credential. `wait` is in seconds,
    where the answer names none. `one_record` marks a code that one record of a call can cause for all of them.
    """

    blames: Blame
    source: str
    setting: str = ""
    wait: float | None = None
    one_record: bool = False

    def outcome(self, reason: str, *, asked: float | None = None, member_only: bool = False) -> CrmOutcome:
        """Return the outcome of a member with this answer; `asked` is the wait that the answer names."""
        match self.blames:
            case "later":
                wait = self.wait if asked is None else asked
                return CrmOutcome(state="retry", reason=reason, retry_after=wait, member_only=member_only)
            case "member":
                return CrmOutcome(state="refused", reason=reason)
            case "setting":
                return CrmOutcome(state="unauthorised", reason=reason, setting=self.setting)
            case _:
                return CrmOutcome(state="waiting", reason=reason, setting=self.setting)


FaultTable: TypeAlias = Mapping[str, Fault]
"""Rows by the provider's code in lower case; `http_404` is a status."""

UNKNOWN: Final = Fault("waits", "no row: an answer that is not known")

MOST_HALVINGS: Final = 4
"""How often the calls of one batch are halved, to find the record at fault: what is left waits for its next try."""


def fault_of(table: FaultTable, codes: Iterable[str]) -> Fault:
    """Return the row of the first of these codes that the table knows."""
    return next((table[code.lower()] for code in codes if code.lower() in table), UNKNOWN)


def deletion_refused(outcome: CrmOutcome) -> CrmOutcome:
    """Return the outcome of an erased member whose contact was not deleted.

    A credential without the right to delete stops no other member: this one waits, by name, with its contact empty.
    """
    return replace(outcome, state="waiting", setting="") if outcome.state == "unauthorised" else outcome
