"""What today's service is known not to keep: each fault by name, with the violations that it causes.

A violation that one of these explains fails no test over the histories. Each has a shrunk history in `known_faults/`,
and a test that is expected to fail on it: mended, the fault turns that test red, and its line here goes. The oddities
in `NOT_HANDLED` are drawn in no history of the tests until their own line goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.judge.case import Violation
from tests.judge.oddities import ALL

FOLDER = Path(__file__).parent / "known_faults"
# The sample of `NOT_HANDLED` in `known_faults/` begins with this.
ODDITY = "oddity_"


@dataclass(frozen=True, slots=True)
class KnownFault:
    """One fault: the properties that it violates, a pattern of what the violation is about, and the rule it breaks."""

    name: str
    properties: frozenset[str]
    about: str
    rule: str

    def explains(self, violation: Violation) -> bool:
        """Tell whether the fault can cause the violation."""
        return violation.name in self.properties and bool(re.search(self.about, violation.about))


KNOWN: tuple[KnownFault, ...] = ()

NOT_HANDLED = frozenset[str]()
HANDLED = ALL - NOT_HANDLED


def explanation(violation: Violation) -> str | None:
    """Return the name of the known fault that explains a violation; None where it is new."""
    return next((fault.name for fault in KNOWN if fault.explains(violation)), None)
