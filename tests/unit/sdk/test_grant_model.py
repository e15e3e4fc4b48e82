"""Every way two grants of one key can interleave with a treacherous platform, played without network or clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st
from inveterate import Client, CustomerId, GrantStatus, InveterateError, MemoryIntents
from inveterate._grant import Grant, intent_for, mark_of
from inveterate._json import write_json
from inveterate._retries import NO_RETRIES
from inveterate._steps import Answer, Conversation, Failure, Reply, Send, Sleep
from inveterate.api.credits import Credits

SETTLED_AFTER = 600.0


@dataclass
class World:
    """A ledger in virtual time. Entries show within less than `SETTLED_AFTER`, as the grant assumes."""

    moods: list[tuple[bool, str]]
    delay: float
    shows_notes: bool
    older_note: bool
    now: float = 0.0
    posts: int = 0
    entries: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def answer(self, step: Send) -> Answer:
        """Answer one request."""
        if step.call.method == "GET":
            shown = [entry for moment, entry in self.entries if moment <= self.now]
            if self.older_note:
                shown = [{"note": mark_of("older")}, *shown]
            if not self.shows_notes:
                shown = [{"amount": 1} for _ in shown]
            return Reply(200, {}, write_json({"data": {"credits": shown}}).encode())
        applies, how = self.moods[self.posts % len(self.moods)]
        self.posts += 1
        if how in {"ok", "conflict"} or applies:
            self.entries.append((self.now + self.delay, dict(step.call.body or {})))
        if how == "drop":
            return Failure(httpx.ReadError("cut"), sent=True)
        return Reply({"ok": 201, "fail": 500, "conflict": 409}[how], {}, b"{}")


@dataclass
class Caller:
    """One process that grants, until it dies."""

    world: World
    intents: MemoryIntents
    talk: Conversation[Any] | None = None
    answer: Any = None
    claimed_at: float | None = None
    outcomes: list[Any] = field(default_factory=list)

    def step(self) -> None:
        """Go one step on; begin anew after the end."""
        if self.talk is None:
            self.talk, self.answer = self.begin(), None
        try:
            step = self.talk.send(self.answer)
        except StopIteration as stop:
            self.outcomes.append(stop.value.status)
            self.talk = None
            return
        except InveterateError as error:
            self.outcomes.append(error)
            self.talk = None
            return
        self.answer, self.claimed_at = None, None
        if isinstance(step, Send):
            self.answer = self.world.answer(step)
        elif isinstance(step, Sleep):
            self.world.now += step.seconds
        else:
            self.answer, self.claimed_at = step.action(), self.world.now

    def time_out(self) -> None:
        """Die if the request is still unsent when others may take it for lost: that much is asked of a process."""
        if self.claimed_at is not None and self.world.now - self.claimed_at >= SETTLED_AFTER:
            self.die()

    def die(self) -> None:
        """Stop here, for good; the next step is another process's."""
        self.talk, self.claimed_at = None, None

    def begin(self) -> Conversation[Any]:
        """Begin a grant."""
        return Grant(
            intent_for("k", CustomerId(42), Decimal(5)),
            store=self.intents,
            note="",
            looks=(0.5, 5.0),
            settled_after=SETTLED_AFTER,
            retries=NO_RETRIES,
            post=Credits.add.of,
            read=Credits.list.of,
        ).run()


moods = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["ok", "fail", "drop", "conflict"])), min_size=1, max_size=4
)
events = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 12)),
        st.tuples(st.sampled_from(["kill a", "kill b", "hour", "minute"]), st.just(1)),
    ),
    max_size=12,
)
"""Who goes on by how many steps, who dies, and how time passes."""


@settings(max_examples=600)
@given(
    moods=moods,
    delay=st.floats(0, SETTLED_AFTER - 1),
    shows_notes=st.booleans(),
    older_note=st.booleans(),
    events=events,
)
def test_no_interleaving_grants_twice(
    moods: list[tuple[bool, str]],
    delay: float,
    *,
    shows_notes: bool,
    older_note: bool,
    events: list[tuple[str, int]],
) -> None:
    """Two callers, crashes anywhere, any delay: at most one entry, and no outcome that claims too much."""
    world = World(moods, delay, shows_notes, older_note)
    intents = MemoryIntents(clock=lambda: world.now)
    callers = {"a": Caller(world, intents), "b": Caller(world, intents)}
    for event, steps in events:
        if event in callers:
            callers[event].time_out()
            for _ in range(steps):
                callers[event].step()
        elif event.startswith("kill"):
            callers[event[-1]].die()
        else:
            world.now += 3600.0 if event == "hour" else 60.0
    outcomes = [outcome for caller in callers.values() for outcome in caller.outcomes]
    assert len(world.entries) <= 1
    if not (shows_notes and (older_note or world.entries)):
        assert world.posts <= 1
    if GrantStatus.GRANTED in outcomes or GrantStatus.ALREADY_GRANTED in outcomes:
        assert len(world.entries) == 1
    assert outcomes.count(GrantStatus.GRANTED) <= 1


def test_a_process_that_hangs_too_long_is_the_callers_matter() -> None:
    """What `settled_after` asks of a process is needed: one that wakes up an hour after its claim grants twice."""
    world = World([(True, "ok")], delay=0.0, shows_notes=True, older_note=True)
    intents = MemoryIntents(clock=lambda: world.now)
    hanging, other = Caller(world, intents), Caller(world, intents)
    hanging.step()
    world.now += 3600.0
    while not other.outcomes:
        other.step()
    while not hanging.outcomes:
        hanging.step()
    assert len(world.entries) == 2


def test_the_clients_offer_just_this() -> None:
    """What was played above is what `grant` runs."""
    client = Client("k")
    assert client.members.credits.grant.__doc__ == Credits.grant.__doc__
    client.close()


def test_of_two_that_may_post_again_one_does() -> None:
    """Both find the claim old and the entry missing at the same moment: `renew` lets one of them through."""
    world = World([(True, "ok")], delay=0.0, shows_notes=True, older_note=True)
    intents = MemoryIntents(clock=lambda: world.now)
    intents.claim(intent_for("k", CustomerId(42), Decimal(5)))
    world.now += SETTLED_AFTER
    callers = [Caller(world, intents), Caller(world, intents)]
    while not all(caller.outcomes for caller in callers):
        for caller in callers:
            caller.step()
    assert (world.posts, len(world.entries)) == (1, 1)
    assert sorted(outcome for caller in callers for outcome in caller.outcomes[:1]) == ["granted", "unknown"]
