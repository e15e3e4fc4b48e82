"""The oddities of one body that try what must not be kept: secrets under odd keys, and erasures that are none or come again."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

from tests.judge import bodies, values
from tests.judge.history import DAY, Event

# Every secret of a history is one of these, so that the judge finds it wherever it stands.
SECRET = re.compile(r"5ec4e7[0-9a-f]{26}")


def secret(rng: Random) -> str:
    """Return a secret: 32 hex digits as the platform's tokens have them."""
    return f"5ec4e7{rng.getrandbits(104):026x}"


def secret_keys(event: Event, rng: Random, body: bodies.Body) -> bodies.Body:
    """Add a secret under one of the names that senders use, as a text, in a list or an object, or in JSON within a text."""
    name = rng.choice(["token", "accessToken", "access_token", "cancelToken", "clientSecret", "X-Api-Key"])
    held: Any = secret(rng)
    held = rng.choice([held, [held], {"value": held}, [[held], None]])
    place = body[rng.choice(["payload", "metadata"])]
    if rng.random() < 0.3:
        place["context"] = json.dumps({name: held})
    elif rng.random() < 0.5:
        place["context"] = [{"of": {name: held}}]
    else:
        place[name] = held
    return body


def with_escaped_key(event: Event, rng: Random, body: bytes) -> bytes:
    """Add a secret under `cancelToken`, of which one letter is written as an escape."""
    return body.replace(b'"payload":{', b'"payload":{"cancel\\u0054oken":"' + secret(rng).encode() + b'",', 1)


def erasure_elsewhere(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """`anonymized` is true where it means nothing: beside the record, in the old record, or in another topic."""
    if event.topic != bodies.UPDATED:
        body["payload"]["anonymized"] = True
        return body
    if body["payload"]["newData"].get("anonymized") is True:
        return None
    body["payload"]["oldData"] = {**body["payload"]["oldData"], "anonymized": True}
    return body


def erasure_retried(event: Event, rng: Random, body: bodies.Body) -> bodies.Body | None:
    """An erasure comes as a retry: it is dated by the time of triggering all the same."""
    new = body["payload"].get("newData", {})
    if new.get("anonymized") is not True:
        return None
    body["metadata"]["retryCount"] = 2
    new["updatedAt"] = values.iso(event.happened - DAY)
    return body
