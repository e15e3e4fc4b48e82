"""Stores the table `figures`: KPI events, the number of webhooks of each hour, and the progress of the daily run.

    pk                      sk                      what
    kpi#{shop}#{UTC day}    {ISO time}#{id}         a KPI event: n (name), m (member key), a (amount), c (currency)
    webhooks#{shop}         {ISO hour}              w: about how many webhooks came
    daily_run#{shop}        run                     version, document (JSON)

An event is put whole and under its id, so that a repetition is the same item. All but the run carry `expires`
(seconds since 1970), for the table's TTL. An event costs one write unit: $0.625 a million.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from relay.adapters.aws.client import AwsCaller, aws, aws_errors
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.attributes import Attribute, Item, count_of, number, text, text_of, time_to_live
from relay.adapters.dynamodb.versioned import put_version
from relay.errors import PermanentError, TransientError
from relay.model.kpis import KEPT_FOR, KpiEvent
from relay.ports.runtime import Clock

if TYPE_CHECKING:
    from relay.ports.scans import DailyRun

_BATCH: Final = 25
_TRIES: Final = 3
_DAY: Final = timedelta(days=1)
_TABLE: Final = "table figures"


@dataclass(frozen=True, slots=True)
class DynamoKpiStore:
    """`ports.KpiStore` of one shop in a DynamoDB table."""

    table: str
    shop: str
    clock: Clock
    aws: AwsCaller = field(default_factory=aws)

    def put(self, events: Sequence[KpiEvent]) -> Sequence[Exception | None]:
        """Store events, 25 a call; an answer for each, by its own entry."""
        # One call may not name an item twice, and a replayed event may come beside its original.
        by_key = {self._event_key(event): event for event in events}
        pairs, refused = list(by_key), dict[tuple[str, str], Exception]()
        for start in range(0, len(pairs), _BATCH):
            chunk = pairs[start : start + _BATCH]
            refused |= self._write({pair: self._item(pair, by_key[pair]) for pair in chunk})
        return [refused.get(self._event_key(event)) for event in events]

    def between(self, begin: datetime, end: datetime) -> Iterator[KpiEvent]:
        """Yield the events from `begin` on and before `end`, the oldest first.

        Raises:
            TransientError: the table does not answer.

        """
        first, last = begin.astimezone(UTC), end.astimezone(UTC)
        for back in range((last.date() - first.date()).days + 1):
            for item in self._query(keys.kpi_day(self.shop, first + back * _DAY), _iso(first), _iso(last)):
                yield _event(item)

    def add_webhooks(self, hours: Mapping[datetime, int]) -> None:
        """Add to the hours' numbers of webhooks."""
        for hour, count in hours.items():
            with aws_errors(_TABLE):
                self.aws.call(
                    "dynamodb",
                    "UpdateItem",
                    {
                        "TableName": self.table,
                        "Key": _key(keys.webhooks(self.shop), _iso(hour)),
                        "UpdateExpression": "ADD w :number SET expires = :expires",
                        "ExpressionAttributeValues": {":number": number(count), ":expires": self._expires()},
                    },
                )

    def webhooks(self, begin: datetime, end: datetime) -> Mapping[datetime, int]:
        """Return the numbers of webhooks by hour, for hours that had any."""
        return {
            datetime.fromisoformat(item["sk"]["S"]): count_of(item, "w")
            for item in self._query(keys.webhooks(self.shop), _iso(begin), _iso(end))
        }

    def _event_key(self, event: KpiEvent) -> tuple[str, str]:
        return keys.kpi_day(self.shop, event.at), f"{_iso(event.at)}#{event.id}"

    def _write(self, items: Mapping[tuple[str, str], Item]) -> dict[tuple[str, str], Exception]:
        """Put items; return those that were not taken, with the error."""
        left: Any = [{"PutRequest": {"Item": item}} for item in items.values()]
        try:
            for _ in range(_TRIES):
                with aws_errors(_TABLE):
                    reply = self.aws.call("dynamodb", "BatchWriteItem", {"RequestItems": {self.table: left}})
                left = reply.get("UnprocessedItems", {}).get(self.table, [])
                if not left:
                    return {}
        except TransientError as error:
            return dict.fromkeys(items, error)
        except PermanentError as error:
            if len(items) == 1:
                return dict.fromkeys(items, error)
            # One item may be the fault: the others are written.
            return {
                key: error for pair, item in items.items() for key, error in self._write({pair: item}).items()
            }
        unwritten = [request["PutRequest"]["Item"] for request in left]
        throttled = TransientError(f"{_TABLE}: throttled")
        return {(item["pk"]["S"], item["sk"]["S"]): throttled for item in unwritten}

    def _item(self, pair: tuple[str, str], event: KpiEvent) -> dict[str, Attribute]:
        # An amount is text: as a number, one of more than 38 digits would be refused for good.
        amount = None if event.amount is None else str(event.amount)
        columns = {"n": event.name, "m": event.member, "a": amount, "c": event.currency}
        texts = {name: text(value) for name, value in columns.items() if value is not None}
        return {**_key(*pair), **texts, "expires": self._expires()}

    def _expires(self) -> Attribute:
        """Return when an item that is written now may be deleted: the table goes by the wall clock."""
        return time_to_live(self.clock() + KEPT_FOR)

    def _query(self, partition: str, begin: str, end: str) -> Iterator[Item]:
        """Yield a partition's items from `begin` on and before `end`."""
        request: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :begin AND :end",
            "ExpressionAttributeValues": {
                ":pk": text(partition),
                ":begin": text(begin),
                ":end": text(end),
            },
        }
        while True:
            with aws_errors(_TABLE):
                reply = self.aws.call("dynamodb", "Query", {**request})
            # BETWEEN includes its end; an event of that very time has an id behind it, and an hour is the text itself.
            yield from (item for item in reply["Items"] if item["sk"]["S"] < end)
            if "LastEvaluatedKey" not in reply:
                return
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]


