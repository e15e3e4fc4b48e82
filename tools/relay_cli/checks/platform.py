"""Checks of the shop's account at Inveterate: the API key, and the webhook subscription of each topic."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from inveterate.webhooks.topics import ALIASES, TOPICS

from relay_cli.checks.line import CheckLine, ok
from relay_cli.platform import api_key, client_for
from relay_cli.stack import Stack

if TYPE_CHECKING:
    from inveterate import WebhookSubscription

API_KEY: Final = "API key"
SUBSCRIPTIONS: Final = "subscriptions"
_SUBSCRIBE: Final = "`relay subscriptions apply` makes and repairs them"


def check_platform(stack: Stack) -> Iterator[CheckLine]:
    """Yield whether Inveterate takes the API key, and where each topic's webhooks go.

    One read serves both. Without a key the subscriptions cannot be read, and nothing more is said of them.
    """
    from inveterate import BadKeyError

    key = api_key(stack)
    try:
        with client_for(stack, key) as client:
            found = list(client.webhook_subscriptions.list())
    except BadKeyError:
        yield CheckLine(
            API_KEY,
            "bad",
            "Inveterate refuses the API key",
            f"make a new key at Inveterate and store it in the secret {stack.parameters.get('InveterateSecret')}: "
            "docs/operations.md, misconfigured",
        )
        return
    yield ok(API_KEY, "Inveterate takes it")
    base, digests = stack.outputs["CallbackBaseUrl"], stack.parameters["KeyDigests"].split(",")
    yield from subscription_lines(found, base, digests)


def subscription_lines(
    subscriptions: Iterable[WebhookSubscription], base: str, digests: Collection[str]
) -> Iterator[CheckLine]:
    """Yield a line for each topic that does not lead to this stack, or one for all where every topic does.

    No line repeats a URL: it ends in a key.
    """
    found = list(subscriptions)
    ours: Counter[str] = Counter()
    stale: Counter[str] = Counter()
    for one in found:
        topic = ALIASES.get(one.topic or "", one.topic or "")
        if leads_here(one.callback_url, base):
            good = digest_of_key(one.callback_url, base) in digests
            (ours if good else stale)[topic] += 1
    right = sum(1 for topic in TOPICS if ours[topic])
    if not right and not any(stale.values()):
        yield CheckLine(
            SUBSCRIPTIONS, "bad", "no topic leads to the callback URL: no event reaches Relay", _SUBSCRIBE
        )
        return
    wrong = [
        *(_missing(topic, bool(stale[topic])) for topic in TOPICS if not ours[topic]),
        *(_twice(topic, ours[topic]) for topic in TOPICS if ours[topic] > 1),
    ]
    if right == len(TOPICS):
        yield ok(SUBSCRIPTIONS, f"{right} of {len(TOPICS)} topics lead to the callback URL")
    yield from wrong


def leads_here(url: str | None, base: str) -> bool:
    """Return whether a callback URL is the stack's, whatever its key."""
    return bool(url) and str(url).startswith(f"{base}/")


def digest_of_key(url: str | None, base: str) -> str:
    """Return the SHA-256 of the key at the end of a callback URL."""
    key = str(url).removeprefix(f"{base}/").rstrip("/")
    return hashlib.sha256(key.encode()).hexdigest()


def _missing(topic: str, is_stale: bool) -> CheckLine:  # noqa: FBT001 - whether there is one with another key
    name = f"subscription {topic}"
    if is_stale:
        return CheckLine(
            name, "bad", "leads to the callback URL with a key that the stack refuses", _SUBSCRIBE
        )
    return CheckLine(name, "bad", "is missing: its events do not reach Relay", _SUBSCRIBE)


def _twice(topic: str, times: int) -> CheckLine:
    return CheckLine(
        f"subscription {topic}",
        "warning",
        f"leads to the callback URL {times} times: each event is delivered {times} times, which does no harm",
        "delete the others at Inveterate",
    )
