"""Which requests are accepted, and which queue each delivery goes to."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inveterate.webhooks import TOPICS, parse
from relay.ingest.receive import LARGEST_BODY, AccessPolicy, RefusedError, authenticate, route
from relay.model.delivery import Delivery, pack, unpack
from relay.model.header import MessageHeader
from relay.topics import FOLDERS

from tests.support.port_fakes import NOW, SHOP, sample


def digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


KEYS_ONLY = AccessPolicy(shop=SHOP, key_digests=(digest("old"), digest("new")))
KEYS_AND_TOKENS = AccessPolicy(
    shop=SHOP,
    key_digests=(digest("new"),),
    token_digests=(digest("t1"), digest("t2")),
    token_header="X-Token",
)


@pytest.mark.parametrize("key", ["old", "new"])
def test_two_keys_are_valid_at_once(key: str) -> None:
    """During a rotation the old and the new key are both valid."""
    authenticate(KEYS_ONLY, key, {}, b"")


@pytest.mark.parametrize("key", ["", "older", digest("new"), "néw", "\ud800"])
def test_any_other_key_is_refused(key: str) -> None:
    """A digest is no key, and an odd key is no crash."""
    with pytest.raises(RefusedError, match="bad_key") as refused:
        authenticate(KEYS_ONLY, key, {}, b"")
    assert refused.value.status == 401


def test_without_a_digest_every_key_is_refused() -> None:
    """A stack without a key fails closed."""
    with pytest.raises(RefusedError):
        authenticate(AccessPolicy(shop=SHOP, key_digests=()), "", {}, b"")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x-token": "t1"}, b"not json"),
        ({}, b'{"token": "t2"}'),
        ({}, b'{"metadata": {"token": "t1"}}'),
        ({"x-token": "wrong"}, b'{"token": "t2"}'),
    ],
)
def test_a_token_is_found_wherever_it_may_be(headers: dict[str, str], body: bytes) -> None:
    """Header, body or metadata: the documentation does not say which, so one right one is enough."""
    authenticate(KEYS_AND_TOKENS, "new", headers, body)


@pytest.mark.parametrize(
    ("headers", "body"),
    [({}, b""), ({}, b"{}"), ({"x-token": "t3"}, b"[]"), ({}, b'{"token": 3}'), ({}, b"[" * 99_999)],
)
def test_without_the_token_it_is_refused(headers: dict[str, str], body: bytes) -> None:
    """Where tokens are configured, a key alone is refused."""
    with pytest.raises(RefusedError, match="bad_token"):
        authenticate(KEYS_AND_TOKENS, "new", headers, body)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_documented_event_goes_to_its_topic(topic: str) -> None:
    """Raw body unchanged, the topic's own queue, and the very id that the SDK works out."""
    body = json.dumps(sample(topic), indent=1).encode()
    queue, delivery = route(SHOP, body, NOW)
    assert (queue, delivery.topic, delivery.reason) == (FOLDERS[topic], topic, None)
    assert (delivery.body, delivery.event_id) == (body, parse(body).id)
    assert delivery.delivery_id == sample(topic)["metadata"].get("id")


def changed(**metadata: Any) -> bytes:
    content = sample("customer.cancelled")
    content["metadata"] |= metadata
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"not json", "not_json"),
        (b"\xff\xfe\x00", "not_json"),
        (b'{"metadata": NaN}', "not_json"),
        (b'{"metadata": {"topic": ' + b"1" * 5000 + b"}}", "not_json"),
        (b"3", "no_envelope"),
        (b"[]", "no_envelope"),
        (b"{}", "no_envelope"),
        (b'{"metadata": []}', "no_envelope"),
        (b"[" * 10_000 + b"]" * 10_000, "too_deep"),
        (b'{"metadata": {}, "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "too_deep"),
        (b'{"metadata": {}, "x": ' + b"[" * 70 + b"]" * 70 + b"}", "too_deep"),
        (b'{"metadata": {}}', "no_topic"),
        (b'{"metadata": {"topic": ["customer.cancelled"]}}', "no_topic"),
        (changed(topic="customer.from_the_future"), "unknown_topic"),
        (changed(topic="Customer.Cancelled"), "unknown_topic"),
        (changed(topic="  "), "no_topic"),
        (changed(shopDomain="other.myshopify.com"), "other_shop"),
        (changed(shopDomain=7), "other_shop"),
        (b'{"metadata": {"topic": "relay.probe"}, "payload": {"queue": "nowhere"}}', "unknown_topic"),
    ],
)
def test_what_cannot_be_placed_is_kept(body: bytes, reason: str) -> None:
    """It goes to `unclaimed` with its reason, whole, and under an id that a redelivery repeats."""
    queue, delivery = route(SHOP, body, NOW)
    assert (queue, delivery.reason, delivery.body) == ("unclaimed", reason, body)
    assert route(SHOP, body, NOW)[1].event_id == delivery.event_id


