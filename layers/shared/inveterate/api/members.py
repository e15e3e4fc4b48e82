"""Members: read them, change them, and put them into tiers without doing harm."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import ClassVar

from inveterate._call import Call
from inveterate._guards import (
    checked_birthday,
    checked_opening_credits,
    limit_text,
    member_if_any,
    merged,
    refuse_downgrade,
    refuse_wiping,
)
from inveterate._ids import CustomerId, TierId
from inveterate._operation import KindT, Resource, Talk, compound, listing, operation
from inveterate._replies import Page, Receipt, many, one, receipt
from inveterate._retries import converse
from inveterate._steps import Conversation
from inveterate.api.credits import Credits
from inveterate.models.members import CreateMember, Member, UpdateMember

MEMBER_NAMES = ("member", "customer")
MEMBERS_NAMES = ("members", "customers")


class Members(Resource[KindT]):
    """`client.members`. Ids are Shopify customer ids."""

    name: ClassVar[str] = "members"

    def __init__(self, talk: Talk) -> None:
        super().__init__(talk)
        self.credits: Credits[KindT] = Credits(talk)

    @listing("/v2.0/admin/members", page="admin/members")
    def list(self, *, limit: int = 100, cursor: str | None = None) -> Call[Page[Member]]:
        """List all members, `limit` at a time (100 is the most that v1 documents; v2.0 documents none).

        `cursor` goes on with a list: a `Page.cursor`, or the `cursor` of the pages.
        """
        return Call(
            many(Member.of, *MEMBERS_NAMES, cursor="lastCustomerId"),
            query={"limit": limit_text(limit), "lastCustomerId": cursor},
        )

    @operation("GET", "/v2.0/admin/members/{}", page="admin/members")
    def get(self, customer_id: CustomerId) -> Call[Member]:
        """Read one member.

        Raises:
            NotFoundError, NoRecordError: when there is no such member; which of them is undocumented.

        """
        return Call(one(Member, *MEMBER_NAMES), CustomerId(customer_id))

    @operation("POST", "/v2.0/admin/members", page="admin/members")
    def _create(self, body: CreateMember) -> Call[Receipt]:
        """Put a customer into a free or spend-based tier. See `members.create`, which looks first."""
        return Call(receipt, body=body)

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
    ) -> Conversation[Receipt]:
        """Put an existing Shopify customer into a free or spend-based tier, with opening credits.

        `credits` is in the shop's currency unit, at least 1; `birthday` is a date or YYYY-MM-DD; both are
        documented as required. `referred` says that the customer *was* referred. The platform moves a
        member who is in another tier, even downwards. So the member is read first, and one who is in
        another tier is left alone, unless `allow_downgrade` says otherwise (then nothing is read).

        Raises:
            RefusedHereError: the customer is a member of another tier. Nothing was sent.
            AmbiguousWriteError: it may have been done.

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
            member = yield from member_if_any(Members.get.of(customer), self._talk.retries)
            refuse_downgrade(member, tier, call)
        return (yield from converse(call, self._talk.retries))

    @operation("PATCH", "/v2.0/admin/members/{}", page="admin/members")
    def _update(self, customer_id: CustomerId, body: UpdateMember) -> Call[Receipt]:
        """Overwrite all five fields of a member's profile. See `members.update`, which reads first."""
        return Call(receipt, customer_id, body=body)

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
    ) -> Conversation[Receipt]:
        """Change some fields of a member's profile, and keep the others.

        None keeps a field; empty text empties it. The platform overwrites all five, so what is not given
        is read and sent back as it was. A field that the record does not show would be wiped, and the
        documented record does not show `birthday`: then it has to be given. With all five given, nothing
        is read. Done a little later (201): a change made by somebody else in between is lost.

        Raises:
            RefusedHereError: fields would be wiped; `fields` names them. Nothing was sent.
            AmbiguousWriteError: it may have been done.

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
            member = yield from converse(Members.get.of(customer), self._talk.retries)
        body, unknown = merged(given, member)
        call = Members._update.of(customer, body)
        refuse_wiping(unknown, member, customer, call)
        return (yield from converse(call, self._talk.retries))

    @operation("POST", "/v2.0/admin/members/{}/change-tier", page="")
    def change_tier(
        self, customer_id: CustomerId, tier_id: TierId, *, next_billing_date: date | None = None
    ) -> Call[Receipt]:
        """Move a member to another tier; `next_billing_date` is for paid tiers.

        Raises:
            BadRequestError: among others for a move from a free to a paid tier by a member who never paid.
            AmbiguousWriteError: it may have been done.

        """
        body: dict[str, object] = {"tierId": TierId(tier_id)}
        if next_billing_date is not None:
            body["nextBillingDate"] = next_billing_date
        return Call(receipt, CustomerId(customer_id), body=body)
