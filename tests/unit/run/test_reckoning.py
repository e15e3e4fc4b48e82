"""What is made of a month: what was accepted is accounted for, what should not be is said, whatever it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from relay_cli.judging import DEAD, Seen
from relay_cli.reckoning import UNCLAIMED, Got, Sent, reckon

KEY = "acme.myshopify.com:1"


def request(
    event: int, receipt: str | None, place: int, kind: str = "delivery", status: int = 202
) -> dict[str, Any]:
    return {
        "event": event, "topic": "t", "customer_id": "1", "kind": kind,
        "status": status, "place": place, "receipt": receipt,
    }  # fmt: skip


def line(event_id: str, outcome: str = "applied") -> dict[str, Any]:
    return {"id": event_id, "outcome": outcome}


TRUTH = {"key": KEY, "customer_id": "1", "fields": {"tier_name": "Gold"}, "unheard": []}
SENT = Sent(requests=(request(1, "e1", 1), request(2, "e2", 2)), truth=(TRUTH,))
GOT = Got(
    seen=Seen(journal=(line("e1"), line("e2")), queues={DEAD: (), UNCLAIMED: ()}, members=frozenset({KEY})),
    contacts={KEY: {"membership_tier": "Gold"}},
)


def problems(sent: Sent = SENT, got: Got = GOT, *, all_faults: bool = False) -> tuple[str, ...]:
    return reckon(sent, got, all_faults=all_faults).verdict.problems


def numbers(*requests: dict[str, Any]) -> dict[str, int | float]:
    return reckon(replace(SENT, requests=requests), GOT, all_faults=False).verdict.result


@pytest.mark.parametrize("all_faults", [True, False])
def test_all_well(*, all_faults: bool) -> None:
    """Everything accepted is journaled, nobody is told twice, the CRM is true: nothing is complained of."""
    found = reckon(SENT, GOT, all_faults=all_faults).verdict
    assert found.problems == ()
    assert {name: found.result[name] for name in ("sent", "accepted", "journaled", "lost")} == {
        "sent": 2, "accepted": 2, "journaled": 2, "lost": 0,
    }  # fmt: skip


def test_what_was_accepted_and_is_nowhere_is_lost() -> None:
    """Also the first of two accepted copies, and also when its answer never reached the sender."""
    got = replace(GOT, seen=replace(GOT.seen, journal=(line("e1"),)))
    for all_faults in (True, False):
        assert {"lost is 1 and must be 0", "lost: e2"} <= set(problems(got=got, all_faults=all_faults))


def test_what_was_set_aside_for_a_reason_is_not_lost_when_all_goes_wrong() -> None:
    """With all faults a reason suffices, and is named; with the usual ones nothing may be set aside."""
    seen = replace(GOT.seen, journal=(line("e1"),), queues={DEAD: (), UNCLAIMED: ("e2",)})
    got = replace(GOT, seen=seen, reasons={"e2": "not_json"})
    assert problems(got=got, all_faults=True) == ()
    assert reckon(SENT, got, all_faults=True).set_aside == {"not_json": 1}
    assert "lost: e2" in problems(got=replace(got, reasons={"e2": ""}), all_faults=True)
    assert {"lost is 1 and must be 0", "unclaimed is 1 and must be 0"} <= set(problems(got=got))


def test_dead_letters_are_a_problem_unless_all_goes_wrong() -> None:
    """With the usual faults nothing is given up."""
    got = replace(GOT, seen=replace(GOT.seen, queues={DEAD: ("",)}))
    assert problems(got=got) == ("dead_letters is 1 and must be 0",)
    assert problems(got=got, all_faults=True) == ()


def test_a_queue_that_is_not_empty_is_a_problem() -> None:
    """What waits is not done."""
    got = replace(GOT, seen=replace(GOT.seen, queues={"updated": ("e1",)}))
    assert problems(got=got, all_faults=True) == ("waiting is 1 and must be 0",)


def test_each_field_that_differs_is_named() -> None:
    """With who, which, what is true and what is there."""
    got = replace(GOT, contacts={KEY: {"membership_tier": "Silver"}})
    assert problems(got=got, all_faults=True) == (
        "mirror_mismatches is 1 and must be 0",
        "the CRM differs: 1 tier_name: true is Gold, the CRM has Silver",
    )


def test_what_nobody_was_told_of_is_excused_only_when_all_goes_wrong() -> None:
    """The usual faults drop nothing: then nothing may be unheard."""
    sent = replace(SENT, truth=({**TRUTH, "unheard": ["tier_name"]},), counts={"dropped": 1})
    got = replace(GOT, contacts={KEY: {"membership_tier": "Silver"}})
    assert problems(sent, got, all_faults=True) == ()
    assert {"unheard is 1 and must be 0", "dropped_by_sim is 1 and must be 0"} <= set(problems(sent, got))


def test_a_second_telling_is_a_problem_in_either_channel() -> None:
    """Slack and the mailbox are counted apart: once in each is once."""
    assert problems(got=replace(GOT, messages=("a",), mails=("a",))) == ()
    assert "double_alerts is 1 and must be 0" in problems(got=replace(GOT, mails=("a", "a")))


def test_what_shows_nothing_is_a_problem() -> None:
    """A month in which nothing happened, or of which something is forgotten, proves nothing."""
    assert "nothing was accepted" in problems(replace(SENT, requests=()))
    assert "the simulator knows of no member" in problems(replace(SENT, truth=()))
    assert any("3 deliveries" in problem for problem in problems(replace(SENT, forgotten=3)))
    assert problems(got=replace(GOT, ticks_failed=("noon: boom",))) == ("the clock failed at noon: boom",)


def test_duplicates_are_what_was_accepted_again() -> None:
    """A copy, and a retry after an answer that was lost; not what was refused, and not a forgery."""
    found = numbers(
        request(1, "e1", 1), request(1, "e1", 2), request(1, "e1", 3, "copy"),
        request(2, None, 4, status=503), request(2, "e2", 5), request(2, "x", 6, "tamper"),
    )  # fmt: skip
    assert (found["duplicates"], found["accepted"], found["sent"], found["strays"]) == (2, 5, 5, 1)


def test_reordered_is_who_was_overtaken() -> None:
    """By the order of the answers: the first acceptance of an event counts, and only within its member."""
    found = numbers(request(2, "e2", 1), request(1, "e1", 2), request(1, "e1", 3), request(3, "e3", 4))
    assert found["reordered"] == 1
