"""The stage as the end-to-end tests see it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from local_stack.environment import LocalEnvironment
from local_stack.observation import Observation
from local_stack.observer import Observer
from local_stack.verdict_samples import SamplesVerdict

_LONGEST = 60.0


@dataclass(frozen=True, slots=True)
class Played:
    """A stage on which the samples were played."""

    stage: LocalEnvironment
    observer: Observer
    verdict: SamplesVerdict

    def observe(self) -> Observation:
        """Return what there is now."""
        return self.observer.observe()

    def wait(self, enough: Callable[[Observation], object]) -> Observation:
        """Observe until it is enough, for at most a minute; return the last observation."""
        until = time.monotonic() + _LONGEST
        while not enough(seen := self.observe()) and time.monotonic() < until:
            time.sleep(0.5)
        return seen

    @staticmethod
    def outcomes(seen: Observation, event_id: str) -> list[str]:
        """Return the outcomes that the journal has of an event."""
        return sorted(line["outcome"] for line in seen.journal if line["id"] == event_id)
