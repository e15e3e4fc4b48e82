"""The service beside a CRM with a setback, judged like any play: it refuses everybody for a while, loses a contact, or swaps.

Whatever the CRM did meanwhile, in the end it says what the events say, and no member is left behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import count
from random import Random

import pytest

from tests.judge import bodies, known
from tests.judge.adversary import Adversary
from tests.judge.answer import Answer
from tests.judge.case import Violation
from tests.judge.fold import fold
from tests.judge.generator import draw
from tests.judge.history import DAY, HOUR, Delivery, Event, History
from tests.judge.properties import judge
from tests.judge.rig_crms import CRMS, RigCrm, hubspot, klaviyo, salesforce
from tests.judge.rig_setbacks import REFUSALS, RefusingApp, Setbacks, play

pytestmark = [pytest.mark.slow, pytest.mark.stack]  # two minutes: `make prove` runs them

READABLE = (hubspot, klaviyo, salesforce)
RUNNING = {"active", "trialing", "past_due"}
# What a setback of the CRM must not touch; the other properties are judged by test_histories.py.
JUDGED = {"record_is_right", "crm_is_right"}


@cache
def seeds_where(holds: Callable[[Answer], bool]) -> tuple[int, int]:
    """Return the first two seeds with histories of members who all are so; looked for when a test runs, not at its import."""
    fits = (seed for seed in count() if all(map(holds, fold(draw(seed, switches=())).values())))
    return next(fits), next(fits)


def is_reachable(answer: Answer) -> bool:
    """Tell whether a member has an address and was never erased: what is drawn is of any kind."""
    return bool(answer.determined().get("email")) and not answer.erased_once


def is_reachable_and_runs(answer: Answer) -> bool:
    """Tell whether a member is one who may keep an address: who has ended gives way."""
    return is_reachable(answer) and answer.determined().get("status") in RUNNING


@pytest.fixture(params=[0, 1])
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of a history for a setback."""
    return seeds_where(is_reachable)[request.param]


@pytest.fixture(params=[0, 1])
def swap_seed(request: pytest.FixtureRequest) -> int:
    """The seed of a history for a swap: both members of it run in the end."""
    return seeds_where(is_reachable_and_runs)[request.param]


def history_of(seed: int) -> History:
    """Return a history without oddities: what is judged is the CRM."""
    return draw(seed, switches=())


def violations(
    history: History, setbacks: Setbacks, adversary: Adversary | None = None, *, refused: int = 0
) -> list[Violation]:
    """Return what is wrong in the end, without what is known; so many members are refused, and none waits."""
    observed, states = play(history, setbacks, adversary)
    assert not {"waiting", "retry"} & set(states.values()), states
    assert list(states.values()).count("refused") == refused, states
    found = [each for each in judge(history, observed) if each.name in JUDGED]
    return [each for each in found if known.explanation(each) is None]


@pytest.mark.parametrize(
    ("make", "number"),
    [(make, number) for make in CRMS for number in range(len(REFUSALS[make.__name__]))],
)
def test_a_crm_that_refuses_everybody_for_a_while(make: Callable[[], RigCrm], number: int, seed: int) -> None:
    """From one arrival to another every write is refused: in the end the CRM is equal, and no member waits or is refused."""
    history = history_of(seed)
    begins, ends = while_of(history, seed)
    seen: list[int] = []

    def begin(crm: RigCrm, app: RefusingApp) -> None:
        app.refusal = REFUSALS[crm.target][number]

    def end(_crm: RigCrm, app: RefusingApp) -> None:
        app.refusal = None
        seen.append(app.refused)

    observed, states = play(history, Setbacks(make, {begins: begin, ends: end}))
    assert seen[0], "nothing was refused: the setback proves nothing"
    assert not {"waiting", "refused"} & set(states.values()), states
    found = [each for each in judge(history, observed) if each.name in JUDGED]
    assert [each for each in found if known.explanation(each) is None] == []


@pytest.mark.parametrize("remade", [False, True])
@pytest.mark.parametrize("make", READABLE)
def test_a_contact_that_the_merchant_deletes(make: Callable[[], RigCrm], seed: int, remade: bool) -> None:  # noqa: FBT001 - a table's column
    """It stays deleted, and nothing else is wrong; where the rules say so it is made again, and all is right."""
    history = history_of(seed)
    chosen = history.members[0]
    # Some changes of the member follow: without one, only the weekly audit would look.
    at = [number for number, member in enumerate(sent_in_order(history)) if member == chosen][-3]

    def delete(crm: RigCrm, _app: RefusingApp) -> None:
        assert crm.delete is not None
        assert any(key.endswith(f":{chosen}") for key, _ in crm.contacts()), "there is no contact to delete"
        crm.delete(f"{history.shop}:{chosen}")

    rules = json.dumps({"thresholds": NOBODY, "remake_contacts": [make.__name__] if remade else []})
    found = violations(history, Setbacks(make, {at: delete}, rules), refused=not remade)
    missing = [Violation("crm_is_right", f"{make.__name__} {chosen}", "no contact")]
    assert found == ([] if remade else missing)


@pytest.mark.parametrize("rate", [0.0, 0.05])
@pytest.mark.parametrize("make", CRMS)
def test_two_members_that_swap_addresses(make: Callable[[], RigCrm], swap_seed: int, rate: float) -> None:
    """Each orders with the other's address: every CRM shows each member under its own new one, also under faults."""
    history = with_swap(history_of(swap_seed))
    assert violations(history, Setbacks(make), Adversary(swap_seed, rate)) == []


def while_of(history: History, seed: int) -> tuple[int, int]:
    """Return the arrivals between which a CRM refuses: within ten days, since after two weeks a member is refused."""
    happened = {event.name: number for number, event in enumerate(history.events)}
    arrivals = sorted(history.sent(), key=lambda sent: (sent.number, happened[sent.event]))
    begins = Random(seed).randrange(len(arrivals))
    longest = arrivals[begins].delivery.at + 10 * DAY
    return begins, max(number for number, sent in enumerate(arrivals) if sent.delivery.at <= longest) + 1


NOBODY = dict.fromkeys(("high_value_annual_fee", "high_value_credits", "high_value_revenue"), 0)


def sent_in_order(history: History) -> list[str]:
    """Return the member of each arrival, in the natural order."""
    happened = {event.name: (number, event.member) for number, event in enumerate(history.events)}
    arrivals = sorted(history.sent(), key=lambda sent: (sent.number, happened[sent.event][0]))
    return [happened[sent.event][1] for sent in arrivals]


def with_swap(history: History) -> History:
    """Return the history with an order of each of the two members after its end, under the other's address."""
    answers = fold(history)
    emails = {member: answer.determined().get("email") for member, answer in answers.items()}
    members = list(emails)
    events = list(history.events)
    for number, (member, other) in enumerate(zip(members[:2], reversed(members[:2]), strict=True)):
        at = history.end + (number + 1) * HOUR
        payload = bodies.ordered(member, str(emails[other]), "10.00", "USD", at)
        body = bodies.envelope(bodies.ORDERED, payload, at + 100, f"{number + 1:032x}")
        delivery = Delivery(at + 200, bodies.dump(body))
        events.append(Event(f"swap{number}", bodies.ORDERED, member, at, (delivery,)))
    return replace(history, events=tuple(events))
