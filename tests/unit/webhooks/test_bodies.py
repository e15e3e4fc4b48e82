"""The bytes of a webhook: the delivery is found however its sender wrapped it, and the work of reading is bounded."""

from __future__ import annotations

import codecs
import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from inveterate.webhooks import Ordered, UnreadableEventError, parse
from inveterate.webhooks.body import LARGEST_BODY, MOST_VALUES, UnreadableBodyError, read_body
from relay.ingest.receive import route

from tests.support.port_fakes import NOW, SHOP, sample

CONTENT = sample("customer.payment_failed")
PLAIN = json.dumps(CONTENT).encode()


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def in_brackets(content: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return the fields of a form as PHP's `http_build_query` names them."""
    fields: list[tuple[str, str]] = []
    for name, value in content.items():
        path = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, dict):
            fields += in_brackets(value, path)
        elif value is not None:
            fields.append((path, value if isinstance(value, str) else json.dumps(value)))
    return fields


def multipart(fields: dict[str, str], line: str = "\r\n") -> bytes:
    """Return a form as a browser posts it with a file: each field after a boundary, with headers."""
    parts = [
        f'--x-1{line}Content-Disposition: form-data; name="{name}"{line}Content-Type: text/plain{line * 2}{value}'
        for name, value in fields.items()
    ]
    return line.join((*parts, f"--x-1--{line}")).encode()


WRAPPED: dict[str, Callable[[bytes], bytes]] = {
    "UTF-8 with a mark": lambda body: codecs.BOM_UTF8 + body,
    "two marks": lambda body: codecs.BOM_UTF8 * 2 + body,
    "UTF-16 LE with a mark": lambda body: codecs.BOM_UTF16_LE + body.decode().encode("utf-16-le"),
    "UTF-16 BE with a mark": lambda body: codecs.BOM_UTF16_BE + body.decode().encode("utf-16-be"),
    "UTF-32 LE with a mark": lambda body: codecs.BOM_UTF32_LE + body.decode().encode("utf-32-le"),
    "UTF-32 BE with a mark": lambda body: codecs.BOM_UTF32_BE + body.decode().encode("utf-32-be"),
    "UTF-16 LE": lambda body: body.decode().encode("utf-16-le"),
    "UTF-32 BE": lambda body: body.decode().encode("utf-32-be"),
    "a list of one": lambda body: b" [" + body + b"]\n",
    "a text": lambda body: json.dumps(body.decode()).encode(),
    "a text in a text": lambda body: json.dumps(json.dumps(body.decode())).encode(),
    "a list of one text": lambda body: json.dumps([body.decode()]).encode(),
    "payload and metadata as texts": lambda body: json.dumps(
        {name: json.dumps(part) for name, part in json.loads(body).items()}
    ).encode(),
    "one field around it": lambda body: b'{"body":' + body + b"}",
    "gzip": gzip.compress,
    "gzip of UTF-16": lambda body: gzip.compress(body.decode().encode("utf-16")),
    "zlib": zlib.compress,
    "zlib, weakly": lambda body: zlib.compress(body, 1),
    "deflate": raw_deflate,
    "a form with one field": lambda body: urlencode({"payload": body.decode()}).encode(),
    "a form with two fields": lambda body: urlencode(
        {name: json.dumps(part) for name, part in json.loads(body).items()}
    ).encode(),
    "a form of fields": lambda body: urlencode(in_brackets(json.loads(body))).encode(),
    "a form in parts": lambda body: multipart({"payload": body.decode()}),
    "a form in parts of two fields, with plain line feeds": lambda body: multipart(
        {name: json.dumps(part) for name, part in json.loads(body).items()}, "\n"
    ),
    "a form in parts of fields": lambda body: multipart(dict(in_brackets(json.loads(body)))),
    "one field around a list of one": lambda body: b'{"events":[' + body + b"]}",
    "gzip in two members": lambda body: gzip.compress(body[:99]) + gzip.compress(body[99:]),
    "gzip with zeros behind it": lambda body: gzip.compress(body) + bytes(512),
    "metadata as a text in a text": lambda body: json.dumps(
        {**(event := json.loads(body)), "metadata": json.dumps(json.dumps(event["metadata"]))}
    ).encode(),
    "an envelope of another service": lambda body: json.dumps(
        {"Type": "Notification", "MessageId": "m", "Message": body.decode(), "Timestamp": None}
    ).encode(),
    "one field of several": lambda body: b'{"specversion":"1.0","data":[' + body + b'],"id":7}',
    "a form with a signature beside it": lambda body: urlencode(
        {"payload": body.decode(), "signature": "s"}
    ).encode(),
    "a form whose first letters are zlib's mark": lambda body: urlencode({"hb": body.decode()}).encode(),
    "a form in parts, a name without quotes": lambda body: multipart({"payload": body.decode()}).replace(
        b'"payload"', b"payload", 1
    ),
    "a form, all escaped": lambda body: ("data=" + quote(body.decode(), safe="")).encode(),
}


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_a_wrapped_delivery_is_the_same_event(wrapping: str) -> None:
    """The receiver places it, the SDK reads it, both under the id of the plain one; the bytes travel as they came."""
    body = WRAPPED[wrapping](PLAIN)
    queue, delivery = route(SHOP, body, NOW)
    assert (queue, delivery.body) == ("payment_failed", body)
    event, plain = parse(body), parse(PLAIN)
    assert event.id == delivery.event_id == plain.id
    assert event.occurred_at == plain.occurred_at
    assert (event.customer_id, event.drift) == (plain.customer_id, ())


