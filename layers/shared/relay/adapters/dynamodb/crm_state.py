"""Stores the sync states in the mirrors table: for each target and member, what the CRM holds, and the claim on it.

    key             sync#{target}#{member key}
    digest          of the profile that the CRM certainly holds; absent if that is uncertain
    crm_id, email   the CRM's id and the e-mail address last used
    state, reason   the latest outcome
    token           of the current claim
    claimed_until   until when the claim holds (milliseconds since 1970); absent without a claim
    possible_emails     addresses under which a call without a known result may have written the member
    job, job_digest     the bulk job that works on the member, and the digest of the profile that it was given
    previous_contacts   contacts that may hold the member's fields beside its own
    made_contacts       contacts that Relay made for the member
    waiting_since, tried_at, next_try, tries, tried_digest, waits_backfill    of a member that the CRM does not take
    waits_for           the key of the member whose contact has the address that this one waits for

Cost (on demand, us-east-1: $0.125 per million read units, $0.625 per million writes): a member that needs nothing costs
a read; one that is sent costs a read, the claim and its release: $1.375 a million. Reads are consistent, at twice the
price of others: a stale digest would make a changed member look unchanged. Claims are single conditional updates and
not transactions, which cost double and succeed or fail together; eight at a time, so that a hundred take a tenth of a
second.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeVar
from uuid import uuid4

from relay.adapters.aws.client import AwsCaller, RefusedCallError, aws, aws_errors
from relay.adapters.dynamodb import attributes, keys
from relay.adapters.dynamodb.versioned import conditional_write, own_item
from relay.errors import ConflictError, TransientError
from relay.ports.crm_state import Claim, ClaimResult, SyncState, Waiting

_WRITES_AT_ONCE: Final = 8
_KEYS_PER_READ: Final = 100
_MAX_READS: Final = 4
_NO_CLAIM: Final = "none"
"""A token that no claim has."""

_FINAL: Final = frozenset({"mirrored", "skipped", "refused"})

_WAITING: Final = (
    "waiting_since",
    "tried_at",
    "next_try",
    "tries",
    "tried_digest",
    "waits_backfill",
    "waits_for",
)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class DynamoSyncStates:
    """`SyncStateStore` of one target."""

    table: str
    target: str
    aws: AwsCaller = field(default_factory=aws)

    def load(self, members: Sequence[str]) -> Mapping[str, SyncState]:
        """Return the members' sync states as of the latest write; an empty one for a member without any."""
        prefix = keys.sync_states_of(self.target)
        sync_states = dict.fromkeys(members, SyncState())
        for start in range(0, len(members), _KEYS_PER_READ):
            for item in self._read(members[start : start + _KEYS_PER_READ]):
                sync_states[item["key"]["S"].removeprefix(prefix)] = decode_sync_state(item)
        return sync_states

    def claim(
        self,
        members: Sequence[str],
        *,
        now: datetime,
        until: datetime,
        emails: Mapping[str, str] = MappingProxyType({}),
    ) -> Mapping[str, Claim]:
        """Claim members for a call; return a claim on each that no other call has claimed beyond `now`."""
        claims = for_each(lambda member: self._claim(member, now, until, emails.get(member)), members)
        return {member: claim for member, claim in zip(members, claims, strict=True) if claim}

    def note_previous(self, member: str, token: str, contacts: Collection[str]) -> None:
        """Note contacts that may hold a member's fields, under the claim with this token."""
        noted = self._update(
            member,
            UpdateExpression="ADD previous_contacts :contacts",
            ConditionExpression="#token = :claim",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues={
                ":contacts": {"SS": sorted(contacts)},
                ":claim": attributes.text(token),
            },
        )
        if noted is None:
            raise TransientError("the claim was lost during the call")

    def release_claims(self, results: Sequence[ClaimResult]) -> Mapping[str, Exception | None]:
        """Store outcomes and release the claims; return errors by member key, None for success."""
        errors = for_each(self._release_claim, results)
        return {result.profile.key: error for result, error in zip(results, errors, strict=True)}

    def _read(self, members: Sequence[str]) -> Iterable[Mapping[str, Any]]:
        unread: Any = {
            self.table: {"Keys": [self._key(member) for member in members], "ConsistentRead": True},
        }
        for _ in range(_MAX_READS):
            with aws_errors(f"table {self.table}"):
                reply = self.aws.call("dynamodb", "BatchGetItem", {"RequestItems": unread})
            yield from reply["Responses"].get(self.table, ())
            unread = reply.get("UnprocessedKeys")
            if not unread:
                return
        raise TransientError(f"table {self.table}: keys were left unread")

    def _claim(self, member: str, now: datetime, until: datetime, email: str | None) -> Claim | None:
        token = uuid4().hex
        possible: dict[str, Any] = {":email": {"SS": [email]}} if email else {}
        item = self._update(
            member,
            UpdateExpression="SET #token = :token, claimed_until = :until"
            + (" ADD possible_emails :email" if possible else ""),
            ConditionExpression="attribute_not_exists(claimed_until) OR claimed_until <= :now",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues={
                ":token": attributes.text(token),
                ":until": attributes.moment(until),
                ":now": attributes.moment(now),
                **possible,
            },
            mine={"token": attributes.text(token)},
        )
        return None if item is None else Claim(token=token, sync_state=decode_sync_state(item))

    def _release_claim(self, result: ClaimResult) -> Exception | None:
        sets, removes = _changes(result)
        names = [*sets, *removes, "token"]
        values = {f":{name}": value for name, value in sets.items()}
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in sets)
        change += " REMOVE " + ", ".join(f"#{name}" for name in removes) if removes else ""
        try:
            released = self._update(
                result.profile.key,
                UpdateExpression=change,
                ConditionExpression="#token = :claim",
                ExpressionAttributeNames={f"#{name}": name for name in names},
                ExpressionAttributeValues=values | {":claim": attributes.text(result.token)},
            )
            if released is not None:
                return None
            self._invalidate(result.profile.key)
        except TransientError as error:
            return error
        return ConflictError("the claim was lost during the call")

    def _invalidate(self, member: str) -> None:
        """Invalidate every call made meanwhile: our own call may have come before or after it.

        `claimed_until` stays: while another call is under way, no third one may begin.
        """
        self._update(
            member,
            UpdateExpression="SET #token = :none REMOVE digest",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues={":none": attributes.text(_NO_CLAIM)},
        )

    def _update(
        self, member: str, *, mine: Mapping[str, Any] = MappingProxyType({}), **request: Any
    ) -> Mapping[str, Any] | None:
        """Update one item and return it; None if the condition does not hold.

        `mine` is what this update alone sets: a conflict with an item that has it is with our own first try, whose reply
        got lost.
        """
        if "ConditionExpression" in request:
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        try:
            with conditional_write(f"table {self.table}"):
                try:
                    reply = self.aws.call(
                        "dynamodb",
                        "UpdateItem",
                        {
                            "TableName": self.table,
                            "Key": self._key(member),
                            "ReturnValues": "ALL_NEW",
                            **request,
                        },
                    )
                except RefusedCallError as refusal:
                    if mine and (item := own_item(refusal, mine)) is not None:
                        return item
                    raise
        except ConflictError:
            return None
        changed: Mapping[str, Any] = reply["Attributes"]
        return changed

    def _key(self, member: str) -> dict[str, Any]:
        return {"key": attributes.text(keys.sync_state(self.target, member))}


