"""Having exactly the subscriptions one wants, in a list that holds other people's as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from inveterate._call import Call
from inveterate._errors import (
    AmbiguousWriteError,
    BadRequestError,
    ConflictError,
    InveterateError,
)
from inveterate._guards import refusal
from inveterate._replies import Page, Receipt
from inveterate._retries import Retries, converse
from inveterate._steps import Conversation
from inveterate.models.shop import WebhookSubscription
from inveterate.webhooks.topics import ALIASES


@dataclass(frozen=True, slots=True)
class Ensured:
    """What was done for each topic: its name is in one of the first four.

    `shared` names the topics to which somebody else is subscribed as well.
    """

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    failed: dict[str, InveterateError] = field(default_factory=dict)
    shared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subscribing:
    """The work of `ensure`: what is wanted, and the calls it is done with."""

    callback_url: str
    name: str
    retries: Retries
    list_call: Callable[[], Call[Page[WebhookSubscription]]]
    create_call: Callable[..., Call[Receipt]]
    update_call: Callable[..., Call[Receipt]]

    def run(self, topics: Sequence[str]) -> Conversation[Ensured]:
        """Do it, topic by topic."""
        page = yield from converse(self.list_call(), self.retries)
        self.refuse_the_unreadable(page)
        done: dict[str, list[str]] = {"created": [], "updated": [], "kept": []}
        failed: dict[str, InveterateError] = {}
        for topic in topics:
            try:
                done[(yield from self.one(topic, page))].append(topic)
            except (BadRequestError, ConflictError, AmbiguousWriteError) as error:
                failed[topic] = error
        shared = tuple(
            topic for topic in topics if any(s.name != self.name for s in page if _same_topic(s.topic, topic))
        )
        return Ensured(**{name: tuple(which) for name, which in done.items()}, failed=failed, shared=shared)

    def refuse_the_unreadable(self, page: Page[WebhookSubscription]) -> None:
        """Refuse a list in which our own subscriptions cannot be told apart: we would add to them for ever.

        Raises:
            RefusedHereError: names what is missing.

        """
        nameless = bool(page) and not any(s.name for s in page)
        blind = any(s.name == self.name and not (s.topic and s.id) for s in page)
        if nameless or blind or page.unreadable:
            text = "the list of subscriptions does not tell names, topics and ids"
            raise refusal(text, ("name", "topic", "id"), self.list_call())

    def one(self, topic: str, page: Page[WebhookSubscription]) -> Conversation[str]:
        """Do it for one topic; say what was done."""
        ours = [s for s in page if s.name == self.name and _same_topic(s.topic, topic)]
        if any(s.callback_url == self.callback_url for s in ours):
            return "kept"
        if ours:
            call = self.update_call(ours[0].id, ours[0].topic, callback_url=self.callback_url, name=self.name)
            yield from converse(call, self.retries)
            return "updated"
        try:
            yield from converse(self.create_call(topic, self.callback_url, self.name), self.retries)
        except BadRequestError:
            other = _other_name(topic)
            if other is None:
                raise
            yield from converse(self.create_call(other, self.callback_url, self.name), self.retries)
        return "created"


def _other_name(topic: str) -> str | None:
    """Return the other documented name of a topic that has two."""
    if topic in ALIASES:
        return ALIASES[topic]
    return next((alias for alias, name in ALIASES.items() if name == topic), None)


def _same_topic(one: str | None, other: str) -> bool:
    return one is not None and ALIASES.get(one, one) == ALIASES.get(other, other)
