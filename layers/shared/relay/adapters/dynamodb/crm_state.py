"""The mirrors table: for each target and member what the CRM holds, and who is writing it just now.

    key         {target}#{member key}
    digest      of the profile that the CRM surely holds; absent where nobody can be sure
    id, email   the CRM's id and the e-mail address last used
    state, reason   the latest outcome
    token       whose claim it is
    busy_until  until when it holds (milliseconds since 1970); absent when nobody has one
    strays      e-mail addresses under which a call that was not settled may have written the member
    job, offered    a job that works on the member, and the digest of what it was given

What it costs (on demand, us-east-1: $0.125 per million read units, $0.625 per million writes): a member
that needs nothing costs a read; one that is sent costs a read, the claim and the settlement: $1.375 a
million. Reads are consistent, at twice the price of others: a stale digest would call a member equal that
is not. Claims are single conditional updates and not transactions, which cost double and stand or fall
together; eight at a time, so that a hundred take a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeVar
from uuid import uuid4

from relay.adapters.aws.boto import aws_errors, client
from relay.errors import ConflictError, TransientError
from relay.model.fields import from_millis, to_millis
from relay.ports.crm_state import Claim, ClaimResult, SyncState

_AT_ONCE: Final = 8
_READ_AT_ONCE: Final = 100
_READS: Final = 4
_NOBODY: Final = "nobody"
"""A token that no claim has."""

_LASTING: Final = frozenset({"mirrored", "skipped", "refused"})

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class DynamoSyncStates:
    """The mirrors of one target."""

    table: str
    target: str
    dynamodb: Any = field(default_factory=lambda: client("dynamodb"))

    def load(self, keys: Sequence[str]) -> Mapping[str, SyncState]:
        """Read the members' mirrors, as of the latest write; an empty one where there is none."""
        mirrors = dict.fromkeys(keys, SyncState())
        for start in range(0, len(keys), _READ_AT_ONCE):
            for item in self._read(keys[start : start + _READ_AT_ONCE]):
                mirrors[item["key"]["S"].removeprefix(f"{self.target}#")] = mirror_of(item)
        return mirrors

    def claim(
        self,
        keys: Sequence[str],
        *,
        now: datetime,
        until: datetime,
        emails: Mapping[str, str] = MappingProxyType({}),
    ) -> Mapping[str, Claim]:
        """Claim members for a call; a claim on each that nobody else has claimed beyond `now`."""
        claims = _each(lambda key: self._claim(key, now, until, emails.get(key)), keys)
        return {key: claim for key, claim in zip(keys, claims, strict=True) if claim}

    def settle(self, settlements: Sequence[ClaimResult]) -> Mapping[str, Exception | None]:
        """Note outcomes, by member key, and give the claims back."""
        answers = _each(self._settle, settlements)
        return {
            settlement.profile.key: answer for settlement, answer in zip(settlements, answers, strict=True)
        }

    def _read(self, keys: Sequence[str]) -> Iterable[Mapping[str, Any]]:
        wanted: Any = {
            self.table: {"Keys": [self._key(key) for key in keys], "ConsistentRead": True},
        }
        for _ in range(_READS):
            with aws_errors(f"table {self.table}"):
                reply = self.dynamodb.batch_get_item(RequestItems=wanted)
            yield from reply["Responses"].get(self.table, ())
            wanted = reply.get("UnprocessedKeys")
            if not wanted:
                return
        raise TransientError(f"table {self.table}: keys were left unread")

    def _claim(self, key: str, now: datetime, until: datetime, email: str | None) -> Claim | None:
        token = uuid4().hex
        stray: dict[str, Any] = {":email": {"SS": [email]}} if email else {}
        item = self._update(
            key,
            UpdateExpression="SET #token = :token, busy_until = :until"
            + (" ADD strays :email" if stray else ""),
            ConditionExpression="attribute_not_exists(busy_until) OR busy_until <= :now",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues={
                ":token": {"S": token},
                ":until": _number(until),
                ":now": _number(now),
                **stray,
            },
        )
        return None if item is None else Claim(token=token, mirror=mirror_of(item))

    def _settle(self, settlement: ClaimResult) -> Exception | None:
        sets, removes = _noted(settlement)
        names = [*sets, *removes, "token"]
        values = {f":{name}": value for name, value in sets.items()}
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in sets)
        change += " REMOVE " + ", ".join(f"#{name}" for name in removes) if removes else ""
        try:
            if (
                self._update(
                    settlement.profile.key,
                    UpdateExpression=change,
                    ConditionExpression="#token = :mine",
                    ExpressionAttributeNames={f"#{name}": name for name in names},
                    ExpressionAttributeValues=values | {":mine": {"S": settlement.token}},
                )
                is not None
            ):
                return None
            self._void(settlement.profile.key)
        except TransientError as error:
            return error
        return ConflictError("the claim was lost during the call")

    def _void(self, key: str) -> None:
        """Let nothing count that was sent meanwhile: our call may have come before or after it.

        `busy_until` stays: while somebody is sending, nobody else may.
        """
        self._update(
            key,
            UpdateExpression="SET #token = :nobody REMOVE digest",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues={":nobody": {"S": _NOBODY}},
        )

    def _update(self, key: str, **request: Any) -> Mapping[str, Any] | None:
        """Update one item and return it; None where the condition does not hold."""
        with aws_errors(f"table {self.table}"):
            try:
                reply = self.dynamodb.update_item(
                    TableName=self.table, Key=self._key(key), ReturnValues="ALL_NEW", **request
                )
            except self.dynamodb.exceptions.ConditionalCheckFailedException:
                return None
        item: Mapping[str, Any] = reply["Attributes"]
        return item

    def _key(self, key: str) -> dict[str, Any]:
        return {"key": {"S": f"{self.target}#{key}"}}