def _changes(result: ClaimResult) -> tuple[dict[str, Any], list[str]]:
    """Return the attributes that a released claim sets, and those that it removes.

    Only a final outcome leaves a digest: after any other, the CRM may hold the old profile or the new one.
    """
    outcome, profile = result.outcome, result.profile
    held = result.held or outcome.state == "mirrored"
    texts = {"state": outcome.state, "reason": outcome.reason, "job": "", "job_digest": ""}
    removes = ["token", "claimed_until"]
    if held or (outcome.state in _FINAL and result.final):
        texts["digest"] = profile.digest
    else:
        removes.append("digest")
    if held:
        texts |= {"crm_id": outcome.id or "", "email": profile.email or ""}
        removes.append("possible_emails")
    elif outcome.state == "pending":
        texts |= {"job": outcome.id or "", "job_digest": result.job_digest or profile.digest}
    elif outcome.state == "skipped":
        # No contact has the member's fields: its previous contacts were cleared before.
        removes += ["crm_id", "email", "possible_emails"]
    sets: dict[str, Any] = {name: attributes.text(text) for name, text in texts.items() if text}
    removes += [name for name, text in texts.items() if not text]
    if result.waiting:
        sets |= _waiting_attributes(result.waiting)
    if result.waiting or outcome.state in _FINAL:
        removes += [name for name in _WAITING if name not in sets]
    for name, contacts in _noted_contacts(result).items():
        if contacts:
            sets[name] = {"SS": sorted(contacts)}
        else:
            removes.append(name)
    if result.blocked_until:
        sets |= {
            "token": attributes.text(_NO_CLAIM),
            "claimed_until": attributes.moment(result.blocked_until),
        }
        removes = [name for name in removes if name not in sets]
    return sets, removes


