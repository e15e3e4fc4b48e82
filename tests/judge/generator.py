"""Draws histories of members from a seed: lives in a membership programme, then the oddities that are switched on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import TypeAlias

from tests.judge import bodies
from tests.judge.history import DAY, HOUR, MINUTE, SECOND, Delivery, Event, History, Person
from tests.judge.oddities import ALL, CHANCE, apply
from tests.judge.privacy_oddities import secret
from tests.judge.values import iso

START = int(datetime(2026, 3, 2, 8, 0, tzinfo=UTC).timestamp() * 1000)
TIERS = {
    "paid": (("3a636361", "Gold"), ("40500123", "Silver")),
    "free": (("0d0c6284", "Basic"), ("1e1d7395", "Starter")),
    "trial": (("c669d6e7", "Preview"),),
    "lifetime": (("d689602f", "Forever"),),
}
# Half of the shops keep UTC; the others lie east and west of it, and on the other side of the date line.
ZONES = ("UTC", "UTC", "UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland")
SOFT_ERRORS = ("Insufficient funds", "Payment method was revoked", "The issuer could not be reached")
HARD_ERRORS = ("Your card has expired", "The card was reported stolen", "Do not honour")


@dataclass(slots=True)
class Life:
    """One member's life so far, and the events that it has made."""

    rng: Random
    member: str
    clock: int
    email: str
    first: str
    last: str
    phone: str
    currency: str
    fee: float
    name_from: int
    events: list[Event] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    tier: tuple[str, str] = ("", "")
    kind: str = ""
    state: str = "none"
    balance: Decimal = Decimal(0)
    earned: Decimal = Decimal(0)
    joined_at: int = 0
    referrals: int = 0
    anonymized: bool = False
    snapshot: bodies.Body = field(default_factory=dict)

    @property
    def person(self) -> bodies.Body:
        """The `customer` object of the payment topics."""
        return {"id": self.member, "email": self.email, "phoneNumber": self.phone}

    @property
    def holder(self) -> bodies.Body:
        """The identity at the top of the credit topics."""
        return {
            "customerId": self.member,
            "email": self.email,
            "firstName": self.first,
            "lastName": self.last,
        }

    def wait(self, least: int, most: int) -> None:
        """Let time pass; two events of a member are never of one second unless an oddity makes them so."""
        self.clock += self.rng.randrange(least, most) + 2 * SECOND

    def tell(self, topic: str, payload: bodies.Body, happened: int | None = None) -> None:
        """Add an event that happened now, triggered and delivered a little later."""
        at = self.clock if happened is None else happened
        triggered = at + self.rng.randrange(10, 900)
        event_id = f"{self.rng.getrandbits(128):032x}"
        body = bodies.envelope(topic, payload, triggered, event_id)
        received = triggered + self.rng.randrange(40, 900)
        name = f"e{self.name_from + len(self.events)}"
        delivery = Delivery(received, bodies.dump(body))
        self.events.append(Event(name, topic, self.member, at, (delivery,)))


def draw(
    seed: int,
    *,
    switches: Collection[str] = ALL,
    members: int = 2,
    steps: int = 8,
    zone: str | None = None,
    chance: float = CHANCE,
) -> History:
    """Return the history of a seed with the oddities that are switched on, each drawn with the chance.

    The shop's zone is drawn as well, where none is given.
    """
    unknown = set(switches) - set(ALL)
    if unknown:
        raise ValueError(f"unknown oddities: {sorted(unknown)}")
    rng = Random(f"history {seed}")
    lives: list[Life] = []
    for number in range(members):
        life = _born(rng, number, seed)
        _live(life, steps)
        lives.append(life)
    events = sorted((e for life in lives for e in life.events), key=lambda e: (e.happened, e.name))
    events = apply(events, switches, f"oddities {seed}", chance)
    people = tuple(Person(life.member, tuple(life.texts)) for life in lives)
    return History(seed, tuple(events), people, zone=zone or Random(f"zone {seed}").choice(ZONES))


def _born(rng: Random, number: int, seed: int) -> Life:
    tag = f"{rng.getrandbits(24):06x}"
    member = str(7_733_540_000_000 + rng.randrange(10**9) * 10 + number)
    life = Life(
        rng=rng,
        member=member,
        clock=START + rng.randrange(3 * DAY),
        email=f"mail-{tag}@people.example",
        first=f"Fn{tag}",
        last=f"Ln{tag}",
        phone=f"+1202555{rng.randrange(10_000):04d}",
        currency="USD",
        fee=rng.choice([100, 49, 9.5, 129.99]),
        name_from=1000 * (number + 1),
    )
    life.texts += [life.email, life.first, life.last, life.phone]
    return life


def _live(life: Life, steps: int) -> None:
    join(life)
    for _ in range(steps):
        choices = _CHOICES[life.state if life.state != "active" or life.kind == "paid" else "unbilled"]
        action = life.rng.choices([act for act, _ in choices], [weight for _, weight in choices])[0]
        action(life)


