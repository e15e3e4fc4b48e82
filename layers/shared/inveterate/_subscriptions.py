"""Creates, updates or keeps webhook subscriptions in a list that holds the subscriptions of other apps as well."""

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
from inveterate._member_writes import refused_locally
from inveterate._replies import Page, Receipt
from inveterate._retries import Retries, request_steps
from inveterate._steps import Steps
from inveterate.models.shop import WebhookSubscription
from inveterate.webhooks.topics import ALIASES


@dataclass(frozen=True, slots=True)
class EnsureResult:
    """The outcome for each topic: its name is in one of the first four fields.

    `shared` holds the topics to which another name is subscribed as well.
    """

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    failed: dict[str, InveterateError] = field(default_factory=dict)
    shared: tuple[str, ...] = ()


@dataclass(frozen=True)
class SubscriptionSetup:
    """The requests of `ensure`, and what they set up."""

    callback_url: str
    name: str
    retries: Retries
    list_call: Callable[[], Call[Page[WebhookSubscription]]]
    create_call: Callable[..., Call[Receipt]]
    update_call: Callable[..., Call[Receipt]]

    def run(self, topics: Sequence[str]) -> Steps[EnsureResult]:
        """Set up each topic; a topic that fails does not stop the others."""
        page = yield from request_steps(self.list_call(), self.retries)
        self.refuse_unreadable_list(page)
        done: dict[str, list[str]] = {"created": [], "updated": [], "kept": []}
        failed: dict[str, InveterateError] = {}
        for topic in topics:
            try:
                done[(yield from self.set_up(topic, page))].append(topic)
            except (BadRequestError, ConflictError, AmbiguousWriteError) as error:
                failed[topic] = error
        shared = tuple(
            topic for topic in topics if any(s.name != self.name for s in page if _same_topic(s.topic, topic))
        )
        return EnsureResult(
            **{outcome: tuple(names) for outcome, names in done.items()}, failed=failed, shared=shared
        )

    def refuse_unreadable_list(self, page: Page[WebhookSubscription]) -> None:
        """Refuse a list in which our own subscriptions are not recognisable: each call would add new ones.

        Raises:
            RefusedLocallyError: names what is missing.

        """
        nameless = bool(page) and not any(s.name for s in page)
        incomplete = any(s.name == self.name and not (s.topic and s.id) for s in page)
        if nameless or incomplete or page.unreadable:
            text = "the list of subscriptions lacks names, topics or ids"
            raise refused_locally(text, ("name", "topic", "id"), self.list_call())

    def set_up(self, topic: str, page: Page[WebhookSubscription]) -> Steps[str]:
        """Set up one topic; return `created`, `updated` or `kept`."""
        ours = [s for s in page if s.name == self.name and _same_topic(s.topic, topic)]
        if any(s.callback_url == self.callback_url for s in ours):
            return "kept"
        if ours:
            call = self.update_call(ours[0].id, ours[0].topic, callback_url=self.callback_url, name=self.name)
            yield from request_steps(call, self.retries)
            return "updated"
        try:
            yield from request_steps(self.create_call(topic, self.callback_url, self.name), self.retries)
        except BadRequestError:
            other = _other_name(topic)
            if other is None:
                raise
            yield from request_steps(self.create_call(other, self.callback_url, self.name), self.retries)
        return "created"


def _other_name(topic: str) -> str | None:
    """Return the other documented name of a topic that has two."""
    if topic in ALIASES:
        return ALIASES[topic]
    return next((alias for alias, name in ALIASES.items() if name == topic), None)


def _same_topic(one: str | None, other: str) -> bool:
    return one is not None and ALIASES.get(one, one) == ALIASES.get(other, other)
