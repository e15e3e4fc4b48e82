"""Webhook subscriptions: list, create, change and delete them, or ensure a whole set at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from inveterate._call import Call
from inveterate._endpoint import KindT, Resource, compound, operation
from inveterate._ids import SubscriptionId
from inveterate._replies import Page, Receipt, read_page, read_receipt
from inveterate._steps import Steps
from inveterate._subscriptions import EnsureResult, SubscriptionSetup
from inveterate.models.shop import WebhookSubscription


class WebhookSubscriptions(Resource[KindT]):
    """`client.webhook_subscriptions`. One subscription is one URL for one topic."""

    name: ClassVar[str] = "webhook_subscriptions"

    @operation("GET", "/v2.0/admin/webhook-subscriptions", page="admin/webhooks/overview")
    def list(self) -> Call[Page[WebhookSubscription]]:
        """List the subscriptions of the shop, those of other apps included."""
        return Call(read_page(WebhookSubscription.of, "webhookSubscriptions", "subscriptions", "subscribers"))

    @operation("POST", "/v2.0/admin/webhook-subscriptions", page="admin/webhooks/overview")
    def create(self, topic: str, callback_url: str, name: str) -> Call[Receipt]:
        """Subscribe a URL to one topic. Keep the receipt: it may hold the id, and perhaps a token.

        `topic` is sent unchanged: the documentation gives one topic two names (see `webhooks.ALIASES`).

        Raises:
            BadRequestError: for example for an unknown topic.
            AmbiguousWriteError: the write may be done.

        """
        return Call(read_receipt, body={"topic": topic, "callbackUrl": callback_url, "name": name})

    @operation("PUT", "/v2.0/admin/webhook-subscriptions", page="admin/webhooks/overview")
    def update(
        self,
        subscription_id: SubscriptionId,
        topic: str,
        *,
        callback_url: str | None = None,
        name: str | None = None,
    ) -> Call[Receipt]:
        """Change the URL or the name of a subscription. The platform requires its topic as well.

        Raises:
            AmbiguousWriteError: the write may be done.

        """
        body = {"topic": topic, "id": SubscriptionId(subscription_id)}
        if callback_url is not None:
            body["callbackUrl"] = callback_url
        if name is not None:
            body["name"] = name
        return Call(read_receipt, body=body)

    @operation("DELETE", "/v2.0/admin/webhook-subscriptions", page="admin/webhooks/overview")
    def delete(self, subscription_id: SubscriptionId, topic: str) -> Call[Receipt]:
        """Delete a subscription: id and topic travel as a JSON body. The list holds other apps' as well.

        Raises:
            AmbiguousWriteError: the write may be done.

        """
        return Call(read_receipt, body={"topic": topic, "id": SubscriptionId(subscription_id)})

    @compound
    def ensure(self, topics: Iterable[str], callback_url: str, name: str) -> Steps[EnsureResult]:
        """Subscribe `callback_url` to each of `topics` under `name`; safe to repeat.

        A matching subscription is kept; one with our name and another URL is changed; a missing one is
        created, under the topic's other documented name where the platform refuses the first. A
        subscription with another name is never changed, and none is deleted. A topic that fails is in
        `EnsureResult.failed` and does not stop the others. Whether two subscriptions to one topic can exist
        side by side is undocumented: `EnsureResult.shared` names the topics to check afterwards.

        Raises:
            RefusedLocallyError: the list lacks names, topics or ids, so that our subscriptions are not recognisable.
            BadKeyError, ConnectionFailedError, …: the failure is not that of one topic.

        """
        setup = SubscriptionSetup(
            callback_url,
            name,
            self._transport.retries,
            list_call=WebhookSubscriptions.list.of,
            create_call=WebhookSubscriptions.create.of,
            update_call=WebhookSubscriptions.update.of,
        )
        return setup.run(tuple(dict.fromkeys(topics)))
