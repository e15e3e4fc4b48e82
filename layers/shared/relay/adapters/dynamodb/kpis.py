"""The figures table: what was counted, the hours in which webhooks came, and how far the daily round is.

    pk                  sk                      what
    {shop}#{UTC day}    {ISO time}#{id}         a figure: n (name), m (member key), a (amount), c (currency)
    {shop}#webhooks     {ISO hour}              w: how many webhooks came, about
    {shop}#clock        round                   version, round (JSON)

A figure is put whole and by its id, so that one that comes again is the same item. All but the round
carry `expires` (seconds since 1970), for the table's TTL. A figure costs one write unit: $0.625 a million.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from relay.adapters.aws.boto import aws_errors, client
from relay.errors import ConflictError, TransientError
from relay.model.kpis import KEPT_FOR, KpiEvent
from relay.ports.runtime import Clock

if TYPE_CHECKING:
    from relay.ports.scans import Round

_WRITTEN_AT_ONCE: Final = 25
_TRIES: Final = 3
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DynamoKpis:
    """`ports.Figures` of one shop in a DynamoDB table."""

    table: str
    shop: str
    clock: Clock
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def keep(self, figures: Sequence[KpiEvent]) -> Sequence[Exception | None]:
        """Keep figures, 25 a call; an answer for each, by its own entry."""
        # One call may not name an item twice: an event that is replayed beside itself would spoil it.
        by_key = {_key(self.shop, figure): figure for figure in figures}
        keys, refused = list(by_key), dict[tuple[str, str], Exception]()
        for start in range(0, len(keys), _WRITTEN_AT_ONCE):
            chunk = keys[start : start + _WRITTEN_AT_ONCE]
            refused |= self._write({key: self._item(key, by_key[key]) for key in chunk})
        return [refused.get(_key(self.shop, figure)) for figure in figures]

    def between(self, begin: datetime, end: datetime) -> Iterator[KpiEvent]:
        """Yield the figures from `begin` on and before `end`, the oldest first.

        Raises:
            TransientError: when the table does not answer.

        """
        first, last = begin.astimezone(UTC), end.astimezone(UTC)
        for back in range((last.date() - first.date()).days + 1):
            day = first.date() + back * _DAY
            for item in self._query(f"{self.shop}#{day.isoformat()}", _iso(first), _iso(last)):
                yield _counted(item)

    def hear(self, hours: Mapping[datetime, int]) -> None:
        """Add to the hours' numbers of webhooks."""
        for hour, number in hours.items():
            with aws_errors("table figures"):
                self.dynamodb.update_item(
                    TableName=self.table,
                    Key=_names(f"{self.shop}#webhooks", _iso(hour)),
                    UpdateExpression="ADD w :number SET expires = :expires",
                    ExpressionAttributeValues={":number": _number(number), ":expires": self._expiry()},
                )

    def heard(self, begin: datetime, end: datetime) -> Mapping[datetime, int]:
        """Return the numbers of webhooks by hour, where there were any."""
        return {
            datetime.fromisoformat(item["sk"]["S"]): int(item["w"]["N"])
            for item in self._query(f"{self.shop}#webhooks", _iso(begin), _iso(end))
        }

    def _write(self, items: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[tuple[str, str], Exception]:
        """Put items; returns those that were not taken, with why."""
        left: Any = [{"PutRequest": {"Item": item}} for item in items.values()]
        try:
            for _ in range(_TRIES):
                with aws_errors("table figures"):
                    reply = self.dynamodb.batch_write_item(RequestItems={self.table: left})
                left = reply.get("UnprocessedItems", {}).get(self.table, [])
                if not left:
                    return {}
        except TransientError as error:
            return dict.fromkeys(items, error)
        unwritten = [request["PutRequest"]["Item"] for request in left]
        throttled = TransientError("table figures: throttled")
        return {(item["pk"]["S"], item["sk"]["S"]): throttled for item in unwritten}

    def _item(self, key: tuple[str, str], figure: KpiEvent) -> dict[str, Any]:
        told = {
            "n": figure.name,
            "m": figure.member,
            "a": None if figure.amount is None else str(figure.amount),
            "c": figure.currency,
        }
        # An amount is text: as a number, one of more than 38 digits would be refused for good.
        texts = {name: {"S": value} for name, value in told.items() if value is not None}
        return {**_names(*key), **texts, "expires": self._expiry()}

    def _expiry(self) -> dict[str, str]:
        """Return when an item that is written now may go: the table forgets by the wall clock."""
        return _number(int((self.clock() + KEPT_FOR).timestamp()))

    def _query(self, partition: str, begin: str, end: str) -> Iterator[Mapping[str, Any]]:
        """Yield a partition's items from `begin` on and before `end`."""
        request: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :begin AND :end",
            "ExpressionAttributeValues": {
                ":pk": {"S": partition},
                ":begin": {"S": begin},
                ":end": {"S": end},
            },
        }
        while True:
            with aws_errors("table figures"):
                reply = self.dynamodb.query(**request)
            # BETWEEN takes its end in; what bears that very time has an id behind it, or is the hour itself.
            yield from (item for item in reply["Items"] if item["sk"]["S"] < end)
            if "LastEvaluatedKey" not in reply:
                return
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]


