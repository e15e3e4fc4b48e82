"""What `relay run` makes of what it saw: every number measured, every shortfall named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from relay_cli.judging import DEAD, Expected, Posted, Seen, judge

SHOP = "acme.myshopify.com"
ONE = Expected(alerts=1, members=2, contacts=1, skipped=frozenset({"2"}))
POSTED = [Posted("customer.payment_failed", 202, "e1"), Posted("customer.joined.free_trial", 202, "e2")]


def line(event_id: str, customer: str, outcome: str = "applied", *effects: str) -> dict[str, Any]:
    """Make a journal line."""
    return {"id": event_id, "shop": SHOP, "customer": customer, "outcome": outcome, "effects": effects}


WELL = Seen(
    queues={"updated": (), DEAD: ()},
    journal=(line("e1", "1", "applied", "e1.dunning.failed"), line("e2", "2")),
    members=frozenset({f"{SHOP}:1", f"{SHOP}:2"}),
    contacts={f"{SHOP}:1": "101"},
    skipped={f"{SHOP}:2": "no_email"},
    openings=1,
    emails=1,
)


def test_all_well() -> None:
    """Every event ended where it had to: the numbers say so and nothing is complained of."""
    verdict = judge(POSTED, WELL, ONE)
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


def test_the_table_says_what_became_of_each() -> None:
    """One row an event: its answer, its outcome, the rule that told people, the CRM's record or why there is none."""
    first, second = judge(POSTED, WELL, ONE).rows
    assert (first.answer, first.outcome, first.member) == ("accepted", "applied", "1")
    assert (first.people, first.crm) == ("dunning.failed", "contact 101")
    assert (second.people, second.crm) == ("-", "skipped: no_email")


@pytest.mark.parametrize(
    ("seen", "name", "value"),
    [
        (replace(WELL, journal=WELL.journal[:1]), "lost", 1),
        (replace(WELL, journal=WELL.journal[:1]), "journaled", 1),
        (replace(WELL, journal=(WELL.journal[0], line("e2", "2", "repeat"))), "applied", 1),
        (replace(WELL, queues={DEAD: ("e2",)}), "dead_letters", 1),
        (replace(WELL, queues={"alerts": ("e1",)}), "waiting", 1),
        (replace(WELL, openings=0), "alerts", 0),
        (replace(WELL, openings=2), "alerts", 2),
        (replace(WELL, emails=0), "emails", 0),
        (replace(WELL, members=frozenset({f"{SHOP}:1"})), "members", 1),
        (replace(WELL, contacts={}), "crm_contacts", 0),
        (replace(WELL, skipped={}), "skipped_no_email", 0),
    ],
)
def test_each_shortfall_is_named(seen: Seen, name: str, value: int) -> None:
    """Whatever is not as it must be is counted as it is, and said."""
    verdict = judge(POSTED, seen, ONE)
    assert verdict.result[name] == value
    assert any(problem.startswith(f"{name} is {value} ") for problem in verdict.problems)


def test_what_waits_or_was_given_up_is_not_lost() -> None:
    """Lost is what was accepted and is nowhere: neither journaled nor in any queue."""
    seen = replace(WELL, journal=(), queues={"updated": ("e1",), DEAD: ("e2",)})
    verdict = judge(POSTED, seen, ONE)
    assert verdict.result["lost"] == 0
    assert [row.outcome for row in verdict.rows] == ["in updated", f"in {DEAD}"]


def test_a_refused_delivery_is_a_shortfall() -> None:
    """What was not accepted is not lost, but it is not well either."""
    verdict = judge([POSTED[0], Posted("customer.joined.free_trial", 503)], WELL, ONE)
    assert verdict.result["accepted"] == 1
    assert "accepted is 1 and must be 2" in verdict.problems
    assert verdict.rows[1].answer == "refused: 503"


def test_a_line_written_twice_counts_once() -> None:
    """The journal may repeat a line, and the repeat may be written first: distinct ids count by what became of them."""
    again = replace(WELL, journal=(line("e1", "1", "repeat"), *WELL.journal, line("e1", "1", "repeat")))
    assert judge(POSTED, again, ONE).problems == ()


def test_the_wrong_member_skipped_is_noticed() -> None:
    """Who is skipped matters, not only how many."""
    seen = replace(WELL, skipped={f"{SHOP}:1": "no_email"})
    assert any("skipped must be ['2']" in problem for problem in judge(POSTED, seen, ONE).problems)


def test_a_contact_who_is_no_member_is_noticed() -> None:
    """The CRM holds members and nobody else."""
    seen = replace(WELL, contacts={"acme.myshopify.com:9": "101"})
    assert "the CRM has 1 contacts who are no members" in judge(POSTED, seen, ONE).problems
