"""Interleavings of two grants of one key with an unreliable platform, without network or clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st
from inveterate import Client, CustomerId, GrantStatus, InveterateError, MemoryIntents
from inveterate._grant import CreditGrant, intent_for, mark_of
from inveterate._json import write_json
from inveterate._retries import NO_RETRIES
from inveterate._steps import HttpReply, Send, SendFailure, SendOutcome, Sleep, Steps
from inveterate.api.credits import Credits

SETTLED_AFTER = 600.0


@dataclass
class LedgerModel:
    """A ledger in virtual time. Entries show within less than `SETTLED_AFTER`, as the grant assumes."""

    post_outcomes: list[tuple[bool, str]]
    delay: float
    shows_notes: bool
    older_note: bool
    now: float = 0.0
    posts: int = 0
    entries: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def answer(self, step: Send) -> SendOutcome:
        """Reply to one request."""
        if step.call.method == "GET":
            shown = [entry for moment, entry in self.entries if moment <= self.now]
            if self.older_note:
                shown = [{"note": mark_of("older")}, *shown]
            if not self.shows_notes:
                shown = [{"amount": 1} for _ in shown]
            return HttpReply(200, {}, write_json({"data": {"credits": shown}}).encode())
        applies, how = self.post_outcomes[self.posts % len(self.post_outcomes)]
        self.posts += 1
        if how in {"ok", "conflict"} or applies:
            self.entries.append((self.now + self.delay, dict(step.call.body or {})))
        if how == "drop":
            return SendFailure(httpx.ReadError("cut"), sent=True)
        return HttpReply({"ok": 201, "fail": 500, "conflict": 409}[how], {}, b"{}")


@dataclass
class GrantProcess:
    """One process that grants, until it dies."""

    ledger: LedgerModel
    intents: MemoryIntents
    steps: Steps[Any] | None = None
    answer: Any = None
    claimed_at: float | None = None
    outcomes: list[Any] = field(default_factory=list)

    def step(self) -> None:
        """Execute one step; start again after the end."""
        if self.steps is None:
            self.steps, self.answer = self.begin(), None
        try:
            step = self.steps.send(self.answer)
        except StopIteration as stop:
            self.outcomes.append(stop.value.status)
            self.steps = None
            return
        except InveterateError as error:
            self.outcomes.append(error)
            self.steps = None
            return
        self.answer, self.claimed_at = None, None
        if isinstance(step, Send):
            self.answer = self.ledger.answer(step)
        elif isinstance(step, Sleep):
            self.ledger.now += step.seconds
        else:
            self.answer, self.claimed_at = step.action(), self.ledger.now

    def time_out(self) -> None:
        """Die if the request is still unsent when another process may count it as lost."""
        if self.claimed_at is not None and self.ledger.now - self.claimed_at >= SETTLED_AFTER:
            self.die()

    def die(self) -> None:
        """Stop for good; the next step belongs to another process."""
        self.steps, self.claimed_at = None, None

    def begin(self) -> Steps[Any]:
        """Start a grant."""
        return CreditGrant(
            intent_for("k", CustomerId(42), Decimal(5)),
            store=self.intents,
            note="",
            looks=(0.5, 5.0),
            settled_after=SETTLED_AFTER,
            retries=NO_RETRIES,
            post=Credits.add.of,
            read=Credits.list.of,
        ).run()


post_outcomes = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["ok", "fail", "drop", "conflict"])), min_size=1, max_size=4
)
events = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 12)),
        st.tuples(st.sampled_from(["kill a", "kill b", "hour", "minute"]), st.just(1)),
    ),
    max_size=12,
)
"""Which process executes how many steps, which one dies, and how time passes."""


@settings(max_examples=600)
@given(
    post_outcomes=post_outcomes,
    delay=st.floats(0, SETTLED_AFTER - 1),
    shows_notes=st.booleans(),
    older_note=st.booleans(),
    events=events,
)
def test_no_interleaving_grants_twice(
    post_outcomes: list[tuple[bool, str]],
    delay: float,
    *,
    shows_notes: bool,
    older_note: bool,
    events: list[tuple[str, int]],
) -> None:
    """Two processes, crashes anywhere, any delay: at most one entry, and no false outcome."""
    ledger = LedgerModel(post_outcomes, delay, shows_notes, older_note)
    intents = MemoryIntents(clock=lambda: ledger.now)
    processes = {"a": GrantProcess(ledger, intents), "b": GrantProcess(ledger, intents)}
    for event, steps in events:
        if event in processes:
            processes[event].time_out()
            for _ in range(steps):
                processes[event].step()
        elif event.startswith("kill"):
            processes[event[-1]].die()
        else:
            ledger.now += 3600.0 if event == "hour" else 60.0
    outcomes = [outcome for process in processes.values() for outcome in process.outcomes]
    assert len(ledger.entries) <= 1
    if not (shows_notes and (older_note or ledger.entries)):
        assert ledger.posts <= 1
    if GrantStatus.GRANTED in outcomes or GrantStatus.ALREADY_GRANTED in outcomes:
        assert len(ledger.entries) == 1
    assert outcomes.count(GrantStatus.GRANTED) <= 1


def test_a_process_that_hangs_longer_than_settled_after_grants_twice() -> None:
    """`settled_after` has to be longer than a process can hang: one that resumes after an hour grants twice."""
    ledger = LedgerModel([(True, "ok")], delay=0.0, shows_notes=True, older_note=True)
    intents = MemoryIntents(clock=lambda: ledger.now)
    hanging, other = GrantProcess(ledger, intents), GrantProcess(ledger, intents)
    hanging.step()
    ledger.now += 3600.0
    while not other.outcomes:
        other.step()
    while not hanging.outcomes:
        hanging.step()
    assert len(ledger.entries) == 2


def test_the_clients_run_these_steps() -> None:
    """The client's `grant` is the modelled one."""
    client = Client("k")
    assert client.members.credits.grant.__doc__ == Credits.grant.__doc__
    client.close()


def test_one_of_two_processes_may_post_again() -> None:
    """Both find the claim old and the entry missing at the same moment: `renew` lets one of them through."""
    ledger = LedgerModel([(True, "ok")], delay=0.0, shows_notes=True, older_note=True)
    intents = MemoryIntents(clock=lambda: ledger.now)
    intents.claim(intent_for("k", CustomerId(42), Decimal(5)))
    ledger.now += SETTLED_AFTER
    processes = [GrantProcess(ledger, intents), GrantProcess(ledger, intents)]
    while not all(process.outcomes for process in processes):
        for process in processes:
            process.step()
    assert (ledger.posts, len(ledger.entries)) == (1, 1)
    assert sorted(outcome for process in processes for outcome in process.outcomes[:1]) == [
        "granted",
        "unknown",
    ]
