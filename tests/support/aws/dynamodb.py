"""DynamoDB tables in memory, no kinder than the documentation.

Conditions, updates, batches with their limits and unprocessed keys, transactions with their reasons, items of at
most 400 KB, numbers of at most 38 digits, keys that are not empty, pages of 1 MB, a stream by shard. TTL deletes
late, as on AWS: only `expire` does it. Sources: the service model, the developer guide's limits.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tests.support.aws.expressions import Item, condition, copied, placeholders, projection, update
from tests.support.aws.refusals import invalid, refused
from tests.support.aws.stream import StreamRecord, TableStream
from tests.support.aws.virtual_clock import VirtualClock

LARGEST_ITEM: Final = 400 * 1024
LARGEST_KEY: Final = 2048
MOST_DIGITS: Final = 38
MOST_READ: Final = 100
MOST_WRITTEN: Final = 25
MOST_IN_TRANSACTION: Final = 100
PAGE_BYTES: Final = 1024 * 1024

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LARGEST_NUMBER: Final = Decimal("9.9999999999999999999999999999999999999E+125")
_SMALLEST_NUMBER: Final = Decimal("1E-130")


@dataclass(slots=True)
class FakeTable:
    """One table. `key` are its hash key and, where there is one, its range key."""

    name: str
    key: tuple[str, ...]
    ttl: str | None = None
    items: dict[tuple[Any, ...], Item] = field(default_factory=dict)
    stream: TableStream = field(default_factory=TableStream)

    def key_of(self, item: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the key of an item, checked."""
        parts: list[Any] = []
        for name in self.key:
            value = item.get(name)
            if value is None:
                raise invalid(f"missing the key {name}")
            kind, content = next(iter(value.items()))
            if kind not in {"S", "N", "B"} or content in {"", b""}:
                raise invalid(f"no key: {name}")
            if len(content.encode() if isinstance(content, str) else content) > LARGEST_KEY:
                raise invalid(f"too long a key: {name}")
            parts.append(content)
        return tuple(parts)

    def write(self, key: tuple[Any, ...], after: Item | None) -> None:
        """Put or delete an item, checked before, and record it in the stream, unless nothing changed."""
        before = self.items.get(key)
        if after is None:
            self.items.pop(key, None)
        else:
            self.items[key] = after
        if before != after:
            keys = {name: (after or before or {})[name] for name in self.key}
            self.stream.add(keys, before, after)


