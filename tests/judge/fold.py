"""The right answer for a history: what each member's record and CRM profile must say.

A plain fold: all deliveries are read, put in the order of their true times, and gone through once, the later one
overwriting the earlier. No stamps, no registers, no arrival order. What the documents leave open is in `open`, and
is asserted by no property.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal

from tests.judge import bodies, values
from tests.judge.answer import PERSONAL, Answer, Scalar
from tests.judge.history import DAY, SECOND, History, Sent
from tests.judge.ledger import Entry, balance
from tests.judge.reading import Statement, Unplaced, is_of_two_people, read

# architecture.md, "What ends is worked out": shown only while newer than what ended them.
BILLING = ("next_payment_on", "fee_amount", "attempts_left")
# 30 days without a failure close a dunning incident (rules.md).
QUIET_DAYS = 30
# "Bounded, by the set alone" (architecture.md): so many endings, and as many joinings; so many failures, and payments.
KEPT_MILESTONES, KEPT_PAYMENTS = 40, 12
DEFAULT_ATTEMPTS = 3
# Texts are cut when they are read; where is not written, so a longer one is not asserted.
SURELY_KEPT = 100
_IDENTITY = {"email": "email", "first_name": "firstName", "last_name": "lastName", "phone": "phoneNumber"}


def statements(history: History, sent: Iterable[Sent] | None = None) -> list[Statement]:
    """Return what the deliveries say, each once, by true time; deliveries of no member are left out."""
    found = (read(s.delivery, history, s.event) for s in (history.sent() if sent is None else sent))
    placed = [statement for statement in found if not isinstance(statement, Unplaced)]
    return sorted(placed, key=lambda s: (s.order, s.identity, s.at))


def more_attempts_since(told: Iterable[Statement]) -> int | None:
    """Return when an attempt beyond the third was first seen, in ms; None where none was.

    "What is learnt from other members changes in the daily round only: ... the number of attempts of a tier" (rules.md). So
    from then on it is open how many attempts a tier has: which daily round comes between is not played here.
    """
    return min((s.ms for s in told if s.attempt is not None and s.attempt > DEFAULT_ATTEMPTS), default=None)


def fold(history: History, sent: Iterable[Sent] | None = None) -> dict[str, Answer]:
    """Return the answer for each member that a delivery tells of."""
    by_member: dict[str, list[Statement]] = {}
    everything = statements(history, sent)
    for statement in everything:
        by_member.setdefault(statement.member, []).append(statement)
    since = more_attempts_since(everything)
    return {member: _Member(history, member, since).run(told) for member, told in by_member.items()}


class _Member:
    """The fold over one member's statements."""

    def __init__(self, history: History, member: str, more_attempts: int | None = None) -> None:
        self.history = history
        self.more_attempts_since = more_attempts
        self.answer = Answer(member)
        self.state = "unknown"  # unknown, active, trialing, cancelled
        self.kind = ""
        self.pending: int | None = None
        self.failing: list[Statement] = []
        self.failing_final = False
        self.paid_since_start = False
        self.muddled = False  # a contradiction that is looked up: membership and billing are open
        self.was_muddled = False  # the fee of that payment may be the one that is known
        self.status_open = False
        self.doubtful_ending = False
        self.trial: Statement | None = None
        self.erased_at = -1
        self.first = True  # whether the statement is the first of its event: what is counted counts once
        self.entries: list[Entry] = []
        self.expiries = set[int]()  # the seconds in which credit expired
        self.seen: set[tuple[str, ...]] = set()
        self.counted = Counter[str]()
        self.last_milestone = ""
        self.written_by: dict[str, tuple[tuple[int, int, int], tuple[str, ...], Scalar]] = {}
        self.now: Statement

    # The order of statements decides; two of equal order that differ leave a field open, since the documents then
    # let the event id decide, which says nothing about the world, and of a retry that tells something else nothing.
    def put(self, name: str, value: Scalar) -> None:
        before = self.written_by.get(name)
        contested = (
            before is not None
            and before[0] == self.now.order
            and (name in self.answer.open or before[2] != value)
        )
        self.answer.fields[name] = value
        (self.answer.open.add if contested else self.answer.open.discard)(name)
        self.written_by[name] = (self.now.order, self.now.identity, value)

    def leave_open(self, *names: str) -> None:
        for name in names:
            self.answer.fields.setdefault(name, None)
            self.answer.open.add(name)

    def run(self, told: list[Statement]) -> Answer:
        for statement in told:
            self.now = statement
            self.first = statement.identity not in self.seen
            self.seen.add(statement.identity)
            self.identity(statement)
            handler = _HANDLERS.get(statement.topic, _Member.joined)
            handler(self, statement)
        self.finish(told)
        return self.answer

    def identity(self, s: Statement) -> None:
        """E-mail, names and phone: every topic that has them may tell them, `customer.updated` alone clears them."""
        if is_of_two_people(s):
            return
        if s.topic == bodies.UPDATED:
            source = _object(s.payload.get("newData"))
        elif s.topic in {bodies.CREDITS, bodies.EXPIRED}:
            source = s.payload
        else:
            source = _object(s.payload.get("customer"))
        may_clear = s.topic == bodies.UPDATED
        for name, key in _IDENTITY.items():
            if key in source:
                self.tell_identity(name, source[key], may_clear=may_clear)

    def tell_identity(self, name: str, written: object, *, may_clear: bool) -> None:
        value = values.address(written) if name == "email" else values.text(written)
        if value is not None:
            self.put(name, value)
            if len(value) > SURELY_KEPT:
                self.leave_open(name)
        elif written is None:
            if may_clear:
                self.put(name, None)
        elif name != "email" or values.text(written) is None:
            # A text that is empty: the documents do not say what stands. What is no address replaces none.
            self.leave_open(name)

    def joined(self, s: Statement) -> None:
        fields, kind = self.answer.fields, bodies.JOINED[s.topic]
        if same_trial(self.trial, s):
            # The same matter with another value: it counts once. When it began is told twice.
            self.tier(s)
            ends = s.payload.get("freeTrialEnd")
            if values.possible_date(ends):
                self.put("trial_ends_at", values.moment(ends))
            else:
                self.leave_open("trial_ends_at")
            self.leave_open("joined_at")
            if self.failing:
                # Whether a trial that goes on settles a fee that has failed is not written.
                self.leave_open("failed_attempts", "attempts_left", "payment_status", "status")
                self.status_open = True
            return
        self.trial = s if kind == "trial" else None
        if self.state == "cancelled" and self.first:
            self.answer.pairs["rejoined"] += 1
            self.put("rejoined_at", s.ms)
        self.counted["joinings"] += self.first
        self.tier(s)
        self.put("tier_type", kind)
        self.put("joined_at", s.ms)
        earliest = fields.get("first_joined_at")
        self.put("first_joined_at", min(s.ms, earliest) if isinstance(earliest, int) else s.ms)
        for name in ("cancelled_at", "cancel_type", "pending_cancel_at"):
            self.put(name, None)
        if kind == "trial":
            ends = s.payload.get("freeTrialEnd")
            self.put("trial_ends_at", values.moment(ends) if values.possible_date(ends) else None)
            if ends is None or not values.possible_date(ends):
                self.leave_open("trial_ends_at")
        else:
            self.leave_open("trial_ends_at")
        self.pending, self.muddled, self.status_open = None, False, False
        if self.failing:
            self.leave_open("failed_attempts")
        self.state, self.kind = ("trialing" if kind == "trial" else "active"), kind
        self.stop_failing()
        # "`joined.*` resolves an open dunning incident": no fee is open after any of them.
        self.put("attempts_left", None)
        self.paid_since_start = False
        if kind in {"free", "lifetime"}:
            self.end_billing()
        else:
            # No document gives the payment status of a member between joining and the first payment.
            self.leave_open("payment_status")

    def changed_tier(self, s: Statement) -> None:
        self.tier(s)
        self.put("tier_changed_at", s.ms)
        self.put("previous_tier_name", values.text(s.detail.get("previousTierName")))
        if s.detail.get("previousTierName") is None:
            self.leave_open("previous_tier_name")
        # The kind of a tier is a setting; what a move between kinds does to fee and dates follows from it.
        self.leave_open("tier_type", "payment_status", *BILLING)
        self.kind = ""

    def tier(self, s: Statement) -> None:
        tier, name = values.identifier(s.payload.get("tierId")), values.text(s.detail.get("tierName"))
        if tier is not None:
            self.put("tier_id", tier)
        if name is not None:
            self.put("tier_name", name)
        if tier is None or name is None:
            # What one of them says beside the other one of an earlier event is not written.
            self.leave_open("tier_id", "tier_name")

    def updated(self, s: Statement) -> None:
        new = _object(s.payload.get("newData"))
        if str(new.get("anonymized")).lower() in {"true", "1"}:
            # "An `anonymized: true` is dated by T, on a retry too"; without T by the receipt: a lower bound dates no erasure.
            self.erased_at = max(self.erased_at, s.triggered if s.triggered is not None else s.at)
            self.answer.erased_once = True
        if (joined := values.moment(new.get("joinedAt"))) is not None and values.possible_date(
            new["joinedAt"]
        ):
            self.put("joined_at", joined)
            earliest = self.answer.fields.get("first_joined_at")
            self.put("first_joined_at", min(joined, earliest) if isinstance(earliest, int) else joined)
        if (
            revenue := values.amount(new.get("revenue"), values.currency(new.get("currencyCode")))
        ) is not None:
            self.put("revenue", revenue)
        referrals = values.number(new.get("referrals"))
        if referrals is not None and referrals >= 0:
            self.put("referrals_count", int(referrals))
        for name, key in (
            ("revenue", "revenue"),
            ("referrals_count", "referrals"),
            ("joined_at", "joinedAt"),
        ):
            if key in new and new[key] is None:
                self.leave_open(name)

    def ordered(self, s: Statement) -> None:
        self.put("last_order_at", s.ms)

    def method(self, s: Statement) -> None:
        self.put("payment_method_updated_at", s.ms)

    def succeeded(self, s: Statement) -> None:
        code = values.currency(s.detail.get("currency"))
        money = values.amount(s.detail.get("amount"), code)
        if money is not None and money <= 0:
            # A refund or a waived fee: it neither recovers nor is a fee paid; what else it says is not written.
            self.leave_open(
                "last_payment_at", "payment_status", "fee_amount", "fee_currency", "next_payment_on"
            )
            return
        if part_of(s, self.failing):
            # It recovers nothing; what else it says is not written.
            self.leave_open(
                "last_payment_at", "fee_amount", "fee_currency", "next_payment_on", "attempts_left"
            )
            return
        self.put("last_payment_at", s.ms)
        self.counted["payments"] += self.first
        if is_one_off(s):
            # Not the recurring fee, which stays as it is known; whether it pays a debt is not written.
            self.leave_open("last_payment_at", "payment_status", "next_payment_on")
            if self.failing or "fee_amount" not in self.answer.fields:
                self.muddle()
            return
        if pays_other_tier(s, self.answer.fields.get("tier_id")):
            # It is that tier's; what it says of this one is not written, and is looked up.
            self.leave_open("last_payment_at")
            self.muddle()
            return
        ends = self.answer.fields.get("pending_cancel_at")
        overdue = self.pending is not None and isinstance(ends, int) and ends <= s.ms
        if self.state == "cancelled" or self.kind in {"free", "lifetime"} or self.muddled or overdue:
            # A contradiction, which is looked up.
            self.muddle()
            return
        if self.state == "trialing":
            self.leave_open_after_trial()
        if self.failing and self.first:
            self.recovered(s)
        self.stop_failing()
        self.put("payment_status", "ok")
        self.put("failed_attempts", 0)
        self.put("attempts_left", None)
        self.leave_open("attempts_left")
        self.fee(s, money, code)
        billed = values.day(s.detail.get("newBillingDate"), self.history.zone)
        self.put("next_payment_on", billed)
        if billed is None:
            self.leave_open("next_payment_on")
        self.paid_since_start = True

    def fee(self, s: Statement, money: Decimal | None, code: str | None) -> None:
        dated = values.day(s.detail.get("newBillingDate"), self.history.zone) is not None
        is_told = self.answer.fields.get("fee_amount") is not None or "fee_amount" in self.answer.open
        is_known = is_told or self.was_muddled
        if money is not None and not dated and is_known:
            # "A one-off charge is not the recurring fee": whether one without a next date is one is not written.
            self.leave_open("fee_amount", "fee_currency")
        elif money is not None and code is not None:
            self.put("fee_amount", money)
            self.put("fee_currency", code)
        else:
            self.leave_open("fee_amount", "fee_currency")

    def leave_open_after_trial(self) -> None:
        # No topic tells that a trial became a paid membership.
        self.state, self.kind, self.status_open = "active", "trial", True
        self.leave_open("tier_type", "trial_ends_at")

    def recovered(self, s: Statement) -> None:
        self.answer.pairs["recovered"] += 1
        self.put("recovered_at", s.ms)
        if s.ms - self.failing[-1].ms > QUIET_DAYS * DAY:
            self.leave_open("recovered_at")

    def failed(self, s: Statement) -> None:
        self.counted["failures"] += self.first
        if self.state == "cancelled" or self.kind in {"free", "lifetime"}:
            self.leave_open("failed_attempts", "attempts_left")
            return
        if self.new_cycle(s):
            self.failing, self.failing_final = [], False
        self.failing.append(s)
        final = s.topic == bodies.FAILED
        self.failing_final = self.failing_final or final
        self.put("payment_status", "failed" if self.failing_final else "past_due")
        numbers = [found.attempt for found in self.failing]
        if all(found is not None for found in numbers) and numbers[-1] == max(n for n in numbers if n):
            self.put("failed_attempts", numbers[-1])
        elif len(self.failing) == 1:
            self.put("failed_attempts", 1)
        else:
            self.leave_open("failed_attempts")
        left = DEFAULT_ATTEMPTS - (s.attempt or 0)
        self.put("attempts_left", left)
        is_learnt = self.more_attempts_since is not None and s.ms > self.more_attempts_since
        if final or self.failing_final or s.attempt is None or left < 0 or is_learnt:
            self.leave_open("attempts_left")
        if self.failing_final and not final:
            # An attempt told after the final failure of its cycle.
            self.leave_open("failed_attempts", "attempts_left", "payment_status")

    def new_cycle(self, s: Statement) -> bool:
        return bool(self.failing) and starts_cycle(self.failing, s)

    def stop_failing(self) -> None:
        self.failing, self.failing_final = [], False

    def cancelled(self, s: Statement) -> None:
        left, has = values.identifier(s.payload.get("tierId")), self.answer.fields.get("tier_id")
        is_doubtful = left is not None and has is not None and (left != has or "tier_id" in self.answer.open)
        if is_doubtful and "tier_id" not in self.answer.open:
            # "An ending that names another tier than the member's is that tier's: it ends nothing, its reason is not shown"
            # (docs/rules.md). Whether its word of the platform's record is right is looked up.
            self.doubtful_ending = True
            return
        source = s.detail.get("cancellationSource")
        source = source if source is None or isinstance(source, str) else "unreadable"
        fee_open = bool(self.failing)
        if fee_open and self.first:
            self.answer.pairs["lost"] += 1
        self.counted["endings"] += self.first
        again = self.state == "cancelled"
        self.put("cancelled_at", s.ms)
        kinds = {"FAILURE": "involuntary", "CUSTOMER": "voluntary", "MERCHANT": "merchant"}
        if source in kinds:
            self.put("cancel_type", kinds[source])
        elif source is None and fee_open and not again:
            self.put("cancel_type", "involuntary")
        else:
            self.leave_open("cancel_type")
        self.state, self.pending, self.status_open, self.trial = "cancelled", None, False, None
        self.leave_open("pending_cancel_at", "trial_ends_at", "failed_attempts")
        self.stop_failing()
        self.end_billing()
        if is_doubtful:
            # "An ending … that names another tier than the member's is that tier's": it is looked up.
            self.doubtful_ending = True
            self.muddle()
            self.leave_open("cancelled_at", "cancel_type")

    def pending_cancellation(self, s: Statement) -> None:
        ends = s.detail.get("effectiveCancellationDate")
        if self.state == "cancelled":
            self.leave_open("pending_cancel_at")
            return
        self.pending = s.ms
        if values.possible_date(ends):
            self.put("pending_cancel_at", values.moment(ends))
        else:
            self.put("pending_cancel_at", None)
            # "Leaving, date unknown"; only a date that is no date must not be shown.
            self.leave_open("pending_cancel_at")

    def credits(self, s: Statement) -> None:
        new = values.amount(s.payload.get("newBalance"), None)
        previous = values.amount(s.payload.get("previousBalance"), None)
        if self.first and new is not None:
            self.entries.append(Entry(s.ms, new, previous))
        if s.topic == bodies.EXPIRED:
            self.expiries.add(s.ms // SECOND)
            if any(entry.ms // SECOND == s.ms // SECOND and entry.ms != s.ms for entry in self.entries):
                self.leave_open("last_credit_delta", "last_credit_reason")
            self.put("credits_expired_at", s.ms)
            lost = values.amount(s.payload.get("amount"), None)
            self.put("last_expired_amount", lost)
            if lost is None or new is None or previous is None or previous - new != lost:
                self.leave_open("last_expired_amount")
            self.leave_open("last_credit_reason")
            return
        self.put("last_credit_delta", None if new is None or previous is None else new - previous)
        if new is None or previous is None:
            self.leave_open("last_credit_delta")
        self.put("last_credit_reason", values.text(s.payload.get("reason")))
        if s.payload.get("reason") is None:
            self.leave_open("last_credit_reason")
        self.within_a_second(s)

    def within_a_second(self, s: Statement) -> None:
        """Of several changes within a second the balances tell which was the last ("a tie is a second"); its reason may be lost."""
        links = [entry for entry in self.entries if entry.ms // SECOND == s.ms // SECOND]
        if len(links) < 2:
            return
        self.leave_open("last_credit_delta", "last_credit_reason")
        found = balance(self.entries)
        if s.ms // SECOND in self.expiries:
            return
        last = [link for link in links if link.new == found.value and link.previous is not None]
        if found.certain and found.written and len(last) == 1 and last[0].previous is not None:
            self.answer.fields["last_credit_delta"] = last[0].new - last[0].previous
            self.answer.open.discard("last_credit_delta")

    def muddle(self) -> None:
        self.muddled = self.was_muddled = True
        self.leave_open("payment_status", "failed_attempts", "recovered_at", "fee_currency", *BILLING)

    def end_billing(self) -> None:
        self.put("payment_status", "none")
        for name in BILLING:
            self.put(name, None)

    def finish(self, told: list[Statement]) -> None:
        """Work out the status and what no single event tells."""
        answer = self.answer
        self.now = told[-1]
        self.status()
        found = balance(self.entries)
        answer.credit_certain = found.certain
        answer.fields["credit_balance"] = found.value
        if not found.written or (found.value is None):
            answer.open.add("credit_balance")
        answer.fields["rejoin_count"] = answer.pairs["rejoined"]
        if self.doubtful_ending:
            answer.open |= {"rejoin_count", "rejoined_at", "recovered_at"}
        answer.fields["high_value"] = False  # fewer than 30 members have a value: none stands out (rules.md)
        if max(self.counted["joinings"], self.counted["endings"]) > KEPT_MILESTONES:
            # "`rejoin_count` and `recovered_at` hold for 40 endings and joinings, 12 failures and payments" (rules.md).
            answer.open |= {"rejoin_count", "rejoined_at", "recovered_at"}
        if max(self.counted["failures"], self.counted["payments"]) > KEPT_PAYMENTS:
            answer.open |= {"recovered_at", "failed_attempts"}
        self.dates_that_pass()
        self.erasure(told)

    def status(self) -> None:
        fields, opened = self.answer.fields, self.answer.open
        if self.state == "unknown" or self.status_open:
            # No document gives the status of a member before a joining or an ending is known.
            self.leave_open("status")
            return
        ends = fields.get("trial_ends_at")
        if self.state == "trialing" and isinstance(ends, int) and ends <= self.history.end + 2 * DAY:
            # "A trial long past its end" is a contradiction, which is looked up.
            self.leave_open("status")
            return
        failing, pending = bool(self.failing), self.pending is not None
        if self.muddled or (
            self.state != "cancelled" and (failing + pending + (self.state == "trialing")) > 1
        ):
            # The documents do not rank past_due, pending_cancellation and trialing against each other.
            self.leave_open("status")
            return
        base = "past_due" if failing else "pending_cancellation" if pending else self.state
        fields["status"] = "cancelled" if self.state == "cancelled" else base
        opened.discard("status")

    def dates_that_pass(self) -> None:
        """A date that is past is not shown as one to come, but its passing sends no profile."""
        fields, now = self.answer.fields, self.history.end
        for name in ("pending_cancel_at", "trial_ends_at"):
            shown = fields.get(name)
            if isinstance(shown, int) and shown <= now + 2 * DAY:
                self.answer.open.add(name)
        billed = fields.get("next_payment_on")
        if isinstance(billed, date) and values.moment(billed.isoformat()) is not None:
            ms = values.moment(billed.isoformat())
            if ms is not None and ms <= now + 2 * DAY:
                self.answer.open.add("next_payment_on")

    def erasure(self, told: list[Statement]) -> None:
        if not self.answer.erased_once:
            return
        joinings = [s.ms for s in told if s.topic in bodies.JOINED]
        if self.erased_at > max(joinings, default=-1):
            self.answer.erased = True
            for name in PERSONAL:
                self.answer.fields[name] = None
                self.answer.open.discard(name)
        else:
            # "Possibly missing until told again": what arrived while the member was erased was not taken.
            self.leave_open(*PERSONAL)


def starts_cycle(cycle: list[Statement], s: Statement) -> bool:
    """Tell whether a failure starts a second cycle (rules.md).

    A numbered attempt 1 after a higher or final one does, and any failure more than three days after a final one.
    """
    finals = [found.ms for found in cycle if found.topic == bodies.FAILED]
    higher = any((found.attempt or 0) > 1 and found.ms < s.ms for found in cycle)
    renewed = s.attempt == 1 and (higher or any(ms < s.ms for ms in finals))
    return renewed or any(s.ms - ms > 3 * DAY for ms in finals)


def same_trial(trial: Statement | None, s: Statement) -> bool:
    """Tell whether a trial that runs is told again: the same tier, with another end."""
    return (
        trial is not None
        and s.topic == bodies.JOINED_TRIAL
        and s.identity != trial.identity
        and trial.payload.get("tierId") == s.payload.get("tierId") is not None
    )


def part_of(s: Statement, failing: list[Statement]) -> bool:
    """Tell whether a payment is a part of the fee that failed."""
    return bool(failing) and is_part(failing[-1], s)


def pays_other_tier(s: Statement, tier: object) -> bool:
    """Tell whether a payment names another tier than the member's."""
    named = values.identifier(s.detail.get("billingTierId")) or values.identifier(s.payload.get("tierId"))
    return named is not None and tier is not None and named != tier


def is_one_off(s: Statement) -> bool:
    """Tell whether a payment is a charge that nothing follows: it has no next billing date."""
    return s.detail.get("newBillingDate") is None and s.detail.get("amount") is not None


def is_part(failure: Statement, paid: Statement) -> bool:
    """Tell whether a payment is less than the fee that failed, as far as both amounts can be compared."""
    codes = [values.currency(s.detail.get("currency")) for s in (failure, paid)]
    amounts = [
        values.amount(s.detail.get("amount"), code) for s, code in zip((failure, paid), codes, strict=True)
    ]
    if None in amounts or (None not in codes and codes[0] != codes[1]):
        return False
    # Some senders write a charge that failed with a sign.
    return Decimal(amounts[1] or 0) < abs(Decimal(amounts[0] or 0))


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


_HANDLERS: dict[str, Callable[[_Member, Statement], None]] = {
    bodies.CHANGED_TIER: _Member.changed_tier,
    bodies.UPDATED: _Member.updated,
    bodies.ORDERED: _Member.ordered,
    bodies.METHOD: _Member.method,
    bodies.SUCCEEDED: _Member.succeeded,
    bodies.ATTEMPT: _Member.failed,
    bodies.FAILED: _Member.failed,
    bodies.CREDITS: _Member.credits,
    bodies.EXPIRED: _Member.credits,
    bodies.CANCELLED: _Member.cancelled,
    bodies.PENDING: _Member.pending_cancellation,
}
