"""customer_billing.attempt.failed: one attempt to charge the fee failed. The member is past due.

About half of these succeed on a retry. So the first of several attempts is no task for a person, unless the member is
of high value or no retry can succeed. It becomes a task when attempts run out.
"""

from __future__ import annotations

from dataclasses import replace

from inveterate.webhooks.payments import BillingAttemptFailed
from relay.model.effects import Alert, Effects, Kpi, Level
from relay.model.facts import Facts
from relay.model.member import Member
from relay.model.milestones import Cycle
from relay.rules import dunning, dunning_cycles, dunning_ends
from relay.rules.attempts import is_new_attempt, new_failure
from relay.rules.pairs import pair_effects
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: BillingAttemptFailed) -> Facts:
    """Return the number of the attempt and the reason; the event does not say whether more follow."""
    return dunning.failure_facts(event)


def decide(event: BillingAttemptFailed, before: Member, after: Member, rules: Rules) -> Effects:
    """Open the dunning incident: silently while attempts are left, with an alert when they run out or for high value."""
    if is_new_attempt(before, after):
        charge = event.detail
        yield dunning.failure_note(event, after, rules, rule="dunning.attempt")
        yield Kpi(
            rule="dunning.attempt", name="failed_attempt", amount=charge.amount, currency=charge.currency
        )
    yield from pair_effects(before, after, rules)
    yield from dunning_ends.settled(before, after, event.occurred_at)
    cycle, failure = dunning_cycles.open_cycle(after), new_failure(before, after)
    if cycle is None or failure is None or failure != cycle.failures[-1]:
        return  # a payment, a joining or an ending has resolved it, or a later attempt is known
    yield dunning.of_cycle(_alert(event, cycle, after, rules), cycle, after)


def _alert(event: BillingAttemptFailed, cycle: Cycle, after: Member, rules: Rules) -> Alert:
    left = dunning.attempts_left_after(event, after, rules)
    if left is None and dunning.is_warned(cycle, event, after, rules):
        more = dunning.failure_alert("dunning.more_attempts", event, after, rules, level=Level.INFO)
        return replace(more, action="update")
    if left is not None and left > 1 and not dunning.cannot_succeed(event.detail.error_message):
        level = dunning.level_for(after, rules, otherwise=Level.INFO, high=Level.WARNING)
        return dunning.failure_alert("dunning.attempt", event, after, rules, level=level)
    level = dunning.level_for(after, rules, otherwise=Level.WARNING, high=Level.ERROR)
    return dunning.failure_alert("dunning.last_chance", event, after, rules, level=level)


handler = consumer(BillingAttemptFailed, facts, decide)
