"""Members: read them, change their profiles, and put them into tiers without an accidental downgrade."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import ClassVar

from inveterate._arguments import checked_birthday, checked_opening_credits, day_text, limit_text
from inveterate._call import Call
from inveterate._endpoint import KindT, Resource, Transport, compound, listing, operation
from inveterate._ids import CustomerId, TierId
from inveterate._member_writes import find_member, merge_profile, refuse_downgrade, refuse_wiping
from inveterate._replies import Page, Receipt, read_one, read_page, read_receipt
from inveterate._retries import request_steps
from inveterate._steps import Steps
from inveterate.api.credits import Credits
from inveterate.models.members import CreateMember, Member, UpdateMember

MEMBER_NAMES = ("member", "customer")
MEMBERS_NAMES = ("members", "customers")


class Members(Resource[KindT]):
    """`client.members`. Ids are Shopify customer ids."""

    name: ClassVar[str] = "members"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.credits: Credits[KindT] = Credits(transport)

    @listing("/v2.0/admin/members", page="admin/members")
    def list(self, *, limit: int = 100, cursor: str | None = None) -> Call[Page[Member]]:
        """List all members, `limit` at a time (v1 documents a maximum of 100, v2.0 none).

        `cursor` continues a list: a `Page.cursor`, or the `cursor` of the pages.
        """
        return Call(
            read_page(
                Member.of,
                *MEMBERS_NAMES,
                cursor="lastCustomerId",
                limit=limit,
                continued=cursor is not None,
            ),
            query={"limit": limit_text(limit), "lastCustomerId": cursor},
            # Documented as required, but the first page has none.
            retry_query={"lastCustomerId": ""} if cursor is None else None,
        )

    @operation("GET", "/v2.0/admin/members/{}", page="admin/members")
    def get(self, customer_id: CustomerId) -> Call[Member]:
        """Read one member.

        Raises:
            NotFoundError: when the member does not exist.
            WrongMemberError: when the platform replied with another member.

        """
        return Call(read_one(Member, *MEMBER_NAMES), CustomerId(customer_id))

    @operation("POST", "/v2.0/admin/members", page="admin/members")
    def _create(self, body: CreateMember) -> Call[Receipt]:
        """Put a customer into a free or spend-based tier. See `members.create`, which reads the member first."""
        return Call(read_receipt, body=body, member=body.customer_id)

    @compound
    def create(  # noqa: PLR0913 - the body has seven documented fields
        self,
        customer_id: CustomerId,
        tier_id: TierId,
        *,
        credits: Decimal | int,  # noqa: A002 - the platform's own word
        birthday: date | str,
        referred: bool = False,
        override_spend_threshold: bool = False,
        keep_in_spend_based_tier: bool = False,
        allow_downgrade: bool = False,
    ) -> Steps[Receipt]:
        """Put an existing Shopify customer into a free or spend-based tier, with opening credits.

        `credits` is in the shop's currency unit, at least 1; `birthday` is a date or YYYY-MM-DD; both are
        documented as required. `referred` means that the customer *was* referred. The platform moves a
        member of another tier, even downwards. Therefore the member is read first, and a member of another
        tier is refused, unless `allow_downgrade` is set (then nothing is read).

        Raises:
            RefusedLocallyError: the customer is a member of another tier. Nothing was sent.
            AmbiguousWriteError: the write may be done.

        """
        customer, tier = CustomerId(customer_id), TierId(tier_id)
        body = CreateMember(
            customer_id=customer,
            referrals="true" if referred else "false",
            segment_id=tier,
            override_spend_threshold=override_spend_threshold,
            keep_in_spend_based_tier=keep_in_spend_based_tier,
            credits=checked_opening_credits(credits),
            birthday=checked_birthday(birthday),
        )
        call = Members._create.of(body)
        if not allow_downgrade:
            member = yield from find_member(Members.get.of(customer), self._transport.retries)
            refuse_downgrade(member, tier, call)
        return (yield from request_steps(call, self._transport.retries))

    @operation("PATCH", "/v2.0/admin/members/{}", page="admin/members")
    def _update(self, customer_id: CustomerId, body: UpdateMember) -> Call[Receipt]:
        """Overwrite all five fields of a member's profile. See `members.update`, which reads first."""
        return Call(read_receipt, customer_id, body=body)

    @compound
    def update(  # noqa: PLR0913 - the body has five documented fields
        self,
        customer_id: CustomerId,
        *,
        first_name: str | None = None,
        last_name: str | None = None,
        notes: str | None = None,
        phone_number: str | None = None,
        birthday: date | str | None = None,
    ) -> Steps[Receipt]:
        """Change some fields of a member's profile, and keep the others.

        None keeps a field; empty text empties it. The platform overwrites all five fields, so the fields
        that are not given are read and sent back as they were. A field that the record does not show would
        be wiped. The documented record does not show `birthday`, so it has to be given. With all five
        given, nothing is read. The change is forwarded (201): a change by another caller in between is lost.

        Raises:
            RefusedLocallyError: fields would be wiped; `fields` names them. Nothing was sent.
            AmbiguousWriteError: the write may be done.

        """
        customer = CustomerId(customer_id)
        given = {
            "first_name": first_name,
            "last_name": last_name,
            "notes": notes,
            "phone_number": phone_number,
            "birthday": None if birthday is None else checked_birthday(birthday),
        }
        member = None
        if None in given.values():
            member = yield from request_steps(Members.get.of(customer), self._transport.retries)
        body, unknown = merge_profile(given, member)
        call = Members._update.of(customer, body)
        refuse_wiping(unknown, call)
        return (yield from request_steps(call, self._transport.retries))

    @operation("POST", "/v2.0/admin/members/{}/change-tier", page="")
    def change_tier(
        self, customer_id: CustomerId, tier_id: TierId, *, next_billing_date: date | None = None
    ) -> Call[Receipt]:
        """Move a member to another tier; `next_billing_date` is for paid tiers, and is sent as YYYY-MM-DD.

        The date is flagged as required and described as optional: pass it where the platform refuses the
        move without it.

        Raises:
            BadRequestError: for example for a move from a free to a paid tier by a member without a contract.
            AmbiguousWriteError: the write may be done.

        """
        body: dict[str, object] = {"tierId": TierId(tier_id)}
        if next_billing_date is not None:
            body["nextBillingDate"] = day_text(next_billing_date)
        return Call(read_receipt, CustomerId(customer_id), body=body)
