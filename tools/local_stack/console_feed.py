"""What Relay made of each webhook, for the simulator's console: outcome, alerts, contact in the CRM."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from local_stack.crm_diff import compare_crm
from local_stack.duplicates import message_minute, slack_text
from local_stack.observation import (
    DEAD_LETTERS,
    UNCLAIMED,
    Observation,
    decisive_lines,
    no_contact,
    rules_of,
)
from local_stack.observer import Observer

_MAX_AGE: Final = 2.0
"""Seconds for which an answer is reused: each observation takes CPU from the functions on the same machine."""

_OWN_TOPICS: Final = "relay."
_RULE: Final = re.compile(r"^Rule (\S+)$", re.MULTILINE)


@dataclass(slots=True)
class ConsoleFeed:
    """Answers the console from the journal, the CRM and Slack. The CRM is compared only when nothing is in flight."""

    observer: Observer
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _expires: float = 0.0
    _answer: dict[str, Any] = field(default_factory=dict)

    def __call__(self) -> dict[str, Any]:
        """Return `events` by event id, `mismatches` as rows, whether the CRM was `compared`, and the `members` that were."""
        with self._lock:
            if time.monotonic() > self._expires:
                self._answer = self._observe()
                self._expires = time.monotonic() + _MAX_AGE
            return self._answer

    def _observe(self) -> dict[str, Any]:
        # Read before the observation: what is sent during it is in flight.
        in_flight = self.observer.environment.sim.get("state")["open"]
        observed = self.observer.observe()
        messages = [slack_text(message["payload"]) for message in self.observer.slack_messages()]
        queued = any(ids for name, ids in observed.queues.items() if name not in {DEAD_LETTERS, UNCLAIMED})
        idle = not (in_flight or queued)
        answer = {"events": event_results(observed, messages), "compared": idle}
        return answer | (self._comparison() if idle else {"mismatches": [], "members": []})

    def _comparison(self) -> dict[str, list[Any]]:
        truth = self.observer.environment.sim.get("expected_state")["members"]
        found = compare_crm(truth, self.observer.contacts())
        return {
            "mismatches": [asdict(one) for one in found.differences],
            "members": [member["customer_id"] for member in truth],
        }


def event_results(observed: Observation, messages: Sequence[str]) -> dict[str, Any]:
    """Return by event id the outcome, the Slack messages and the contact of each journaled event of the platform.

    The journal has Relay's readings of the API as well: no event of the platform is behind them.
    """
    by_rule = _by_rule_and_customer(messages)
    lines = decisive_lines(observed.journal)
    return {
        id_: _event_result(line, observed, by_rule)
        for id_, line in lines.items()
        if not str(line.get("topic", "")).startswith(_OWN_TOPICS)
    }


def _event_result(
    line: Mapping[str, Any], observed: Observation, by_rule: Mapping[tuple[str, str], list[str]]
) -> dict[str, Any]:
    customer = str(line.get("customer", ""))
    key = f"{line['shop']}:{customer}"
    minute = str(line.get("at", ""))[:16].replace("T", " ")
    alerts = [
        text
        for rule in rules_of(line)
        for text in by_rule.get((rule, customer), ())
        if message_minute(text) == minute
    ]
    crm = f"contact {observed.contacts[key]}" if key in observed.contacts else None
    if crm is None and key in observed.skipped:
        crm = no_contact(observed.skipped[key])
    return {
        "outcome": line["outcome"],
        "alerts": [f"Slack: {text.splitlines()[0]}" for text in alerts],
        "crm": crm,
    }


def _by_rule_and_customer(messages: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Return Slack's messages by the rule and the customer that each of them names."""
    found: dict[tuple[str, str], list[str]] = {}
    for text in messages:
        rule = _RULE.search(text)
        for customer in set(re.findall(r"/customers/(\d+)", text)):
            found.setdefault((rule.group(1) if rule else "", customer), []).append(text)
    return found
