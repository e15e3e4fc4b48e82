"""The Lambda handler of a webhook topic, made of the topic's rule and the services that the environment names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Self

from relay.errors import MisconfiguredError
from relay.ingest.consumer import Consumer, ConsumerServices
from relay.ingest.reducer import Decide, E, ReadFacts, TopicRule
from relay.model.erasure import asked_instead
from relay.model.facts import Facts
from relay.model.metrics import TOPICS
from relay.wiring.services import QueueServices, defer_all, journal, limit_calls, queue_at, service
from relay.wiring.settings import TopicSettings

if TYPE_CHECKING:
    from relay.ports.messaging import Journal
    from relay.queues.batch import Context


@dataclass(frozen=True, slots=True)
class TopicHandler(Generic[E]):
    """A topic's Lambda handler. Its services are made from the environment at the first event."""

    rule: TopicRule[E]

    def __call__(self, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Handle a batch; while settings are wrong, defer it."""
        limit_calls(context)
        try:
            services = service(TopicServices)
        except MisconfiguredError as error:
            return defer_all(event, context, error, TOPICS)
        rule = asking_for_erasure(self.rule) if services.settings.asks_api else self.rule
        return Consumer(rule, services.consumer)(event, context)


def consumer(model: type[E], facts: ReadFacts[E], decide: Decide[E]) -> TopicHandler[E]:
    """Return a topic's Lambda handler."""
    return TopicHandler(TopicRule(model, facts, decide))


def asking_for_erasure(rule: TopicRule[E]) -> TopicRule[E]:
    """Return the rule for a shop with an API key: an erasure in a webhook is a claim that the API has to confirm."""

    def facts(event: E) -> Facts:
        found = rule.facts(event)
        return replace(found, values=asked_instead(found.values))

    return replace(rule, facts=facts)


class TopicServices(QueueServices):
    """The services of a topic's function."""

    function = TOPICS

    def __init__(self, settings: TopicSettings) -> None:
        super().__init__(settings.queue)
        self.settings = settings

    @classmethod
    def from_env(cls) -> Self:
        """Make them from the environment."""
        return cls(TopicSettings.from_env())

    def consumer(self) -> ConsumerServices:
        """Return them as a consumer takes them."""
        return ConsumerServices(
            shop=self.shop,
            batch=self.batch,
            members=self.members,
            journal=self.journal,
            telemetry=self.telemetry,
            topics={folder: queue_at(url, folder) for folder, url in self.settings.topic_queues.items()},
        )

    @cached_property
    def journal(self) -> Journal:
        """The journal."""
        return journal(self.settings.journal_stream)