def join(life: Life) -> None:
    """A member enters a tier; a paid one pays at once, before or after the joining is told."""
    life.wait(MINUTE, 9 * DAY)
    kinds = {"paid": 6, "free": 2, "trial": 2, "lifetime": 1}
    if life.state == "active":
        del kinds[life.kind]  # the same joining told again is an oddity
    life.kind = life.rng.choices([*kinds], [*kinds.values()])[0]
    life.tier = life.rng.choice(TIERS[life.kind])
    topics = {kind: topic for topic, kind in bodies.JOINED.items()}
    trial_end = life.clock + life.rng.randrange(60, 90) * DAY if life.kind == "trial" else None
    life.tell(
        topics[life.kind], bodies.joined(topics[life.kind], life.member, life.tier, life.clock, trial_end)
    )
    life.joined_at, life.state = life.clock, "active"
    life.anonymized = False
    if life.kind == "paid":
        life.wait(SECOND, 20 * SECOND)
        pay(life)
    if life.rng.random() < 0.7:
        life.wait(SECOND, MINUTE)
        update(life)


def pay(life: Life) -> None:
    """A fee is paid; the next billing date lies beyond the end of any history."""
    next_on = iso(life.clock - life.clock % DAY + 365 * DAY)
    life.tell(bodies.SUCCEEDED, bodies.paid(life.person, life.fee, life.currency, next_on, life.clock))


def rebill(life: Life) -> None:
    """A month passes and the fee is paid."""
    life.wait(20 * DAY, 28 * DAY)
    pay(life)


def fail(life: Life, attempt: int, topic: str = bodies.ATTEMPT, after: int = 0) -> None:
    """One billing attempt fails."""
    errors = HARD_ERRORS if life.rng.random() < 0.15 else SOFT_ERRORS
    error = life.rng.choice(errors)
    happened = life.clock + after
    payload = bodies.failed(life.person, attempt, (life.fee, life.currency), (error, life.tier[0]), happened)
    if topic == bodies.FAILED:
        payload["detail"]["isFinal"] = True
    life.tell(topic, payload, happened)


def dunning(life: Life) -> None:
    """A cycle of one to three attempts, a day apart: recovered, lost, or still open when the next thing happens."""
    life.wait(8 * DAY, 28 * DAY)
    last = life.rng.randrange(1, 4)
    for attempt in range(1, last + 1):
        fail(life, attempt)
        if attempt < last:
            life.wait(22 * HOUR, 26 * HOUR)
    if last == 3:
        fail(life, 3, bodies.FAILED, after=life.rng.randrange(15, 60))
        life.wait(6 * SECOND, 12 * SECOND)
        end(life, "FAILURE")
        return
    if life.rng.random() < 0.3:
        life.wait(MINUTE, HOUR)
        new_card(life)
    if life.rng.random() < 0.75:
        life.wait(HOUR, 2 * DAY)
        pay(life)


def new_card(life: Life) -> None:
    """The payment method changes."""
    life.wait(MINUTE, DAY)
    method = f"{life.rng.getrandbits(128):032x}"
    life.tell(bodies.METHOD, bodies.payment_method(life.person, method, life.clock))


def _change_balance(life: Life, change: Decimal, reason: str) -> None:
    life.wait(MINUTE, 4 * DAY)
    before, after = life.balance, life.balance + change
    if reason == "EXPIRED":
        lost = _json(-change)
        life.tell(bodies.EXPIRED, bodies.expired(life.holder, _json(before), _json(after), lost, life.clock))
    else:
        body = bodies.credited(
            life.holder, (_json(before), _json(after)), _json(abs(change)), reason, life.clock
        )
        life.tell(bodies.CREDITS, body)
    life.balance = after
    life.earned += max(change, Decimal(0))


