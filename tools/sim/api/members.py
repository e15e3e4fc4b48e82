"""The member operations of the API: list, read, create, update, move, cancel, credits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from sim import cancellations, credit_ledger, memberships, payloads, snapshot
from sim.api import validation
from sim.api.calls import ApiCall, ApiError, ApiReply, accepted
from sim.clock import iso, whole_hour
from sim.errors import NotFoundError
from sim.events import Event
from sim.model import Member, Tier, TierKind, money, number
from sim.world import World

_CURSOR: Final = re.compile(r"[0-9T:.-]+Z#(?P<serial>[0-9]{1,12})\+/&=")


def member_record(world: World, member: Member) -> dict[str, Any]:
    """Return the member record of the API: the 26 documented fields and those that only events document."""
    written = payloads.member_record(world, member) | {
        "lastPurchaseAt": iso(member.last_purchase_at) if member.last_purchase_at else None,
        "numberOfCreditRedemptions": member.redemptions,
        "orderCount": len(member.order_ids),
        "orderIds": list(member.order_ids),
        "paymentId": member.payment_id,
        "totalSpend": number(member.total_spend),
    }
    return written | {"birthday": member.birthday} if world.switches("birthday_readable", "yes") else written


def member_in_path(call: ApiCall) -> Member:
    """Return the member in the path.

    Raises:
        NotFoundError: the member does not exist.

    """
    return call.world.member(call.path["id"])


def list_members(call: ApiCall) -> ApiReply:
    """Return the page of members after the cursor. Members added meanwhile are at the end."""
    world = call.world
    size = validation.limit(call.query, world.switches, required=True)
    after = call.query.get("lastCustomerId")
    begin = 0
    if after:
        if after not in world.position:
            raise ApiError("unknown lastCustomerId")
        begin = world.position[after] + 1
    ids = world.order[begin : begin + size]
    more = begin + size < len(world.order) or (ids and world.switches("list_end", "cursor"))
    cursor = ids[-1] if more else (after if world.switches("list_end", "cursor") else None)
    rows = [member_record(world, world.members[member_id]) for member_id in ids]
    return ApiReply(
        "members", rows=rows, cursor=("lastCustomerId", cursor), extra={"limit": call.query["limit"]}
    )


def get_member(call: ApiCall) -> ApiReply:
    """Return one member."""
    return ApiReply("member", member_record(call.world, member_in_path(call)))


def create_member(call: ApiCall) -> ApiReply:
    """Create a member in a free or spend-based tier; an existing member moves there, even downwards."""
    world = call.world
    body = validation.body(call.body, validation.CREATE_MEMBER)
    validation.day(body["birthday"], "birthday")
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
        # Accepted and lost: the customer must exist in Shopify first.
        return _unknown(world)
    return accepted(lambda: _create(world, customer, tier, dict(body)))


def _unknown(world: World) -> ApiReply:
    if world.switches("unknown_member_write", "refused"):
        raise ApiError("no such customer")
    return accepted(lambda: iter(()))


def _create(world: World, member: Member, tier: Tier, body: dict[str, Any]) -> Iterator[Event]:
    member.birthday = body["birthday"]
    member.referred = body["referrals"].strip().lower() in {"true", "1", "yes"}
    if not member.in_programme:
        yield from memberships.join(world, member, tier)
    elif member.tier_id != tier.id:
        yield from memberships.move(world, member, tier)
    member.keep_in_tier = body["keepInSpendBasedTier"]
    yield from snapshot.with_update_event(
        world, member, credit_ledger.grant(world, member, money(body["credits"]), "MANUAL", applied_by="api")
    )


def update_member(call: ApiCall) -> ApiReply:
    """Overwrite all five fields of the profile."""
    world = call.world
    body = validation.body(call.body, validation.UPDATE_MEMBER)
    if body["birthday"]:
        validation.day(body["birthday"], "birthday")
    try:
        member = member_in_path(call)
    except NotFoundError:
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
        lambda: snapshot.write_profile(world, member, fields),
        half=lambda: snapshot.write_profile(world, member, half),
    )


def change_tier(call: ApiCall) -> ApiReply:
    """Move a member to another tier. FREE to PAID without a contract is refused."""
    world = call.world
    body = validation.body(call.body, validation.CHANGE_TIER)
    due = None
    if body.get("nextBillingDate") is not None:
        given = validation.day(body["nextBillingDate"][:10], "nextBillingDate")
        due = datetime(given.year, given.month, given.day, 7, tzinfo=UTC)
    member, tier = member_in_path(call), world.tiers.get(body["tierId"])
    if tier is None:
        raise ApiError("no such tier")
    if not member.in_programme or member.tier_id == tier.id:
        raise ApiError("the member cannot be moved there")
    if tier.billed and member.contract_id is None and world.switches("free_to_paid", "refused"):
        raise ApiError("a move from FREE to PAID needs an existing subscription contract")
    if due is not None and due <= world.now:
        raise ApiError("nextBillingDate is in the past")
    return accepted(lambda: memberships.move(world, member, tier, due))


def cancel_member(call: ApiCall) -> ApiReply:
    """Request a cancellation; the policy of the shop decides when it ends the membership."""
    world = call.world
    try:
        member = member_in_path(call)
    except NotFoundError:
        return _unknown(world)
    return accepted(lambda: cancellations.request(world, member))


def list_credits(call: ApiCall) -> ApiReply:
    """Return the page of the ledger after the cursor, oldest first."""
    return _ledger(call, required=False)


def storefront_credits(call: ApiCall) -> ApiReply:
    """Return the page of the ledger; here `limit` is documented as required."""
    return _ledger(call, required=True)


def _ledger(call: ApiCall, *, required: bool) -> ApiReply:
    world, member = call.world, member_in_path(call)
    size = validation.limit(call.query, world.switches, required=required)
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
    rows = [ledger_row(world, entry) for entry in page]
    return ApiReply("credits", rows=rows, cursor=("lastCreditEntry", cursor))


def ledger_row(world: World, entry: Any) -> dict[str, Any]:
    """Return a line of the ledger."""
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
    """Return a cursor: an object, or text with characters that need encoding in a URL."""
    if world.switches("credit_cursor", "object"):
        return {"entry": serial, "createdAt": iso(at)}
    return f"{iso(at)}#{serial}+/&="


def serial_of(text: str) -> int:
    """Parse a cursor in either form.

    Raises:
        ApiError: the cursor is invalid, for example encoded twice or not at all.

    """
    try:
        if text.startswith("{"):
            return int(json.loads(text)["entry"])
        found = _CURSOR.fullmatch(text)
        serial = found["serial"] if found else ""
        return int(serial)
    except (ValueError, KeyError, TypeError):
        raise ApiError("lastCreditEntry is not the cursor of a page") from None


def add_credit(call: ApiCall) -> ApiReply:
    """Add or remove credits: not idempotent, and for an unknown member accepted and lost."""
    world = call.world
    body = validation.body(call.body, validation.CREDIT)
    amount, force = money(body["amount"]), bool(body.get("force"))
    if not amount:
        raise ApiError("amount can not be zero")
    try:
        member = member_in_path(call)
    except NotFoundError:
        return _unknown(world)
    if not credit_ledger.can_adjust(member, amount, force=force):
        raise ApiError("insufficient credits")

    def write() -> Iterator[Event]:
        return snapshot.with_update_event(
            world, member, credit_ledger.adjust(world, member, amount, body.get("note"), force=force)
        )

    return accepted(write, half=write)


def redeem(call: ApiCall) -> ApiReply:
    """Create a discount code for an amount (undocumented) or for the whole balance."""
    world = call.world
    body = validation.body(call.body, validation.REDEEM, optional=True)
    amount = money(body["amount"]) if "amount" in body else None
    try:
        member = member_in_path(call)
    except NotFoundError:
        return _unknown(world)
    wanted = member.balance if amount is None else amount
    if wanted <= Decimal(0) or wanted > member.balance:
        raise ApiError("insufficient credits")

    code = credit_ledger.new_code(world)

    def write() -> Iterator[Event]:
        return snapshot.with_update_event(world, member, credit_ledger.redeem(world, member, amount, code))

    shown = {"code": code} if world.switches("redemption_reply", "code") else None
    return accepted(write, shown, half=write)