NO_DELIVERY = {
    "nothing": b"",
    "a mark alone": codecs.BOM_UTF8,
    "a form of another": b"a=b",
    "a list of two": b"[" + PLAIN + b"," + PLAIN + b"]",
    "two in a row": PLAIN + PLAIN,
    "gzip, cut off": gzip.compress(PLAIN)[:-9],
    "gzip by its mark alone": b"\x1f\x8bno gzip",
    "zlib by its mark alone": b"\x78\x9cno zlib",
    "gzip of two events": gzip.compress(PLAIN) + gzip.compress(PLAIN.replace(b"1", b"2")),
    "gzip with more behind it": gzip.compress(PLAIN) + b"more",
    "gzip in very many members": gzip.compress(b" ") * 300 + gzip.compress(PLAIN),
    "zlib of two events": zlib.compress(PLAIN) * 2,
    "deflate with more behind it": raw_deflate(PLAIN) + b"more",
    "two deliveries in two fields": b'{"a":' + PLAIN + b',"b":' + PLAIN + b"}",
    "gzip twice": gzip.compress(gzip.compress(PLAIN)),
    "a form of broken JSON": b"payload=%7B&metadata=%7B",
    "a form that contradicts itself": b"metadata[topic]=x&metadata=y",
    "a form of very many fields": b"a=1&" * 300,
    "a form in parts, cut off": multipart({"payload": PLAIN.decode()})[:-6],
    "a form in parts without names": b"--x\r\n\r\n" + PLAIN + b"\r\n--x--",
    "a form in very many parts": multipart({str(number): "1" for number in range(300)}),
    "a form in parts that has a field twice": multipart({"payload": "1"})[:-9] + multipart({"payload": "2"}),
    "one field around a list of two": b'{"events":[' + PLAIN + b"," + PLAIN + b"]}",
    "a key twice": PLAIN.replace(b'"payload"', b'"metadata"'),
    "a key twice, in a text": json.dumps(PLAIN.replace(b'"payload"', b'"metadata"').decode()).encode(),
}


@pytest.mark.parametrize("body", NO_DELIVERY.values(), ids=NO_DELIVERY)
def test_what_holds_no_single_delivery(body: bytes) -> None:
    """It is kept whole, and the SDK says why it reads nothing."""
    queue, delivery = route(SHOP, body, NOW)
    assert (queue, delivery.body) == ("unclaimed", body)
    assert delivery.reason in {"not_json", "no_envelope"}
    with pytest.raises(UnreadableEventError) as refused:
        parse(body)
    assert refused.value.reason == delivery.reason