@dataclass(frozen=True, slots=True)
class DynamoDailyRuns:
    """`ports.Rounds` of one shop, in the same table."""

    table: str
    shop: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def load(self) -> Round | None:
        """Read how far the round is, as of the latest write; None where there never was one.

        Raises:
            TransientError: when the table does not answer, or newer code has written what this cannot read.

        """
        with aws_errors("table figures"):
            reply = self.dynamodb.get_item(TableName=self.table, Key=self._key, ConsistentRead=True)
        item = reply.get("Item")
        try:
            return _rounds().validate_json(item["round"]["S"]) if item else None
        except ValidationError:
            raise TransientError("table figures: the round cannot be read") from None

    def save(self, round_: Round) -> None:
        """Write it as version + 1.

        Raises:
            ConflictError: when it was written since.
            TransientError: when the table does not answer.

        """
        written = replace(round_, version=round_.version + 1)
        item = {
            **self._key,
            "version": _number(written.version),
            "round": {"S": _rounds().dump_json(written).decode()},
        }
        with aws_errors("table figures"):
            try:
                self.dynamodb.put_item(
                    TableName=self.table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(pk) OR #version = :read",
                    ExpressionAttributeNames={"#version": "version"},
                    ExpressionAttributeValues={":read": _number(round_.version)},
                )
            except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
                raise ConflictError("table figures: another tick has gone on with the round") from error

    @property
    def _key(self) -> dict[str, Any]:
        return _names(f"{self.shop}#clock", "round")


def _key(shop: str, figure: KpiEvent) -> tuple[str, str]:
    at = figure.at.astimezone(UTC)
    return f"{shop}#{at.date().isoformat()}", f"{_iso(at)}#{figure.id}"


def _counted(item: Mapping[str, Any]) -> KpiEvent:
    at, _, figure_id = item["sk"]["S"].partition("#")
    amount = item.get("a", {}).get("S")
    return KpiEvent(
        id=figure_id,
        at=datetime.fromisoformat(at),
        member=item["m"]["S"],
        name=item["n"]["S"],
        amount=None if amount is None else Decimal(amount),
        currency=item.get("c", {}).get("S"),
    )


def _names(partition: str, sort: str) -> dict[str, Any]:
    return {"pk": {"S": partition}, "sk": {"S": sort}}


def _iso(moment: datetime) -> str:
    """Write a moment so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


@cache
def _rounds() -> TypeAdapter[Round]:
    """Return the reader and writer; it leaves aside fields that a newer version has added."""
    from relay.ports.scans import Round

    return TypeAdapter(Round)
