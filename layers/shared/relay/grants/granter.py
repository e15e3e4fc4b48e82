"""Credits for a member who is about to leave: given once, if they still are, and within the month's ceiling.

1. What is granted already is done. What may have been is never sent again unless the platform's ledger proves
   that it was lost; until then its amount stays counted, and it is asked again (`GrantStatus.UNKNOWN`).
2. Anything new is looked at as of now: the merchant still wants it, the month has room, and the platform's
   API says that the member is still about to leave.
3. The promise and its part of the month's ceiling are one write, made before the request leaves. It is taken
   back only where the platform surely granted nothing.

The first promise under a key stands, whatever a later event or another setting says of the amount.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Final, Literal, Protocol, TypeAlias

from inveterate import GrantStatus

from relay.errors import ConflictError, OverBudgetError, PermanentError, TransientError
from relay.grants.intent_to_leave import reasons_not_to_grant
from relay.model import journal
from relay.model.member import Member, merge
from relay.model.messages import GrantRequest, load
from relay.ports.grants import CreditGranter, GrantRecord, GrantStore, MonthlyBudget
from relay.ports.inveterate import MemberApi
from relay.ports.members import MemberRecord, MemberStore
from relay.ports.messaging import Journal
from relay.ports.runtime import Clock, Telemetry
from relay.queues.batch import Context, Message, Results, for_each_message
from relay.queues.requests import customer_of
from relay.reconcile.api_facts import facts_of
from relay.rules.settings import Rules

TOPIC: Final = "relay.grant"
"""The topic under which the journal keeps grants."""

NEEDED_MS: Final = 80_000
"""One reading, one request and the looks at the ledger, each as slow as it may be, take no longer."""

ASK_AGAIN: Final = 600.0
"""Seconds until an unknown outcome is looked into again: the SDK takes a request for lost after as many."""

FOR_ROOM: Final = timedelta(hours=1)
"""How long one that does not fit waits: others may turn out to be refused, and make room."""

_Outcome: TypeAlias = Literal["granted", "already_granted", "grant_ignored", "grant_ceiling"]
_VERDICTS: Final[dict[_Outcome, journal.JournalOutcome]] = {
    "granted": "applied",
    "already_granted": "repeat",
    "grant_ignored": "ignored",
    "grant_ceiling": "ignored",
}


class GivingApi(MemberApi, CreditGranter, Protocol):
    """The platform's API, for reading a member and for giving credits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granter:
    """The work of `grants`. `worth` tells whether a member is still worth it; None leaves that to who asked."""

    shop: str
    members: MemberStore
    promises: GrantStore
    api: GivingApi
    journal: Journal
    clock: Clock
    telemetry: Telemetry
    worth: Callable[[Member, Rules], bool] | None = None

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Grant what these messages ask for, one after the other."""
        return for_each_message(messages, context, NEEDED_MS, self._handle)

    def _handle(self, message: Message) -> None:
        grant = self._read(message.body)
        promise = self.promises.load(grant.key)
        if promise is None:
            self._begin(grant, message)
        elif promise.granted:
            self._end(grant, message, "granted" if promise.by == grant.id else "already_granted")
        else:
            self._go_on(grant, promise, message)

    def _read(self, body: str) -> GrantRequest:
        grant = load(GrantRequest, body)
        customer_of(grant.member, self.shop)
        if not grant.amount.is_finite() or grant.amount <= 0 or not grant.key.strip():
            raise PermanentError("no_grant", "amount, key")
        return grant

    def _begin(self, grant: GrantRequest, message: Message) -> None:
        """Grant what nobody has promised yet, if it is still called for and fits."""
        record, rules = self._known(grant)
        if reason := _unwanted(grant, rules):
            self._end(grant, message, "grant_ignored", reason)
            return
        allowance = _allowance(grant, rules)
        # Looked at before the API is called; the claim is what decides.
        if self.promises.promised(allowance.month) + grant.amount > allowance.ceiling:
            self._no_room(grant, message)
            return
        if reason := self._against(grant, record, rules):
            self._end(grant, message, "grant_ignored", reason)
            return
        try:
            status = self._give(grant, None, allowance)
        except OverBudgetError:
            self._no_room(grant, message)
        else:
            self._settle(grant, message, status)

    def _go_on(self, grant: GrantRequest, promise: GrantRecord, message: Message) -> None:
        """Find out what became of an earlier request; send it again only if it is still called for."""
        if promise.customer_id != _customer(grant):
            raise PermanentError("no_grant", "another member's key")
        record, rules = self._known(grant)
        called_for = not (_unwanted(grant, rules) or self._against(grant, record, rules))
        status = self._give(grant, promise, None, again=called_for)
        if status is GrantStatus.ALREADY_GRANTED and promise.by == grant.id:
            status = GrantStatus.GRANTED
        self._settle(grant, message, status)

    def _known(self, grant: GrantRequest) -> tuple[MemberRecord, Rules]:
        records, rules = self.members.load([grant.member])
        return records[grant.member], rules

    def _against(self, grant: GrantRequest, record: MemberRecord, rules: Rules) -> str | None:
        """Read the member, and return what speaks against the grant."""
        reading = self.api.read(_customer(grant))
        if reading is None:
            return "gone"
        if reading.member.customer_id != _customer(grant):
            raise TransientError("the API answered with another member's record")
        date = reading.date or self.clock()
        now = merge(record.member, facts_of(reading, date, record.member))
        reason = reasons_not_to_grant(now, reading, date, grant.at)
        if reason is None and self.worth and not self.worth(now, rules):
            return "not_high_value"
        return reason

    def _give(
        self,
        grant: GrantRequest,
        promise: GrantRecord | None,
        allowance: MonthlyBudget | None,
        *,
        again: bool = True,
    ) -> GrantStatus:
        try:
            return self.api.grant(
                _customer(grant),
                promise.amount if promise else grant.amount,
                key=grant.key,
                note=f"Relay {grant.rule}",
                intents=self.promises.intents(allowance, grant.id),
                again=again,
            )
        except ConflictError as error:
            raise TransientError("the promise was written to by somebody else", retry_after=1) from error

    def _settle(self, grant: GrantRequest, message: Message, status: GrantStatus) -> None:
        if status is GrantStatus.UNKNOWN:
            self._tell("grant_unknown", grant)
            raise TransientError("nobody knows yet whether it was granted", retry_after=ASK_AGAIN)
        self._end(grant, message, "granted" if status is GrantStatus.GRANTED else "already_granted")

    def _no_room(self, grant: GrantRequest, message: Message) -> None:
        if self.clock() - message.waiting_since < FOR_ROOM:
            raise TransientError("the month's ceiling is reached", retry_after=FOR_ROOM.total_seconds() / 4)
        self._end(grant, message, "grant_ceiling", "ceiling")

    def _end(
        self, grant: GrantRequest, message: Message, outcome: _Outcome, reason: str | None = None
    ) -> None:
        """Journal what became of it, then say so."""
        line = journal.action_line(
            "granted",
            grant.id,
            topic=TOPIC,
            shop=self.shop,
            received_at=message.received_at,
            outcome=_VERDICTS[outcome],
            customer=_customer(grant),
            at=grant.at,
            reason=reason,
            body={"event_id": grant.event_id, "rule": grant.rule, "key": grant.key, "amount": grant.amount},
        )
        [refusal] = self.journal.write([line])
        if refusal:
            raise refusal
        self._tell(outcome, grant, reason)

    def _tell(self, outcome: str, grant: GrantRequest, reason: str | None = None) -> None:
        self.telemetry.outcome(
            outcome,
            event_id=grant.event_id,
            topic=grant.topic,
            member=grant.member,
            rule=grant.rule,
            reason=reason,
        )


def _customer(grant: GrantRequest) -> str:
    return grant.member.rpartition(":")[2]


def _unwanted(grant: GrantRequest, rules: Rules) -> str | None:
    return None if rules.retention.on and rules.setting_for(grant.rule).on else "off"


def _allowance(grant: GrantRequest, rules: Rules) -> MonthlyBudget:
    """Return the allowance of the month in which the event happened."""
    return MonthlyBudget(month=f"{grant.at.astimezone(UTC):%Y-%m}", ceiling=rules.retention.monthly_ceiling)
