"""One play to be judged, and one thing in it that is not as it must be."""

from __future__ import annotations

from dataclasses import dataclass

from tests.judge.adversary import as_happened
from tests.judge.answer import Answer
from tests.judge.history import History
from tests.judge.messages import Expected
from tests.judge.observed import Observed


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One thing that is not as it must be: the property's name, what it is about, and what was found."""

    name: str
    about: str
    found: str

    def __str__(self) -> str:
        return f"{self.name}: {self.about}: {self.found}"


@dataclass(frozen=True, slots=True)
class Case:
    """A play to be judged: the history, what it must lead to, and what was observed."""

    history: History
    answers: dict[str, Answer]
    expected: Expected
    observed: Observed

    @property
    def in_order(self) -> bool:
        """Whether the events arrived as they happened, each delivery once; faults may have struck the work on them."""
        return self.observed.plan.arrivals == as_happened(self.history).arrivals
