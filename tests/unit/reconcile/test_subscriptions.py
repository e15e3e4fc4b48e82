"""What the platform holds, compared with the 15 topics and the stack's URL."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from inveterate.webhooks.topics import ALIASES, TOPICS
from relay.ports.inveterate import PlatformSubscription
from relay.reconcile.subscriptions import CHANGED, GONE, OLD_KEY, Callback, problems

BASE = "https://api.example.com/webhooks"
CALLBACK = Callback(
    name="relay acme",
    base_url=BASE,
    key_digests=frozenset(hashlib.sha256(key).hexdigest() for key in (b"old", b"new")),
)


def subscription(topic: str, url: str = f"{BASE}/new", name: str = "relay acme") -> PlatformSubscription:
    """Return a subscription as the platform lists it."""
    return PlatformSubscription(topic=topic, name=name, callback_url=url)


WHOLE = [subscription(topic) for topic in TOPICS]


def test_nothing_is_wrong() -> None:
    """During a rotation either key counts; a topic may have its other name, and the name may be another."""
    assert problems(WHOLE, CALLBACK) == {}
    assert problems([replace(one, callback_url=f"{BASE}/old") for one in WHOLE], CALLBACK) == {}
    assert problems([replace(one, name="set up by hand") for one in WHOLE], CALLBACK) == {}
    [(alias, topic), *_] = ALIASES.items()
    others = [one for one in WHOLE if one.topic != topic]
    assert problems([*others, subscription(alias)], CALLBACK) == {}


@pytest.mark.parametrize(
    ("instead", "problem"),
    [
        ([], GONE),
        ([subscription(TOPICS[3], "https://api.example.com/other/new")], CHANGED),
        ([subscription(TOPICS[3], f"{BASE}/forged")], OLD_KEY),
        ([subscription(TOPICS[3], BASE)], CHANGED),
        ([subscription(TOPICS[3], "")], CHANGED),
        ([subscription(TOPICS[3], "https://elsewhere.example.com", name="another")], GONE),
        (
            [subscription(TOPICS[3], f"{BASE}/x"), subscription(TOPICS[3], "https://a.example.com/new")],
            OLD_KEY,
        ),
        ([subscription(TOPICS[3], f"{BASE}/x"), subscription(TOPICS[3])], None),
    ],
)
def test_one_that_is_gone_or_changed_is_named(
    instead: list[PlatformSubscription], problem: str | None
) -> None:
    """Each topic by itself."""
    listed = [one for one in WHOLE if one.topic != TOPICS[3]] + instead
    assert problems(listed, CALLBACK) == ({TOPICS[3]: problem} if problem else {})
