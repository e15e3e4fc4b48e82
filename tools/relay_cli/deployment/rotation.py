"""Rotates the callback key of a stack. Each run goes on where the one before ended, so it can be stopped anywhere.

    one key ──► the next key is stored ──► both are valid ──► each topic takes a probe with it ──► the subscriptions move
                                                                                                   │
    one key ◄── the old digest is taken out ◄── every subscription is read back, and ◄─────────────┘
                                                no delivery bore the old key for 3 days (or --now)

The old digest stays the first of KeyDigests, and the new one is the last. So a log line of the receiver with `key` 1 is
a delivery with the old key, before the rotation as well as during it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from inveterate import Client, InveterateError
from inveterate.webhooks.topics import TOPICS, topic_named
from relay.topics import PROBE_TOPICS

from relay_cli.callback_key import digest, new_key, parameter_name, store_key, stored, stored_key
from relay_cli.deployment import change_set
from relay_cli.deployment.changes import ParameterChange, request_parameters
from relay_cli.deployment.rollout import Version, probe, say
from relay_cli.errors import ATTENTION, DONE, CliError
from relay_cli.output import progress
from relay_cli.prompts import confirm
from relay_cli.stack import Stack

QUIET: Final = timedelta(days=3)
"""As long as a webhook is tried again, at most: later no delivery can bear the old key."""

_READINGS: Final = 10
_SECONDS_BETWEEN_READINGS: Final = 3.0
_BEARING_THE_OLD: Final = '{ $.message = "accepted" && $.key = 1 }'


@dataclass(frozen=True, slots=True)
class RotationResult:
    """Where a rotation stands."""

    state: Literal["waiting", "done"]
    text: str

    @property
    def exit_code(self) -> int:
        """3 while the old key is still valid."""
        return DONE if self.state == "done" else ATTENTION


@dataclass(frozen=True, slots=True)
class Rotation:
    """One run. `clock` is the present time."""

    stack: Stack
    now: bool = False
    yes: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> RotationResult:
        """Go as far as it can be gone; return where it stands.

        Raises:
            CliError: the person declined, the new key is not accepted, or a subscription did not move.

        """
        key, next_key, digests = stored_key(self.stack), stored(self.stack, self._next), self._digests
        moved = next_key is None and key is not None and len(digests) > 1 and digests[-1] == digest(key)
        if not moved:
            self._move(next_key)
        return self._retire()

    @property
    def _next(self) -> str:
        return f"{parameter_name(self.stack.name)}-next"

    @property
    def _digests(self) -> list[str]:
        return self.stack.parameters["KeyDigests"].split(",")

    def _move(self, next_key: str | None) -> None:
        """Make both keys valid, and move the subscriptions to the new one."""
        digests = self._digests
        if len(digests) > 1 and (next_key is None or digest(next_key) not in digests):
            raise CliError(
                f"{self.stack.name} accepts {len(digests)} keys already, and SSM has not the newest",
                "set KeyDigests to the digest of the key in use (`relay set`), then rotate",
            )
        if not self.yes:
            confirm(f"Give {self.stack.name} a second callback key, and move its subscriptions to it?")
        if next_key is None:
            next_key = new_key()
            store_key(self.stack, next_key, name=self._next)
        stack = self.stack
        if digest(next_key) not in digests:
            say("both keys become valid …")
            stack = self._set_digests([*digests, digest(next_key)])
        result = probe(stack, next_key)
        say(result.sentence())
        if not result.complete:
            raise CliError(
                "the new key does not reach every topic: no subscription was moved",
                "both keys are valid; run `relay keys rotate` again",
            )
        self._subscribe(next_key)
        # From here on the new key is the stack's: its parameter's date says when the subscriptions moved.
        store_key(self.stack, next_key)
        self.stack.client("ssm").delete_parameter(Name=self._next)

    def _subscribe(self, key: str) -> None:
        from relay_cli import subscriptions

        done = subscriptions.apply(self.stack, self._url(key))
        if done.failed:
            raise CliError(
                f"{', '.join(done.failed)} could not be moved to the new URL",
                "both keys are valid, and nothing is refused; run `relay keys rotate` again",
            )
        say(done.sentence)

    def _url(self, key: str) -> str:
        return f"{self.stack.output('CallbackBaseUrl')}/{key}"

    def _retire(self) -> RotationResult:
        """Take the old key out, unless something may still bear it."""
        fresh = Stack(self.stack.name, self.stack.access)
        key = stored_key(fresh) or ""
        if elsewhere := self._read_back(key):
            return RotationResult(
                "waiting",
                f"both keys stay valid: the subscriptions of {', '.join(elsewhere)} are not read back at the new URL; "
                "run `relay subscriptions apply`, which removes a second one of that name, and then this again",
            )
        if not self.now and (reason := self._still_needed(fresh)):
            return RotationResult("waiting", f"both keys are valid: {reason}")
        if not self.yes:
            confirm(f"Retire the old callback key of {self.stack.name}?")
        say("the old key is retired …")
        self._set_digests([digest(key)], fresh)
        return RotationResult("done", f"{self.stack.name} accepts the new key alone.")

    def _read_back(self, key: str) -> list[str]:
        """Return the topics that are not read back at the new URL; the list may lag behind a change."""
        for _ in range(_READINGS):
            if not (elsewhere := self._not_at(key)):
                break
            self.sleep(_SECONDS_BETWEEN_READINGS)
        return elsewhere

    def _not_at(self, key: str) -> list[str]:
        """Return the topics of which no subscription of ours leads to this key's URL, or one leads elsewhere."""
        from relay_cli.platform import api_key
        from relay_cli.subscriptions import subscription_name

        try:
            with Client(
                api_key(self.stack, ask=True), base_url=self.stack.parameters["InveterateUrl"]
            ) as client:
                listed = list(client.webhook_subscriptions.list())
        except InveterateError as error:
            raise CliError(
                f"the subscriptions cannot be read back: {type(error).__name__}", "run the command again"
            ) from None
        ours = [one for one in listed if one.name == subscription_name(self.stack)]
        places: dict[str, set[str | None]] = {}
        for one in ours:
            places.setdefault(topic_named(one.topic or "") or "", set()).add(one.callback_url)
        return [topic for topic in TOPICS if places.get(topic) != {self._url(key)}]

    def _still_needed(self, stack: Stack) -> str:
        """Return why the old key cannot be retired yet; empty where it can."""
        found = stack.client("ssm").get_parameter(Name=parameter_name(stack.name), WithDecryption=False)
        moved: datetime = found["Parameter"]["LastModifiedDate"]
        until = moved + QUIET
        if self.clock() < until:
            return f"run `relay keys rotate` again after {until:%Y-%m-%d %H:%M %Z}"
        if last := self._last_with_the_old_key(stack):
            return (
                f"a delivery bore the old one at {last:%Y-%m-%d %H:%M %Z}; run `relay keys rotate` again after "
                f"{last + QUIET:%Y-%m-%d %H:%M %Z}, or with --now"
            )
        return ""

    def _last_with_the_old_key(self, stack: Stack) -> datetime | None:
        """Return when the newest delivery with the first key of KeyDigests came, in the last three days."""
        since = int((self.clock() - QUIET).timestamp() * 1000)
        pages = stack.client("logs").get_paginator("filter_log_events")
        newest: int | None = None
        with progress("reading the receiver's log") as step:
            seen = 0
            for page in pages.paginate(
                logGroupName=stack.output("LogGroup"), startTime=since, filterPattern=_BEARING_THE_OLD
            ):
                for event in page["events"]:
                    seen += 1
                    if _bears_the_old(event["message"]):
                        newest = max(newest or 0, event["timestamp"])
                step(seen)
        return None if newest is None else datetime.fromtimestamp(newest / 1000, UTC)

    def _set_digests(self, digests: list[str], stack: Stack | None = None) -> Stack:
        """Deploy these digests, and nothing else."""
        stack = stack or self.stack
        known = Version.of(stack).known
        change = ParameterChange("KeyDigests", stack.parameters["KeyDigests"], ",".join(digests))
        made = change_set.make(
            stack, None, request_parameters([change], stack.parameters, known), change_set.Watch()
        )
        if made is None:
            return stack
        with progress(f"deploying {stack.name}") as step:
            return change_set.execute(made, step)


def _bears_the_old(line: str) -> bool:
    """Return whether a log line is a delivery with the old key: probes are our own."""
    try:
        content = json.loads(line)
    except ValueError:
        return False
    return (
        isinstance(content, dict)
        and content.get("message") == "accepted"
        and content.get("key") == 1
        and content.get("topic") not in PROBE_TOPICS
    )
