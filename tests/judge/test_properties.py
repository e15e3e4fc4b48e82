"""The properties on a service that keeps every promise, and on the same service with each fault planted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.judge import properties
from tests.judge.adversary import ORDERS, Adversary, Plan, as_happened, draw_arrivals
from tests.judge.building import EMAIL, MEMBER, Script
from tests.judge.case import Violation
from tests.judge.generator import draw
from tests.judge.history import History
from tests.judge.messages import Told
from tests.judge.observed import Note, Observed
from tests.judge.properties import compare, judge, same
from tests.judge.toy import PLANTED, play

HARD = "The card was reported stolen"
# Which properties notice a planted fault; no other property may, but where an event is lost altogether.
NOTICED = {
    "last_arrival_wins": {"record_is_right", "crm_is_right"},
    "balance_by_arrival": {"record_is_right", "crm_is_right"},
    "note_per_arrival": {"single_effects_once"},
    "shared_fact_twice": {"shared_facts_once"},
    "lost_in_a_crash": {"accepted_is_never_lost"},
    "lost_answer_tells_twice": {"told_at_most_once"},
    "erasure_forgets_nothing": {"erased_is_absent"},
    "log_with_address": {"logs_are_clean"},
    "end_without_word": {"ends_what_begins", "told_in_order"},
    "final_is_mute": {"final_failure_is_said", "told_in_order"},
    "figure_per_delivery": {"figures_are_right"},
    "identity_by_bytes": {"identity_by_content"},
    "queue_is_believed": {"record_is_right", "crm_is_right"},
    "crm_lacks_a_field": {"crm_is_right"},
    "secret_in_the_journal": {"secrets_leave_no_body"},
}


def plans(history: History, seed: int) -> list[Plan]:
    return [as_happened(history), *(draw_arrivals(history, seed, order) for order in ORDERS)]


# The oddity that a fault needs to show.
NEEDED = {
    "queue_is_believed": ["wrong_queue"],
    "identity_by_bytes": ["retry_counted"],
    "secret_in_the_journal": ["secret_keys", "secret_escaped"],
}


def violated(seed: int, fault: str) -> set[str]:
    history = draw(seed, switches=NEEDED[fault], chance=1) if fault in NEEDED else draw(seed)
    found = set[str]()
    for plan in plans(history, seed):
        observed = play(history, plan, Adversary(seed, rate=0.2), [fault])
        found |= {violation.name for violation in judge(history, observed)}
    return found


@pytest.mark.parametrize("seed", range(40))
def test_a_service_that_keeps_its_promises_has_no_violation(seed: int) -> None:
    """No property accuses an innocent, in any order and under faults."""
    history = draw(seed)
    plays = [play(history, plan, Adversary(seed, rate=0.2)) for plan in plans(history, seed)]
    assert [str(v) for observed in plays for v in judge(history, observed)] == []
    assert compare(history, plays) == []


@pytest.mark.parametrize("fault", sorted(PLANTED))
def test_a_planted_fault_is_found_by_name(fault: str) -> None:
    """Each fault is noticed by the properties that state what it breaks, and by no other."""
    found = set[str]()
    for seed in range(80):
        found |= violated(seed, fault)
        if NOTICED[fault] <= found:
            break
    assert NOTICED[fault] <= found
    assert fault == "lost_in_a_crash" or found == NOTICED[fault]


def test_orders_are_compared() -> None:
    """Two plays that end differently are told apart: a field, and an incident that one leaves open."""
    history = Script().join("3-1").history()
    one = Observed(as_happened(history), profiles={MEMBER: {"email": EMAIL}}, open_incidents={"dun:1"})
    two = Observed(as_happened(history), profiles={MEMBER: {"email": "other@people.example"}})
    assert {v.name for v in compare(history, [one, two])} == {"same_for_all_orders"}
    assert len(compare(history, [one, two])) == 2


def test_a_crm_that_one_order_leaves_otherwise_is_found() -> None:
    """A CRM's contact is compared as the record is, field by field; a contact that is missing has none."""
    history = Script().join("3-1").credit("3-2", 0, 5).history()
    plays = [play(history, as_happened(history), Adversary()) for _ in range(2)]
    assert compare(history, plays) == []
    plays[1].crm["crm"][MEMBER]["tier_name"] = "Silver"
    assert [v.about for v in compare(history, plays)] == [f"crm {MEMBER} tier_name"]
    del plays[1].crm["crm"][MEMBER]
    assert len(compare(history, plays)) > 3


