"""The journal's way to S3: Firehose, in batches, an answer for each line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.adapters.aws.boto import aws_errors, client
from relay.errors import PermanentError, TransientError
from relay.model.journal import LARGEST_LINE, dump

_ENTRIES: Final = 500
_BYTES: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class FirehoseJournal:
    """The journal (`ports.Journal`) behind a delivery stream."""

    stream: str
    firehose: Any = field(default_factory=lambda: client("firehose"))

    def write(self, lines: Sequence[Mapping[str, Any]]) -> Sequence[Exception | None]:
        """Append lines; None for each that Firehose took."""
        answers: list[Exception | None] = [None] * len(lines)
        for chunk in _chunks([dump(columns) for columns in lines], answers):
            self._put(chunk, answers)
        return answers

    def _put(self, chunk: Sequence[tuple[int, bytes]], answers: list[Exception | None]) -> None:
        try:
            with aws_errors("journal"):
                reply = self.firehose.put_record_batch(
                    DeliveryStreamName=self.stream, Records=[{"Data": data} for _, data in chunk]
                )
        except TransientError as error:
            for number, _ in chunk:
                answers[number] = error
            return
        for (number, _), entry in zip(chunk, reply["RequestResponses"], strict=True):
            if "ErrorCode" in entry:
                answers[number] = TransientError(f"journal: {entry['ErrorCode']}")


def _chunks(data: Sequence[bytes], answers: list[Exception | None]) -> Iterator[list[tuple[int, bytes]]]:
    chunk: list[tuple[int, bytes]] = []
    weight = 0
    for number, line in enumerate(data):
        if len(line) > LARGEST_LINE:
            answers[number] = PermanentError("too_large_for_journal")
            continue
        if chunk and (len(chunk) == _ENTRIES or weight + len(line) > _BYTES):
            yield chunk
            chunk, weight = [], 0
        chunk.append((number, line))
        weight += len(line)
    if chunk:
        yield chunk