def test_a_shop_in_other_spelling_or_absent_is_ours() -> None:
    """The shop is the stack's parameter; a delivery that does not name it is not another's."""
    content = sample("customer.cancelled")
    del content["metadata"]["shopDomain"]
    plain = route(SHOP, changed(), NOW)[1].event_id
    label = SHOP.partition(".")[0]
    spelt = [
        SHOP.upper(),
        f" {SHOP}. ",
        f"https://{SHOP}",
        f"HTTPS://{SHOP}/",
        f"http://{SHOP}./admin",
        f"{SHOP}/",
        f"{SHOP}:443",
        f"https://{SHOP}.:443/admin",
        f"//{SHOP}",
        f"{SHOP}?a=1",
        f"{SHOP}#a",
        label,
        None,
        "",
        " ",
    ]
    for body in (*(changed(shopDomain=domain) for domain in spelt), json.dumps(content).encode()):
        queue, delivery = route(SHOP, body, NOW)
        assert (queue, delivery.event_id) == ("cancelled", plain)


@pytest.mark.parametrize(
    "domain",
    [
        "other.myshopify.com",
        f"https://other.com/{SHOP}",
        f"{SHOP}.evil.com",
        "https://",
        7,
        [],
        f"https://{SHOP}:443@evil.com",
        f"{SHOP}@evil.com",
        f"{SHOP}:x",
        ":443",
        "//",
        f"evil.com?{SHOP}",
    ],
)
def test_another_shop_is_another_shop(domain: object) -> None:
    """In any spelling."""
    assert route(SHOP, changed(shopDomain=domain), NOW)[1].reason == "other_shop"


def test_a_topic_under_its_alias() -> None:
    """The other documented name goes to the same queue under the same id."""
    content = sample("customer.payment_methods.updated")
    plain = route(SHOP, json.dumps(content).encode(), NOW)
    content["metadata"]["topic"] = "customer.payment_method.changed"
    aliased = route(SHOP, json.dumps(content).encode(), NOW)
    assert (aliased[0], aliased[1].event_id) == (plain[0], plain[1].event_id)


@pytest.mark.parametrize(
    "body",
    [
        b'{"payload": {}, "metadata": {"topic": "x", "topic": "customer.ordered"}}',
        b'{"metadata": {"topic": "customer.ordered"}, "payload": {"a": [{"b": 1, "\\u0062": 1}]}}',
    ],
)
def test_a_key_twice_is_not_json(body: bytes) -> None:
    """Readers disagree on which value counts, so no one of them is taken."""
    queue, delivery = route(SHOP, body, NOW)
    assert (queue, delivery.reason) == ("unclaimed", "not_json")


@pytest.mark.parametrize("given", ["jane@example.com", "x" * 101, "a b", "\ud800", "", 7, None, ["a"]])
def test_an_odd_delivery_id_stays_in_the_body(given: object) -> None:
    """It becomes an attribute and a column only where it has the shape of an id."""
    assert route(SHOP, changed(id=given), NOW)[1].delivery_id is None


def test_a_probe_goes_where_it_names() -> None:
    """`relay.probe` goes to the queue that it names."""
    body = b'{"metadata": {"topic": "relay.probe"}, "payload": {"queue": "cancelled"}}'
    queue, delivery = route(SHOP, body, NOW)
    assert (queue, delivery.topic) == ("cancelled", "relay.probe")


def test_too_large() -> None:
    """The one refusal of a request with a valid key; a body of exactly the limit is accepted."""
    assert route(SHOP, b" " * LARGEST_BODY, NOW)[0] == "unclaimed"
    with pytest.raises(RefusedError, match="too_large") as refused:
        route(SHOP, b" " * (LARGEST_BODY + 1), NOW)
    assert refused.value.status == 413


SQS_TAKES = st.characters(exclude_categories=["Cs"])


@given(st.binary(max_size=300) | st.text(SQS_TAKES, max_size=100).map(str.encode))
def test_the_body_comes_out_as_it_went_in(body: bytes) -> None:
    """Whatever the bytes: what a queue refuses travels packed, all else as it is."""
    delivery = Delivery(
        event_id="a" * 32,
        body=body,
        received_at=datetime(2025, 5, 30, 10, 0, 0, 123000, UTC),
        topic="customer.cancelled",
        delivery_id="e3d8d8cc",
        reason="no_topic",
    )
    text, header = pack(delivery)
    assert text
    assert all(
        char in "\t\n\r" or " " <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char >= "\U00010000"
        for char in text
    )
    assert unpack(text, MessageHeader.read(header.attributes)) == delivery


@pytest.mark.parametrize("char", ["\x00", "\x1f", "\ufffe", "\uffff"])
def test_a_character_that_sqs_refuses(char: str) -> None:
    """Control and non-characters are packed; the rest of Unicode is not."""
    plain = Delivery(event_id="a" * 32, body="é😀".encode(), received_at=NOW)
    assert pack(plain)[1].encoding is None
    odd = Delivery(event_id="a" * 32, body=f"a{char}b".encode(), received_at=NOW)
    assert pack(odd)[1].encoding == "zlib+base64"
    assert unpack(*pack(odd)).body == odd.body


OURS = MessageHeader(event_id="a" * 32, received_at=NOW)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("x", MessageHeader()),
        ("x", MessageHeader(event_id="a" * 32)),
        ("x", MessageHeader(event_id="a", received_at=NOW)),
        ("zlib+base64:!", replace(OURS, encoding="zlib+base64")),
        ("zlib+base64:eJw=", replace(OURS, encoding="zlib+base64")),
    ],
)
def test_a_message_that_is_not_ours(text: str, header: MessageHeader) -> None:
    """A reader of the queue gets one kind of error for it."""
    with pytest.raises(ValueError):
        unpack(text, header)
