"""Compares the webhook subscriptions that the platform holds with the 15 topics and this stack's callback URL, once a day.

A subscription that is gone or leads elsewhere is the one fault that no webhook can tell. `reconcile` holds the API key and
not the callback key: a URL is the stack's where it begins with the callback's address and the SHA-256 of its last part
is one that the receiver accepts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from inveterate.webhooks.topics import ALIASES, TOPICS

from relay.errors import ConflictError
from relay.ports.inveterate import PlatformSubscription, SubscriptionList
from relay.ports.messaging import MessageSender
from relay.ports.runtime import Telemetry
from relay.ports.subscriptions import SubscriptionStore
from relay.reconcile.api_facts import TOPIC
from relay.reconcile.programme_alerts import send_alert, subscription_alert

GONE: Final = "is gone"
CHANGED: Final = "leads elsewhere"
OLD_KEY: Final = "has a key that the stack does not accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """The stack's callback: the name of its subscriptions, the URL without key, and the digests of the keys valid now."""

    name: str
    base_url: str
    key_digests: frozenset[str]

    def problem(self, url: str) -> str | None:
        """Return what is wrong with a subscription's URL; None where its webhooks reach the stack."""
        base, _, key = url.strip().rpartition("/")
        if base.rstrip("/").lower() != self.base_url.rstrip("/").lower():
            return CHANGED
        digest = hashlib.sha256(key.encode()).hexdigest()
        return None if digest in self.key_digests else OLD_KEY


def canonical(topic: str) -> str:
    """Return the name by which Relay knows a topic: the documentation gives one topic two."""
    return ALIASES.get(topic, topic)


def problems(
    listed: Sequence[PlatformSubscription], callback: Callback, topics: Iterable[str] = TOPICS
) -> dict[str, str]:
    """Return what is wrong, by topic: nothing where any subscription leads to the stack, whatever its name.

    A subscription that is ours by its name says what is wrong; without one the topic's is gone.
    """
    found: dict[str, str] = {}
    for topic in topics:
        of_topic = [one for one in listed if canonical(one.topic) == topic]
        if any(callback.problem(one.callback_url) is None for one in of_topic):
            continue
        ours = [callback.problem(one.callback_url) for one in of_topic if one.name == callback.name]
        # A key that the stack has accepted once says more than another address.
        said = [problem for problem in ours if problem]
        found[topic] = OLD_KEY if OLD_KEY in said else said[0] if said else GONE
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCheck:
    """The daily look. It begins once subscriptions were seen to lead to the stack: a stack in set-up has none."""

    shop: str
    api: SubscriptionList
    callback: Callback
    states: SubscriptionStore
    alerts: MessageSender
    telemetry: Telemetry

    def tick(self, at: datetime) -> None:
        """Look once on each day, by the tick's time, and tell what changed since the last look.

        Raises:
            MisconfiguredError: the API key is wrong.
            TransientError: not now; the next tick looks again.

        """
        state = self.states.load()
        if state.day is not None and state.day >= at.date():
            return
        now_wrong = problems(self.api.subscriptions(), self.callback)
        if state.day is None and len(now_wrong) == len(TOPICS):
            return
        for topic, problem in _news(state.wrong, now_wrong).items():
            send_alert(self.alerts, subscription_alert(self.shop, topic, problem, at=at))
        try:
            self.states.save(replace(state, day=at.date(), wrong=now_wrong))
        except ConflictError:
            return
        self.telemetry.outcome(
            "subscriptions_checked", event_id=None, topic=TOPIC, wrong=sorted(now_wrong), number=len(TOPICS)
        )


def _news(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str | None]:
    """Return what to tell by topic: a new problem, or None where one is over."""
    told: dict[str, str | None] = {topic: problem for topic, problem in now.items() if topic not in before}
    return told | {topic: None for topic in before if topic not in now}
