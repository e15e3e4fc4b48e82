"""What today's service is known not to keep: each fault by name, with the violations that it causes.

A violation that one of these explains fails no test over the histories. Each has a shrunk history in `known_faults/`,
and a test that is expected to fail on it: mended, the fault turns that test red, and its line here goes. The oddities
in `NOT_HANDLED` are drawn in no history of the tests until their own line goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.judge.oddities import ALL
from tests.judge.properties import Violation

FOLDER = Path(__file__).parent / "known_faults"
STATE = frozenset({"record_is_right", "crm_is_right"})
# The sample of `NOT_HANDLED` in `known_faults/` begins with this.
ODDITY = "oddity_"


@dataclass(frozen=True, slots=True)
class KnownFault:
    """One fault: the properties that it violates, a pattern of what the violation is about, and the rule it breaks."""

    name: str
    properties: frozenset[str]
    about: str
    rule: str

    def explains(self, violation: Violation) -> bool:
        """Tell whether the fault can cause the violation."""
        return violation.name in self.properties and bool(re.search(self.about, violation.about))


KNOWN = (
    KnownFault(
        "fees_outlive_the_membership",
        STATE,
        r" (fee_amount|next_payment_on|payment_status|attempts_left)$",
        "architecture, 'What ends is worked out': shown only while newer than the ending, or the joining of a free tier",
    ),
    KnownFault(
        "expired_credits_are_a_change",
        STATE,
        r" last_credit_delta$",
        "crm.md part 6: the delta is that of the last change; expired credits have a field of their own",
    ),
    KnownFault(
        "a_failure_sets_the_currency",
        STATE,
        r" fee_currency$",
        "crm.md part 6: the fee's currency is that of the fee that was paid",
    ),
    KnownFault(
        "a_snapshot_tells_no_first_joining",
        STATE,
        r" first_joined_at$",
        "architecture, 'first_joined_at keeps the older': a snapshot's joinedAt tells a joining",
    ),
    KnownFault(
        "a_later_failure_takes_the_recovery_back",
        STATE,
        r" recovered_at$",
        "crm.md part 6: recovered_at is the time of the last recovery",
    ),
    KnownFault(
        "an_ending_without_a_source_has_no_kind",
        STATE,
        r" cancel_type$",
        "rules.md: an ending while the fee is lost is involuntary, also where it names no source",
    ),
    KnownFault(
        "an_erasure_is_undone_by_a_snapshot",
        STATE | {"erased_is_absent"},
        r" (email|first_name|last_name|phone|record|sync state|incident)$",
        "architecture, 'Erasure': no anonymized: false undoes it",
    ),
    KnownFault(
        "the_final_failure_is_mute",
        frozenset({"final_failure_is_said", "told_in_order"}),
        r"^dun:.* final$",
        "rules.md: the final failure is always said, once",
    ),
    KnownFault(
        "debts_share_one_incident",
        frozenset({"told_in_order", "told_at_most_once"}),
        r"^(cred|debt):.* opened$",
        "rules.md: one incident per member and day, key cred:{shop}:{customer}:{day}",
    ),
    KnownFault(
        "a_revoked_method_is_a_hard_decline",
        frozenset({"told_at_most_once"}),
        r"^dun:.* warning opened$",
        "rules.md: a hard decline is expired, stolen, do-not-honour, no method",
    ),
    KnownFault(
        "a_failure_after_the_ending_opens",
        frozenset({"incident_state"}),
        r"^dun:",
        "rules.md: a failure on a membership that has ended opens nothing",
    ),
    KnownFault(
        "a_rejoining_told_by_arrival",
        frozenset({"pairs_by_the_record"}),
        r" Membership Rejoined$",
        "architecture: a pair is told by pairs of the record after less pairs before",
    ),
    KnownFault(
        "a_recovery_told_by_arrival",
        frozenset({"pairs_by_the_record"}),
        r" Membership Payment Recovered$",
        "architecture: a pair that a still later arrival denies is counted as premature",
    ),
    KnownFault(
        "premature_ends_are_not_counted",
        frozenset({"told_at_most_once"}),
        r"^dun:.* (recovered|lost|rejoined)$",
        "architecture: a pair that a still later arrival denies is counted as premature",
    ),
    KnownFault(
        "the_last_attempt_is_told_twice",
        frozenset({"shared_facts_once"}),
        r" Membership Payment Failed$",
        "architecture: a fact that two topics tell is keyed by member and attempt",
    ),
    KnownFault(
        "the_last_attempt_is_counted_twice",
        frozenset({"figures_are_right"}),
        r"^failed_attempts$",
        "architecture: a fact that two topics tell is keyed by member and attempt",
    ),
)

NOT_HANDLED = frozenset(
    {
        "amount_refund",
        "amount_zero",
        "clock_future",
        "date_1970",
        "field_null",
        "identity_null",
        "tie_circle",
        "tie_ms",
        "tie_second",
    }
)
HANDLED = ALL - NOT_HANDLED


def explanation(violation: Violation) -> str | None:
    """Return the name of the known fault that explains a violation; None where it is new."""
    return next((fault.name for fault in KNOWN if fault.explains(violation)), None)