@dataclass(slots=True)
class FakeDynamoDb:
    """Tables by name. `leaves_unprocessed` says how many keys or writes of a batch are left undone."""

    clock: VirtualClock
    tables: dict[str, FakeTable] = field(default_factory=dict)
    leaves_unprocessed: Callable[[int], int] = lambda _number: 0

    def table(self, name: str, *key: str, ttl: str | None = None) -> FakeTable:
        """Return a table, made if it is new."""
        if name not in self.tables:
            self.tables[name] = FakeTable(name, key or ("pk",), ttl)
        return self.tables[name]

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out an operation of the service model."""
        operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "GetItem": self._get,
            "PutItem": self._put,
            "UpdateItem": self._update,
            "DeleteItem": self._delete,
            "BatchGetItem": self._batch_get,
            "BatchWriteItem": self._batch_write,
            "TransactWriteItems": self._transact,
            "Query": self._query,
            "Scan": self._scan,
        }
        if operation not in operations:
            raise NotImplementedError(f"the fake DynamoDB has no {operation}")
        reply: dict[str, Any] = _sent(operations[operation](_received(body)))
        return reply

    def expire(self) -> None:
        """Delete what its TTL attribute says is over, as DynamoDB does some time within days."""
        now = Decimal(self.clock.now().timestamp())
        for table in self.tables.values():
            for key, item in list(table.items.items()):
                until = item.get(table.ttl or "", {}).get("N")
                if until is not None and Decimal(until) < now:
                    table.write(key, None)

    def _named(self, name: str) -> FakeTable:
        if name not in self.tables:
            raise refused("ResourceNotFoundException")
        return self.tables[name]

    def _get(self, body: Mapping[str, Any]) -> dict[str, Any]:
        table = self._named(body["TableName"])
        holders = placeholders(body)
        picked = (
            projection(body["ProjectionExpression"], holders) if "ProjectionExpression" in body else copied
        )
        holders.check_used()
        item = table.items.get(self._key(table, body["Key"]))
        return {} if item is None else {"Item": picked(item)}

    def _key(self, table: FakeTable, key: Mapping[str, Any]) -> tuple[Any, ...]:
        if set(key) != set(table.key):
            raise invalid("the key has other attributes than the table's")
        return table.key_of(key)

    def _changed(
        self, kind: str, body: Mapping[str, Any]
    ) -> tuple[FakeTable, tuple[Any, ...], Item | None, Item | None]:
        """Return table, key, and the item before and after; conditions are checked."""
        table = self._named(body["TableName"])
        holders = placeholders(body)
        key = table.key_of(body["Item"]) if kind == "Put" else self._key(table, body["Key"])
        before = table.items.get(key)
        test = condition(body["ConditionExpression"], holders) if "ConditionExpression" in body else None
        change = update(body["UpdateExpression"], holders) if "UpdateExpression" in body else None
        holders.check_used()
        if test is not None and not test(before or {}):
            fields: dict[str, Any] = {}
            if body.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and before is not None:
                fields["Item"] = _sent(before)
            raise refused("ConditionalCheckFailedException", **fields)
        after: Item | None
        match kind:
            case "Put":
                after = copied(body["Item"])
            case "Delete":
                after = None
            case "ConditionCheck":
                after = before
            case _:
                base = before if before is not None else dict(body["Key"])
                after = change(base) if change else copied(base)
                if table.key_of(after) != key:
                    raise invalid("an update may not change the key")
        if after is not None:
            _check_item(after)
        return table, key, before, after

    def _put(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._write("Put", body)

    def _delete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._write("Delete", body)

    def _update(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._write("Update", body)

    def _write(self, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        table, key, before, after = self._changed(kind, body)
        table.write(key, after)
        match body.get("ReturnValues", "NONE"):
            case "ALL_OLD":
                return {"Attributes": copied(before)} if before else {}
            case "ALL_NEW":
                return {"Attributes": copied(after)}
            case "UPDATED_NEW" | "UPDATED_OLD" as wanted:
                source = (after if wanted == "UPDATED_NEW" else before) or {}
                changed = [
                    name
                    for name in {*(before or {}), *(after or {})}
                    if (before or {}).get(name) != (after or {}).get(name)
                ]
                return {"Attributes": {name: source[name] for name in changed if name in source}}
            case _:
                return {}

    def _batch_get(self, body: Mapping[str, Any]) -> dict[str, Any]:
        wanted = [(name, key) for name, request in body["RequestItems"].items() for key in request["Keys"]]
        if not 1 <= len(wanted) <= MOST_READ:
            raise invalid("1 to 100 keys")
        keys = [(name, self._key(self._named(name), key)) for name, key in wanted]
        if len(set(keys)) < len(keys):
            raise invalid("duplicates")
        left = min(self.leaves_unprocessed(len(wanted)), len(wanted))
        responses: dict[str, list[Item]] = {name: [] for name in body["RequestItems"]}
        for name, key in keys[: len(keys) - left]:
            request = body["RequestItems"][name]
            holders = placeholders(request)
            picked = (
                projection(request["ProjectionExpression"], holders)
                if "ProjectionExpression" in request
                else copied
            )
            item = self._named(name).items.get(key)
            if item is not None:
                responses[name].append(picked(item))
        unprocessed: dict[str, Any] = {}
        for name, key in wanted[len(wanted) - left :] if left else []:
            request = body["RequestItems"][name]
            entry = unprocessed.setdefault(name, {**request, "Keys": []})
            entry["Keys"].append(key)
        return {"Responses": responses, "UnprocessedKeys": unprocessed}

    def _batch_write(self, body: Mapping[str, Any]) -> dict[str, Any]:
        requests = [(name, request) for name, entries in body["RequestItems"].items() for request in entries]
        if not 1 <= len(requests) <= MOST_WRITTEN:
            raise invalid("1 to 25 writes")
        writes: list[tuple[FakeTable, tuple[Any, ...], Item | None]] = []
        for name, request in requests:
            table = self._named(name)
            if "PutRequest" in request:
                item = request["PutRequest"]["Item"]
                _check_item(item)
                writes.append((table, table.key_of(item), item))
            else:
                writes.append((table, self._key(table, request["DeleteRequest"]["Key"]), None))
        places = [(table.name, key) for table, key, _ in writes]
        if len(set(places)) < len(places):
            raise invalid("duplicates")
        left = min(self.leaves_unprocessed(len(requests)), len(requests))
        for table, key, item in writes[: len(writes) - left]:
            table.write(key, copied(item) if item is not None else None)
        unprocessed: dict[str, list[Any]] = {}
        for name, request in requests[len(requests) - left :] if left else []:
            unprocessed.setdefault(name, []).append(request)
        return {"UnprocessedItems": unprocessed}

    def _transact(self, body: Mapping[str, Any]) -> dict[str, Any]:
        writes = body["TransactItems"]
        if not 1 <= len(writes) <= MOST_IN_TRANSACTION:
            raise invalid("1 to 100 writes")
        changes: list[tuple[FakeTable, tuple[Any, ...], Item | None, str]] = []
        reasons: list[dict[str, Any]] = []
        for write in writes:
            ((kind, request),) = write.items()
            try:
                table, key, _, after = self._changed(kind, request)
            except Exception as error:
                code = getattr(error, "code", "")
                if code != "ConditionalCheckFailedException":
                    raise
                reasons.append({"Code": "ConditionalCheckFailed", **getattr(error, "fields", {})})
            else:
                reasons.append({"Code": "None"})
                changes.append((table, key, after, kind))
        places = [(table.name, key) for table, key, _, _ in changes]
        if len(set(places)) < len(places):
            raise invalid("one item twice in a transaction")
        if any(reason["Code"] != "None" for reason in reasons):
            raise refused("TransactionCanceledException", CancellationReasons=reasons)
        for table, key, after, kind in changes:
            if kind != "ConditionCheck":
                table.write(key, after)
        return {}

    def _query(self, body: Mapping[str, Any]) -> dict[str, Any]:
        table = self._named(body["TableName"])
        holders = placeholders(body)
        in_key = condition(body["KeyConditionExpression"], holders)
        items = sorted(
            (item for item in table.items.values() if in_key(item)), key=lambda item: _order(table, item)
        )
        if body.get("ScanIndexForward") is False:
            items.reverse()
        return self._page(table, items, body, holders)

    def _scan(self, body: Mapping[str, Any]) -> dict[str, Any]:
        table = self._named(body["TableName"])
        # A scan has no order that means anything: here it is that of a hash, and stable.
        total, segment = body.get("TotalSegments", 1), body.get("Segment", 0)
        items = sorted(
            (item for item in table.items.values() if _hash(table, item) % total == segment),
            key=lambda item: _hash(table, item),
        )
        return self._page(table, items, body, placeholders(body))

    def _page(
        self, table: FakeTable, items: Sequence[Item], body: Mapping[str, Any], holders: Any
    ) -> dict[str, Any]:
        keep = (
            condition(body["FilterExpression"], holders) if "FilterExpression" in body else lambda _item: True
        )
        picked = (
            projection(body["ProjectionExpression"], holders) if "ProjectionExpression" in body else copied
        )
        holders.check_used()
        start = body.get("ExclusiveStartKey")
        if start is not None:
            keys = [table.key_of(item) for item in items]
            after = table.key_of(start)
            # The item may have been deleted since: then what comes behind its place goes on.
            items = (
                items[keys.index(after) + 1 :]
                if after in keys
                else [item for item in items if _position(table, item, body) > _position(table, start, body)]
            )
        limit = body.get("Limit", len(items) + 1)
        page: list[Item] = []
        weight = 0
        last: Item | None = None
        for number, item in enumerate(items):
            if number == limit or weight >= PAGE_BYTES:
                break
            weight += _weight(item)
            last = item
            if keep(item):
                page.append(picked(item))
        else:
            last = None
        reply: dict[str, Any] = {"Count": len(page)}
        if body.get("Select") != "COUNT":
            reply["Items"] = page
        if last is not None:
            reply["LastEvaluatedKey"] = {name: last[name] for name in table.key}
        return reply


def _order(table: FakeTable, item: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(
        Decimal(content) if kind == "N" else content.encode() if kind == "S" else content
        for kind, content in (next(iter(item[name].items())) for name in table.key)
    )


def _hash(table: FakeTable, item: Mapping[str, Any]) -> int:
    return zlib.crc32(repr(table.key_of(item)).encode())


def _position(table: FakeTable, item: Mapping[str, Any], body: Mapping[str, Any]) -> Any:
    return _order(table, item) if "KeyConditionExpression" in body else _hash(table, item)


def _check_item(item: Mapping[str, Any]) -> None:
    for value in item.values():
        _check_value(value)
    if _weight(item) > LARGEST_ITEM:
        raise invalid("item larger than 400 KB")


_TYPES: Final = frozenset({"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"})


def _check_value(value: Mapping[str, Any]) -> None:
    if len(value) != 1 or not value.keys() <= _TYPES:
        raise invalid("a value has one type")
    kind, content = next(iter(value.items()))
    if kind == "S" and not isinstance(content, str):
        raise refused("SerializationException")
    if kind in {"SS", "NS", "BS"} and (not content or len(set(content)) < len(content)):
        raise invalid("a set is neither empty nor holds one value twice")
    for number in content if kind == "NS" else [content] if kind == "N" else []:
        _check_number(number)
    for inner in content.values() if kind == "M" else content if kind == "L" else []:
        _check_value(inner)


def _check_number(text: Any) -> None:
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise invalid("no number")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise invalid("no number") from None
    # Not by `normalize`, which rounds to the context's 28 digits.
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if len(digits) > MOST_DIGITS or abs(number) > _LARGEST_NUMBER or 0 < abs(number) < _SMALLEST_NUMBER:
        raise invalid("38 digits and 125 powers of ten at most")


def _weight(value: Any) -> int:
    """Return bytes of an item as DynamoDB counts them: names and values, a little for lists and maps."""
    if isinstance(value, Mapping):
        total = 0
        for name, inner in value.items():
            total += len(str(name).encode()) + _value_weight(inner)
        return total
    return 0


def _value_weight(value: Mapping[str, Any]) -> int:
    kind, content = next(iter(value.items()))
    if kind == "N":
        return len(Decimal(content).as_tuple().digits) // 2 + 2
    if kind == "M":
        return 3 + len(content) + _weight(content)
    if kind == "L":
        return 3 + sum(1 + _value_weight(inner) for inner in content)
    if kind in {"SS", "NS", "BS"}:
        return sum(len(str(inner)) for inner in content)
    if kind in {"S", "B"}:
        return len(content.encode() if kind == "S" else content)
    return 1


def _received(value: Any) -> Any:
    """Read a request: base64 or bytes, a binary value is bytes inside."""
    # Nearly everything is a text or a dict, and a class itself is asked about far faster than an abstract one.
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, Mapping)):
        if len(value) == 1 and "B" in value and isinstance(value["B"], str | bytes | bytearray):
            content = value["B"]
            return {"B": base64.b64decode(content) if isinstance(content, str) else bytes(content)}
        return {name: _received(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_received(inner) for inner in value]
    return value


def _sent(value: Any) -> Any:
    """Write a reply as JSON has it: a binary value is base64."""
    # Nearly everything is a text or a dict, and a class itself is asked about far faster than an abstract one.
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, Mapping)):
        if len(value) == 1 and isinstance(value.get("B"), bytes):
            return {"B": base64.b64encode(value["B"]).decode()}
        return {name: _sent(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_sent(inner) for inner in value]
    return value


__all__ = ["FakeDynamoDb", "FakeTable", "StreamRecord"]
