"""What must hold of every play, as architecture.md states it; each property names its violations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from tests.judge import values
from tests.judge.answer import MOMENTS, Answer, Scalar
from tests.judge.case import Case, Violation
from tests.judge.crm_names import CANONICAL
from tests.judge.fold import fold, more_attempts_since, statements
from tests.judge.history import SECOND, History
from tests.judge.messages import expect
from tests.judge.observed import Observed, Profile
from tests.judge.privacy_oddities import SECRET
from tests.judge.reading import Unplaced, read
from tests.judge.told_properties import (
    ends_what_begins,
    final_failure_is_said,
    incident_state,
    one_end_for_each_beginning,
    told_at_most_once,
    told_in_order,
)

# What "nothing" is written as: an empty field, and a count of none.
_NOTHING = (None, "", 0, False)


def judge(history: History, observed: Observed) -> list[Violation]:
    """Return every violation of a play, sorted."""
    arrived = set(observed.plan.arrivals)
    sent = [s for s in history.sent() if (s.event, s.number) in arrived]
    case = Case(history, fold(history, sent), expect(history, sent), observed)
    return sorted({violation for check in PROPERTIES.values() for violation in check(case)})


def compare(history: History, plays: list[Observed]) -> list[Violation]:
    """Return where two plays of the same deliveries ended differently: record, CRM and incident state."""
    found = set[Violation]()
    first, *others = plays
    answers, quiet = fold(history), expect(history).quiet_incidents
    for other in others:
        for member, answer in answers.items():
            skipped = _OF_ERASURE if answer.erased_once else frozenset[str]()
            one, two = first.profiles.get(member, {}), other.profiles.get(member, {})
            found |= {
                Violation(
                    "same_for_all_orders", f"{member} {name}", f"{one.get(name)!r} and {two.get(name)!r}"
                )
                for name in sorted(one.keys() | two.keys())
                if name not in skipped and not same(name, one.get(name), two.get(name))
            }
        # How many attempts a tier has is learnt in a daily round, which falls elsewhere in another order.
        open_names = (
            _OF_ATTEMPTS if more_attempts_since(statements(history)) is not None else frozenset[str]()
        )
        found |= set(_differing_contacts(answers, first, other, open_names))
        for key in sorted((first.open_incidents ^ other.open_incidents) - quiet):
            found.add(Violation("same_for_all_orders", key, "open after one order and closed after another"))
    return sorted(found)


# "Possibly missing until told again": what came while a member was erased left nothing, the time of its event included.
_OF_ERASURE = frozenset({"email", "first_name", "last_name", "phone", "last_event_at"})
_OF_ATTEMPTS = frozenset({"attempts_left", "next_attempt_at", "final_attempt_at"})


def _differing_contacts(
    answers: dict[str, Answer], first: Observed, other: Observed, open_names: frozenset[str]
) -> Iterator[Violation]:
    """Yield where one CRM has ended differently: "the same CRM state as one delivery of each event in order" (promise 2).

    Without an address at the end a member has no home in most CRMs, and after an erasure it may be missing until told again.
    """
    for target in sorted(first.crm.keys() & other.crm.keys()):
        for member, answer in answers.items():
            if answer.erased_once or not answer.determined().get("email"):
                continue
            one, two = (each.crm[target].get(member, {}) for each in (first, other))
            for name in sorted({*CANONICAL} - open_names):
                if not same(name, one.get(name), two.get(name), SECOND):
                    found = f"{one.get(name)!r} and {two.get(name)!r}"
                    yield Violation("same_for_all_orders", f"{target} {member} {name}", found)


def same(name: str, wanted: Any, shown: Any, within: int = 1) -> bool:
    """Tell whether two values of a field are equal; moments may differ by less than `within` ms."""
    if _is_nothing(wanted) or _is_nothing(shown):
        return _is_nothing(wanted) and _is_nothing(shown)
    if name in MOMENTS:
        one, two = (value if isinstance(value, int) else values.moment(value) for value in (wanted, shown))
        return one is not None and two is not None and abs(one - two) < within
    if isinstance(wanted, date) or isinstance(shown, date):
        return str(wanted)[:10] == str(shown)[:10]
    one_number, two_number = _decimal(wanted), _decimal(shown)
    if one_number is not None and two_number is not None:
        return one_number == two_number
    return str(wanted) == str(shown)


def _is_nothing(value: Any) -> bool:
    # A CRM has texts where the record has numbers and flags.
    return value in _NOTHING or value == "false" or _decimal(value) == 0


def _decimal(value: Any) -> Decimal | None:
    return values.number(str(value) if isinstance(value, float | Decimal) else value)


# --- the record and its mirrors ---------------------------------------------------------------------------------


def record_is_right(case: Case) -> Iterator[Violation]:
    """The record says what the events say, whatever their order."""
    for member, answer in case.answers.items():
        profile = case.observed.profiles.get(member)
        if profile is None:
            yield Violation("record_is_right", member, "no record")
            continue
        yield from _differences("record_is_right", member, answer.determined(), profile, 1)


def crm_is_right(case: Case) -> Iterator[Violation]:
    """Each CRM that has the member says the same; one with an address is missing in none."""
    for target, contacts in case.observed.crm.items():
        for member, answer in case.answers.items():
            contact = contacts.get(member)
            if answer.erased or answer.erased_once:
                continue  # what stays in a CRM after an erasure is the matter of `erased_is_absent`
            if contact is None:
                if answer.determined().get("email"):
                    yield Violation("crm_is_right", f"{target} {member}", "no contact")
                continue
            # A field that the contact lacks is an empty one: what a CRM was never told is wrong as well.
            known = {name: value for name, value in answer.determined().items() if name in CANONICAL}
            rounded = {name: _third_decimal(value) for name, value in known.items()}
            yield from _differences("crm_is_right", f"{target} {member}", rounded, contact, SECOND)


def _third_decimal(value: Scalar) -> Scalar:
    # crm.md part 6: amounts have three decimals at most.
    return round(value, 3) if isinstance(value, Decimal) else value


def _differences(
    rule: str, about: str, wanted: dict[str, Scalar], shown: Profile, within: int
) -> Iterator[Violation]:
    for name, value in wanted.items():
        if not same(name, value, shown.get(name), within):
            text = values.iso(value) if name in MOMENTS and isinstance(value, int) else value
            yield Violation(rule, f"{about} {name}", f"{shown.get(name)!r} instead of {text!s}")


# --- the timeline and the figures -------------------------------------------------------------------------------

_PAIRS = {"Membership Rejoined": "rejoined", "Membership Payment Recovered": "recovered"}
_SHARED = "Membership Payment Failed"
# What tells of several events together, or of the same matter once: the record's failures, payments, endings and joinings
# decide it.
_NOTES_BY_MILESTONES = frozenset({*_PAIRS, _SHARED, "Membership Cancelled", "Membership Joined"})
_BY_MILESTONES = frozenset({"failed_attempts", "joins", "cancellations"})


def single_effects_once(case: Case) -> Iterator[Violation]:
    """What one event tells the timeline is there once, however often and whenever the event came."""
    yield from _notes(case, "single_effects_once", lambda name: name not in _PAIRS and name != _SHARED)


def shared_facts_once(case: Case) -> Iterator[Violation]:
    """What two topics tell (attempt 3 and the final failure) is there once."""
    yield from _notes(case, "shared_facts_once", lambda name: name == _SHARED)


def pairs_by_the_record(case: Case) -> Iterator[Violation]:
    """Pairs are told as often as the record has them, and those that were told too early are counted."""
    yield from _notes(case, "pairs_by_the_record", lambda name: name in _PAIRS)


def _notes(case: Case, rule: str, mine: Callable[[str], bool]) -> Iterator[Violation]:
    seen = Counter((note.member, note.name) for note in case.observed.notes)
    for about, wanted in sorted(case.expected.notes.items()):
        member, name = about
        answer = case.answers[member]
        if not mine(name) or about in case.expected.open_notes or answer.erased_once:
            continue
        if member in case.expected.crowded and not case.in_order and name in _NOTES_BY_MILESTONES:
            continue  # "order-independence is exact within these" bounds (architecture.md)
        least, most = wanted, wanted + case.expected.more_notes[about]
        if about in case.expected.late_notes and not case.in_order:
            least, most = min(least, 1), case.expected.late_notes[about]
        most += case.observed.premature[_PAIRS[name]] if name in _PAIRS else 0
        if not least <= seen[about] <= most:
            yield Violation(rule, f"{member} {name}", f"{seen[about]} times instead of {wanted}")


def one_id_per_note(case: Case) -> Iterator[Violation]:
    """No timeline event stands twice under one id."""
    for note, times in Counter(case.observed.notes).items():
        if times > 1:
            yield Violation("one_id_per_note", f"{note.member} {note.name}", f"{times} times under one id")


def figures_are_right(case: Case) -> Iterator[Violation]:
    """The digest's figures are those of the events, each counted once."""
    if case.observed.kpis is None:
        return
    for name, wanted in sorted(case.expected.kpis.items()):
        if name in _BY_MILESTONES and case.expected.crowded:
            continue  # which two tell one matter is known within the bounds alone: beyond them the oldest are forgotten
        shown = case.observed.kpis.get(name, Decimal(0))
        if name not in case.expected.open_kpis and shown != wanted:
            yield Violation("figures_are_right", name, f"{shown} instead of {wanted}")


