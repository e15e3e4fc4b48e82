"""Writes a member's record as an item of the members table, and reads it back, exactly.

Every write pays for the item's bytes, so its names are single letters:

    pk    {shop}:{customer id}
    v     the version of this layout
    n     how many times the item was written; the condition of every write
    s     the stamps that registers share, each as 23 bytes (7 of the number, 16 of the event id)
    f     {code of a field: [value, index into s]}; the index alone where the value is the very moment of that stamp
    l     {event id: [amount, expiry in milliseconds]}: lots of credits
    c     the balance chain, as text (`_chain_text`)
    m     milestones, as text (`milestones.encode`)
    r     the latest event ids, 16 bytes each, newest last
    o     the outbox of this write, JSON, for the fan-out

An event id is 32 hex digits. A stamp with any other id, such as a reading's, is the list [number, id].
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from relay.adapters.dynamodb.attributes import Attribute, from_attribute, to_attribute
from relay.model import milestones
from relay.model.balance_chain import BalanceChain, BalanceChange
from relay.model.facts import Lot
from relay.model.fields import FIELDS, from_millis, from_stored, to_millis, to_stored
from relay.model.member import Member
from relay.model.messages import Outbox, dump
from relay.model.registers import Register
from relay.model.stamps import Stamp
from relay.ports.members import MemberRecord

LAYOUT: Final = 1

_CODES: Final[Mapping[str, str]] = {
    "email": "em",
    "phone": "ph",
    "first_name": "fn",
    "last_name": "ln",
    "anonymized": "an",
    "joined_at": "ja",
    "first_joined_at": "fja",
    "tier_id": "ti",
    "tier_name": "tn",
    "tier_type": "tt",
    "previous_tier_id": "pti",
    "previous_tier_name": "ptn",
    "tier_changed_at": "tca",
    "trial_ends_at": "tea",
    "pending_since": "ps",
    "pending_cancel_at": "pca",
    "pending_cancel_source": "pcs",
    "cancelled_at": "ca",
    "cancel_type": "ct",
    "cancel_reason": "cr",
    "found_status": "fs",
    "found_since": "fsi",
    "fee_amount": "fa",
    "fee_currency": "fc",
    "fee_days": "fd",
    "charge_amount": "cha",
    "charge_currency": "chc",
    "next_payment_on": "npo",
    "last_payment_at": "lpa",
    "payment_method_updated_at": "pmua",
    "failed_attempts": "fa2",
    "unpaid": "un",
    "unpaid_currency": "uc",
    "last_failure_at": "lfa",
    "last_decline_text": "ldt",
    "payment_lost_at": "pla",
    "credits_earned_total": "cet",
    "last_credit_delta": "lcd",
    "last_credit_reason": "lcr",
    "last_expired_amount": "lea",
    "credits_expired_at": "cea",
    "last_order_at": "loa",
    "referrals_count": "rc",
    "revenue": "re",
    "seen_status": "ss",
    "seen_tier_id": "sti",
    "seen_balance": "sb",
    "read_at": "ra",
}
"""The stored name of each field, as short as it can be; a field without one is stored by its name. Never change one."""
_FIELDS: Final = {code: name for name, code in _CODES.items()}

_ID: Final = re.compile("[0-9a-f]{32}")
_ID_BYTES: Final = 16
_NUMBER_BYTES: Final = 7
_NAMES: Final = frozenset({"pk", "v", "n", "s", "f", "l", "c", "m", "r", "o"})


def encode(record: MemberRecord, outbox: Outbox) -> dict[str, Any]:
    """Return the item of the record's next version, in DynamoDB's typed form."""
    member = record.member
    stamps: dict[Stamp, int] = {}
    fields: dict[str, Any] = {}
    for name, register in sorted(member.registers.items()):
        index = stamps.setdefault(register.stamp, len(stamps))
        is_its_time = isinstance(register.value, datetime) and register.value == register.at
        fields[_CODES.get(name, name)] = index if is_its_time else [to_stored(register.value), index]
    native: dict[str, Any] = {
        "pk": member.key,
        "v": LAYOUT,
        "n": record.version + 1,
        "s": [_pack(stamp) for stamp in stamps],
        "f": fields,
        "r": b"".join(bytes.fromhex(event_id) for event_id in record.seen),
        "o": dump(outbox),
    }
    if member.lots:
        native["l"] = {by: [lot.amount, to_millis(lot.expires_at)] for by, lot in member.lots.items()}
    if member.balance_chain:
        native["c"] = _chain_text(member.balance_chain)
    if member.milestones:
        native["m"] = milestones.encode(member.milestones)
    unknown = member.unknown.get("fields")
    if unknown:
        native["f"] = {**_with_own_stamps(unknown, native["s"]), **fields}
    known = {name: to_attribute(value) for name, value in native.items()}
    return {**member.unknown.get("item", {}), **known}


def _with_own_stamps(unknown: Mapping[str, tuple[Any, Any]], stamps: list[Any]) -> dict[str, Any]:
    """Return a newer version's fields as they were read, and append their stamps to `stamps`."""
    fields = {}
    for name, (value, stamp) in unknown.items():
        if stamp not in stamps:
            stamps.append(stamp)
        index = stamps.index(stamp)
        fields[name] = [*value, index] if value else index
    return fields


