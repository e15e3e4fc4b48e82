"""Stores the grants table: which credits are granted or about to be, and how much of each month's budget they take.

    key         grant#{key}                     budget#{month}
    state       `open` or `granted`             reserved    in all, in the shop's currency unit
    customer, amount                            expires     likewise
    attempt     how many requests were allowed
    since       when the latest was allowed (milliseconds since 1970)
    month       the month in whose budget it counts
    asked_by    the effect that requested it first
    expires     when it may be deleted (seconds since 1970)

The table is one of its own: sync states can be rebuilt and are deleted with the stack, while a lost record
is a grant that can be made twice. So the table stays when the stack is deleted, and when the API's key is removed.

A record and its part of the month's budget are one transaction, and so is taking both back: at no moment, and
after no crash, credits are claimed and not counted. A transaction costs twice a plain write; a merchant makes a
few dozen a month.

An item lasts eleven years beyond its last change, longer than a merchant can set for a member's next grant
(`again_after_days`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from inveterate import Claim, ClaimState, CustomerId, Intent

from relay.adapters.aws.boto import boto_aws
from relay.adapters.aws.client import AwsCaller, RefusedCallError, aws_errors, refusal_error
from relay.adapters.aws.refusals import kind_of
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.attributes import (
    Attribute,
    count_of,
    moment,
    moment_of,
    number,
    number_of,
    text,
    text_of,
    time_to_live,
)
from relay.adapters.dynamodb.versioned import conditional_write
from relay.errors import ConflictError, OverBudgetError, TransientError
from relay.ports.grants import GrantRecord, MonthlyBudget
from relay.ports.runtime import Clock

KEPT: Final = timedelta(days=4_000)

_TRIES: Final = 3
_FAILED: Final = "ConditionalCheckFailed"
_OPEN_AT: Final = "#state = :open AND attempt = :attempt"


@dataclass(frozen=True, slots=True)
class DynamoGrantStore:
    """`ports.GrantStore` in a DynamoDB table."""

    table: str
    clock: Clock
    aws: AwsCaller = field(default_factory=boto_aws)

    def load(self, key: str) -> GrantRecord | None:
        """Return the record under a key, as of the latest write."""
        item = self.item(keys.grant(key))
        since = moment_of(item, "since")
        if since is None:
            return None
        return GrantRecord(
            at=since,
            customer_id=item["customer"]["S"],
            amount=Decimal(item["amount"]["N"]),
            by=text_of(item, "asked_by") or "",
            granted=item["state"]["S"] == ClaimState.GRANTED,
        )

    def claimed(self, month: str) -> Decimal:
        """Return how much of a month's budget is claimed, as of the latest write."""
        return number_of(self.item(keys.budget(month)), "reserved") or Decimal(0)

    def intents(self, budget: MonthlyBudget | None, by: str) -> DynamoIntents:
        """Return the intents of one grant, counted under this budget."""
        return DynamoIntents(self, budget, by)

    def item(self, key: str) -> dict[str, Attribute]:
        """Return an item as of the latest write; an empty one where there is none.

        Raises:
            TransientError: the table does not answer.

        """
        with aws_errors(f"table {self.table}"):
            reply = self.aws.call(
                "dynamodb", "GetItem", {"TableName": self.table, "Key": _key(key), "ConsistentRead": True}
            )
        item: dict[str, Attribute] = reply.get("Item", {})
        return item


