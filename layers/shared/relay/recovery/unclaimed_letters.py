"""Places the deliveries of `unclaimed` on request: each is routed again as of now, by the rules of the clock's own attempt."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from relay.ingest.unclaimed import UnclaimedDrain, destination
from relay.recovery.dead_letters import LetterBox, LetterResult
from relay.recovery.letters import Letter, LetterFilter

NO_QUEUE: Final = "no_queue"
"""Why a delivery stays: no version of its topic is known, or it is another shop's. A newer version may place it."""


@dataclass(slots=True)
class PlaceResult(LetterResult):
    """What placing did, and how many deliveries go to each topic's queue."""

    queues: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclaimed(LetterBox):
    """The queue `unclaimed` of one stack. `drain` places one delivery, with its line in the journal first."""

    drain: UnclaimedDrain

    def place(self, chosen: LetterFilter, *, limit: int | None = None, dry_run: bool = False) -> PlaceResult:
        """Send the chosen deliveries to their topics' queues; those without one stay."""
        result = PlaceResult()
        with self.held() as held:
            for batch in self._chosen(held, chosen, limit, result, self._refusal):
                for letter in batch:
                    found = destination(self.shop, letter.message)
                    result.queues[found[0] if found else ""] += 1
                    if dry_run:
                        continue
                    is_placed = self.drain.place_again(letter.message) == "placed"
                    result.done += is_placed
                    result.failed += not is_placed
                self.report(result.done)
        return result

    def _refusal(self, letter: Letter) -> str | None:
        found = destination(self.shop, letter.message)
        return None if found and found[0] in self.drain.topics else NO_QUEUE
