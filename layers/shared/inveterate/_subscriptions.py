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

    `shared` holds the topics to which another name is subscribed as well. `tokens` are those that the platform
    returned, by topic: secrets, which `repr` does not show.
    """

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    failed: dict[str, InveterateError] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    tokens: dict[str, str] = field(default_factory=dict, repr=False)


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
        tokens: dict[str, str] = {}
        for topic in topics:
            try:
                outcome, token = yield from self.set_up(topic, page)
                done[outcome].append(topic)
                if token:
                    tokens[topic] = token
            except (BadRequestError, ConflictError, AmbiguousWriteError) as error:
                failed[topic] = error
        shared = tuple(
            topic for topic in topics if any(s.name != self.name for s in page if _same_topic(s.topic, topic))
        )
        return EnsureResult(
            **{outcome: tuple(names) for outcome, names in done.items()},
            failed=failed,
            shared=shared,
            tokens=tokens,
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

    def set_up(self, topic: str, page: Page[WebhookSubscription]) -> Steps[tuple[str, str | None]]:
        """Set up one topic; return `created`, `updated` or `kept`, and the token that the platform told."""
        ours = [s for s in page if s.name == self.name and _same_topic(s.topic, topic)]
        kept = [s for s in ours if s.callback_url == self.callback_url]
        if kept:
            return "kept", kept[0].token
        if ours:
            call = self.update_call(ours[0].id, ours[0].topic, callback_url=self.callback_url, name=self.name)
            receipt = yield from request_steps(call, self.retries)
            return "updated", _token_in(receipt) or ours[0].token
        try:
            receipt = yield from request_steps(
                self.create_call(topic, self.callback_url, self.name), self.retries
            )
        except BadRequestError:
            other = _other_name(topic)
            if other is None:
                raise
            receipt = yield from request_steps(
                self.create_call(other, self.callback_url, self.name), self.retries
            )
        return "created", _token_in(receipt)


def _token_in(receipt: Receipt) -> str | None:
    """Return the token in the reply to a write: in the data itself, or in the one record that the data names."""
    data = receipt.data
    places = [data, *data.values()] if isinstance(data, dict) else []
    tokens = [place.get("token") for place in places if isinstance(place, dict)]
    return next((token for token in tokens if isinstance(token, str) and token), None)


def _other_name(topic: str) -> str | None:
    """Return the other documented name of a topic that has two."""
    if topic in ALIASES:
        return ALIASES[topic]
    return next((alias for alias, name in ALIASES.items() if name == topic), None)


def _same_topic(one: str | None, other: str) -> bool:
    return one is not None and ALIASES.get(one, one) == ALIASES.get(other, other)
