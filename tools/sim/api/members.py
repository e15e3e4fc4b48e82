"""Members: list, read, create, update, move, cancel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from sim import crediting, joining, leaving, payloads, record
from sim.api import checks
from sim.api.calls import Answer, ApiError, Call, accepted
from sim.clock import iso, whole_hour
from sim.errors import NotThereError
from sim.events import Event
from sim.model import Member, Tier, TierKind, money, number
from sim.world import World

_CURSOR: Final = re.compile(r"[0-9T:.-]+Z#(?P<serial>[0-9]{1,12})\+/&=")


def row(world: World, member: Member) -> dict[str, Any]:
    """Write a member's record as the API has it: the 26 documented fields and what the event adds to them."""
    written = payloads.record(world, member) | {
        "lastPurchaseAt": iso(member.last_purchase_at) if member.last_purchase_at else None,
        "numberOfCreditRedemptions": member.redemptions,
        "orderCount": len(member.order_ids),
        "orderIds": list(member.order_ids),
        "paymentId": member.payment_id,
        "totalSpend": number(member.total_spend),
    }
    return written | {"birthday": member.birthday} if world.switches("birthday_readable", "yes") else written


def found(call: Call) -> Member:
    """Return the member that the path names.

    Raises:
        NotThereError: when there is none.

    """
    return call.world.member(call.path["id"])


def list_members(call: Call) -> Answer:
    """List the page after the cursor. What was added meanwhile comes at the end."""
    world = call.world
    size = checks.limit(call.query, world.switches, required=True)
    after = call.query.get("lastCustomerId")
    begin = 0
    if after:
        if after not in world.position:
            raise ApiError("unknown lastCustomerId")
        begin = world.position[after] + 1
    ids = world.order[begin : begin + size]
    more = begin + size < len(world.order) or (ids and world.switches("list_end", "cursor"))
    cursor = ids[-1] if more else (after if world.switches("list_end", "cursor") else None)
    rows = [row(world, world.members[member_id]) for member_id in ids]
    return Answer(
        "members", rows=rows, cursor=("lastCustomerId", cursor), extra={"limit": call.query["limit"]}
    )


def get_member(call: Call) -> Answer:
    """Read one."""
    return Answer("member", row(call.world, found(call)))


def create_member(call: Call) -> Answer:
    """Put a customer into a free or a spend-based tier; an existing member is moved there, downwards too."""
    world = call.world
    body = checks.body(call.body, checks.CREATE_MEMBER)
    checks.day(body["birthday"], "birthday")
    if body["credits"] < 1:
        raise ApiError("credits must be at least 1")
    customer_id = body["customerId"]
    if not (customer_id.isascii() and customer_id.isdigit()):
        raise ApiError("customerId must be a numeric id, not a GID")
    tier = world.tiers.get(body["segmentId"])
    if tier is None or tier.kind not in {TierKind.FREE, TierKind.SPEND}:
        raise ApiError("segmentId must be a free or a spend-based tier")
    customer = world.members.get(customer_id) or world.customers.get(customer_id)
    below = customer is not None and customer.total_spend < tier.threshold
    if tier.kind is TierKind.SPEND and below and not body["overrideSpendThreshold"]:
        raise ApiError("the customer has not spent enough for this tier")
    if customer is None:
        # Accepted and lost: a customer has to be known to Shopify first.
        return _unknown(world)
    return accepted(lambda: _create(world, customer, tier, dict(body)))


def _unknown(world: World) -> Answer:
    if world.switches("unknown_member_write", "refused"):
        raise ApiError("no such customer")
    return accepted(lambda: iter(()))


def _create(world: World, member: Member, tier: Tier, body: dict[str, Any]) -> Iterator[Event]:
    member.birthday = body["birthday"]
    member.referred = body["referrals"].strip().lower() in {"true", "1", "yes"}
    if not member.in_programme:
        yield from joining.join(world, member, tier)
    elif member.tier_id != tier.id:
        yield from joining.move(world, member, tier)
    member.keep_in_tier = body["keepInSpendBasedTier"]
    yield from record.changing(
        world, member, crediting.grant(world, member, money(body["credits"]), "MANUAL", applied_by="api")
    )


def update_member(call: Call) -> Answer:
    """Overwrite the profile: all five fields, whatever they were."""
    world = call.world
    body = checks.body(call.body, checks.UPDATE_MEMBER)
    if body["birthday"]:
        checks.day(body["birthday"], "birthday")
    try:
        member = found(call)
    except NotThereError:
        return _unknown(world)
    fields = {
        "first_name": body["firstName"] or "",
        "last_name": body["lastName"] or "",
        "notes": body["notes"],
        "phone": body["phoneNumber"],
        "birthday": body["birthday"],
    }
    half = dict(list(fields.items())[:2])
    return accepted(
        lambda: record.write(world, member, fields), half=lambda: record.write(world, member, half)
    )


