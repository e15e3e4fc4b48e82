"""Which credits are about to be granted, written down for all who grant: the SDK's port `Intents` on DynamoDB.

A claim and its part of the month's ceiling are one transaction, and so is taking both back: there is no
moment, and no crash, at which credits are claimed and not counted. A transaction costs twice a plain write; a
merchant makes a few dozen a month. The items are described in `promises.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from inveterate import Claim, ClaimState, CustomerId, Intent

from relay.adapters.aws.boto import aws_errors, client
from relay.errors import ConflictError, OverBudgetError, TransientError
from relay.model.fields import from_millis, to_millis
from relay.ports.grants import MonthlyBudget
from relay.ports.runtime import Clock

KEPT: Final = timedelta(days=400)

_TRIES: Final = 3
_FAILED: Final = "ConditionalCheckFailed"
_OPEN_AT: Final = "#state = :open AND attempt = :attempt"


def grant_key(key: str) -> dict[str, Any]:
    """Return the item's key of a grant."""
    return {"key": {"S": f"grant#{key}"}}


def month_key(month: str) -> dict[str, Any]:
    """Return the item's key of a month."""
    return {"key": {"S": f"month#{month}"}}


@dataclass(frozen=True, slots=True)
class DynamoGrants:
    """The intents of those who grant under one allowance; without one, nothing new is claimed."""

    table: str
    clock: Clock
    allowance: MonthlyBudget | None = None
    by: str = ""
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def claim(self, intent: Intent) -> Claim:
        """Write the intent down and count it, unless its key is; return a NEW claim, else what is written.

        Raises:
            OverCeilingError: it is not written, and the allowance leaves no room for it.
            ConflictError: it is not written, and there is no allowance; or it keeps coming and going.

        """
        for _ in range(_TRIES):
            if claim := self._written(intent.key):
                return claim
            if self.allowance and self._take(intent, self.allowance):
                return Claim(ClaimState.NEW, intent)
        raise ConflictError("the grant is not written down")

    def renew(self, claim: Claim) -> bool:
        """Allow one more post if the claim is still open at this `attempt`."""
        return self._update(
            claim,
            "SET attempt = attempt + :one, since = :now, expires = :expires",
            {":one": _number(1), ":now": self._now(), ":expires": self._expires()},
            only_open=True,
        )

    def mark_granted(self, claim: Claim) -> None:
        """Write down that it was granted, whatever was written: it was."""
        for attempt in range(1, _TRIES + 1):
            try:
                self._settle(claim)
            except TransientError:
                # Somebody's transaction may be under way on this item. What is not written now may be
                # known to nobody later: a ledger need not show our note.
                if attempt == _TRIES:
                    raise
            else:
                return

    def release(self, claim: Claim) -> None:
        """Forget an open claim at this `attempt`, and give its part of the month back."""
        item = self._get(claim.intent.key)
        if "month" not in item:
            return
        delete = {
            "TableName": self.table,
            "Key": grant_key(claim.intent.key),
            "ConditionExpression": _OPEN_AT,
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": _open_at(claim),
        }
        give_back = {
            "TableName": self.table,
            "Key": month_key(item["month"]["S"]),
            "UpdateExpression": "ADD promised :back",
            "ExpressionAttributeValues": {":back": _number(-Decimal(item["amount"]["N"]))},
        }
        self._transact({"Delete": delete}, {"Update": give_back})

    def _settle(self, claim: Claim) -> None:
        self._update(
            claim,
            "SET #state = :granted, customer = :customer, amount = :amount, attempt = :attempt,"
            " since = :now, expires = :expires",
            {
                ":granted": {"S": ClaimState.GRANTED},
                ":customer": {"S": str(claim.intent.customer_id)},
                ":amount": _number(claim.intent.amount),
                ":attempt": _number(claim.attempt),
                ":now": self._now(),
                ":expires": self._expires(),
            },
        )

    def _take(self, intent: Intent, allowance: MonthlyBudget) -> bool:
        """Claim and count; False where somebody was quicker."""
        room = allowance.ceiling - intent.amount
        if room < 0:
            raise OverBudgetError("the month's ceiling leaves no room")
        count = {
            "TableName": self.table,
            "Key": month_key(allowance.month),
            "UpdateExpression": "SET expires = :expires ADD promised :amount",
            "ConditionExpression": "attribute_not_exists(promised) OR promised <= :room",
            "ExpressionAttributeValues": {
                ":expires": self._expires(),
                ":amount": _number(intent.amount),
                ":room": _number(room),
            },
        }
        write = {
            "TableName": self.table,
            "Item": self._item(intent, allowance.month),
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": "key"},
        }
        reasons = self._transact({"Put": write}, {"Update": count})
        if reasons and reasons[0] != _FAILED:
            raise OverBudgetError("the month's ceiling leaves no room")
        return not reasons

    def _item(self, intent: Intent, month: str) -> dict[str, Any]:
        return {
            **grant_key(intent.key),
            "state": {"S": ClaimState.OPEN},
            "customer": {"S": str(intent.customer_id)},
            "amount": _number(intent.amount),
            "attempt": _number(1),
            "since": self._now(),
            "month": {"S": month},
            "by": {"S": self.by},
            "expires": self._expires(),
        }

    def _written(self, key: str) -> Claim | None:
        item = self._get(key)
        if not item:
            return None
        intent = Intent(key, CustomerId(item["customer"]["S"]), Decimal(item["amount"]["N"]))
        age = self.clock() - from_millis(int(item["since"]["N"]))
        return Claim(
            ClaimState(item["state"]["S"]), intent, int(item["attempt"]["N"]), max(0.0, age.total_seconds())
        )

    def _get(self, key: str) -> dict[str, Any]:
        with aws_errors(f"table {self.table}"):
            reply = self.dynamodb.get_item(TableName=self.table, Key=grant_key(key), ConsistentRead=True)
        item: dict[str, Any] = reply.get("Item", {})
        return item

    def _update(self, claim: Claim, change: str, values: dict[str, Any], *, only_open: bool = False) -> bool:
        """Update a grant's item; False where it is to be open at the claim's attempt and is not."""
        request: dict[str, Any] = {"UpdateExpression": change, "ExpressionAttributeValues": values}
        if only_open:
            request["ConditionExpression"] = _OPEN_AT
            request["ExpressionAttributeValues"] = values | _open_at(claim)
        if "#state" in change or only_open:
            request["ExpressionAttributeNames"] = {"#state": "state"}
        with aws_errors(f"table {self.table}"):
            try:
                self.dynamodb.update_item(TableName=self.table, Key=grant_key(claim.intent.key), **request)
            except self.dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def _transact(self, *writes: dict[str, Any]) -> list[str]:
        """Make all writes or none; each one's reason where a condition failed, nothing where they were made.

        botocore gives each call an idempotency token, so its own repetition after a lost answer does no harm.

        Raises:
            TransientError: another writer was in the way, or the table does not answer.

        """
        with aws_errors(f"table {self.table}"):
            try:
                self.dynamodb.transact_write_items(TransactItems=list(writes))
            except self.dynamodb.exceptions.TransactionCanceledException as error:
                reasons = [reason.get("Code", "") for reason in error.response["CancellationReasons"]]
                if _FAILED in reasons:
                    return reasons
                raise TransientError(f"table {self.table}: {', '.join(reasons)}", retry_after=1) from error
        return []

    def _now(self) -> dict[str, str]:
        return _number(to_millis(self.clock()))

    def _expires(self) -> dict[str, str]:
        return _number(int((self.clock() + KEPT).timestamp()))


def _open_at(claim: Claim) -> dict[str, Any]:
    return {":open": {"S": ClaimState.OPEN}, ":attempt": _number(claim.attempt)}


def _number(value: Decimal | int) -> dict[str, str]:
    return {"N": format(value, "f") if isinstance(value, Decimal) else str(value)}