def decode(item: Mapping[str, Any]) -> MemberRecord:
    """Return the record of an item; what a newer version of this code has stored is kept for the next write."""
    native = {name: from_attribute(value) for name, value in item.items() if name in _NAMES}
    registers: dict[str, Register] = {}
    unknown: dict[str, Any] = {}
    for code, entry in native["f"].items():
        name = _FIELDS.get(code, code)
        value, index = (entry[:-1], entry[-1]) if isinstance(entry, list) else ([], entry)
        packed = native["s"][int(index)]
        if name in FIELDS:
            stamp = _unpack(packed)
            registers[name] = Register(from_stored(FIELDS[name].kind, value[0]) if value else stamp.at, stamp)
        else:
            unknown[name] = (value, packed)
    shop, _, customer_id = native["pk"].rpartition(":")
    rest: dict[str, Attribute] = {name: value for name, value in item.items() if name not in _NAMES}
    member = Member(
        shop=shop,
        customer_id=customer_id,
        registers=registers,
        lots={
            by: Lot(Decimal(amount), from_millis(int(expiry)))
            for by, (amount, expiry) in native.get("l", {}).items()
        },
        balance_chain=_chain(native.get("c", "")),
        milestones=milestones.decode(native["m"]) if "m" in native else (),
        unknown={name: value for name, value in (("fields", unknown), ("item", rest)) if value},
    )
    return MemberRecord(member=member, version=int(native["n"]), seen=_ids(native["r"]))


def _ids(packed: bytes) -> tuple[str, ...]:
    return tuple(packed[start : start + _ID_BYTES].hex() for start in range(0, len(packed), _ID_BYTES))


def _pack(stamp: Stamp) -> bytes | list[Any]:
    if not _ID.fullmatch(stamp.event_id):
        return [stamp.number, stamp.event_id]
    return stamp.number.to_bytes(_NUMBER_BYTES, "big") + bytes.fromhex(stamp.event_id)


def _unpack(packed: Any) -> Stamp:
    if isinstance(packed, list):
        return Stamp(int(packed[0]), packed[1])
    return Stamp(int.from_bytes(packed[:_NUMBER_BYTES], "big"), packed[_NUMBER_BYTES:].hex())


def _chain_text(chain: BalanceChain) -> str:
    """Return the chain as text: `milliseconds previous new` for each change, joined by `;`.

    The milliseconds are in hex; after the first change they count from the change before. `*` is the previous
    balance of an anchor, `=` the new balance of the change before. So a change takes a dozen bytes.
    """
    parts, balance, time = [], None, 0
    for change in chain:
        at = to_millis(change.at)
        previous = (
            "*" if change.previous is None else "=" if _same(change.previous, balance) else change.previous
        )
        parts.append(f"{at - time:x} {previous} {change.new}")
        balance, time = change.new, at
    return ";".join(parts)


def _same(one: Decimal, other: Decimal | None) -> bool:
    """Return whether two amounts have the same text: `10` and `10.0` are equal, and stay different texts."""
    return other is not None and str(one) == str(other)


def _chain(text: str) -> BalanceChain:
    changes: list[BalanceChange] = []
    time = 0
    for part in text.split(";") if text else ():
        since, previous, new = part.split(" ")
        time += int(since, 16)
        balance = None if previous == "*" else changes[-1].new if previous == "=" else Decimal(previous)
        changes.append(BalanceChange(from_millis(time), balance, Decimal(new)))
    return tuple(changes)
