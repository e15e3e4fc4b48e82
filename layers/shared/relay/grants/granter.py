"""Grants store credit for a pending cancellation: once, while it is still pending, and within the month's budget.

1. What is granted already is done. What may have been granted is never sent again unless the platform's ledger
   proves that the request was lost; until then its amount stays counted, and the ledger is read again later
   (`GrantStatus.UNKNOWN`).
2. Anything new is checked as of now: the merchant still wants it, the month's budget covers it, the member was
   granted nothing lately, and the platform's API says that the cancellation is still pending.
3. The grant's record and its part of the month's budget are one write, made before the request goes out. It is
   taken back only where the platform surely granted nothing.

The first record under a key counts, whatever a later event or another setting says of the amount.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final, Literal, Protocol, TypeAlias

from inveterate import GrantStatus

from relay.errors import ConflictError, OverBudgetError, PermanentError, TransientError
from relay.model import journal
from relay.model.member import Member, merge
from relay.model.messages import GrantRequest, load
from relay.model.metrics import Outcome
from relay.ports.grants import CreditGranter, GrantRecord, GrantStore, MonthlyBudget
from relay.ports.inveterate import MemberApi, MemberReading
from relay.ports.members import MemberRecord, MemberStore
from relay.ports.messaging import Journal
from relay.ports.runtime import Clock, Telemetry
from relay.queues.batch import Context, Message, Results, for_each_message
from relay.queues.requests import customer_of, expect_topic
from relay.reconcile.api_facts import EARLY, facts_of
from relay.rules.settings import Rules

TOPIC: Final = "relay.grant"
"""The topic under which the journal keeps grants."""

NEEDED_MS: Final = 80_000
"""One reading, one request and the readings of the ledger take at most this long."""

RETRY_UNKNOWN_AFTER: Final = 600.0
"""Seconds until an unknown grant is looked up again: the SDK takes a request for lost after as many."""

WAIT_FOR_BUDGET: Final = timedelta(hours=1)
"""How long a grant that does not fit is deferred: others may be refused and release their part of the budget."""

LATEST: Final = timedelta(days=30)
"""An older event is granted nothing. A grant's record is kept far longer."""

_PENDING_CANCELLATION: Final = "pending_cancellation"
_PENDING: Final = "PENDING_CANCELLATION"
_ACTIVE: Final = "ACTIVE"
"""The platform's statuses with and without a pending cancellation. It documents three as examples: another proves nothing."""

_Ending: TypeAlias = Literal["granted", "already_granted", "grant_ignored", "grant_over_budget"]
_JOURNALED: Final[dict[_Ending, journal.JournalOutcome]] = {
    "granted": "applied",
    "already_granted": "repeat",
    "grant_ignored": "ignored",
    "grant_over_budget": "ignored",
}