@dataclass(frozen=True, slots=True)
class DynamoIntents:
    """The SDK's port `Intents` for one grant under a budget; without a budget nothing new is claimed."""

    store: DynamoGrantStore
    budget: MonthlyBudget | None = None
    by: str = ""

    def claim(self, intent: Intent) -> Claim:
        """Write the intent down and count it, unless its key is there; return a NEW claim, else the one written.

        Raises:
            OverBudgetError: it is not written, and the budget does not cover it.
            ConflictError: it is not written, and there is no budget; or it was written and released each time.

        """
        for _ in range(_TRIES):
            if claim := self._written(intent.key):
                return claim
            if self.budget and self._reserve(intent, self.budget):
                return Claim(ClaimState.NEW, intent)
        raise ConflictError("the grant has no record")

    def renew(self, claim: Claim) -> bool:
        """Allow one more request if the claim is still open at this `attempt`."""
        return self._update(
            claim,
            "SET attempt = attempt + :one, since = :now, expires = :expires",
            {":one": number(1), ":now": self._now(), ":expires": self._expires()},
            only_open=True,
        )

    def mark_granted(self, claim: Claim) -> None:
        """Record that the credits were granted, whatever the item says."""
        for tries_left in reversed(range(_TRIES)):
            try:
                self._mark(claim)
            except TransientError:
                # Another invocation's transaction may be under way on this item. If the grant is not recorded now, it may
                # stay unknown for good: the ledger need not show our note.
                if not tries_left:
                    raise
            else:
                return

    def release(self, claim: Claim) -> None:
        """Delete an open claim at this `attempt`, and return its amount to the month's budget."""
        item = self.store.item(keys.grant(claim.intent.key))
        month, amount = text_of(item, "month"), number_of(item, "amount")
        if month is None or amount is None:
            return
        delete = {
            "TableName": self.store.table,
            "Key": _key(keys.grant(claim.intent.key)),
            "ConditionExpression": _OPEN_AT,
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": _open_at(claim),
        }
        return_amount = {
            "TableName": self.store.table,
            "Key": _key(keys.budget(month)),
            "UpdateExpression": "ADD reserved :back",
            "ExpressionAttributeValues": {":back": number(-amount)},
        }
        self._transact({"Delete": delete}, {"Update": return_amount})

    def _mark(self, claim: Claim) -> None:
        self._update(
            claim,
            "SET #state = :granted, customer = :customer, amount = :amount, attempt = :attempt,"
            " since = :now, expires = :expires",
            {
                ":granted": text(ClaimState.GRANTED),
                ":customer": text(str(claim.intent.customer_id)),
                ":amount": number(claim.intent.amount),
                ":attempt": number(claim.attempt),
                ":now": self._now(),
                ":expires": self._expires(),
            },
        )

    def _reserve(self, intent: Intent, budget: MonthlyBudget) -> bool:
        """Write the record and count it; False where another invocation wrote it first."""
        highest = budget.ceiling - intent.amount
        if highest < 0:
            raise OverBudgetError("the month's budget does not cover this grant")
        count = {
            "TableName": self.store.table,
            "Key": _key(keys.budget(budget.month)),
            "UpdateExpression": "SET expires = :expires ADD reserved :amount",
            "ConditionExpression": "attribute_not_exists(reserved) OR reserved <= :highest",
            "ExpressionAttributeValues": {
                ":expires": self._expires(),
                ":amount": number(intent.amount),
                ":highest": number(highest),
            },
        }
        write = {
            "TableName": self.store.table,
            "Item": self._item(intent, budget.month),
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": "key"},
        }
        reasons = self._transact({"Put": write}, {"Update": count})
        if reasons and reasons[0] != _FAILED:
            raise OverBudgetError("the month's budget does not cover this grant")
        return not reasons

    def _item(self, intent: Intent, month: str) -> dict[str, Attribute]:
        return {
            **_key(keys.grant(intent.key)),
            "state": text(ClaimState.OPEN),
            "customer": text(str(intent.customer_id)),
            "amount": number(intent.amount),
            "attempt": number(1),
            "since": self._now(),
            "month": text(month),
            "asked_by": text(self.by),
            "expires": self._expires(),
        }

    def _written(self, key: str) -> Claim | None:
        item = self.store.item(keys.grant(key))
        since = moment_of(item, "since")
        if since is None:
            return None
        intent = Intent(key, CustomerId(item["customer"]["S"]), Decimal(item["amount"]["N"]))
        age = (self.store.clock() - since).total_seconds()
        return Claim(ClaimState(item["state"]["S"]), intent, count_of(item, "attempt"), max(0.0, age))

    def _update(
        self, claim: Claim, change: str, values: dict[str, Attribute], *, only_open: bool = False
    ) -> bool:
        """Update a grant's item; False where it must be open at the claim's attempt and is not."""
        request: dict[str, Any] = {"UpdateExpression": change, "ExpressionAttributeValues": values}
        if only_open:
            request["ConditionExpression"] = _OPEN_AT
            request["ExpressionAttributeValues"] = values | _open_at(claim)
        if "#state" in change or only_open:
            request["ExpressionAttributeNames"] = {"#state": "state"}
        try:
            with conditional_write(f"table {self.store.table}"):
                self.store.aws.call(
                    "dynamodb",
                    "UpdateItem",
                    {"TableName": self.store.table, "Key": _key(keys.grant(claim.intent.key)), **request},
                )
        except ConflictError:
            return False
        return True

    def _transact(self, *writes: dict[str, Any]) -> list[str]:
        """Make all writes or none; return each one's reason where a condition failed, nothing where they were made.

        botocore gives each call an idempotency token, so its own repetition after a lost answer does no harm.

        Raises:
            TransientError: another transaction was under way, or the table does not answer.
            PermanentError: one of the writes can never be made.

        """
        store = self.store
        with aws_errors(f"table {store.table}"):
            try:
                store.aws.call("dynamodb", "TransactWriteItems", {"TransactItems": list(writes)})
            except RefusedCallError as refusal:
                if refusal.code != "TransactionCanceledException":
                    raise
                reasons = [reason.get("Code", "") for reason in refusal.fields["CancellationReasons"]]
                if _FAILED in reasons:
                    return reasons
                for reason in reasons:
                    if kind_of(reason) == "permanent":
                        raise refusal_error(f"table {store.table}", reason) from refusal
                raise TransientError(f"table {store.table}: {', '.join(reasons)}", retry_after=1) from refusal
        return []

    def _now(self) -> Attribute:
        return moment(self.store.clock())

    def _expires(self) -> Attribute:
        return time_to_live(self.store.clock() + KEPT)


def _key(key: str) -> dict[str, Attribute]:
    return {"key": text(key)}


def _open_at(claim: Claim) -> dict[str, Attribute]:
    return {":open": text(ClaimState.OPEN), ":attempt": number(claim.attempt)}