def test_after_an_erasure_personal_fields_may_be_missing() -> None:
    """A member that came back after an erasure may lack an address: orders may differ in it, and in nothing else."""
    history = (
        Script().join("3-1").update("3-2", anonymized=True).join("3-3").update("3-4", email=EMAIL).history()
    )
    one, two = (
        Observed(as_happened(history), profiles={MEMBER: {"email": email}}) for email in (EMAIL, None)
    )
    assert compare(history, [one, two]) == []
    two.profiles[MEMBER]["tier_id"] = "other"
    assert len(compare(history, [one, two])) == 1


def test_premature_pairs_are_allowed_as_counted() -> None:
    """A return that was told and then denied is no violation when the service has counted it, and one when not."""
    history = Script().join("3-1").cancel("3-2").join("3-3").history()
    observed = play(history, draw_arrivals(history, 5, "reversed"), Adversary())
    observed.notes.append(Note(MEMBER, "Membership Rejoined", "another"))
    assert [v.name for v in judge(history, observed)] == ["pairs_by_the_record"]
    observed.premature["rejoined"] = 1
    assert judge(history, observed) == []


def test_what_was_told_before_an_earlier_event_arrived_is_allowed_once() -> None:
    """Warned of a failure, and then an older ending arrives: the warning and its end stand, and neither may be said twice."""
    history = Script().join("3-1").cancel("4-1").attempt("4-9", 2).history()
    late = Plan((("e0", 0), ("e2", 0), ("e1", 0)))
    opened, lost = (
        Told(f"dun:{history.shop}:{MEMBER}", "warning", outcome) for outcome in ("opened", "lost")
    )

    def accused(plan: Plan, *told: Told) -> list[str]:
        observed = play(history, plan, Adversary())
        observed.told = list(told)
        return [f"{v.name} {v.about.split()[-1]}" for v in judge(history, observed)]

    assert accused(late, opened, lost) == []
    assert accused(late, opened, opened, lost) == ["told_at_most_once opened"]
    assert accused(late, opened, lost, lost) == [
        "one_end_for_each_beginning " + opened.incident,
        "told_at_most_once lost",
    ]
    assert accused(late, opened) == ["ends_what_begins " + opened.incident]
    assert accused(as_happened(history), opened, lost) == [
        "one_end_for_each_beginning " + opened.incident,
        "told_at_most_once lost",
        "told_at_most_once opened",
    ]


def test_a_fee_ends_in_one_way() -> None:
    """Recovered and lost cannot both be said of one fee, in whichever order its events came."""
    history = Script().join("3-1").attempt("4-1", 2).pay("4-2").update("4-3").history()
    key = f"dun:{history.shop}:{MEMBER}"
    begun, recovered, lost = (Told(key, "warning", outcome) for outcome in ("opened", "recovered", "lost"))
    late = Plan((("e0", 0), ("e1", 0), ("e3", 0), ("e2", 0)))
    for plan in (as_happened(history), late):
        observed = play(history, plan, Adversary())
        observed.told = [begun, recovered]
        assert judge(history, observed) == []
        observed.told = [begun, recovered, replace(lost, level="info")]
        assert {v.name for v in judge(history, observed)} == {"one_end_for_each_beginning"}


def test_what_is_for_the_digest_alone_is_no_message() -> None:
    """A joining, a move and a request of a member like any other are not told at once."""
    history = Script().join("3-1").history()
    for told in (
        Told(f"join:{history.shop}:{MEMBER}:3a636361:2026-03-01", "info", "opened"),
        Told(f"cancel:{history.shop}:{MEMBER}:2026-04-01", "warning", "opened"),
    ):
        observed = play(history, as_happened(history), Adversary())
        observed.told = [told]
        assert [v.name for v in judge(history, observed)] == ["told_at_most_once"]


def test_a_beginning_told_again_needs_an_end_between() -> None:
    """What was denied elsewhere excuses no second beginning of an incident that had no end."""
    history = Script().join("3-1").attempt("4-1", 2).update("4-3").history()
    late = Plan((("e0", 0), ("e2", 0), ("e1", 0)))
    observed = play(history, late, Adversary())
    observed.premature["rejoined"] = 1
    observed.told = [Told(f"dun:{history.shop}:{MEMBER}", "warning", "opened")] * 2
    assert [v.name for v in judge(history, observed)] == ["ends_what_begins", "told_at_most_once"]


def test_one_end_is_the_end_of_all_before_it() -> None:
    """Two fees were warned of, then an ending between them arrives: its word ends both, and without it neither has an end."""
    history = Script().join("3-1").attempt("4-1", 2).cancel("4-5").attempt("5-1", 1, HARD).history()
    late = Plan((("e0", 0), ("e1", 0), ("e3", 0), ("e2", 0)))
    opened, lost = (
        Told(f"dun:{history.shop}:{MEMBER}", "warning", outcome) for outcome in ("opened", "lost")
    )
    for told, accused in (([opened, opened, lost], []), ([opened, opened], ["ends_what_begins"])):
        observed = play(history, late, Adversary())
        observed.told = told
        assert [v.name for v in judge(history, observed)] == accused


