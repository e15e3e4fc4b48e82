"""What can be observed of Relay at one moment, as a value: queues, journal, members, CRM, alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

DEAD_LETTERS: Final = "dead-letters"
UNCLAIMED: Final = "unclaimed"

_OUTCOMES: Final = ("applied", "stale", "ignored", "probe", "unclaimed", "dead", "repeat")
"""The first of these outcomes in the lines of one event is the event's outcome."""

_REASONS: Final = {"no_email": "no e-mail address"}
"""What a shop calls the reason; any other is shown as it is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The state of a deployed stack at one moment.

    `queues` has event ids by queue; `journal` the lines; `members` the keys in the table; `contacts` the CRM's
    record id by member key; `skipped` the reason by member key, for members without a contact; `openings` the
    number of Slack messages that open an incident; `emails` the number of e-mails.
    """

    queues: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    journal: tuple[Mapping[str, Any], ...] = ()
    members: frozenset[str] = frozenset()
    contacts: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    openings: int = 0
    emails: int = 0

    def waiting(self) -> int:
        """Return the number of messages in all queues but the dead letters, which only an operator takes."""
        return sum(len(ids) for name, ids in self.queues.items() if name != DEAD_LETTERS)


def decisive_lines(journal: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return by event id the line with the event's outcome: the line of a repeat may be journaled first."""
    best: dict[str, Mapping[str, Any]] = {}
    for line in sorted(journal, key=lambda line: _rank(line["outcome"])):
        best.setdefault(line["id"], line)
    return best


def rules_of(line: Mapping[str, Any]) -> list[str]:
    """Return the rules whose effects an event's line has, each once.

    An effect's id is the event's id or a note's key, then a dot and the rule's id.
    """
    event_id = f"{line['id']}."
    rules = (
        effect.removeprefix(event_id) if effect.startswith(event_id) else effect.partition(".")[2]
        for effect in line.get("effects", ())
    )
    return list(dict.fromkeys(rules))


def no_contact(reason: str) -> str:
    """Return in words why the CRM has no contact of a member."""
    return f"no contact: {_REASONS.get(reason, reason.replace('_', ' '))}"


def _rank(outcome: str) -> int:
    return _OUTCOMES.index(outcome) if outcome in _OUTCOMES else len(_OUTCOMES)