def _noted_contacts(result: ClaimResult) -> dict[str, Collection[str]]:
    """Return the sets of contacts to store, empty ones to remove; without the previous ones where they stay as noted."""
    noted: dict[str, Collection[str]] = {"made_contacts": result.made_contacts}
    if result.previous_contacts is not None:
        noted["previous_contacts"] = result.previous_contacts
    elif result.outcome.state == "skipped":
        noted["previous_contacts"] = ()
    return noted


def _waiting_attributes(waiting: Waiting) -> dict[str, Any]:
    return {
        "waiting_since": attributes.moment(waiting.since),
        "tried_at": attributes.moment(waiting.tried),
        "next_try": attributes.moment(waiting.next_try),
        "tries": attributes.number(waiting.tries),
        "tried_digest": attributes.text(waiting.digest),
        "waits_backfill": attributes.flag(waiting.backfill),
        **({"waits_for": attributes.text(waiting.holder)} if waiting.holder else {}),
    }


def _waiting(item: Mapping[str, Any]) -> Waiting | None:
    since, next_try = attributes.moment_of(item, "waiting_since"), attributes.moment_of(item, "next_try")
    if since is None or next_try is None:
        return None
    return Waiting(
        since=since,
        tried=attributes.moment_of(item, "tried_at") or since,
        next_try=next_try,
        tries=attributes.count_of(item, "tries"),
        digest=attributes.text_of(item, "tried_digest") or "",
        backfill=item.get("waits_backfill", {}).get("BOOL") is True,
        holder=attributes.text_of(item, "waits_for") or "",
    )


def decode_sync_state(item: Mapping[str, Any]) -> SyncState:
    """Return the sync state of an item."""
    return SyncState(
        digest=attributes.text_of(item, "digest"),
        state=attributes.text_of(item, "state") or "",
        reason=attributes.text_of(item, "reason") or "",
        id=attributes.text_of(item, "crm_id"),
        email=attributes.text_of(item, "email"),
        possible_emails=frozenset(item.get("possible_emails", {}).get("SS", ())),
        claimed_until=attributes.moment_of(item, "claimed_until"),
        job=attributes.text_of(item, "job"),
        job_digest=attributes.text_of(item, "job_digest"),
        previous_contacts=frozenset(item.get("previous_contacts", {}).get("SS", ())),
        made_contacts=frozenset(item.get("made_contacts", {}).get("SS", ())),
        waiting=_waiting(item),
    )


def for_each(do: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """Call `do` with each item, several at a time; return the results in order. Raises the first error at the end."""
    with ThreadPoolExecutor(_WRITES_AT_ONCE) as pool:
        return list(pool.map(do, items))
