"""customer.updated: the platform wrote the member's record. The profile follows; the rest is evidence."""

from __future__ import annotations

from collections.abc import Mapping

from inveterate.webhooks.account import Updated
from relay.model.effects import Effects
from relay.model.facts import Facts, known, pick
from relay.model.fields import Value
from relay.model.member import Member
from relay.rules.settings import Rules
from relay.rules.timeline import note, referral_key
from relay.wiring.topics import consumer


def facts(event: Updated) -> Facts:
    """Return the member's profile. Balance, tier and status are evidence only: the snapshot has no time of its own."""
    return Facts.of(
        event,
        _identity(event),
        known(event.snapshot, joined_at="first_joined_at"),
        pick(
            event.snapshot,
            joined_at="joined_at",
            referrals="referrals_count",
            revenue="revenue",
            credits_earned="credits_earned_total",
            status="seen_status",
            tier_id="seen_tier_id",
            credit="seen_balance",
        ),
    )


def _identity(event: Updated) -> Mapping[str, Value]:
    """Return who the member is; of an anonymised one only since when, whatever else the snapshot says.

    With an API key the wiring makes a question of the erasure. Names that still stand in such a snapshot are taken no
    more, and its empty fields clear nothing: a forged one would empty the contact before the API is asked. The lower bound
    that dates a retry dates no erasure: a joining of the meantime would undo it.
    """
    if event.snapshot.anonymized:
        return {"erased_at": event.triggered_at or event.received_at or event.occurred_at}
    return pick(
        event.snapshot,
        email="email",
        phone_number="phone",
        first_name="first_name",
        last_name="last_name",
    )


def decide(event: Updated, before: Member, after: Member, rules: Rules) -> Effects:
    """Note a completed referral, where the member's count of them has grown; every other write is no event."""
    known, count = before.registers.get("referrals_count"), after.count("referrals_count")
    # The first count that is known may be years old: it is no growth.
    if known is not None and count is not None and count > (before.count("referrals_count") or 0):
        yield note(
            "referral.completed",
            "Membership Referral Completed",
            after,
            key=referral_key(after, count),
            referrals_count=count,
        )


handler = consumer(Updated, facts, decide)