def traced(read: Callable[[], object]) -> int:
    """Return the most bytes that were in use at once while it ran."""
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [
        b"--x\n" + b'content-disposition:; name="' * 30_000,
        b"--x\n" + b"\n" * 900_000,
        b"--a\n" * 200_000,
        b"--" + b"a" * 900_000,
    ],
    ids=["names", "lines", "boundaries", "boundary"],
)
def test_a_form_in_parts_takes_one_pass(body: bytes) -> None:
    """No part of it is looked at once for each of the others."""
    began = time.process_time()
    with pytest.raises(UnreadableBodyError, match="not_json"):
        read_body(body)
    assert time.process_time() - began < 2


def test_a_bomb_is_not_unpacked() -> None:
    """20 KB that unpack to 20 MB: no more than a body's size is unpacked, twice in memory."""
    bomb = gzip.compress(b" " * 20_000_000)

    def read() -> None:
        with pytest.raises(UnreadableBodyError, match="too_large"):
            read_body(bomb)

    assert traced(read) < 4 * LARGEST_BODY
    queue, delivery = route(SHOP, bomb, NOW)
    assert (queue, delivery.reason) == ("unclaimed", "too_large")


@pytest.mark.parametrize(
    "filling",
    [
        json.dumps(dict.fromkeys(map(str, range(MOST_VALUES)), 1)).encode(),
        json.dumps([[1] * 999] * 21).encode(),
        json.dumps([[[[[{}] * 9] * 9] * 9] * 9] * 9).encode(),
    ],
    ids=["keys", "lists", "lists in lists"],
)
def test_a_body_of_very_many_values_is_not_read(filling: bytes) -> None:
    """The shortest values take a hundred times their size in memory."""
    body = PLAIN[:-1] + b',"more":' + filling + b"}"
    queue, delivery = route(SHOP, body, NOW)
    assert (queue, delivery.reason) == ("unclaimed", "too_many_values")
    with pytest.raises(UnreadableEventError, match="too_many_values"):
        parse(body)


def test_texts_within_a_body_are_bounded_together() -> None:
    """Two texts of JSON, each within the bound and together beyond it."""
    part = json.dumps({"topic": "customer.ordered", "a": [[1] * 999] * 15})
    body = json.dumps({"payload": part, "metadata": part}).encode()
    assert route(SHOP, body, NOW)[1].reason == "too_many_values"


def ordered(items: list[Any]) -> bytes:
    content = sample("customer.ordered")
    content["payload"]["detail"]["line_items"] = items
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "items",
    [
        [1] * 10_000,
        [1] * 100_000,
        [{"price": []}] * 21,
        [[]] * 21,
        [{}] * 1_001,
    ],
    ids=["numbers", "very many numbers", "prices", "lists", "more than are read"],
)
def test_a_list_with_many_bad_elements_is_one_drift(items: list[Any]) -> None:
    """It is left out as a whole: leaving out its elements one by one costs a copy of it each."""
    event = Ordered.read(ordered(items))
    assert event.drift == ("payload.detail.line_items",)
    assert event.payload.detail is not None
    assert (event.payload.detail.line_items, str(event.payload.detail.subtotal_price)) == (None, "629.95")


def test_a_few_bad_elements_cost_themselves() -> None:
    """Up to twenty are left out one by one."""
    event = Ordered.read(ordered([{"name": "a", "price": []}] * 20 + [{"name": "b", "price": "1.50"}]))
    assert len(event.drift) == 20
    items = event.payload.detail.line_items if event.payload.detail else None
    assert items is not None
    assert (len(items), items[0].name, str(items[20].price)) == (21, "a", "1.50")


@pytest.mark.parametrize("element", [1, {}, [[]], {"price": []}], ids=str)
def test_memory_of_a_body_full_of_the_shortest_values(element: Any) -> None:
    """880 KB in `line_items` needed 725 MB; one body in memory at a time stays below 64 MB, and is the event that it is."""
    written = len(json.dumps(element)) + 2
    body = ordered([element] * (870_000 // written))
    assert 850_000 < len(body) < LARGEST_BODY

    def read() -> None:
        assert parse(body).drift == ("payload.detail.line_items",)

    assert traced(read) < 64 * 1024 * 1024
