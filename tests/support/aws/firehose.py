"""Firehose streams in memory: at most 500 records, 4 MiB a call, 1,000 KiB a record; entries fail one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.aws.refusals import refused

MOST_RECORDS: Final = 500
MOST_BYTES: Final = 4 * 1024 * 1024
LARGEST_RECORD: Final = 1_000 * 1024


@dataclass(slots=True)
class FakeFirehose:
    """Streams by name, each with the records that it took. `fails` says which record of a call fails, and how."""

    streams: dict[str, list[bytes]] = field(default_factory=dict)
    fails: Callable[[int, bytes], str | None] = lambda _number, _data: None

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out an operation of the service model."""
        if operation != "PutRecordBatch":
            raise NotImplementedError(f"the fake Firehose has no {operation}")
        stream = self.streams.get(body["DeliveryStreamName"])
        if stream is None:
            raise refused("ResourceNotFoundException")
        records = [record["Data"] for record in body["Records"]]
        if (
            not 1 <= len(records) <= MOST_RECORDS
            or sum(map(len, records)) > MOST_BYTES
            or any(len(record) > LARGEST_RECORD for record in records)
        ):
            raise refused("InvalidArgumentException" if records else "ValidationException")
        responses: list[dict[str, str]] = []
        for number, record in enumerate(records):
            code = self.fails(number, record)
            if code:
                responses.append({"ErrorCode": code, "ErrorMessage": "slow down"})
            else:
                stream.append(bytes(record))
                responses.append({"RecordId": f"{body['DeliveryStreamName']}-{len(stream)}"})
        failed = sum("ErrorCode" in response for response in responses)
        return {"FailedPutCount": failed, "Encrypted": False, "RequestResponses": responses}
