"""Webhook subscriptions: which URL is told of which topic, and having exactly those that you want."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from inveterate._call import Call
from inveterate._ids import SubscriptionId
from inveterate._operation import KindT, Resource, compound, operation
from inveterate._replies import Page, Receipt, many, receipt
from inveterate._steps import Conversation
from inveterate._subscribing import Ensured, Subscribing
from inveterate.models.shop import WebhookSubscription


class WebhookSubscriptions(Resource[KindT]):
    """`client.webhook_subscriptions`. One subscription is one URL for one topic."""

    name: ClassVar[str] = "webhook_subscriptions"

    @operation("GET", "/v2.0/admin/webhook-subscriptions", page="admin/webhooks/overview")
    def list(self) -> Call[Page[WebhookSubscription]]:
        """List the subscriptions of the shop: everybody's, not only yours."""
        return Call(many(WebhookSubscription.of, "webhookSubscriptions", "subscriptions", "subscribers"))

    @operation("POST", "/v2.0/admin/webhook-subscriptions", page="admin/webhooks/overview")
    def create(self, topic: str, callback_url: str, name: str) -> Call[Receipt]:
        """Subscribe a URL to one topic. Keep what comes back: it may hold the id, and perhaps a token.

        `topic` is sent as it is given: the documentation gives one topic two names (see `webhooks.ALIASES`).

        Raises:
            BadRequestError: among others for a topic that the platform does not know.
            AmbiguousWriteError: it may have been done.

        """
        return Call(receipt, body={"topic": topic, "callbackUrl": callback_url, "name": name})

    @operation("PUT", "/v2.0/admin/webhook-subscriptions", page="admin/webhooks/overview")
    def update(
        self,
        subscription_id: SubscriptionId,
        topic: str,
        *,
        callback_url: str | None = None,
        name: str | None = None,
    ) -> Call[Receipt]:
        """Change the URL or the name of a subscription. The platform wants its topic as well.

        Raises:
            AmbiguousWriteError: it may have been done.

        """
        body = {"topic": topic, "id": SubscriptionId(subscription_id)}
        if callback_url is not None:
            body["callbackUrl"] = callback_url
        if name is not None:
            body["name"] = name
        return Call(receipt, body=body)

    @operation("DELETE", "/v2.0/admin/webhook-subscriptions", page="admin/webhooks/overview")
    def delete(self, subscription_id: SubscriptionId, topic: str) -> Call[Receipt]:
        """Delete a subscription: id and topic travel as a JSON body. The list holds other apps' as well.

        Raises:
            AmbiguousWriteError: it may have been done.

        """
        return Call(receipt, body={"topic": topic, "id": SubscriptionId(subscription_id)})

    @compound
    def ensure(self, topics: Iterable[str], callback_url: str, name: str) -> Conversation[Ensured]:
        """See to it that `callback_url` is subscribed to each of `topics` under `name`; safe to repeat.

        What is there already is left alone; what has our name and another URL is changed; what is missing
        is created, under the topic's other documented name where the platform refuses the first. Nothing
        that carries another name is touched, and nothing is deleted. A topic that fails is reported in
        `Ensured.failed` and does not stop the others. Whether two subscriptions to one topic can exist
        side by side is undocumented: `Ensured.shared` names the topics to look at afterwards.

        Raises:
            RefusedHereError: the list does not tell topics or ids, so that nothing can be told apart.
            BadKeyError, ConnectionFailedError, …: it is not this topic that fails.

        """
        work = Subscribing(
            callback_url,
            name,
            self._talk.retries,
            list_call=WebhookSubscriptions.list.of,
            create_call=WebhookSubscriptions.create.of,
            update_call=WebhookSubscriptions.update.of,
        )
        return work.run(tuple(dict.fromkeys(topics)))
