"""A table's stream, by shard, and the event source mapping that feeds it to a function.

Records of one item stay in their order within a shard. A failed batch is tried again, halved (`BisectBatchOnFunctionError`),
until its records are older than the mapping allows; then a message with the shard and the sequence numbers, and nothing
of the records, goes to the on-failure destination. Source: the Lambda developer guide on DynamoDB streams.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.aws.sqs import FakeQueue
from tests.support.aws.virtual_clock import VirtualClock


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One change of one item."""

    number: int
    keys: Mapping[str, Any]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(slots=True)
class TableStream:
    """All changes of a table since it was made, by shard."""

    shards: list[list[StreamRecord]] = field(default_factory=lambda: [[], []])
    written: int = 0

    def add(
        self, keys: Mapping[str, Any], before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
    ) -> None:
        """Append a change to the shard of its item."""
        self.written += 1
        shard = zlib.crc32(repr(sorted(keys.items())).encode()) % len(self.shards)
        self.shards[shard].append(StreamRecord(self.written, keys, before, after))


@dataclass(slots=True)
class StreamMapping:
    """How far a function has read each shard. `oldest` is the age at which a failing record is given up."""

    stream: TableStream
    clock: VirtualClock
    on_failure: FakeQueue | None = None
    batch_size: int = 100
    oldest: timedelta = timedelta(hours=20)
    _positions: dict[int, int] = field(default_factory=dict)
    _sizes: dict[int, int] = field(default_factory=dict)
    _failing_since: dict[int, datetime] = field(default_factory=dict)

    def poll(self, shard: int) -> dict[str, Any] | None:
        """Return a Lambda event with the next records of a shard; None where there is none."""
        start = self._positions.get(shard, 0)
        size = self._sizes.get(shard, self.batch_size)
        records = self.stream.shards[shard][start : start + size]
        return {"Records": [self._record(record) for record in records]} if records else None

    def process_response(
        self, shard: int, event: Mapping[str, Any], response: Mapping[str, Any] | None
    ) -> None:
        """Move past the records that were handled; None stands for a function that failed."""
        records = event["Records"]
        failures = None if response is None else response.get("batchItemFailures", ())
        if failures is not None and not failures:
            self._advance(shard, len(records))
            return
        done = 0
        if failures:
            numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
            done = min(
                (
                    numbers.index(failure["itemIdentifier"])
                    for failure in failures
                    if failure["itemIdentifier"] in numbers
                ),
                default=0,
            )
        if done:
            self._advance(shard, done)
            records = records[done:]
        since = self._failing_since.setdefault(shard, self.clock.now())
        if self.clock.now() - since >= self.oldest:
            self._give_up(shard, records)
        elif len(records) > 1:
            self._sizes[shard] = max(1, len(records) // 2)

    def _advance(self, shard: int, by: int) -> None:
        self._positions[shard] = self._positions.get(shard, 0) + by
        self._sizes.pop(shard, None)
        self._failing_since.pop(shard, None)

    def _give_up(self, shard: int, records: list[dict[str, Any]]) -> None:
        if self.on_failure is not None:
            body = {
                "requestContext": {"condition": "RecordAgeExceeded"},
                "DDBStreamBatchInfo": {
                    "shardId": f"shard-{shard}",
                    "startSequenceNumber": records[0]["dynamodb"]["SequenceNumber"],
                    "endSequenceNumber": records[-1]["dynamodb"]["SequenceNumber"],
                    "batchSize": len(records),
                },
            }
            self.on_failure.put(json.dumps(body), {})
        self._advance(shard, len(records))

    def _record(self, record: StreamRecord) -> dict[str, Any]:
        name = "INSERT" if record.before is None else "REMOVE" if record.after is None else "MODIFY"
        images = {
            key: _json(image)
            for key, image in (("OldImage", record.before), ("NewImage", record.after))
            if image is not None
        }
        return {
            "eventID": str(record.number),
            "eventName": name,
            "eventSource": "aws:dynamodb",
            "awsRegion": "eu-west-1",
            "dynamodb": {
                "Keys": _json(record.keys),
                "SequenceNumber": str(record.number).zfill(21),
                "StreamViewType": "NEW_AND_OLD_IMAGES",
                "ApproximateCreationDateTime": self.clock.monotonic(),
                **images,
            },
        }


def _json(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, Mapping)):
        return {name: _json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
