"""Probes every topic through the public URL and waits until each probe is in the journal.

A probe is a delivery of the reserved topic `relay.probe`: the receiver puts it into the queue that it names, that
queue's function journals it, and it does nothing else. It counts in no figure. The function logs the outcome `probe`
once the journal has taken the line, so the log says within seconds what the journal's files show after minutes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from relay.topics import FOLDERS, PROBE_TOPIC

from relay_cli.output import Progress
from relay_cli.stack import Stack

_ACCEPTED: Final = 202
_TRIES: Final = 4
_SECONDS_BETWEEN_LOOKS: Final = 2.0


@dataclass(slots=True)
class ProbeResult:
    """The topics whose probe is in the journal, those whose probe was accepted and is not, and refusals by topic."""

    seen: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every probe arrived."""
        return not self.missing and not self.refused

    def sentence(self) -> str:
        """Return what is missing, in words."""
        parts = [f"{topic}: {reason}" for topic, reason in sorted(self.refused.items())]
        parts += [f"{topic}: accepted, and not in the journal" for topic in sorted(self.missing)]
        return "; ".join(parts) or f"all {len(self.seen)} topics arrive in the journal"


@dataclass(frozen=True)
class Prober:
    """Posts a probe for each topic to the callback URL (with its key) and waits for them.

    `journaled` returns the ids of the probes that have been journaled since a time.
    """

    callback: str
    shop: str
    journaled: Callable[[datetime], Iterable[str]]
    seconds: float = 120.0
    post: Callable[..., httpx.Response] = httpx.post
    sleep: Callable[[float], None] = time.sleep

    def run(self, report: Progress, topics: Iterable[str] = tuple(FOLDERS)) -> ProbeResult:
        """Probe these topics; return which arrived."""
        began, result = datetime.now(UTC), ProbeResult()
        waiting: dict[str, str] = {}
        for topic in topics:
            answer = self._posted(topic)
            if isinstance(answer, str):
                result.refused[topic] = answer
            else:
                waiting[str(answer["id"])] = topic
        total, until = len(waiting), time.monotonic() + self.seconds
        while waiting and time.monotonic() < until:
            for probe_id in self.journaled(began):
                if topic := waiting.pop(probe_id, ""):
                    result.seen.add(topic)
            report(len(result.seen), total)
            if waiting:
                self.sleep(_SECONDS_BETWEEN_LOOKS)
        result.missing = set(waiting.values())
        return result

    def _posted(self, topic: str) -> dict[str, Any] | str:
        """Return the receiver's answer to one probe, or why there is none; an outage of seconds is sat out."""
        reason = ""
        for tried in range(_TRIES):
            if tried:
                self.sleep(2.0**tried)
            try:
                response = self.post(
                    self.callback,
                    content=json.dumps(self._body(topic)),
                    headers={"content-type": "application/json"},
                    timeout=30.0,
                )
            except httpx.HTTPError as error:
                # The error's text holds the URL, and the URL ends in the key.
                reason = type(error).__name__
                continue
            if response.status_code == _ACCEPTED:
                answer: dict[str, Any] = response.json()
                return answer
            reason = f"HTTP {response.status_code}"
            if response.status_code < 500:  # noqa: PLR2004 - a refusal of this request, and no outage
                return reason
        return reason

    def _body(self, topic: str) -> dict[str, Any]:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "metadata": {"topic": PROBE_TOPIC, "shopDomain": self.shop, "triggerredAt": at},
            "payload": {"queue": FOLDERS[topic], "topic": topic, "at": at},
        }


def journaled_probes(stack: Stack) -> Callable[[datetime], Iterable[str]]:
    """Return what reads the ids of journaled probes from the stack's log."""
    logs, group = stack.client("logs"), stack.output("LogGroup")

    def read(since: datetime) -> Iterable[str]:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=int(since.timestamp() * 1000), filterPattern='"probe"'
        )
        for page in pages:
            for event in page["events"]:
                try:
                    line = json.loads(event["message"])
                except ValueError:
                    continue
                if isinstance(line, dict) and line.get("message") == "probe":
                    yield str(line.get("event_id"))

    return read
