"""A member's credits: the ledger, adding and removing, and granting at most once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

from inveterate._call import Call
from inveterate._grant import LOOKS, SETTLED_AFTER, Grant, GrantResult, intent_for
from inveterate._guards import checked_amount, limit_text
from inveterate._ids import CustomerId
from inveterate._intents import Intents
from inveterate._operation import KindT, Resource, compound, listing, operation
from inveterate._replies import Page, Receipt, many, receipt
from inveterate._steps import Conversation
from inveterate.models.members import CreateCredit, CreditEntry

CREDITS_NAMES = ("credits", "entries", "creditEntries", "ledger")


class Credits(Resource[KindT]):
    """`client.members.credits`. Amounts are in the shop's currency unit."""

    name: ClassVar[str] = "members.credits"

    @listing("/v2.0/admin/members/{}/credits", page="admin/members/credits")
    def list(
        self, customer_id: CustomerId, *, limit: int = 100, cursor: str | None = None
    ) -> Call[Page[CreditEntry]]:
        """List a member's ledger, expired entries included: see `ledger_balance`. Its order is undocumented.

        `cursor` goes on with a list: a `Page.cursor`, or the `cursor` of the pages.
        """
        return Call(
            many(CreditEntry.of, *CREDITS_NAMES, cursor="lastCreditEntry"),
            CustomerId(customer_id),
            query={"limit": limit_text(limit), "lastCreditEntry": cursor},
        )

    @operation("POST", "/v2.0/admin/members/{}/credits", page="admin/members/credits")
    def add(
        self, customer_id: CustomerId, amount: Decimal | int, *, note: str | None = None, force: bool = False
    ) -> Call[Receipt]:
        """Add credits, or remove them with an amount below zero.

        Not safe to repeat: see `grant`. `force` lets a removal disable discount codes that the member
        holds. A wrong customer id may be accepted in silence: read the ledger to be sure.

        Raises:
            ValueError: for an amount of 0, or a float.
            AmbiguousWriteError: it may have been done.

        """
        body: dict[str, object] = {"amount": checked_amount(amount)}
        if note is not None:
            body["note"] = note
        if force:
            body["force"] = True
        return Call(receipt, CustomerId(customer_id), body=CreateCredit.model_validate(body))

    @compound
    def grant(  # noqa: PLR0913 - what, to whom, once per what, and how patiently
        self,
        customer_id: CustomerId,
        amount: Decimal | int,
        *,
        key: str,
        intents: Intents | None = None,
        note: str = "",
        looks: Sequence[float] = LOOKS,
        settled_after: float = SETTLED_AFTER,
    ) -> Conversation[GrantResult]:
        """Add credits at most once for `key`, whatever happens in between; see `GrantResult`.

        The key is claimed in `intents` before anything is sent (by default in the client's own, which a
        restart forgets), and the entry's note is marked. Where it is not certain what became of the
        request, the ledger is read back after each of `looks` seconds. Where an earlier claim was left
        open and the ledger has no entry of it, nothing is sent again, unless this ledger has shown one of
        our notes and the claim is older than `settled_after` seconds: let that be longer than a process of
        yours can hang between its claim and its request, or it may wake up and grant what another has.

        Raises:
            ValueError: the amount is not above 0, the key is empty, or it was used for another grant.
            StatusError: the platform refused (409 and 429 are doubt); nothing was done, and the key is free again.
            ConnectionFailedError: nothing was sent, and the key is free again.

        """
        return Grant(
            intent_for(key, CustomerId(customer_id), checked_amount(amount)),
            store=self._talk.intents if intents is None else intents,
            note=note,
            looks=looks,
            settled_after=settled_after,
            retries=self._talk.retries,
            post=Credits.add.of,
            read=Credits.list.of,
        ).run()
