"""Nothing secret gets into the journal: by the names of keys, wherever they stand, and in what cannot be read."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from typing import Any

import pytest
from relay.model.delivery import Delivery
from relay.model.journal import dump, event_line
from relay.model.redaction import without_secrets

from tests.support.port_fakes import NOW, SHOP

SECRET = "S3CR3T"


def line(body: bytes, content: object = None) -> dict[str, Any]:
    delivery = Delivery(event_id="a" * 32, body=body, received_at=NOW)
    columns = event_line(delivery, shop=SHOP, outcome="unclaimed", body=content)
    assert SECRET not in dump(columns).decode()
    return columns


@pytest.mark.parametrize(
    "name",
    ["cancelToken", "cancel_token", "CANCELTOKEN", "token", "accessToken", "X-Api-Key", "api_key_2", "clientSecret",
     "PASSWORD", "refresh.token", "private key", "tokens", "2token3", "Authorization", "x-authorization", "credentials",
     "Cookie", "Set-Cookie", "X-Shopify-Hmac-Sha256", "signature", "passwd", "auth", "jwt", "\uff34\uff2f\uff2b\uff25\uff2e", "token\u0301",
     "cancel\u200bToken"],
)  # fmt: skip
@pytest.mark.parametrize("value", [SECRET, [SECRET], {"value": SECRET}, [[{"a": SECRET}]]])
def test_a_secret_by_the_name_of_its_key(name: str, value: object) -> None:
    """In any spelling, as a text, a list or an object; what stands beside it is kept."""
    body = {"payload": {"detail": [{name: value, "amount": 3}]}}
    for kept in (line(json.dumps(body).encode()), line(b"", body)):
        assert kept["body"] == {"payload": {"detail": [{"amount": 3}]}}


@pytest.mark.parametrize("name", ["keyboard", "tokenised", "secretary", "passwordless", "tierId", "keys_of"])
def test_another_name_is_kept(name: str) -> None:
    """Only the end of the name counts."""
    assert without_secrets({name: SECRET}) == {name: SECRET}


@pytest.mark.parametrize(
    "body",
    [
        b'{"cancel\\u0054oken": "S3CR3T", "a": 1}',
        b'{"token": ["S3CR3T"], "a": 1}',
        b'[{"token": "S3CR3T", "a": 1}, {"b": 1}]',
        gzip.compress(b'{"token": "S3CR3T", "a": 1}', mtime=0),
        b"token=S3CR3T&a=1",
        json.dumps('{"token": "S3CR3T", "a": 1}').encode(),
    ],
)
def test_what_parses_is_redacted_by_key(body: bytes) -> None:
    """Escapes, lists, wrappings: the names are those that JSON reads."""
    assert "1" in str(line(body)["body"])


@pytest.mark.parametrize(
    "text",
    [
        '{"token": "S3CR3T", "a": 1}',
        '{"\\u0074oken": "S3CR3T", "a": 1}',
        ' [{"apiKey": "S3CR3T"}]',
        json.dumps('{"token": "S3CR3T", "a": 1}'),
        '{"note": "{\\"token\\": \\"S3CR3T\\"}"}',
    ],
)
def test_json_within_a_text(text: str) -> None:
    """It is redacted like the rest, and stays a text."""
    assert isinstance(line(b"", {"note": text})["body"]["note"], str)


@pytest.mark.parametrize(
    "text", ['{"token": "S3CR3T', '[{"a": 1}, {"password": "S3CR3T"', '{"token": "S3CR3T", "token": 1}']
)
def test_what_is_nearly_json_within_a_text(text: str) -> None:
    """It cannot be searched by its keys, so its hash and length stand for it."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest in line(b"", {"note": text})["body"]["note"]


@pytest.mark.parametrize(
    "value",
    [
        {"name": "Authorization", "value": SECRET},
        [{"key": "cancelToken", "value": [SECRET]}],
        f"https://shop.example/cancel?cancelToken={SECRET}&step=1",
        f"https://shop.example/cancel?step=1&cancel%54oken={SECRET}#top",
        f"https://shop.example/#access_token={SECRET}",
        f"token={SECRET}&a=1",
        f'see {{"cancelToken": "{SECRET}"}}',
        f"{{'token': '{SECRET}'}}",
        f'log: {{\\"api_key\\" : \\"{SECRET}\\"}}',
        {"Name": "Authorization", "Value": SECRET},
        f'log: {{"cancel\\u0054oken": "{SECRET}"}}',
        f'log: {{"token"{" " * 20}: "{SECRET}"}}',
        f'"token"=>"{SECRET}"',
        f"sid=1; auth={SECRET}; Path=/",
        f"step=1\ntoken={SECRET}",
    ],
)
def test_a_secret_beside_its_name(value: object) -> None:
    """In a pair of name and value, in the query of an address, and in a text that holds JSON further on."""
    assert SECRET not in json.dumps(line(b"", {"note": value})["body"])


@pytest.mark.parametrize("texts", [3, 4, 12, 17])
@pytest.mark.parametrize("lists", [1, 60])
def test_texts_of_json_within_each_other(texts: int, lists: int) -> None:
    """Each may be as deep as a body: what is further within than a few of them is not searched and not kept."""
    content: Any = {"token": SECRET}
    for _ in range(texts):
        for _ in range(lists):
            content = [content]
        content = {"note": json.dumps(content)}
    assert line(json.dumps(content).encode())["body"]["note"]


@pytest.mark.parametrize(
    "text", ['":' * 400_000, 'a":' * 250_000, "a=" * 400_000, "&" * 800_000, '"   ' * 200_000]
)
def test_a_long_text_is_searched_in_one_pass(text: str) -> None:
    """What looks like the end of a name costs no look at all that stands before it."""
    began = time.process_time()
    line(b"", {"note": "%" + text})
    assert time.process_time() - began < 2


def test_an_address_keeps_the_rest_of_its_query() -> None:
    """What is no secret is kept, a secret's name as well."""
    text = f"https://shop.example/cancel?step=1&token={SECRET}&key_of=3&page=2"
    assert without_secrets(text) == "https://shop.example/cancel?step=1&token=(removed)&key_of=3&page=2"


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "https://shop.example/keys?page=2",
        "a token: see below",
        "100% key",
        "a key to success",
        '{"a": 1}',
        "{",
        "token",
        "",
    ],
)
def test_any_other_text_is_unchanged(text: str) -> None:
    """Words are no secrets by themselves."""
    assert without_secrets({"note": text}) == {"note": text}


@pytest.mark.parametrize(
    "body",
    [
        b'{"payload": {"token": "S3CR3T", "a',
        b'{"token": "S3CR3T", "token": "S3CR3T"}',
        b'{"a": NaN, "token": "S3CR3T"}',
        b'\xff{"token": "S3CR3T"}',
        b"token: S3CR3T",
        b"[" * 10_000 + b'"S3CR3T"',
    ],
    ids=["cut off", "a key twice", "no number", "no text", "no JSON", "too deep"],
)
def test_of_what_cannot_be_read_hash_and_length_are_kept(body: bytes) -> None:
    """The body itself is in the encrypted queue, and in its dead letter, alone."""
    columns = line(body)
    assert (columns["body_sha256"], columns["body_bytes"]) == (hashlib.sha256(body).hexdigest(), len(body))
    assert columns.keys().isdisjoint({"raw", "body", "packed"})