def test_one_end_is_the_end_of_all_before_it_while_a_next_fee_is_open() -> None:
    """The fee that is open needs no end yet; those before it need one, said after the last of them began."""
    script = Script().join("3-1").attempt("4-1", 2).pay("4-2").attempt("5-1", 2).pay("5-2").attempt("6-1", 2)
    history = script.history()
    late = Plan((("e0", 0), ("e1", 0), ("e3", 0), ("e4", 0), ("e5", 0), ("e2", 0)))
    opened, paid = (
        Told(f"dun:{history.shop}:{MEMBER}", "warning", outcome) for outcome in ("opened", "recovered")
    )
    for told, accused in (
        ([opened, opened, paid, opened], []),
        ([opened, paid, opened, opened], ["ends_what_begins"]),
        ([opened, opened, opened], ["ends_what_begins"]),
    ):
        observed = play(history, late, Adversary())
        observed.told = told
        assert [v.name for v in judge(history, observed) if v.name == "ends_what_begins"] == accused


def test_an_incident_that_the_clock_closes_may_be_open_after_one_order() -> None:
    """Thirty quiet days close it when the daily run has come to them; before that two orders end alike."""
    warned = Script().join("3-1").attempt("4-1", 2)
    for script, differing in ((Script(warned.events[:]).update("5-6"), 0), (warned.update("4-6"), 1)):
        history = script.history()
        plan = as_happened(history)
        plays = [Observed(plan, open_incidents={f"dun:{history.shop}:{MEMBER}"}), Observed(plan)]
        assert len(compare(history, plays)) == differing


def test_a_final_failure_that_a_joining_shows_must_be_said_while_its_fee_is_open() -> None:
    """It opened nothing on a membership that had ended; the joining between the two shows it, and the end may be known by then."""
    script = Script().join("2-1").cancel("3-1").join("4-1").final("5-1")
    ended = script.history(), Script(script.events[:]).cancel("5-2", "FAILURE").history()
    for history, plan, must_say in (
        (ended[0], [0, 1, 3, 2], True),
        (ended[1], [0, 1, 3, 4, 2], False),
        (ended[1], [0, 1, 3, 2, 4], True),
    ):
        observed = play(history, Plan(tuple((f"e{n}", 0) for n in plan)), Adversary())
        observed.told = [told for told in observed.told if told.outcome != "final"]
        said = [v.name for v in judge(history, observed) if v.name == "final_failure_is_said"]
        assert said == ["final_failure_is_said"] * must_say


def test_one_note_twice_is_found() -> None:
    """A timeline event that a CRM has twice under one id is a violation."""
    history = Script().join("3-1").history()
    observed = play(history, as_happened(history), Adversary())
    observed.notes *= 2
    assert "one_id_per_note" in {v.name for v in judge(history, observed)}


def test_an_incident_left_open_is_found() -> None:
    """An incident that the events close and the service leaves open is a violation, and the reverse."""
    history = Script().join("3-1").attempt("4-1").pay("4-2").history()
    observed = play(history, as_happened(history), Adversary())
    observed.open_incidents = {f"dun:{history.shop}:{MEMBER}"}
    assert [v.name for v in judge(history, observed)] == ["incident_state"]


@pytest.mark.parametrize(
    ("name", "wanted", "shown", "equal"),
    [
        ("joined_at", 1_772_323_200_000, "2026-03-01T00:00:00Z", True),
        ("joined_at", 1_772_323_200_000, "2026-03-01T00:00:00.500Z", False),
        ("credit_balance", 10, "10.000", True),
        ("credit_balance", 10, 10.5, False),
        ("failed_attempts", 0, None, True),
        ("email", None, "", True),
        ("email", None, EMAIL, False),
        ("tier_id", "00012", "12", True),
    ],
)
def test_sameness(name: str, wanted: object, shown: object, equal: bool) -> None:  # noqa: FBT001
    """Values are compared by what they mean: a moment, a number, nothing."""
    assert same(name, wanted, shown) is equal


def test_each_property_is_tried() -> None:
    """Every property has a test above that sees it violated."""
    tried = {name for names in NOTICED.values() for name in names}
    tried |= {"one_end_for_each_beginning", "pairs_by_the_record", "one_id_per_note", "incident_state"}
    assert set(properties.PROPERTIES) == tried
    assert str(Violation("a", "b", "c")) == "a: b: c"
