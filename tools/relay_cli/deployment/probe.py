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
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx
from relay.topics import FOLDERS, PROBE_TOPIC

from relay_cli.output import Progress
from relay_cli.secrets import read_secret
from relay_cli.stack import Stack

_ACCEPTED: Final = 202
_TRIES: Final = 4
_SECONDS_BETWEEN_LOOKS: Final = 2.0
_LOOKS_BEFORE_ANOTHER: Final = 30
"""After how many looks a topic that is still missing gets another probe."""
_CLOCKS_APART: Final = timedelta(minutes=15)


@dataclass(slots=True)
class ProbeResult:
    """The topics whose probe is in the journal, those whose probe was accepted and is not, and refusals by topic."""

    seen: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every probe arrived."""
        return bool(self.seen) and not self.missing and not self.refused

    def sentence(self) -> str:
        """Return what is missing, in words, and the topics of each reason together."""
        if self.complete:
            return f"all {len(self.seen)} topics arrive in the journal"
        by_reason: dict[str, list[str]] = {}
        for topic, reason in sorted(self.refused.items()):
            by_reason.setdefault(reason, []).append(topic)
        if self.missing:
            by_reason["accepted, and not in the journal"] = sorted(self.missing)
        return "; ".join(f"{reason}: {', '.join(topics)}" for reason, topics in by_reason.items())


@dataclass(frozen=True)
class Prober:
    """Posts a probe for each topic to the callback URL (with its key) and waits for them.

    `journaled` returns the ids of the probes that have been journaled since a time. The wait is longer than the time for
    which a queue hides a message whose function timed out or was throttled.
    """

    callback: str
    shop: str
    journaled: Callable[[datetime], Iterable[str]]
    seconds: float = 300.0
    post: Callable[..., httpx.Response] = httpx.post
    sleep: Callable[[float], None] = time.sleep
    token: str = ""

    def run(self, report: Progress, topics: Iterable[str] = tuple(FOLDERS)) -> ProbeResult:
        """Probe these topics; return which arrived.

        What is refused is posted again in rounds, so that an outage of seconds, or an environment with the settings
        before, is sat out once and not for every topic.
        """
        # The log has AWS's time, and this machine's clock may be as wrong as AWS's signatures allow.
        began, result = datetime.now(UTC) - _CLOCKS_APART, ProbeResult()
        waiting: dict[str, str] = {}
        left = list(topics)
        for tried in range(_TRIES):
            if not left:
                break
            if tried:
                self.sleep(2.0**tried)
            result.refused = {}
            for topic in left:
                probe_id, reason = self._posted(topic)
                if probe_id:
                    waiting[probe_id] = topic
                else:
                    result.refused[topic] = reason
            left = list(result.refused)
        if not left:
            self._wait(waiting, result, began, report)
            result.missing = set(waiting.values()) - result.seen
        return result

    def _wait(self, waiting: dict[str, str], result: ProbeResult, began: datetime, report: Progress) -> None:
        """Look into the journal until a probe of every topic is there, or time is up.

        A queue hides a message for minutes where its function timed out or was throttled, as the first of a new stack may be.
        So what is missing after a minute is probed once more: a queue that works shows it with the next message.
        """
        topics, until = set(waiting.values()), time.monotonic() + self.seconds
        looks = 0
        while time.monotonic() < until:
            result.seen |= {waiting[one] for one in self.journaled(began) if one in waiting}
            report(len(result.seen), len(topics))
            if not (missing := topics - result.seen):
                break
            self.sleep(_SECONDS_BETWEEN_LOOKS)
            looks += 1
            if looks % _LOOKS_BEFORE_ANOTHER == 0:
                waiting |= {probe_id: topic for topic in missing if (probe_id := self._posted(topic)[0])}

    def _posted(self, topic: str) -> tuple[str, str]:
        """Post one probe; return the id that the receiver gave it, or why it has none."""
        url, host = _connectable(self.callback)
        try:
            response = self.post(
                url,
                content=json.dumps(self._body(topic)),
                headers={"content-type": "application/json", **host},
                timeout=30.0,
            )
        except httpx.HTTPError as error:
            # The error's text holds the URL, and the URL ends in the key.
            return "", type(error).__name__
        if response.status_code != _ACCEPTED:
            return "", f"HTTP {response.status_code}"
        try:
            return str(response.json()["id"]), ""
        except (ValueError, KeyError, TypeError):
            return "", "an answer that is not the receiver's"

    def _body(self, topic: str) -> dict[str, Any]:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            **({"token": self.token} if self.token else {}),
            "metadata": {"topic": PROBE_TOPIC, "shopDomain": self.shop, "triggerredAt": at},
            "payload": {"queue": FOLDERS[topic], "topic": topic, "at": at},
        }


def _connectable(url: str) -> tuple[str, dict[str, str]]:
    """Return the URL to connect to, and the Host header where it differs: `*.localhost` is this machine (RFC 6761).

    A local AWS names its APIs so, and not every resolver knows it.
    """
    parts = urlsplit(url)
    if not (parts.hostname or "").endswith(".localhost"):
        return url, {}
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=f"127.0.0.1{port}")), {"host": parts.netloc}


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


def webhook_token(stack: Stack) -> str:
    """Return the token that a stack with TokenDigests demands of each delivery; empty where it demands none."""
    if not stack.parameters.get("TokenDigests"):
        return ""
    return read_secret("token that Inveterate sends", "RELAY_WEBHOOK_TOKEN")
