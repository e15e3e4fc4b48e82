"""The members table: one item a member, written on condition that nobody wrote in between.

The item is kept small, since its bytes are paid for at every write:

    pk    shop:customer
    v     version of this layout
    n     how often it was written; the condition of every write
    s     [[milliseconds, event id], …]: the (time, id) pairs that registers share
    f     {field: [value, index into s]}; the index alone where the value is the very time of that pair
    l     {event id: [amount, expiry in milliseconds]}: credit lots
    c     the chain of balances, as text (`_chain_text`)
    m     milestones, six bytes each (`milestones.packed`)
    r     the latest event ids, 16 bytes each, newest last
    o     the outbox of this write, JSON, for the fan-out

An event id is 32 hex digits and kept as the 16 bytes that they spell; any other id as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from pydantic import ValidationError

from relay.adapters.aws.boto import aws_errors, client
from relay.errors import ConflictError, TransientError, UnreadableRulesError
from relay.model import milestones
from relay.model.balance_chain import BalanceChain, BalanceChange, DatedChange
from relay.model.facts import Lot
from relay.model.fields import FIELDS, from_millis, from_stored, to_millis, to_stored
from relay.model.member import Member, Register
from relay.model.messages import Outbox, dump
from relay.ports.members import MemberRecord
from relay.rules.settings import Rules

LAYOUT: Final = 1
RULES_KEY: Final = "rules"

_HASH: Final = re.compile("[0-9a-f]{32}")
_ID_BYTES: Final = 16
_READ_AT_ONCE: Final = 100
_READ_ROUNDS: Final = 5
_OURS: Final = frozenset({"pk", "v", "n", "s", "f", "l", "c", "m", "r", "o"})

_pack: Final = TypeSerializer().serialize
_unpack: Final = TypeDeserializer().deserialize


@dataclass(frozen=True, slots=True)
class DynamoMembers:
    """Members (`ports.Members`) of one shop in a DynamoDB table."""

    table: str
    shop: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def load(self, keys: Iterable[str]) -> tuple[Mapping[str, MemberRecord], Rules]:
        """Read members and rules together; a member who is not there yet is an empty record.

        Raises:
            TransientError: when the table does not answer, or the stored rules cannot be read.

        """
        wanted = list(dict.fromkeys(keys))
        items = self._read([RULES_KEY, *wanted])
        records = {key: self._record(key, items.get(key)) for key in wanted}
        return records, _rules(items.get(RULES_KEY))

    def save(self, record: MemberRecord, outbox: Outbox) -> None:
        """Write the record as the next version.

        Raises:
            ConflictError: when somebody else wrote first.
            TransientError: when the table does not answer.

        """
        item = encode(record, outbox)
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if record.version:
            condition = {
                "ConditionExpression": "n = :read",
                "ExpressionAttributeValues": {":read": _pack(record.version)},
            }
        with aws_errors("members table"):
            try:
                self.dynamodb.put_item(TableName=self.table, Item=item, **condition)
            except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
                raise ConflictError("the member was written in between") from error

    def store_rules(self, document: str) -> None:
        """Put rules into force: a JSON document that holds what differs from the defaults, checked before.

        Raises:
            TransientError: when the table does not answer.

        """
        with aws_errors("members table"):
            self.dynamodb.update_item(
                TableName=self.table,
                Key={"pk": _pack(RULES_KEY)},
                UpdateExpression="SET document = :document ADD n :one",
                ExpressionAttributeValues={":document": _pack(document), ":one": _pack(1)},
            )

    def _record(self, key: str, item: Mapping[str, Any] | None) -> MemberRecord:
        if item is None:
            return MemberRecord(member=Member(shop=self.shop, customer_id=key.rpartition(":")[2]))
        return decode(item)

    def _read(self, keys: list[str]) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for start in range(0, len(keys), _READ_AT_ONCE):
            asked = [{"pk": _pack(key)} for key in keys[start : start + _READ_AT_ONCE]]
            for _ in range(_READ_ROUNDS):
                with aws_errors("members table"):
                    reply = self.dynamodb.batch_get_item(
                        RequestItems={self.table: {"Keys": asked, "ConsistentRead": True}}
                    )
                found |= {item["pk"]["S"]: item for item in reply["Responses"].get(self.table, ())}
                asked = reply.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
                if not asked:
                    break
            else:
                raise TransientError("members table: throttled")
        return found


def _rules(item: Mapping[str, Any] | None) -> Rules:
    if item is None:
        return Rules()
    try:
        return Rules.model_validate_json(_unpack(item["document"]))
    except (KeyError, TypeError, ValidationError):
        # Never silently the defaults: a merchant who raised a threshold would be told of everything.
        raise UnreadableRulesError("the stored rules cannot be read: apply them again") from None


def encode(record: MemberRecord, outbox: Outbox) -> dict[str, Any]:
    """Return the item of the record's next version."""
    member = record.member
    stamps: dict[tuple[datetime, str], int] = {}
    fields: dict[str, Any] = {}
    for name, register in sorted(member.registers.items()):
        stamp = (register.at, register.by)
        index = stamps.setdefault(stamp, len(stamps))
        fields[name] = index if register.value == register.at else [to_stored(register.value), index]
    lots = {by: [lot.amount, to_millis(lot.expires_at)] for by, lot in member.lots.items()}
    plain: dict[str, Any] = {
        "pk": member.key,
        "v": LAYOUT,
        "n": record.version + 1,
        "s": [[to_millis(at), _pack_id(by)] for at, by in stamps],
        "f": fields,
        "r": Binary(b"".join(bytes.fromhex(event_id) for event_id in record.seen)),
        "o": dump(outbox),
    }
    if lots:
        plain["l"] = lots
    if member.chain:
        plain["c"] = _chain_text(member.chain)
    if member.milestones:
        plain["m"] = Binary(milestones.packed(member.milestones))
    later = member.later
    unknown_fields = later.get("f", {})
    if unknown_fields:
        plain["f"] = {**_with_own_stamps(unknown_fields, plain["s"]), **fields}
    return {name: _pack(value) for name, value in {**later.get("item", {}), **plain}.items()}