@dataclass(frozen=True, slots=True)
class DynamoDailyRunStore:
    """`ports.DailyRunStore` of one shop, in the same table."""

    table: str
    shop: str
    aws: AwsCaller = field(default_factory=aws)

    def load(self) -> DailyRun | None:
        """Return the progress as of the latest write; None where there never was any.

        Raises:
            TransientError: the table does not answer, or newer code has written what this code cannot read.

        """
        with aws_errors(_TABLE):
            reply = self.aws.call(
                "dynamodb", "GetItem", {"TableName": self.table, "Key": self._key, "ConsistentRead": True}
            )
        item = reply.get("Item")
        try:
            return _run_json().validate_json(item["document"]["S"]) if item else None
        except ValidationError:
            raise TransientError(f"{_TABLE}: the daily run cannot be read") from None

    def save(self, run: DailyRun) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: another tick wrote first.
            TransientError: the table does not answer.

        """
        document = _run_json().dump_json(replace(run, version=run.version + 1)).decode()
        put_version(
            self.aws,
            self.table,
            {**self._key, "document": text(document)},
            read=run.version,
            what=_TABLE,
        )

    @property
    def _key(self) -> dict[str, Attribute]:
        return _key(*keys.daily_run(self.shop))


def _event(item: Item) -> KpiEvent:
    at, _, event_id = item["sk"]["S"].partition("#")
    amount = text_of(item, "a")
    return KpiEvent(
        id=event_id,
        at=datetime.fromisoformat(at),
        member=item["m"]["S"],
        name=item["n"]["S"],
        amount=None if amount is None else Decimal(amount),
        currency=text_of(item, "c"),
    )


def _key(partition: str, sort: str) -> dict[str, Attribute]:
    return {"pk": text(partition), "sk": text(sort)}


def _iso(moment: datetime) -> str:
    """Write a moment so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


@cache
def _run_json() -> TypeAdapter[DailyRun]:
    """Return the reader and writer; it ignores fields that a newer version has added."""
    from relay.ports.scans import DailyRun

    return TypeAdapter(DailyRun)
