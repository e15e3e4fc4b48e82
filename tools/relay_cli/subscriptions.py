"""The webhook subscriptions of a stack at the platform: what there is, what should be, and the steps between.

Ours are those named `relay <stack>`; others are never changed. `plan` is pure; `apply` and `destroy` do what it says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from inveterate import (
    AmbiguousWriteError,
    BadKeyError,
    BadRequestError,
    Client,
    ConflictError,
    InveterateError,
    RefusedLocallyError,
)
from inveterate.webhooks.topics import ALIASES, TOPICS

from relay_cli.callback_key import callback_key
from relay_cli.errors import CliError
from relay_cli.platform import api_key

if TYPE_CHECKING:
    from inveterate import WebhookSubscription

    from relay_cli.stack import Stack


@dataclass(frozen=True)
class Change:
    """What is to be done about one topic: `keep`, `create`, `update`, or `remove` of `surplus`, and other apps there."""

    topic: str
    action: str
    surplus: tuple[WebhookSubscription, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Applied:
    """The outcome for each topic. `failed` has the reason by topic, `tokens` the digests of the tokens that were told."""

    name: str
    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    tokens: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """Say in one line how many were created, moved to another URL, kept and removed."""
        named = {
            "created": self.created,
            "moved": self.updated,
            "kept as they are": self.kept,
            "removed": self.removed,
        }
        counts = [f"{len(topics)} {what}" for what, topics in named.items() if topics]
        return f"webhooks: {', '.join(counts) or 'none'}"


@dataclass(frozen=True)
class Desired:
    """What the subscriptions of a stack should be, and the key by which they are changed."""

    name: str
    callback_url: str = field(repr=False)
    api_key: str = field(repr=False)
    platform: str = ""


def subscription_name(stack: Stack) -> str:
    """Return the name under which a stack's subscriptions are listed at Inveterate."""
    return f"relay {stack.name}"


def desired(stack: Stack, url: str | None = None) -> Desired:
    """Return what the subscriptions of a stack should be: all at its callback URL with its key, or at the URL given.

    Raises:
        CliError: the stack would refuse the callback key, or a key cannot be read.

    """
    return Desired(
        name=subscription_name(stack),
        callback_url=url or f"{stack.output('CallbackBaseUrl')}/{callback_key(stack)}",
        api_key=api_key(stack, ask=True),
        platform=stack.parameters["InveterateUrl"],
    )


@contextmanager
def connected(target: Desired) -> Iterator[Client]:
    """Return a client of the platform's API; its errors become ones for the terminal.

    Raises:
        CliError: the platform refuses. The platform's text may repeat the request, whose URL ends in the callback key.

    """
    try:
        with Client(target.api_key, base_url=target.platform) as client:
            yield client
    except RefusedLocallyError:
        raise CliError(
            "Inveterate's list of subscriptions lacks names, topics or ids",
            "nothing was changed: it cannot be known which subscriptions are this stack's",
        ) from None
    except InveterateError as error:
        remedy = "is it the API key of this shop?" if isinstance(error, BadKeyError) else "run it again later"
        raise CliError(f"Inveterate refuses the subscriptions: {type(error).__name__}", remedy) from None


def canonical(topic: str | None) -> str:
    """Return the name by which Relay knows a topic: the documentation gives one topic two."""
    return ALIASES.get(topic or "", topic or "")


def plan(listed: Sequence[WebhookSubscription], target: Desired) -> list[Change]:
    """Return what is to be done, topic by topic, and what of ours has no topic of ours any more."""
    changes: list[Change] = []
    for topic in TOPICS:
        of_topic = [one for one in listed if canonical(one.topic) == topic]
        ours = [one for one in of_topic if one.name == target.name]
        right = [one for one in ours if one.callback_url == target.callback_url]
        stays = (right or ours)[:1]
        action = "keep" if right else "update" if ours else "create"
        surplus = tuple(one for one in ours if one not in stays)
        others = tuple(sorted({one.name or "(no name)" for one in of_topic if one.name != target.name}))
        changes.append(Change(topic, action, surplus, others))
    return changes


def apply(stack: Stack, url: str | None = None) -> Applied:
    """Make the subscriptions what they should be: subscribe every topic, correct ours, and remove our duplicates.

    A topic that the account refuses is in `failed` and stops no other one. The digests of tokens that the platform
    tells are stored with the stack; no token is.

    Raises:
        CliError: a key is missing or wrong, or the platform does not answer.

    """
    return apply_to(desired(stack, url), keep=lambda tokens: keep_tokens(stack, tokens))


def apply_to(target: Desired, *, keep: Callable[[Mapping[str, str]], None] = lambda _tokens: None) -> Applied:
    """Make the subscriptions what they should be; `keep` gets the digests of the tokens that were told, by topic."""
    with connected(target) as client:
        surplus = [
            one for change in plan(client.webhook_subscriptions.list(), target) for one in change.surplus
        ]
        done = client.webhook_subscriptions.ensure(TOPICS, target.callback_url, target.name)
        digests = {topic: hashlib.sha256(token.encode()).hexdigest() for topic, token in done.tokens.items()}
        if digests:
            keep(digests)
        applied = Applied(
            name=target.name,
            created=done.created,
            updated=done.updated,
            kept=done.kept,
            failed={topic: type(error).__name__ for topic, error in done.failed.items()},
            shared=done.shared,
            tokens=digests,
        )
        return _remove(client, surplus, applied)


def destroy(target: Desired) -> Applied:
    """Remove every subscription of ours, and no other."""
    with connected(target) as client:
        ours = [one for one in client.webhook_subscriptions.list() if one.name == target.name]
        return _remove(client, ours, Applied(name=target.name))


def _remove(client: Client, surplus: Sequence[WebhookSubscription], applied: Applied) -> Applied:
    removed, failed = list(applied.removed), dict(applied.failed)
    for one in surplus:
        topic = canonical(one.topic)
        if one.id is None or one.topic is None:
            failed[topic] = "NoId"
            continue
        try:
            client.webhook_subscriptions.delete(one.id, one.topic)
            removed.append(topic)
        except (AmbiguousWriteError, BadRequestError, ConflictError) as error:
            failed[topic] = type(error).__name__
    return replace(applied, removed=tuple(removed), failed=failed)


def keep_tokens(stack: Stack, tokens: Mapping[str, str]) -> None:
    """Store the digests of tokens by topic, beside those that are known."""
    from relay.adapters.dynamodb.platform import DynamoSubscriptionStates
    from relay.ports.optimistic import retry_conflicts

    states = DynamoSubscriptionStates(stack.output("MirrorsTable"), stack.aws())
    retry_conflicts(
        states.load(),
        lambda known: states.save(replace(known, tokens={**known.tokens, **tokens})),
        states.load,
        what="the subscriptions",
    )


def as_json(applied: Applied) -> dict[str, Any]:
    """Return what was done, for `--json`."""
    return {
        "name": applied.name,
        "created": list(applied.created),
        "updated": list(applied.updated),
        "kept": list(applied.kept),
        "removed": list(applied.removed),
        "failed": dict(applied.failed),
        "shared": list(applied.shared),
    }
