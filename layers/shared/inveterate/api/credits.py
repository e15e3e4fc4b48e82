"""A member's credits: read the ledger, add and remove credits, grant them at most once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

from inveterate._arguments import checked_amount, limit_text
from inveterate._call import Call
from inveterate._endpoint import KindT, Resource, compound, listing, operation
from inveterate._grant import (
    LOOKS,
    SETTLED_AFTER,
    CreditGrant,
    GrantResult,
    checked_settled_after,
    intent_for,
)
from inveterate._idempotency import Intents
from inveterate._ids import CustomerId
from inveterate._replies import Page, Receipt, read_page, read_receipt
from inveterate._steps import Steps
from inveterate.models.members import CreateCredit, CreditEntry

CREDITS_NAMES = ("credits", "entries", "creditEntries", "ledger")


class Credits(Resource[KindT]):
    """`client.members.credits`. Amounts are in the shop's currency unit."""

    name: ClassVar[str] = "members.credits"

    @listing("/v2.0/admin/members/{}/credits", page="admin/members/credits")
    def list(
        self, customer_id: CustomerId, *, limit: int = 100, cursor: str | None = None
    ) -> Call[Page[CreditEntry]]:
        """List a member's ledger, with expired entries: see `ledger_balance`. Its order is undocumented.

        `cursor` continues a list: a `Page.cursor`, or the `cursor` of the pages.
        """
        return Call(
            read_page(
                CreditEntry.of,
                *CREDITS_NAMES,
                cursor="lastCreditEntry",
                limit=limit,
                continued=cursor is not None,
            ),
            CustomerId(customer_id),
            query={"limit": limit_text(limit), "lastCreditEntry": cursor},
            # Optional today; an older revision of the page required it, and the first page has none.
            retry_query={"lastCreditEntry": ""} if cursor is None else None,
        )

    @operation("POST", "/v2.0/admin/members/{}/credits", page="admin/members/credits")
    def add(
        self, customer_id: CustomerId, amount: Decimal | int, *, note: str | None = None, force: bool = False
    ) -> Call[Receipt]:
        """Add credits, or remove them with an amount below zero.

        Not safe to repeat: see `grant`. With `force`, a removal may disable discount codes of the member.
        The platform may accept a wrong customer id without an error: read the ledger to be sure.

        Raises:
            ValueError: for an amount of 0, or a float.
            AmbiguousWriteError: the write may be done.

        """
        body: dict[str, object] = {"amount": checked_amount(amount)}
        if note is not None:
            body["note"] = note
        if force:
            body["force"] = True
        return Call(read_receipt, CustomerId(customer_id), body=CreateCredit.model_validate(body))

    @compound
    def grant(  # noqa: PLR0913 - member, amount, key, store, note and how long to look for the entry
        self,
        customer_id: CustomerId,
        amount: Decimal | int,
        *,
        key: str,
        intents: Intents | None = None,
        note: str = "",
        looks: Sequence[float] = LOOKS,
        settled_after: float = SETTLED_AFTER,
    ) -> Steps[GrantResult]:
        """Add credits at most once for `key`; see `GrantResult`.

        The key is claimed in `intents` before the request (default: the client's own store, which a
        restart forgets), and the entry's note is marked. Where the outcome of the request is uncertain,
        the ledger is read after each of `looks` seconds. Where an earlier claim is open and the ledger has
        no entry of it, nothing is sent again, unless this ledger has shown one of our notes and the claim
        is older than `settled_after` seconds. Choose `settled_after` longer than a process of yours can
        hang between its claim and its request: a process that resumes later grants a second time.

        Raises:
            ValueError: the amount is not above 0, the key is empty or was used for another grant, or
                `settled_after` is below 60.
            StatusError: the platform refused (409 and 429 count as doubt). The key is free again
                if the whole ledger was read and has no entry of the grant.
            ConnectionFailedError: nothing was sent, and the key is free again.

        """
        return CreditGrant(
            intent_for(key, CustomerId(customer_id), checked_amount(amount)),
            store=self._transport.intents if intents is None else intents,
            note=note,
            looks=looks,
            settled_after=checked_settled_after(settled_after),
            retries=self._transport.retries,
            post=Credits.add.of,
            read=Credits.list.of,
        ).run()
