"""The month's budget, with several invocations at once, a faulty platform and crashes anywhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from inveterate import CustomerId, InveterateError
from inveterate._grant import CreditGrant, intent_for, mark_of
from inveterate._json import write_json
from inveterate._retries import NO_RETRIES
from inveterate._steps import HttpReply, Send, SendFailure, SendOutcome, Sleep, Steps
from inveterate.api.credits import Credits
from relay.errors import OverBudgetError
from relay.ports.grants import MonthlyBudget

from tests.support.grant_fakes import MONTH, Clock, grant_store
from tests.support.moto_tables import items_of, make_table

CEILING = Decimal(20)
NUMBERS = count()


@dataclass
class Platform:
    """One ledger for all, in the clock's time. `moods` says of each request whether it is done, and what the answer is."""

    clock: Clock
    moods: list[tuple[bool, str]]
    shows_notes: bool
    posts: int = 0
    entries: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, step: Send) -> SendOutcome:
        """Answer one request."""
        if step.call.method == "GET":
            entries = [{"note": mark_of("an older one")}, *self.entries]
            shown = entries if self.shows_notes else [{"amount": 1} for _ in entries]
            return HttpReply(200, {}, write_json({"data": {"credits": shown}}).encode())
        applies, how = self.moods[self.posts % len(self.moods)] if self.moods else (True, "ok")
        self.posts += 1
        if how == "unreachable":
            return SendFailure(httpx.ConnectError("refused"), sent=False)
        if how == "ok" or (applies and how in {"fail", "drop"}):
            self.entries.append(dict(step.call.body or {}))
        if how == "drop":
            return SendFailure(httpx.ReadError("cut"), sent=True)
        return HttpReply({"ok": 201, "fail": 500, "refuse": 400, "bad_key": 401}[how], {}, b"{}")

    @property
    def given(self) -> Decimal:
        """How much was granted in all."""
        return sum((Decimal(str(entry["amount"])) for entry in self.entries), Decimal(0))


@dataclass
class Worker:
    """One process with one message, which dies and comes back."""

    number: int
    amount: int
    table: str
    platform: Platform
    talk: Steps[Any] | None = None
    answer: Any = None
    ends: Counter[str] = field(default_factory=Counter)

    @property
    def key(self) -> str:
        """What the message asks for."""
        return f"k{self.number}"

    def step(self) -> None:
        """Go one step on; begin anew after the end."""
        if self.talk is None:
            self.talk, self.answer = self.begin(), None
        try:
            step = self.talk.send(self.answer)
            self.answer = self.do(step)
        except StopIteration as stop:
            self.end(stop.value.status)
        except OverBudgetError:
            self.end("full")
        except InveterateError:
            self.end("refused")

    def do(self, step: Any) -> Any:
        """Do what the conversation asks for."""
        if isinstance(step, Send):
            return self.platform.answer(step)
        if isinstance(step, Sleep):
            return self.platform.clock.pass_by(step.seconds)
        return step.action()

    def end(self, how: str) -> None:
        """Remember how it ended."""
        self.ends[how] += 1
        self.talk = None

    def run(self) -> None:
        """Go on to the next end."""
        before = self.ends.total()
        while self.ends.total() == before:
            self.step()

    def begin(self) -> Steps[Any]:
        """Begin a grant."""
        store = grant_store(self.table, self.platform.clock)
        return CreditGrant(
            intent_for(self.key, CustomerId(42), Decimal(self.amount)),
            store=store.intents(MonthlyBudget(month=MONTH, ceiling=CEILING), ""),
            note="",
            looks=(0.5,),
            settled_after=600.0,
            retries=NO_RETRIES,
            post=Credits.add.of,
            read=Credits.list.of,
        ).run()


def check(table: str, platform: Platform) -> dict[str, dict[str, Any]]:
    """What must hold at every moment; returns the records by key."""
    items = {item["key"]["S"]: item for item in items_of(table)}
    counted = Decimal(items.pop(f"budget#{MONTH}", {}).get("reserved", {}).get("N", "0"))
    assert platform.given <= CEILING
    assert counted == sum(Decimal(item["amount"]["N"]) for item in items.values()) <= CEILING
    marks = {mark_of(key.removeprefix("grant#")) for key in items}
    notes = [str(entry["note"]) for entry in platform.entries]
    assert len(set(notes)) == len(notes)
    assert marks >= set(notes)
    return items


MOODS = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["ok", "fail", "drop", "refuse", "bad_key", "unreachable"])),
    max_size=5,
)
AMOUNTS = st.lists(st.sampled_from([5, 8, 10, 20, 21]), min_size=2, max_size=4)
EVENTS = st.lists(
    st.tuples(st.integers(0, 7), st.one_of(st.integers(1, 6), st.sampled_from(["dies", "time passes"]))),
    max_size=14,
)
"""Which worker goes on by how many steps or dies (two workers per message: a duplicate), and when time passes."""


def let_time_pass(workers: list[Worker], clock: Clock) -> None:
    """Let so much time pass that requests are taken for lost."""
    # No function lives as long as that: the template's timeout is a fifth of it.
    for worker in workers:
        worker.talk = None
    clock.pass_by(601)


def play(workers: list[Worker], events: list[tuple[int, Any]], table: str, platform: Platform) -> None:
    """Let the workers go on, die and be overtaken by time, as the events say."""
    for place, what in events:
        worker = workers[place % len(workers)]
        if what == "dies":
            worker.talk = None
        elif what == "time passes":
            let_time_pass(workers, platform.clock)
        else:
            for _ in range(what):
                worker.step()
        check(table, platform)


# Without shrinking: every step is a call of a table, and shrinking would take minutes.
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@example(moods=[], amounts=[8, 10], events=[(2, 1)], shows_notes=True)
@given(moods=MOODS, amounts=AMOUNTS, events=EVENTS, shows_notes=st.booleans())
def test_never_above_it_and_all_that_fits(
    moods: list[tuple[bool, str]], amounts: list[int], events: list[tuple[int, Any]], *, shows_notes: bool
) -> None:
    """At every moment within the ceiling and never twice; in the end all that fits is given, or stays unknown."""
    clock = Clock()
    platform = Platform(clock, moods, shows_notes)
    table = make_table("grants", f"grants-{next(NUMBERS)}")
    workers = [
        Worker(number, amount, table, platform) for _ in range(2) for number, amount in enumerate(amounts)
    ]
    play(workers, events, table, platform)
    platform.moods = []
    for _ in range(3):
        let_time_pass(workers, clock)
        for worker in workers:
            worker.run()
            check(table, platform)
    items = check(table, platform)
    room = CEILING - sum(Decimal(item["amount"]["N"]) for item in items.values())
    for number, amount in enumerate(amounts):
        item = items.get(f"grant#k{number}")
        assert item or amount > room
        if item and shows_notes:
            assert item["state"]["S"] == "granted"
    if shows_notes:
        assert platform.given == CEILING - room