# --- identity, erasure, loss, logs ------------------------------------------------------------------------------


def identity_by_content(case: Case) -> Iterator[Violation]:
    """Two deliveries have one id exactly when they say the same event."""
    by_identity: dict[tuple[str, ...], set[str]] = {}
    by_id: dict[str, set[tuple[str, ...]]] = {}
    for sent in case.history.sent():
        statement = read(sent.delivery, case.history)
        found = case.observed.ids.get((sent.event, sent.number))
        if found is None or isinstance(statement, Unplaced):
            continue
        by_identity.setdefault(statement.identity, set()).add(found)
        by_id.setdefault(found, set()).add(statement.identity)
    for identity, ids in sorted(by_identity.items()):
        if len(ids) > 1:
            yield Violation(
                "identity_by_content", f"{identity[1]} {identity[0]}", f"one event has {len(ids)} ids"
            )
    for identities in by_id.values():
        if len(identities) > 1:
            topic = min(identities)[0]
            yield Violation("identity_by_content", topic, f"{len(identities)} events have one id")


def erased_is_absent(case: Case) -> Iterator[Violation]:
    """Nothing personal of an erased member stands in what Relay keeps of it."""
    texts = {person.member: person.texts for person in case.history.people}
    for member, answer in case.answers.items():
        if not answer.erased:
            continue
        for place, kept in case.observed.kept.get(member, {}).items():
            left = [text for text in texts.get(member, ()) if text in kept]
            if left:
                yield Violation("erased_is_absent", f"{member} {place}", f"{len(left)} personal texts")


