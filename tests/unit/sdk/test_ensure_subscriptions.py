"""`ensure` creates, updates or keeps each subscription."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from inveterate import (
    BadKeyError,
    RefusedLocallyError,
    UnreadableReplyError,
)

from tests.support.sdk.scripted_platform import NAME, URL, Script, ok


def subscription(
    topic: str, *, name: str | None = NAME, url: str = URL, number: str | None = "1"
) -> dict[str, Any]:
    """Return a row of the list."""
    row = {"topic": topic, "name": name, "callbackUrl": url, "id": number}
    return {key: value for key, value in row.items() if value is not None}


def test_subscriptions_are_created_updated_or_kept() -> None:
    """A subscription with another name is never changed."""
    others = [
        subscription("customer.cancelled", name="klaviyo", url="https://other.example"),
        subscription("customer.ordered", name="relay-staging", url=URL, number="9"),
    ]
    script = Script(
        ok(
            [
                subscription("customer.updated"),
                subscription("customer.payment_failed", url="https://old.example", number="2"),
                *others,
            ]
        ),
        ok({}, 201),
    )
    wanted = ["customer.updated", "customer.payment_failed", "customer.cancelled", "customer.updated"]
    with script.client() as client:
        done = client.webhook_subscriptions.ensure(wanted, URL, NAME)
    assert (done.kept, done.updated, done.created) == (
        ("customer.updated",),
        ("customer.payment_failed",),
        ("customer.cancelled",),
    )
    assert (done.shared, done.failed) == (("customer.cancelled",), {})
    assert script.methods == ["GET", "PUT", "POST"]
    assert script.bodies == [
        {"topic": "customer.payment_failed", "id": "2", "callbackUrl": URL, "name": NAME},
        {"topic": "customer.cancelled", "callbackUrl": URL, "name": NAME},
    ]


def test_a_second_ensure_does_nothing() -> None:
    """Also where the platform uses the other name of the topic."""
    script = Script(ok({"subscriptions": [subscription("customer.payment_method.changed")]}))
    with script.client() as client:
        done = client.webhook_subscriptions.ensure(["customer.payment_methods.updated"], URL, NAME)
    assert done.kept == ("customer.payment_methods.updated",)
    assert script.methods == ["GET"]


def test_the_other_name_of_a_topic_is_tried_and_a_refused_topic_reported() -> None:
    """One topic that fails does not stop the others."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return ok([])
        if b"payment_methods.updated" in request.content or b"credits" in request.content:
            return httpx.Response(400, json={"message": "topic must be one of"})
        return httpx.Response(500) if b"ordered" in request.content else ok({}, 201)

    script = Script(answer)
    wanted = [
        "customer.payment_methods.updated",
        "customer.credits.expired",
        "customer.ordered",
        "customer.updated",
    ]
    with script.client() as client:
        done = client.webhook_subscriptions.ensure(wanted, URL, NAME)
    assert done.created == ("customer.payment_methods.updated", "customer.updated")
    assert {topic: type(error).__name__ for topic, error in done.failed.items()} == {
        "customer.credits.expired": "BadRequestError",
        "customer.ordered": "AmbiguousWriteError",
    }
    assert script.bodies[1]["topic"] == "customer.payment_method.changed"


def test_a_bad_key_stops_everything() -> None:
    """The failure is not that of one topic."""
    script = Script(ok([]), httpx.Response(401))
    with script.client() as client, pytest.raises(BadKeyError):
        client.webhook_subscriptions.ensure(["customer.updated", "customer.ordered"], URL, NAME)
    assert script.methods == ["GET", "POST"]


@pytest.mark.parametrize(
    "rows",
    [
        [subscription("customer.updated", name=None)],
        [{"name": NAME, "callbackUrl": URL, "id": "1"}],
        [subscription("customer.updated", number=None)],
        [subscription("customer.updated"), "odd"],
    ],
)
def test_a_list_without_names_topics_or_ids_is_refused(rows: list[Any]) -> None:
    """Otherwise each call adds subscriptions."""
    script = Script(ok(rows))
    with script.client() as client, pytest.raises(RefusedLocallyError):
        client.webhook_subscriptions.ensure(["customer.ordered"], URL, NAME)
    assert script.methods == ["GET"]


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, json={"message": "Internal server error"}),
        httpx.Response(200, json={"message": "Forbidden"}),
        httpx.Response(200),
        ok(None),
        ok({}),
        ok({"errors": []}),
    ],
)
def test_a_list_that_is_not_the_documented_success_creates_nothing(reply: httpx.Response) -> None:
    """Otherwise every subscription would be created again."""
    script = Script(reply)
    with script.client() as client, pytest.raises(UnreadableReplyError):
        client.webhook_subscriptions.ensure(["customer.ordered"], URL, NAME)
    assert script.methods == ["GET"]
