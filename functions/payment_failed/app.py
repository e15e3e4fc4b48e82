"""customer.payment_failed: all attempts to charge the fee have failed. The member is marked, a person is alerted."""

from __future__ import annotations

from dataclasses import replace

from inveterate.webhooks.payments import PaymentFailed
from relay.model.effects import Effects, Kpi, Level
from relay.model.facts import Facts
from relay.model.member import Member
from relay.rules import dunning, dunning_cycles, dunning_ends
from relay.rules.attempts import is_new_attempt, new_failure
from relay.rules.pairs import pair_effects
from relay.rules.settings import Rules
from relay.wiring.topics import consumer


def facts(event: PaymentFailed) -> Facts:
    """Return the number of the attempt, the reason, and that it was the last."""
    failure = dunning.failure_facts(event)
    return replace(failure, values={**failure.values, "payment_lost_at": failure.values["last_failure_at"]})


def decide(event: PaymentFailed, before: Member, after: Member, rules: Rules) -> Effects:
    """Alert on the final failure unless it is already resolved; note and count it unless its attempt is known."""
    if is_new_attempt(before, after):
        charge = event.detail
        yield dunning.failure_note(event, after, rules, rule="dunning.failed")
        yield Kpi(
            rule="dunning.failed", name="failed_attempt", amount=charge.amount, currency=charge.currency
        )
    yield from pair_effects(before, after, rules)
    yield from dunning_ends.settled(before, after, event.occurred_at)
    failure = new_failure(before, after)
    cycle = dunning_cycles.unsettled_cycle(after, failure)
    if cycle and dunning_cycles.tells_final(cycle, failure):
        level = dunning.level_for(after, rules, otherwise=Level.WARNING, high=Level.ERROR)
        failed = dunning.failure_alert("dunning.failed", event, after, rules, level=level)
        yield dunning.of_cycle(failed, cycle, after)


handler = consumer(PaymentFailed, facts, decide)
