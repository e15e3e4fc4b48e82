"""The verdict on a scenario: every accepted event is accounted for, and every violation is a problem."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from local_stack.observation import DEAD_LETTERS, UNCLAIMED, Observation
from local_stack.verdict import PlatformActivity, RelayOutput, judge_scenario

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
PLATFORM = PlatformActivity(requests=(request(1, "e1", 1), request(2, "e2", 2)), truth=(TRUTH,))
RELAY = RelayOutput(
    observed=Observation(
        journal=(line("e1"), line("e2")), queues={DEAD_LETTERS: (), UNCLAIMED: ()}, members=frozenset({KEY})
    ),
    contacts={KEY: {"membership_tier": "Gold"}},
)


def problems(
    platform: PlatformActivity = PLATFORM, relay: RelayOutput = RELAY, *, all_faults: bool = False
) -> tuple[str, ...]:
    return judge_scenario(platform, relay, all_faults=all_faults).problems


def numbers(*requests: dict[str, Any]) -> dict[str, int | float]:
    return judge_scenario(replace(PLATFORM, requests=requests), RELAY, all_faults=False).result


@pytest.mark.parametrize("all_faults", [True, False])
def test_all_well(*, all_faults: bool) -> None:
    """Where all is journaled, nothing is sent twice and the CRM equals the truth, there is no problem."""
    verdict = judge_scenario(PLATFORM, RELAY, all_faults=all_faults)
    assert verdict.problems == ()
    assert {name: verdict.result[name] for name in ("sent", "accepted", "journaled", "lost")} == {
        "sent": 2, "accepted": 2, "journaled": 2, "lost": 0,
    }  # fmt: skip


def test_an_accepted_event_without_a_line_is_lost() -> None:
    """An accepted event that is neither journaled nor set aside is lost, with any set of faults."""
    relay = replace(RELAY, observed=replace(RELAY.observed, journal=(line("e1"),)))
    for all_faults in (True, False):
        assert {"lost is 1 and must be 0", "lost: e2"} <= set(problems(relay=relay, all_faults=all_faults))


def test_an_event_set_aside_for_a_reason_is_not_lost_with_all_faults() -> None:
    """With all faults a named reason suffices; with the default ones nothing may be set aside."""
    observed = replace(RELAY.observed, journal=(line("e1"),), queues={DEAD_LETTERS: (), UNCLAIMED: ("e2",)})
    relay = replace(RELAY, observed=observed, reasons={"e2": "not_json"})
    assert problems(relay=relay, all_faults=True) == ()
    assert judge_scenario(PLATFORM, relay, all_faults=True).set_aside == {"not_json": 1}
    assert "lost: e2" in problems(relay=replace(relay, reasons={"e2": ""}), all_faults=True)
    assert {"lost is 1 and must be 0", "unclaimed is 1 and must be 0"} <= set(problems(relay=relay))


def test_dead_letters_are_a_problem_except_with_all_faults() -> None:
    """With the default faults no message may end in the dead letters."""
    relay = replace(RELAY, observed=replace(RELAY.observed, queues={DEAD_LETTERS: ("",)}))
    assert problems(relay=relay) == ("dead_letters is 1 and must be 0",)
    assert problems(relay=relay, all_faults=True) == ()


def test_a_queue_that_is_not_empty_is_a_problem() -> None:
    """A message that waits is unfinished work."""
    relay = replace(RELAY, observed=replace(RELAY.observed, queues={"updated": ("e1",)}))
    assert problems(relay=relay, all_faults=True) == ("waiting is 1 and must be 0",)


def test_each_field_that_differs_is_named() -> None:
    """The problem names the member, the field, the true value and the CRM's."""
    relay = replace(RELAY, contacts={KEY: {"membership_tier": "Silver"}})
    assert problems(relay=relay, all_faults=True) == (
        "mirror_mismatches is 1 and must be 0",
        "the CRM differs: 1 tier_name: true is Gold, the CRM has Silver",
    )


def test_a_field_whose_event_never_arrived_is_excused_only_with_all_faults() -> None:
    """The default faults drop no event, so no field may be `unheard`."""
    platform = replace(PLATFORM, truth=({**TRUTH, "unheard": ["tier_name"]},), counts={"dropped": 1})
    relay = replace(RELAY, contacts={KEY: {"membership_tier": "Silver"}})
    assert problems(platform, relay, all_faults=True) == ()
    assert {"unheard is 1 and must be 0", "dropped_by_sim is 1 and must be 0"} <= set(
        problems(platform, relay)
    )


def test_a_duplicate_message_is_a_problem_in_either_channel() -> None:
    """Slack and e-mail count apart: the same message once in each is no duplicate."""
    assert problems(relay=replace(RELAY, slack=("a",), emails=("a",))) == ()
    assert "double_alerts is 1 and must be 0" in problems(relay=replace(RELAY, emails=("a", "a")))


def test_a_run_that_proves_nothing_is_a_problem() -> None:
    """A month without webhooks or members, with forgotten deliveries or with failed ticks, proves nothing."""
    assert "no webhook was accepted" in problems(replace(PLATFORM, requests=()))
    assert "the simulator has no members" in problems(replace(PLATFORM, truth=()))
    assert any("3 deliveries" in problem for problem in problems(replace(PLATFORM, forgotten=3)))
    assert problems(relay=replace(RELAY, failed_ticks=("noon: boom",))) == ("the clock failed at noon: boom",)


def test_duplicates_are_events_accepted_again() -> None:
    """A copy counts, and a retry after a lost answer; a refused request and a forged one do not."""
    found = numbers(
        request(1, "e1", 1), request(1, "e1", 2), request(1, "e1", 3, "copy"),
        request(2, None, 4, status=503), request(2, "e2", 5), request(2, "x", 6, "tamper"),
    )  # fmt: skip
    assert (found["duplicates"], found["accepted"], found["sent"], found["strays"]) == (2, 5, 5, 1)


def test_reordered_are_events_overtaken_by_a_later_one() -> None:
    """The order of first acceptance counts, among the events of one member."""
    found = numbers(request(2, "e2", 1), request(1, "e1", 2), request(1, "e1", 3), request(3, "e3", 4))
    assert found["reordered"] == 1


def test_a_dead_letter_of_the_platform_is_a_problem_with_any_set_of_faults() -> None:
    """With all faults a forged request may become one, an event of the platform may not."""
    dead = replace(RELAY.observed, queues={DEAD_LETTERS: ("e1",), UNCLAIMED: ()})
    found = problems(relay=replace(RELAY, observed=dead), all_faults=True)
    assert "1 dead letters are events of the platform and must be 0" in found
    assert "dead: e1 t" in found
    forged = replace(PLATFORM, requests=(*PLATFORM.requests, request(3, "f1", 3, kind="tamper")))
    dead = replace(RELAY.observed, queues={DEAD_LETTERS: ("f1",), UNCLAIMED: ()})
    relay = replace(RELAY, observed=dead, reasons={"f1": "not_json"})
    assert problems(forged, relay, all_faults=True) == ()
