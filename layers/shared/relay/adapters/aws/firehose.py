"""Writes the journal to S3 through Firehose: lines in as few records and calls as possible, with an answer for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from relay.adapters.aws.client import AwsCaller, aws, aws_errors, refusal_error
from relay.adapters.aws.sqs import answers_of
from relay.errors import PermanentError, TransientError
from relay.model.journal import LARGEST_LINE, dump, records

_RECORDS: Final = 500
_BYTES: Final = 4 * 1024 * 1024

_Record: TypeAlias = tuple[list[int], bytes]


@dataclass(frozen=True, slots=True)
class FirehoseJournal:
    """The journal (`ports.Journal`) behind a delivery stream."""

    stream: str
    aws: AwsCaller = field(default_factory=aws)

    def write(self, lines: Sequence[Mapping[str, Any]]) -> Sequence[Exception | None]:
        """Append lines; None for each that Firehose took. A record that it refuses fails each of its lines."""
        answers: list[Exception | None] = [None] * len(lines)
        fitting: list[tuple[int, bytes]] = []
        for number, columns in enumerate(lines):
            data = dump(columns)
            if len(data) > LARGEST_LINE:
                answers[number] = PermanentError("too_large_for_journal")
            else:
                fitting.append((number, data))
        for call in _calls(records(fitting)):
            # Refused for good, a record of several lines is written line by line: one line may be the fault.
            for (numbers, _), answer in zip(call, answers_of(call, self._put), strict=True):
                for number in numbers:
                    answers[number] = answer
        for line in fitting:
            if len(fitting) > 1 and isinstance(answers[line[0]], PermanentError):
                (answers[line[0]],) = answers_of([([line[0]], line[1])], self._put)
        return answers

    def _put(self, call: Sequence[_Record]) -> Sequence[Exception | None]:
        with aws_errors("journal"):
            reply = self.aws.call(
                "firehose",
                "PutRecordBatch",
                {"DeliveryStreamName": self.stream, "Records": [{"Data": data} for _, data in call]},
            )
        entries = reply.get("RequestResponses") or ()
        if len(entries) != len(call):
            # An entry is known by its place alone. Written once more, a line does no harm.
            return [TransientError("journal: an answer is missing")] * len(call)
        return [
            refusal_error("journal", entry["ErrorCode"]) if "ErrorCode" in entry else None
            for entry in entries
        ]


def _calls(packed: Iterator[_Record]) -> Iterator[list[_Record]]:
    """Group records into calls that Firehose takes: 500 records and 4 MiB at most."""
    call: list[_Record] = []
    size = 0
    for numbers, data in packed:
        if call and (len(call) == _RECORDS or size + len(data) > _BYTES):
            yield call
            call, size = [], 0
        call.append((numbers, data))
        size += len(data)
    if call:
        yield call