class GrantApi(MemberApi, CreditGranter, Protocol):
    """The platform's API, for reading a member and for granting credits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granter:
    """The work of `grants`. `is_worth_it` decides whether the member, as the API shows it, merits credits; None relies on the request."""

    shop: str
    members: MemberStore
    grants: GrantStore
    api: GrantApi
    journal: Journal
    clock: Clock
    telemetry: Telemetry
    is_worth_it: Callable[[Member, Rules], bool] | None = None

    def work(self, messages: Sequence[Message], context: Context) -> Results:
        """Grant what these messages request, one after the other."""
        return for_each_message(messages, context, NEEDED_MS, self._handle)

    def _handle(self, message: Message) -> None:
        asked = self._read(message.body)
        expect_topic(message, asked.topic)
        request, record = self._latest(asked)
        if record is None:
            self._begin(request, message)
        elif record.granted:
            self._end(request, message, "granted" if record.by == request.id else "already_granted")
        else:
            self._resume(request, record, message)

    def _latest(self, request: GrantRequest) -> tuple[GrantRequest, GrantRecord | None]:
        """Return the member's latest grant and the request under its key; under a new one where that is long enough ago.

        A request names the member and no date: the same cancellation told twice, or told again with another date,
        is granted once.
        """
        _, rules = self.members.load(())
        again_after = timedelta(days=rules.retention.again_after_days)
        for number in count(1):
            key = request.key if number == 1 else f"{request.key}:{number}"
            record = self.grants.load(key)
            if record is None or not record.granted or self.clock() - record.at < again_after:
                return replace(request, key=key), record
        raise AssertionError  # unreachable: the numbers do not end

    def _read(self, body: str) -> GrantRequest:
        request = load(GrantRequest, body)
        customer_of(request.member, self.shop)
        if not request.amount.is_finite() or request.amount <= 0 or not request.key.strip():
            raise PermanentError("no_grant", "amount, key")
        return request

    def _begin(self, request: GrantRequest, message: Message) -> None:
        """Grant what has no record yet, if it is still wanted and within the budget."""
        known, rules = self._known(request)
        if reason := _switched_off(request, rules):
            self._end(request, message, "grant_ignored", reason)
            return
        budget = self._budget(rules)
        # Checked before the API is called; the record's conditional write is what decides.
        if self.grants.claimed(budget.month) + request.amount > budget.ceiling:
            self._over_budget(request, message)
            return
        if reason := self._reason_against(request, known, rules):
            self._end(request, message, "grant_ignored", reason)
            return
        try:
            status = self._grant(request, None, budget)
        except OverBudgetError:
            self._over_budget(request, message)
        else:
            self._finish(request, message, status)

    def _resume(self, request: GrantRequest, record: GrantRecord, message: Message) -> None:
        """Read how an earlier request ended; send it again only if it is still wanted."""
        if record.customer_id != _customer(request):
            raise PermanentError("no_grant", "another member's key")
        known, rules = self._known(request)
        still_wanted = not (_switched_off(request, rules) or self._reason_against(request, known, rules))
        status = self._grant(request, record, None, again=still_wanted)
        if status is GrantStatus.ALREADY_GRANTED and record.by == request.id:
            status = GrantStatus.GRANTED
        self._finish(request, message, status)

    def _budget(self, rules: Rules) -> MonthlyBudget:
        """Return the budget of the month in which the credit is given: an event may claim to be of any month."""
        return MonthlyBudget(
            month=f"{self.clock().astimezone(UTC):%Y-%m}", ceiling=rules.retention.monthly_ceiling
        )

    def _known(self, request: GrantRequest) -> tuple[MemberRecord, Rules]:
        records, rules = self.members.load([request.member])
        return records[request.member], rules

    def _reason_against(self, request: GrantRequest, known: MemberRecord, rules: Rules) -> str | None:
        """Read the member from the API; return the reason not to grant, or None."""
        reading = self.api.read(_customer(request))
        if reading is None:
            return "not_found"
        if reading.member.customer_id != _customer(request):
            raise TransientError("the API answered with another member's record")
        date = reading.date or self.clock()
        member = merge(known.member, facts_of(reading, date, known.member))
        reason = reason_not_to_grant(member, reading, date, request.at)
        if reason is None and self.is_worth_it and not self.is_worth_it(_as_read(reading, date), rules):
            return "not_high_value"
        return reason

    def _grant(
        self,
        request: GrantRequest,
        record: GrantRecord | None,
        budget: MonthlyBudget | None,
        *,
        again: bool = True,
    ) -> GrantStatus:
        try:
            return self.api.grant(
                _customer(request),
                record.amount if record else request.amount,
                key=request.key,
                note=f"Relay {request.rule}",
                intents=self.grants.intents(budget, request.id),
                again=again,
            )
        except ConflictError as error:
            raise TransientError(
                "the grant's record was written by another invocation", retry_after=1
            ) from error

    def _finish(self, request: GrantRequest, message: Message, status: GrantStatus) -> None:
        if status is GrantStatus.UNKNOWN:
            self._log("grant_unknown", request)
            raise TransientError(
                "it is not known yet whether it was granted", retry_after=RETRY_UNKNOWN_AFTER
            )
        self._end(request, message, "granted" if status is GrantStatus.GRANTED else "already_granted")

    def _over_budget(self, request: GrantRequest, message: Message) -> None:
        if self.clock() - message.waiting_since < WAIT_FOR_BUDGET:
            raise TransientError(
                "the month's budget is used up", retry_after=WAIT_FOR_BUDGET.total_seconds() / 4
            )
        self._end(request, message, "grant_over_budget", "budget")

    def _end(
        self, request: GrantRequest, message: Message, ending: _Ending, reason: str | None = None
    ) -> None:
        """Journal how the request ended, then log it."""
        line = journal.action_line(
            "granted",
            request.id,
            topic=TOPIC,
            shop=self.shop,
            received_at=message.received_at,
            outcome=_JOURNALED[ending],
            customer=_customer(request),
            at=request.at,
            reason=reason,
            body={
                "event_id": request.event_id,
                "rule": request.rule,
                # Not "key": what is called so is taken for a secret and left out of the journal.
                "grant": request.key,
                "amount": request.amount,
            },
        )
        [refusal] = self.journal.write([line])
        if refusal:
            raise refusal
        self._log(ending, request, reason)

    def _log(self, outcome: Outcome, request: GrantRequest, reason: str | None = None) -> None:
        self.telemetry.outcome(
            outcome,
            event_id=request.event_id,
            topic=request.topic,
            member=request.member,
            rule=request.rule,
            reason=reason,
        )


def reason_not_to_grant(
    member: Member, reading: MemberReading, date: datetime, since: datetime
) -> str | None:
    """Return the reason not to grant for the event of `since`: `late`, `erased`, the member's status, or an unknown one.

    `member` is the record with the reading merged, `date` the time of the API's answer. A reading is dated two
    minutes early (`api_facts.py`), so within two minutes of the event it proves nothing: the platform's own
    copy may be older than its webhook. The request is then deferred.

    Raises:
        TransientError: the API and a newer event contradict each other.

    """
    if date - since > LATEST:
        return "late"
    if member.is_erased or reading.member.anonymized:
        return "erased"
    if member.status != _PENDING_CANCELLATION:
        return member.status
    word = (reading.member.status or "").strip().upper()
    if word == _ACTIVE:
        raise TransientError("the API does not show the cancellation yet", retry_after=EARLY.total_seconds())
    return None if word == _PENDING else "status_unknown"


def _as_read(reading: MemberReading, date: datetime) -> Member:
    """Return the member as the API alone shows it: a webhook is not signed, and credits are money."""
    empty = Member(shop="", customer_id=str(reading.member.customer_id))
    return merge(empty, facts_of(reading, date, empty))


def _customer(request: GrantRequest) -> str:
    return request.member.rpartition(":")[2]


def _switched_off(request: GrantRequest, rules: Rules) -> str | None:
    return None if rules.retention.on and rules.setting_for(request.rule).on else "off"
