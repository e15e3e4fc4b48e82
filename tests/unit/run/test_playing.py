"""`relay run` waits while something moves, believes a good end only after a calm, and never waits for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from inveterate.webhooks import parse
from relay_cli.judging import DOCUMENTED, Posted, Seen
from relay_cli.playing import settle, wait, waves

from tests.support.port_fakes import ROOT

SHOP = "acme.myshopify.com"
POSTED = [Posted("customer.payment_failed", 202, "e1")]
_CUSTOMERS = [*map(str, range(DOCUMENTED.contacts)), *DOCUMENTED.skipped]
WELL = Seen(
    journal=({"id": "e1", "shop": SHOP, "customer": "0", "outcome": "applied", "effects": ()},),
    members=frozenset(f"{SHOP}:{customer}" for customer in _CUSTOMERS),
    contacts={f"{SHOP}:{number}": str(number) for number in range(DOCUMENTED.contacts)},
    skipped={f"{SHOP}:{customer}": "no_email" for customer in DOCUMENTED.skipped},
    openings=DOCUMENTED.alerts,
    emails=DOCUMENTED.alerts,
)


@dataclass(slots=True)
class Time:
    """A clock that only sleeping moves."""

    now: float = 0.0

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass(slots=True)
class Run:
    """Settles on the looks that it is given, the last of them again and again."""

    looks: Iterator[Seen]
    time: Time = field(default_factory=Time)
    said: list[str] = field(default_factory=list)
    last: Seen = field(default_factory=Seen)

    def look(self) -> Seen:
        """Return the next look."""
        self.last = next(self.looks, self.last)
        return self.last

    def settle(self) -> Seen:
        """Wait."""
        say: Callable[[str], None] = self.said.append
        return settle(self.look, POSTED, say, clock=lambda: self.time.now, sleep=self.time.sleep)


def test_a_good_end_is_believed_after_a_calm() -> None:
    """All is well at once: a few seconds more, in which a second alert would have come."""
    run = Run(iter([WELL]))
    assert run.settle() == WELL
    assert 3 < run.time.now < 10


def test_a_second_alert_that_comes_late_is_seen() -> None:
    """What comes within the calm counts: the last look is judged, not the first good one."""
    twice = replace(WELL, openings=2)
    run = Run(iter([WELL, twice]))
    assert run.settle() == twice


def test_what_gets_stuck_is_given_up() -> None:
    """A message that nobody takes ends the waiting a minute and a half after the last change."""
    stuck = replace(WELL, queues={"alerts": ("e1",)})
    run = Run(iter([Seen(), stuck]))
    assert run.settle() == stuck
    assert 90 < run.time.now < 100


def test_what_never_rests_is_given_up() -> None:
    """A loop of messages ends the waiting as well."""
    run = Run(replace(WELL, emails=number) for number in range(2, 1000))
    run.settle()
    assert 300 < run.time.now < 310


def test_what_is_waited_for_is_said_when_it_changes() -> None:
    """Not at every look: numbers that merely fall are no news."""
    queued = [replace(Seen(), queues={"updated": ("e1",) * number}) for number in (3, 2, 1)]
    run = Run(iter([*queued, replace(WELL, openings=0), WELL]))
    run.settle()
    assert run.said == [
        "waiting for 3 messages in the queues",
        "waiting for 1 more to come right",
        "waiting for a few calm seconds",
    ]


def test_a_members_events_are_played_in_order() -> None:
    """No wave has two events of one member; a member's oldest is in the first; nothing is left out."""
    samples = {path: path.read_bytes() for path in (ROOT / "events").glob("*.json")}
    played = waves(samples)
    assert sorted(path.stem for wave in played for path in wave) == sorted(path.stem for path in samples)
    assert [len(wave) for wave in played] == [8, 3, 2, 2]
    for wave in played:
        assert len({parse(body).customer_id for body in wave.values()}) == len(wave)
    of_one = [
        path.stem
        for wave in played
        for path, body in wave.items()
        if parse(body).customer_id == "7733576892547"
    ]
    assert of_one == [
        "customer.payment_succeeded",
        "customer.changed_tier",
        "customer.pending_cancellation",
        "customer.joined.free_tier",
    ]


def test_the_next_wave_comes_when_two_looks_running_find_nothing_under_way() -> None:
    """One empty look may fall between two queues; and nobody waits for ever."""
    looks, passed = iter([False, True, False, True, True, False]), Time()
    wait(lambda: next(looks), clock=lambda: passed.now, sleep=passed.sleep)
    assert list(looks) == [False]
    wait(lambda: False, clock=lambda: passed.now, sleep=passed.sleep)
    assert 60 <= passed.now <= 80
