"""A service of forty lines that keeps every promise, and can break each on purpose: the judge is tried on it.

It knows everything at once, which no real service does: its record is the fold over what has arrived. Each name in
`PLANTED` is a fault that a real service could have.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from tests.judge import bodies, values
from tests.judge.adversary import Adversary, Plan
from tests.judge.answer import MOMENTS, Scalar
from tests.judge.fold import fold
from tests.judge.history import History, Sent
from tests.judge.messages import Told, dunning_key, expect
from tests.judge.observed import Note, Observed
from tests.judge.reading import Statement, read

PLANTED = frozenset(
    {
        "last_arrival_wins",
        "balance_by_arrival",
        "note_per_arrival",
        "shared_fact_twice",
        "lost_in_a_crash",
        "lost_answer_tells_twice",
        "erasure_forgets_nothing",
        "log_with_address",
        "end_without_word",
        "final_is_mute",
        "figure_per_delivery",
        "identity_by_bytes",
        "queue_is_believed",
        "crm_lacks_a_field",
        "secret_in_the_journal",
    }
)


def play(history: History, plan: Plan, adversary: Adversary, faults: Iterable[str] = ()) -> Observed:
    """Return what the service has made of the history under the plan, with the faults that are planted."""
    planted = set(faults)
    by_pair = {(s.event, s.number): s for s in history.sent()}
    observed = Observed(plan)
    arrived: list[Sent] = []
    twice: list[Sent] = []
    for pair in plan.arrivals:
        sent = by_pair[pair]
        found = read(sent.delivery, history)
        content = str(found.identity) if isinstance(found, Statement) else f"raw {sent.delivery.body!r}"
        observed.ids[pair] = repr(sent.delivery) if "identity_by_bytes" in planted else content
        kind = adversary.strike(sent.event, "dynamodb.PutItem")
        if kind == "crash_before" and "lost_in_a_crash" in planted:
            continue
        if kind == "lost_answer" and "lost_answer_tells_twice" in planted:
            twice.append(sent)
        arrived.append(sent)
        observed.places[observed.ids[pair]] = {"journal"}
        if "secret_in_the_journal" in planted:
            observed.journal.append(sent.delivery.body.decode("utf-8", "replace"))
    _records(history, arrived, observed, planted)
    _told(history, arrived, observed, planted)
    observed.told += [Told(dunning_key(history, "?"), "info", "opened") for _ in twice]
    return observed


def _records(history: History, arrived: list[Sent], observed: Observed, planted: set[str]) -> None:
    for member, answer in fold(history, arrived).items():
        mine = [s for s in arrived if _member(history, s) == member]
        fields = dict(answer.fields)
        credit = [b for s in mine if (b := _balance(history, s)) is not None]
        if "balance_by_arrival" in planted and credit:
            fields["credit_balance"] = credit[-1]
        if "last_arrival_wins" in planted:
            fields = fold(history, mine[-1:])[member].fields | {"email": fields.get("email")}
        if "queue_is_believed" in planted and any(s.delivery.queue == bodies.SUCCEEDED for s in mine):
            fields["payment_status"] = "ok"
        shown = {name: _shown(name, value) for name, value in fields.items()}
        observed.profiles[member] = shown
        lacking = {"tier_name"} if "crm_lacks_a_field" in planted else set()
        observed.crm.setdefault("crm", {})[member] = {n: v for n, v in shown.items() if n not in lacking}
        texts = next((person.texts for person in history.people if person.member == member), ())
        kept = texts if "erasure_forgets_nothing" in planted else ()
        observed.kept[member] = {"record": " ".join(kept)}
        if "log_with_address" in planted:
            observed.logs += [f"cannot write {text}" for text in texts[:1]]


def _told(history: History, arrived: list[Sent], observed: Observed, planted: set[str]) -> None:
    expected = expect(history, arrived)
    observed.told = [
        told
        for told in expected.must.elements()
        if not (told.outcome == "final" and "final_is_mute" in planted)
        and not (told.outcome in {"recovered", "lost", "rejoined"} and "end_without_word" in planted)
    ]
    observed.open_incidents = set(expected.open_incidents)
    observed.notes = [
        Note(member, name, f"{name} {number}")
        for (member, name), times in expected.notes.items()
        for number in range(times)
    ]
    if "note_per_arrival" in planted:
        notes = {bodies.CREDITS: "Store Credit Changed", bodies.CANCELLED: "Membership Cancelled"}
        found = [(n, read(s.delivery, history)) for n, s in enumerate(arrived)]
        observed.notes = [n for n in observed.notes if n.name not in notes.values()] + [
            Note(s.member, notes[s.topic], str(n))
            for n, s in found
            if isinstance(s, Statement) and s.topic in notes
        ]
    if "shared_fact_twice" in planted:
        found = [(n, read(s.delivery, history)) for n, s in enumerate(arrived)]
        failed = {
            s.identity: s.member for _, s in found if isinstance(s, Statement) and s.topic == bodies.FAILED
        }
        observed.notes += [
            Note(member, "Membership Payment Failed", str(about)) for about, member in failed.items()
        ]
    observed.kpis = dict(expected.kpis)
    if "figure_per_delivery" in planted and "payments" in observed.kpis:
        found = [(n, read(s.delivery, history)) for n, s in enumerate(arrived)]
        paid = [s for _, s in found if isinstance(s, Statement) and s.topic == bodies.SUCCEEDED]
        observed.kpis["payments"] = Decimal(len(paid))


def _member(history: History, sent: Sent) -> str | None:
    found = read(sent.delivery, history)
    return found.member if isinstance(found, Statement) else None


def _balance(history: History, sent: Sent) -> Decimal | None:
    found = read(sent.delivery, history)
    is_credit = isinstance(found, Statement) and found.topic in {bodies.CREDITS, bodies.EXPIRED}
    return values.amount(found.payload.get("newBalance"), None) if is_credit else None  # type: ignore[union-attr]


def _shown(name: str, value: Scalar) -> Scalar:
    """Return a field as a profile writes it: moments as ISO text."""
    return values.iso(value) if name in MOMENTS and isinstance(value, int) else value
