"""The verdict on the samples: every number is measured, and every number that is wrong is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from local_stack.observation import DEAD_LETTERS, Observation
from local_stack.verdict_samples import ExpectedCounts, PostedSample, judge_samples

SHOP = "acme.myshopify.com"
EXPECTED = ExpectedCounts(alerts=1, members=2, contacts=1, skipped=frozenset({"2"}))
POSTED = [
    PostedSample("customer.payment_failed", 202, "e1"),
    PostedSample("customer.joined.free_trial", 202, "e2"),
]


def line(event_id: str, customer: str, outcome: str = "applied", *effects: str) -> dict[str, Any]:
    """Make a journal line."""
    return {"id": event_id, "shop": SHOP, "customer": customer, "outcome": outcome, "effects": effects}


WELL = Observation(
    queues={"updated": (), DEAD_LETTERS: ()},
    journal=(line("e1", "1", "applied", "e1.dunning.failed"), line("e2", "2")),
    members=frozenset({f"{SHOP}:1", f"{SHOP}:2"}),
    contacts={f"{SHOP}:1": "101"},
    skipped={f"{SHOP}:2": "no_email"},
    openings=1,
    emails=1,
)


def test_all_well() -> None:
    """Where every event was processed as expected, the numbers say so and there is no problem."""
    verdict = judge_samples(POSTED, WELL, EXPECTED)
    assert verdict.problems == ()
    assert verdict.result == {
        "posted": 2,
        "accepted": 2,
        "applied": 2,
        "stale": 0,
        "journaled": 2,
        "waiting": 0,
        "dead_letters": 0,
        "lost": 0,
        "alerts": 1,
        "emails": 1,
        "members": 2,
        "crm_contacts": 1,
        "skipped_no_email": 1,
    }


def test_a_row_shows_what_each_event_led_to() -> None:
    """A row has the answer, the outcome, the rules, and the contact or the reason why there is none."""
    first, second = judge_samples(POSTED, WELL, EXPECTED).rows
    assert (first.answer, first.outcome, first.member) == ("accepted", "applied", "1")
    assert (first.rules, first.crm) == ("dunning.failed", "contact 101")
    assert (second.rules, second.crm) == ("-", "no contact: no e-mail address")


def test_a_rule_is_named_once_and_without_keys() -> None:
    """Whatever an effect's id begins with, the row has the rule's id alone."""
    effects = ("e1.join.paid", "489900bd0f5bd28cf4593fff5957af20.join.paid", "e1.recheck.tier")
    [row] = judge_samples(POSTED[:1], replace(WELL, journal=({**WELL.journal[0], "effects": effects},))).rows
    assert row.rules == "join.paid"


@pytest.mark.parametrize(
    ("observed", "name", "value"),
    [
        (replace(WELL, journal=WELL.journal[:1]), "lost", 1),
        (replace(WELL, journal=WELL.journal[:1]), "journaled", 1),
        (replace(WELL, journal=(WELL.journal[0], line("e2", "2", "repeat"))), "applied", 1),
        (replace(WELL, queues={DEAD_LETTERS: ("e2",)}), "dead_letters", 1),
        (replace(WELL, queues={"alerts": ("e1",)}), "waiting", 1),
        (replace(WELL, openings=0), "alerts", 0),
        (replace(WELL, openings=2), "alerts", 2),
        (replace(WELL, emails=0), "emails", 0),
        (replace(WELL, members=frozenset({f"{SHOP}:1"})), "members", 1),
        (replace(WELL, contacts={}), "crm_contacts", 0),
        (replace(WELL, skipped={}), "skipped_no_email", 0),
    ],
)
def test_each_wrong_number_is_named(observed: Observation, name: str, value: int) -> None:
    """A wrong number is in the result as measured, and in a problem."""
    verdict = judge_samples(POSTED, observed, EXPECTED)
    assert verdict.result[name] == value
    assert any(problem.startswith(f"{name} is {value} ") for problem in verdict.problems)


def test_a_queued_event_is_not_lost() -> None:
    """An accepted event is lost only where it is neither journaled nor in any queue, the dead letters included."""
    observed = replace(WELL, journal=(), queues={"updated": ("e1",), DEAD_LETTERS: ("e2",)})
    verdict = judge_samples(POSTED, observed, EXPECTED)
    assert verdict.result["lost"] == 0
    assert [row.outcome for row in verdict.rows] == ["in updated", f"in {DEAD_LETTERS}"]


def test_a_refused_delivery_is_a_problem() -> None:
    """A refused delivery is not lost, but it is a problem."""
    verdict = judge_samples([POSTED[0], PostedSample("customer.joined.free_trial", 503)], WELL, EXPECTED)
    assert verdict.result["accepted"] == 1
    assert "accepted is 1 and must be 2" in verdict.problems
    assert verdict.rows[1].answer == "refused: 503"


def test_a_line_written_twice_counts_once() -> None:
    """The journal may repeat a line, and may have the line of a repeat first: each event counts once, by its outcome."""
    again = replace(WELL, journal=(line("e1", "1", "repeat"), *WELL.journal, line("e1", "1", "repeat")))
    assert judge_samples(POSTED, again, EXPECTED).problems == ()


def test_the_wrong_member_skipped_is_noticed() -> None:
    """The customer ids of skipped members are compared, not only their number."""
    observed = replace(WELL, skipped={f"{SHOP}:1": "no_email"})
    assert any(
        "skipped must be ['2']" in problem for problem in judge_samples(POSTED, observed, EXPECTED).problems
    )


def test_a_contact_that_is_not_a_member_is_noticed() -> None:
    """A contact without a member is a problem."""
    observed = replace(WELL, contacts={"acme.myshopify.com:9": "101"})
    assert "the CRM has 1 contacts that are not members" in judge_samples(POSTED, observed, EXPECTED).problems