def accepted_is_never_lost(case: Case) -> Iterator[Violation]:
    """Every id that the receiver gave out is in a queue, the dead letters or the journal."""
    topics = {event.name: event.topic for event in case.history.events}
    for (event, number), found in sorted(case.observed.ids.items()):
        if not case.observed.places.get(found):
            yield Violation(
                "accepted_is_never_lost", f"{event} {topics.get(event)}", f"delivery {number} is nowhere"
            )


def logs_are_clean(case: Case) -> Iterator[Violation]:
    """No log line holds an e-mail address, a name or a phone number of a member."""
    texts = [text for person in case.history.people for text in person.texts]
    for line in case.observed.logs:
        if any(text in line for text in texts):
            yield Violation("logs_are_clean", line[:60], "a personal text")


def secrets_leave_no_body(case: Case) -> Iterator[Violation]:
    """A secret that a body brings stands in nothing that is made of it.

    "A `cancelToken` that must never leave the event body" (rules.md), the journal has "the body with `cancelToken` and
    tokens removed" (architecture.md).
    """
    observed = case.observed
    places = {
        "journal": observed.journal,
        "logs": observed.logs,
        "messages": observed.messages,
        "notes": [note.unique_id for note in observed.notes],
        "CRM": [str(contacts) for contacts in observed.crm.values()],
        "tables": [text for kept in observed.kept.values() for text in kept.values()],
    }
    for place, texts in places.items():
        if found := {secret for text in texts for secret in SECRET.findall(text)}:
            yield Violation("secrets_leave_no_body", place, f"{len(found)} secrets")


Check = Callable[[Case], Iterator[Violation]]
PROPERTIES: dict[str, Check] = {
    check.__name__: check
    for check in (
        record_is_right,
        crm_is_right,
        told_at_most_once,
        one_end_for_each_beginning,
        told_in_order,
        final_failure_is_said,
        ends_what_begins,
        incident_state,
        single_effects_once,
        shared_facts_once,
        pairs_by_the_record,
        one_id_per_note,
        figures_are_right,
        identity_by_content,
        erased_is_absent,
        accepted_is_never_lost,
        logs_are_clean,
        secrets_leave_no_body,
    )
}
