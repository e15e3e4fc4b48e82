"""Each property notices a fault of the service that breaks what it states, as the rig reads the service.

`test_properties.py` tries the properties on a toy. These faults are planted into the service itself: a property that
reads nothing of what the service leaves behind would hold for ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import relay.ingest.consumer
import relay.ingest.fanout
import relay.ingest.receive
import relay.model.erasure
import relay.model.journal
import relay.model.member
import relay.rules.pairs
from relay.ingest.reducer import reduce_events
from relay.model.effects import Alert, Kpi, Note
from relay.model.milestones import Cycle

from tests.judge.adversary import Adversary, Plan, as_happened
from tests.judge.building import Script
from tests.judge.history import History
from tests.judge.properties import PROPERTIES, compare, judge
from tests.judge.rig import play

pytestmark = pytest.mark.slow

Patch = Callable[[pytest.MonkeyPatch], None]
Decide = Callable[[Any, Any, Any, Any], Any]

# A fee is recovered, the next one lost; the member comes back, asks to leave, and has credits.
LIFE = (
    Script()
    .join("03-01")
    .pay("03-01 00:01")
    .attempt("04-01", 2)
    .pay("04-02")
    .attempt("05-01", 3)
    .final("05-01 00:01", 3)
    .cancel("05-02", "FAILURE")
    .join("05-10")
    .update("05-11", referrals=1)
    .again(60_000, retryCount=1)
    .leaving("05-20")
    .credit("05-21", 0, 5)
    .history()
)
ERASED = Script().join("03-01").credit("03-02", 0, 5).update("03-03", anonymized=True).history()


def _decides(patch: pytest.MonkeyPatch, change: Callable[[Decide], Decide]) -> None:
    """Let every topic's rule decide otherwise."""

    def reduce(record: Any, received: Any, rule: Any, rules: Any) -> Any:
        return reduce_events(record, received, replace(rule, decide=change(rule.decide)), rules)

    patch.setattr(relay.ingest.consumer, "reduce_events", reduce)


def _without(is_dropped: Callable[[Any], bool]) -> Patch:
    def put_in(patch: pytest.MonkeyPatch) -> None:
        def change(decide: Decide) -> Decide:
            return lambda *given: (each for each in decide(*given) if not is_dropped(each))

        _decides(patch, change)

    return put_in


def logs_what_it_reads(patch: pytest.MonkeyPatch) -> None:
    """Print each event."""

    def change(decide: Decide) -> Decide:
        def printing(event: Any, *records: Any) -> Any:
            print(event)  # noqa: T201 - the fault itself
            return decide(event, *records)

        return printing

    _decides(patch, change)


def last_arrival_wins(patch: pytest.MonkeyPatch) -> None:
    """Take what arrives last, whenever it happened."""
    patch.setattr(relay.model.member, "_newer", lambda _name, _known, other: other)


def changes_unsent(patch: pytest.MonkeyPatch) -> None:
    """Send no change to the CRMs."""
    patch.setattr(relay.ingest.fanout, "changes_of", lambda _outbox: [])


def journal_as_posted(patch: pytest.MonkeyPatch) -> None:
    """Journal bodies with their secrets."""
    patch.setattr(relay.model.journal, "without_secrets", lambda body: body)


def id_by_bytes(patch: pytest.MonkeyPatch) -> None:
    """Name an event by all that a delivery says."""

    def event_id(_topic: str, _shop: str, content: Any) -> str:
        return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()[:32]

    patch.setattr(relay.ingest.receive, "event_id", event_id)


def erases_nothing(patch: pytest.MonkeyPatch) -> None:
    """Keep the personal fields of who is erased."""
    patch.setattr(relay.model.erasure, "without_erased", lambda member: member)


def pairs_unread(patch: pytest.MonkeyPatch) -> None:
    """Find no pair in a record."""
    patch.setattr(relay.rules.pairs, "_stories", lambda _member, _kind: [])


def attempts_apart(patch: pytest.MonkeyPatch) -> None:
    """Take the last attempt and the final failure for two."""
    patch.setattr(Cycle, "counterpart", lambda _cycle, _failure: None)


@dataclass(frozen=True, slots=True)
class Planted:
    """A planted fault: its name, the properties that must notice it, and the events that show it."""

    name: str
    put_in: Patch
    noticed: frozenset[str]
    history: History = LIFE


def _is_end(effect: Any) -> bool:
    return isinstance(effect, Alert) and effect.action == "resolve"


PLANTED = (
    Planted("last_arrival_wins", last_arrival_wins, frozenset({"record_is_right", "same_for_all_orders"})),
    Planted("changes_unsent", changes_unsent, frozenset({"crm_is_right"})),
    Planted(
        "final_unsaid",
        _without(lambda effect: getattr(effect, "rule", "") == "dunning.failed"),
        frozenset({"final_failure_is_said", "told_in_order"}),
    ),
    Planted("ends_unsaid", _without(_is_end), frozenset({"ends_what_begins", "incident_state"})),
    Planted(
        "notes_unsent",
        _without(lambda effect: isinstance(effect, Note)),
        frozenset({"single_effects_once", "shared_facts_once", "pairs_by_the_record"}),
    ),
    Planted("pairs_unread", pairs_unread, frozenset({"pairs_by_the_record"})),
    Planted("attempts_apart", attempts_apart, frozenset({"shared_facts_once", "figures_are_right"})),
    Planted(
        "nothing_counted",
        _without(lambda effect: isinstance(effect, Kpi)),
        frozenset({"figures_are_right"}),
    ),
    Planted("id_by_bytes", id_by_bytes, frozenset({"identity_by_content"})),
    Planted("erases_nothing", erases_nothing, frozenset({"erased_is_absent"}), ERASED),
    Planted("logs_what_it_reads", logs_what_it_reads, frozenset({"logs_are_clean"})),
    Planted("journal_as_posted", journal_as_posted, frozenset({"secrets_leave_no_body"})),
)
# Each of these has its planted fault elsewhere.
ELSEWHERE = {
    # `test_planted.py`: a fault of the work itself, which shows where a call is struck.
    "accepted_is_never_lost",
    "told_at_most_once",
    # `test_properties.py`: the service refuses a second end, and the fakes of the CRMs a second event of one id.
    "one_end_for_each_beginning",
    "one_id_per_note",
}


def _plans(history: History) -> tuple[Plan, Plan]:
    happened = as_happened(history)
    return happened, Plan(tuple(reversed(happened.arrivals)))


def _violated(history: History) -> frozenset[str]:
    plays = [play(history, plan, Adversary()) for plan in _plans(history)]
    found = {violation.name for observed in plays for violation in judge(history, observed)}
    return frozenset({*found, *(violation.name for violation in compare(history, plays))})


@cache
def _sound(number: int) -> frozenset[str]:
    return _violated((LIFE, ERASED)[number])


@pytest.mark.parametrize("number", range(2))
def test_the_service_as_it_is_violates_nothing(number: int) -> None:
    """Without a planted fault the same events violate no property."""
    assert _sound(number) == frozenset()


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_property_notices_a_fault_of_the_service(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The properties that state what a fault breaks are violated."""
    planted.put_in(monkeypatch)
    assert planted.noticed <= _violated(planted.history)


def test_every_property_has_a_fault_that_it_notices() -> None:
    """A new property comes with a fault that breaks it."""
    noticed = {name for planted in PLANTED for name in planted.noticed}
    assert noticed >= set(PROPERTIES) - ELSEWHERE
    assert set(PROPERTIES) >= ELSEWHERE