def _with_own_stamps(unknown: Mapping[str, tuple[Any, Any]], stamps: list[Any]) -> dict[str, Any]:
    """Write back fields of a newer version, whose (time, id) pairs are appended as they were."""
    written = {}
    for name, (told, stamp) in unknown.items():
        if stamp not in stamps:
            stamps.append(stamp)
        written[name] = [*told, stamps.index(stamp)] if told else stamps.index(stamp)
    return written


def decode(item: Mapping[str, Any]) -> MemberRecord:
    """Read an item; what a newer version of this code stored is kept for the next write."""
    plain = {name: _unpack(value) for name, value in item.items()}
    stamps = plain["s"]
    registers: dict[str, Register] = {}
    unknown: dict[str, Any] = {}
    for name, entry in plain["f"].items():
        told, index = (entry[:-1], entry[-1]) if isinstance(entry, list) else ([], entry)
        stamp = stamps[int(index)]
        at = from_millis(int(stamp[0]))
        if name in FIELDS:
            value = from_stored(FIELDS[name].kind, told[0]) if told else at
            registers[name] = Register(value, at, _unpack_id(stamp[1]))
        else:
            unknown[name] = (told, stamp)
    shop, _, customer_id = plain["pk"].rpartition(":")
    lots = {
        by: Lot(Decimal(amount), from_millis(int(expiry)))
        for by, (amount, expiry) in plain.get("l", {}).items()
    }
    rest = {name: value for name, value in plain.items() if name not in _OURS}
    member = Member(
        shop=shop,
        customer_id=customer_id,
        registers=registers,
        lots=lots,
        chain=_chain(plain.get("c", "")),
        milestones=milestones.unpacked(bytes(plain["m"].value)) if "m" in plain else (),
        later={name: value for name, value in (("f", unknown), ("item", rest)) if value},
    )
    return MemberRecord(member=member, version=int(plain["n"]), seen=_seen(bytes(plain["r"].value)))


def _seen(packed: bytes) -> tuple[str, ...]:
    return tuple(packed[start : start + _ID_BYTES].hex() for start in range(0, len(packed), _ID_BYTES))


def _chain_text(chain: BalanceChain) -> str:
    """Write links as `milliseconds before after`, by `;`: the time in hex, after the first since the one before.

    A reading has `*` for before, and `=` is what the last one left. So a link takes a dozen bytes.
    """
    written, balance, time = [], None, 0
    for link in chain:
        before, at = link.change.previous, to_millis(link.at)
        told = "*" if before is None else "=" if _same(before, balance) else str(before)
        written.append(f"{at - time:x} {told} {link.change.new}")
        balance, time = link.change.new, at
    return ";".join(written)


def _same(one: Decimal, other: Decimal | None) -> bool:
    """Tell whether two amounts are written alike: `10` and `10.0` are equal, and are kept apart."""
    return other is not None and str(one) == str(other)


def _chain(text: str) -> BalanceChain:
    links: list[DatedChange] = []
    time = 0
    for written in text.split(";") if text else ():
        since, told, after = written.split(" ")
        time += int(since, 16)
        before = None if told == "*" else links[-1].change.new if told == "=" else Decimal(told)
        links.append(DatedChange(from_millis(time), BalanceChange(before, Decimal(after))))
    return tuple(links)


def _pack_id(event_id: str) -> Binary | str:
    return Binary(bytes.fromhex(event_id)) if _HASH.fullmatch(event_id) else event_id


def _unpack_id(packed: Any) -> str:
    return packed if isinstance(packed, str) else bytes(packed.value).hex()