def _noted(settlement: ClaimResult) -> tuple[dict[str, Any], list[str]]:
    """Return the attributes that a settlement sets, and those that it removes.

    Only an outcome that lasts leaves a digest: after any other the CRM may hold the old or the new.
    """
    outcome, wanted = settlement.outcome, settlement.profile
    told = {"state": outcome.state, "reason": outcome.reason, "job": "", "offered": ""}
    removes = ["token", "busy_until"]
    if outcome.state in _LASTING and settlement.sure:
        told["digest"] = wanted.digest
    else:
        removes.append("digest")
    if outcome.state == "mirrored":
        told |= {"id": outcome.id or "", "email": wanted.email or ""}
        removes.append("strays")
    elif outcome.state == "pending":
        told |= {"job": outcome.id or "", "offered": settlement.offered or wanted.digest}
    elif outcome.state == "skipped":
        # Nothing of the member's is left there: whatever it had was cleared before.
        removes += ["id", "email", "strays"]
    sets: dict[str, Any] = {name: {"S": text} for name, text in told.items() if text}
    removes += [name for name, text in told.items() if not text]
    if settlement.quiet_until:
        sets |= {"token": {"S": _NOBODY}, "busy_until": _number(settlement.quiet_until)}
        removes = [name for name in removes if name not in sets]
    return sets, removes


def mirror_of(item: Mapping[str, Any]) -> SyncState:
    """Read an item."""
    busy = item.get("busy_until")
    return SyncState(
        digest=_text(item, "digest"),
        state=_text(item, "state") or "",
        reason=_text(item, "reason") or "",
        id=_text(item, "id"),
        email=_text(item, "email"),
        strays=frozenset(item.get("strays", {}).get("SS", ())),
        busy_until=from_millis(int(busy["N"])) if busy else None,
        job=_text(item, "job"),
        offered=_text(item, "offered"),
    )


def _text(item: Mapping[str, Any], name: str) -> str | None:
    value: str | None = item.get(name, {}).get("S")
    return value


def _number(moment: datetime) -> dict[str, str]:
    return {"N": str(to_millis(moment))}


def _each(do: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """Do it to each, several at a time, in their order; the first error is raised when all are through."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(do, items))