def _json(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def earn(life: Life) -> None:
    """Credits are earned from a purchase."""
    _change_balance(life, Decimal(life.rng.choice(["1", "5", "10", "2.5", "24.99"])), "EARNED_FROM_PURCHASE")


def spend(life: Life) -> None:
    """Credits are redeemed, never more than there are."""
    if life.balance > 0:
        part = life.balance if life.rng.random() < 0.3 else (life.balance / 2).quantize(Decimal("0.01"))
        _change_balance(life, -part, "REDEEMED")


def expire(life: Life) -> None:
    """Credits expire."""
    if life.balance > 0:
        _change_balance(life, -life.balance, "EXPIRED")


def adjust(life: Life) -> None:
    """A person changes the balance by hand, sometimes below zero."""
    _change_balance(life, Decimal(life.rng.choice(["3", "-2", "-20", "0.5"])), "MANUAL")


def order(life: Life) -> None:
    """The member orders something."""
    life.wait(HOUR, 5 * DAY)
    price = f"{life.rng.randrange(100, 90_000) / 100:.2f}"
    life.tell(bodies.ORDERED, bodies.ordered(life.member, life.email, price, life.currency, life.clock))


def update(life: Life) -> None:
    """The stored record changes, or is told again without a change."""
    life.wait(MINUTE, 6 * HOUR)
    if not life.anonymized and life.rng.random() < 0.5:
        tag = f"{life.rng.getrandbits(24):06x}"
        if life.rng.random() < 0.5:
            life.email = f"mail-{tag}@people.example"
            life.texts.append(life.email)
        else:
            life.first = f"Fn{tag}"
            life.texts.append(life.first)
    life.referrals += life.rng.random() < 0.3
    _tell_snapshot(life)


def _tell_snapshot(life: Life) -> None:
    personal = {
        "email": life.email,
        "firstName": life.first,
        "lastName": life.last,
        "phoneNumber": life.phone,
    }
    if life.anonymized:
        personal = dict.fromkeys(personal)  # type: ignore[assignment]
    new: bodies.Body = {
        "accountState": "ENABLED",
        "lastCreditRedemptionAt": None,
        "notes": None,
        "anonymized": life.anonymized,
        "createdAt": iso(life.joined_at),
        "revenue": 102.32,
        "merchantId": "judged",
        "paymentId": None,
        "referrals": life.referrals,
        "customerId": life.member,
        "credit": _json(life.balance),
        **personal,
        "updatedAt": iso(life.clock - 30 * SECOND),
        "joinedAt": iso(life.joined_at),
        "trigger": "PAID_SUBSCRIPTION",
        "creditsEarned": _json(life.earned),
        "referredBy": None,
        "contractId": 82559795564,
        "lastPurchaseAt": iso(life.joined_at),
        "currencyCode": life.currency,
        "freeTrialActive": life.kind == "trial",
        "status": {"active": "ACTIVE", "pending": "PENDING_CANCELLATION"}.get(life.state, "CANCELLED"),
        "tierId": life.tier[0],
        "tierName": life.tier[1],
    }
    life.tell(bodies.UPDATED, bodies.updated(new, life.snapshot or new))
    life.snapshot = new


def move(life: Life) -> None:
    """The member moves to another tier of the same kind."""
    life.wait(HOUR, 5 * DAY)
    others = [tier for tier in TIERS[life.kind] if tier != life.tier]
    if others:
        previous, life.tier = life.tier, life.rng.choice(others)
        life.tell(bodies.CHANGED_TIER, bodies.changed_tier(life.member, life.tier, previous, life.clock))


def announce_end(life: Life) -> None:
    """The member asks to leave at the end of the period."""
    life.wait(HOUR, 8 * DAY)
    ends = life.clock + life.rng.randrange(300, 360) * DAY
    payload = bodies.pending(life.member, life.tier[0], ends, secret(life.rng), life.clock)
    life.tell(bodies.PENDING, payload)
    life.state = "pending"


def resume(life: Life) -> None:
    """The member stays after all: no topic tells it but a snapshot that says ACTIVE."""
    life.state = "active"
    update(life)


def leave(life: Life) -> None:
    """The membership ends, by the member or the merchant."""
    life.wait(HOUR, 8 * DAY)
    end(life, life.rng.choice(["CUSTOMER", "CUSTOMER", "MERCHANT"]))


def end(life: Life, source: str) -> None:
    """The membership ends now."""
    life.tell(bodies.CANCELLED, bodies.cancelled(life.member, life.tier, source, life.clock))
    life.state = "cancelled"


def erase(life: Life) -> None:
    """The member is anonymised."""
    life.wait(HOUR, 3 * DAY)
    life.anonymized = True
    _tell_snapshot(life)
    life.state = "erased"


def pause(life: Life) -> None:
    """Nothing happens for a while."""
    life.wait(HOUR, 2 * DAY)


Action: TypeAlias = "Callable[[Life], None]"
_CREDITS: list[tuple[Action, int]] = [(earn, 6), (spend, 4), (expire, 1), (adjust, 1)]
_ALWAYS: list[tuple[Action, int]] = [*_CREDITS, (order, 2), (update, 3), (erase, 1)]
_CHOICES: dict[str, list[tuple[Action, int]]] = {
    "active": [
        *_ALWAYS,
        (rebill, 4),
        (dunning, 6),
        (move, 2),
        (announce_end, 3),
        (leave, 2),
        (new_card, 1),
        (join, 1),
    ],
    "unbilled": [*_ALWAYS, (move, 2), (leave, 2), (join, 1)],
    "pending": [(update, 2), (earn, 2), (resume, 2), (leave, 3), (order, 1)],
    "cancelled": [(join, 5), (update, 1), (pause, 1), (erase, 1), (order, 1)],
    "erased": [(join, 2), (pause, 2)],
    "none": [(join, 1)],
}
