"""What Relay made of each webhook, for the simulator's console: outcome, messages to people, record in the CRM."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from relay_cli.comparing import compare
from relay_cli.counting import plain, when
from relay_cli.judging import DEAD, Seen, telling_lines
from relay_cli.observing import Observer
from relay_cli.reckoning import UNCLAIMED

_FRESH: Final = 2.0
"""Seconds for which an answer serves: each look costs the functions time, which run on the same machine."""

_RULE: Final = re.compile(r"^Rule (\S+)$", re.MULTILINE)


@dataclass(slots=True)
class Pipeline:
    """Looks at the journal, the CRM and Slack, and compares with the truth when nothing is under way."""

    observer: Observer
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _until: float = 0.0
    _last: dict[str, Any] = field(default_factory=dict)

    def __call__(self) -> dict[str, Any]:
        """Answer as `sim.pages.Pipeline` describes."""
        with self._lock:
            if time.monotonic() > self._until:
                self._last = self._look()
                self._until = time.monotonic() + _FRESH
            return self._last

    def _look(self) -> dict[str, Any]:
        sim = self.observer.stage.sim
        # First, for what is sent while we look is under way.
        open_before = sim.get("state")["open"]
        seen = self.observer.look()
        messages = [plain(message["payload"]) for message in self.observer.messages()]
        events = told(seen, messages)
        under_way = any(ids for name, ids in seen.queues.items() if name not in {DEAD, UNCLAIMED})
        calm = not (open_before or under_way)
        return {"events": events, "mismatches": self._mismatches() if calm else [], "compared": calm}

    def _mismatches(self) -> list[dict[str, str]]:
        truth = self.observer.stage.sim.get("expected_state")["members"]
        return [asdict(one) for one in compare(truth, self.observer.contacts()).differences]


def told(seen: Seen, messages: Sequence[str]) -> dict[str, Any]:
    """Return what became of each event that the journal knows."""
    by_rule = _by_rule(messages)
    return {id_: _fate(line, seen, by_rule) for id_, line in telling_lines(seen.journal).items()}


def _fate(
    line: Mapping[str, Any], seen: Seen, by_rule: Mapping[tuple[str, str], list[str]]
) -> dict[str, Any]:
    customer = str(line.get("customer", ""))
    key = f"{line['shop']}:{customer}"
    # A rule may have several effects: a message, a figure, a note.
    rules = dict.fromkeys(effect.removeprefix(f"{line['id']}.") for effect in line.get("effects", ()))
    minute = str(line.get("at", ""))[:16].replace("T", " ")
    alerts = [text for rule in rules for text in by_rule.get((rule, customer), ()) if when(text) == minute]
    crm = f"contact {seen.contacts[key]}" if key in seen.contacts else None
    if crm is None and key in seen.skipped:
        crm = f"skipped: {seen.skipped[key]}"
    return {
        "outcome": line["outcome"],
        "alerts": [f"Slack: {text.splitlines()[0]}" for text in alerts],
        "crm": crm,
    }


def _by_rule(messages: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Arrange Slack's messages by the rule and the customer that each of them names."""
    found: dict[tuple[str, str], list[str]] = {}
    for text in messages:
        rule = _RULE.search(text)
        for customer in set(re.findall(r"/customers/(\d+)", text)):
            found.setdefault((rule.group(1) if rule else "", customer), []).append(text)
    return found