def change_tier(call: Call) -> Answer:
    """Move a member. FREE to PAID without a contract is refused."""
    world = call.world
    body = checks.body(call.body, checks.CHANGE_TIER)
    due = None
    if body.get("nextBillingDate") is not None:
        given = checks.day(body["nextBillingDate"][:10], "nextBillingDate")
        due = datetime(given.year, given.month, given.day, 7, tzinfo=UTC)
    member, tier = found(call), world.tiers.get(body["tierId"])
    if tier is None:
        raise ApiError("no such tier")
    if not member.in_programme or member.tier_id == tier.id:
        raise ApiError("the member cannot be moved there")
    if tier.billed and member.contract_id is None and world.switches("free_to_paid", "refused"):
        raise ApiError("a move from FREE to PAID needs an existing subscription contract")
    if due is not None and due <= world.now:
        raise ApiError("nextBillingDate is in the past")
    return accepted(lambda: joining.move(world, member, tier, due))


def cancel_member(call: Call) -> Answer:
    """Begin a cancellation: the shop's policy decides how it goes on."""
    world = call.world
    try:
        member = found(call)
    except NotThereError:
        return _unknown(world)
    return accepted(lambda: leaving.request(world, member))


def list_credits(call: Call) -> Answer:
    """List the ledger after the cursor, oldest first."""
    return _ledger(call, required=False)


def storefront_credits(call: Call) -> Answer:
    """List the ledger; here `limit` is documented as required."""
    return _ledger(call, required=True)


def _ledger(call: Call, *, required: bool) -> Answer:
    world, member = call.world, found(call)
    size = checks.limit(call.query, world.switches, required=required)
    text = call.query.get("lastCreditEntry")
    after = serial_of(text) if text else -1
    entries = [entry for entry in member.ledger if entry.serial > after]
    page = entries[:size]
    always = world.switches("list_end", "cursor")
    cursor = None
    if page and (len(entries) > size or always):
        cursor = cursor_of(world, page[-1].serial, page[-1].at)
    elif always and text:
        cursor = text
    rows = [entry_row(world, entry) for entry in page]
    return Answer("credits", rows=rows, cursor=("lastCreditEntry", cursor))


def entry_row(world: World, entry: Any) -> dict[str, Any]:
    """Write a line of the ledger."""
    written = {
        "amount": number(entry.amount),
        "createdAt": iso(entry.at),
        "newBalance": number(entry.balance),
        "previousBalance": number(entry.previous),
        "reason": entry.reason,
        "expirationDate": iso(whole_hour(entry.expires_at)) if entry.expires_at else None,
        "orderId": None if entry.order_id is None else str(entry.order_id),
    }
    return written | {"note": entry.note} if world.switches("ledger_notes", "yes") else written


def cursor_of(world: World, serial: int, at: datetime) -> Any:
    """Write a cursor: an object, or text with characters that a URL must have encoded."""
    if world.switches("credit_cursor", "object"):
        return {"entry": serial, "createdAt": iso(at)}
    return f"{iso(at)}#{serial}+/&="


def serial_of(text: str) -> int:
    """Read a cursor in either form.

    Raises:
        ApiError: when it is none of ours, as one is that was encoded twice or not at all.

    """
    try:
        if text.startswith("{"):
            return int(json.loads(text)["entry"])
        found = _CURSOR.fullmatch(text)
        serial = found["serial"] if found else ""
        return int(serial)
    except (ValueError, KeyError, TypeError):
        raise ApiError("lastCreditEntry is not what the last page gave") from None


def add_credit(call: Call) -> Answer:
    """Add or remove credits: not idempotent, and for an unknown member accepted and lost."""
    world = call.world
    body = checks.body(call.body, checks.CREDIT)
    amount, force = money(body["amount"]), bool(body.get("force"))
    if not amount:
        raise ApiError("amount can not be zero")
    try:
        member = found(call)
    except NotThereError:
        return _unknown(world)
    if not crediting.can_adjust(member, amount, force=force):
        raise ApiError("insufficient credits")

    def write() -> Iterator[Event]:
        return record.changing(
            world, member, crediting.adjust(world, member, amount, body.get("note"), force=force)
        )

    return accepted(write, half=write)


def redeem(call: Call) -> Answer:
    """Make a discount code, for an amount (which no page documents) or for all there is."""
    world = call.world
    body = checks.body(call.body, checks.REDEEM, optional=True)
    amount = money(body["amount"]) if "amount" in body else None
    try:
        member = found(call)
    except NotThereError:
        return _unknown(world)
    wanted = member.balance if amount is None else amount
    if wanted <= Decimal(0) or wanted > member.balance:
        raise ApiError("insufficient credits")

    code = crediting.new_code(world)

    def write() -> Iterator[Event]:
        return record.changing(world, member, crediting.redeem(world, member, amount, code))

    shown = {"code": code} if world.switches("redemption_reply", "code") else None
    return accepted(write, shown, half=write)
