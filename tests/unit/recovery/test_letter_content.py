"""What is shown of a letter's body without `--reveal`: the topic and the shop that it names, and nothing of a person."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from relay.ingest.receive import unclaimed
from relay.model.delivery import pack
from relay.queues.batch import Message
from relay.recovery.letters import Letter, read_letter

from tests.support.port_fakes import NOW


def letter_of(body: object) -> Letter:
    """Return the letter of a webhook with this body."""
    text, header = pack(unclaimed(json.dumps(body).encode(), NOW, "other_shop"))
    return read_letter(
        Message(id="m", body=text, receives=1, receipt="", sent_at=NOW, header=header), "relay-acme"
    )


def shown(metadata: dict[str, Any]) -> Any:
    """Return the metadata of such a letter as it is shown."""
    content = letter_of({"metadata": metadata, "payload": {"email": "mia@example.com"}}).content()
    assert isinstance(content, dict)
    assert content["payload"] == {"email": "<str>"}
    return content["metadata"]


def test_the_shop_and_the_topic_are_shown() -> None:
    """The advice about another shop's webhook is about its subscriptions; everything else is its kind alone."""
    metadata = {"topic": "customer.ordered", "shopDomain": "other-shop.myshopify.com", "id": "w1", "at": 5}
    assert shown(metadata) == {
        "topic": "customer.ordered",
        "shopDomain": "other-shop.myshopify.com",
        "id": "<str>",
        "at": "<int>",
    }


@pytest.mark.parametrize(
    "value",
    [
        "mia@example.com",
        "+49 170 1234567",
        "Mia Keller",
        "49.170.1234567",
        "a." * 200 + "com",
        "",
        "Mia",
        7,
        None,
    ],
)
def test_what_is_no_name_is_not_shown(value: object) -> None:
    """A sender can write anything there, a member's address as well."""
    assert shown({"shopDomain": value}) != {"shopDomain": value} or value is None


@pytest.mark.parametrize("value", ["a" * 200_000, "a." * 100_000, "-." * 126, "a" * 252 + "!"])
def test_a_long_value_takes_no_time(value: str) -> None:
    """A command that shows a hostile body ends."""
    began = time.perf_counter()
    assert shown({"topic": value}) == {"topic": "<str>"}
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    ("topic", "listed"),
    [
        ("customer.ordered", "customer.ordered"),
        ("customer.new", "unknown"),
        (["x"], "unknown"),
        (None, "unknown"),
    ],
)
def test_the_topic_of_a_letter_is_the_bodys_where_relay_knows_it(topic: object, listed: str) -> None:
    """The header of a webhook that could not be routed names none."""
    assert letter_of({"metadata": {"topic": topic}, "payload": {}}).topic == listed


@pytest.mark.parametrize("body", [[], "text", {"metadata": 5}, {"metadata": ["shopDomain"]}])
def test_a_body_without_metadata(body: object) -> None:
    """It is shown as before."""
    assert letter_of(body).content() is not None
    assert letter_of(body).topic == "unknown"
