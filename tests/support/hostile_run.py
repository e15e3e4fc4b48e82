"""Puts drawn requests to the receiver and lists what is wrong with its answers: for a test, and for `make prove`."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any
from unittest.mock import patch

from relay.model.delivery import unpack
from relay.model.header import MessageHeader
from relay.topics import FOLDERS

from functions.receiver import app
from tests.support.hostile_requests import KEY, MARK, HostileRequest, draw
from tests.support.port_fakes import SHOP


@dataclass
class Queue:
    """Takes every message, as SQS does that is well."""

    sent: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def call(self, service: str, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """Keep a message."""
        attributes = {name: value["StringValue"] for name, value in body["MessageAttributes"].items()}
        self.sent.append((body["QueueUrl"], body["MessageBody"], attributes))
        return {"MessageId": "m"}


@contextmanager
def receiver() -> Iterator[Queue]:
    """Run the receiver with `KEY` and a queue for every topic; yield the queue."""
    settings = {"SHOP_DOMAIN": SHOP, "KEY_DIGESTS": sha256(KEY.encode()).hexdigest()} | {
        f"QUEUE_{folder.upper()}": f"https://queue/{folder}" for folder in (*FOLDERS.values(), "unclaimed")
    }
    queue = Queue()
    app._settings.cache_clear()
    try:
        with patch.dict(os.environ, settings), patch.object(app, "_aws", lambda: queue):
            yield queue
    finally:
        app._settings.cache_clear()


def faults_in(count: int, seed: int) -> tuple[Counter[int], list[str]]:
    """Put `count` requests; return the statuses that were right, and each wrong thing with its number."""
    statuses, faults = Counter[int](), list[str]()
    rng = Random(seed)
    with receiver() as queue:
        for number in range(count):
            request = draw(rng)
            queue.sent.clear()
            faults += (f"request {number} of seed {seed}: {fault}" for fault in _faults(request, queue))
            statuses[request.status] += 1
    return statuses, faults


def _faults(request: HostileRequest, queue: Queue) -> Iterator[str]:
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            reply = app.handler(request.event, None)
    except Exception as error:  # noqa: BLE001 - the very fault that is looked for
        yield f"raised {type(error).__name__}"
        return
    if reply["statusCode"] != request.status:
        yield f"status {reply['statusCode']} instead of {request.status}"
    lines = output.getvalue().splitlines()
    if len(lines) != 1 or not isinstance(json.loads(lines[0]), dict):
        yield f"{len(lines)} lines of log"
    if MARK in output.getvalue() or MARK in json.dumps(reply):
        yield "a value of the request in the log or in the answer"
    yield from _faults_of_messages(request, queue)


def _faults_of_messages(request: HostileRequest, queue: Queue) -> Iterator[str]:
    if len(queue.sent) != (request.status == 202):
        yield f"{len(queue.sent)} messages for status {request.status}"
        return
    for _, text, attributes in queue.sent:
        if list(attributes) != ["relay"] or not attributes["relay"].isascii():
            yield "attributes that are not one line of ASCII"
        if unpack(text, MessageHeader.read(attributes)).body != request.body:
            yield "another body than was posted"
