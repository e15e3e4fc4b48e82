"""Time lines of a shop's metrics: a healthy week, and what each fault makes of them, with the alarms that it shall open.

Each line begins with a healthy time, so that every alarm has a past, and ends with one, so that every alarm can end.
The values are what AWS and the functions measure: a deferred message ages, a poisonous one becomes a dead letter, a
reading hides messages, a function that does not run measures nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.support.cloudwatch import MetricKey, TimeLine

BEFORE: Final = 8 * 60
AFTER: Final = 10 * 60
"""Minutes of health before and after a fault."""

DAY: Final = 24 * 60
WEEK: Final = 7 * DAY

REQUESTS: Final = ("Count", "Api")
REFUSED: Final = ("4xx", "Api")
SERVER_ERRORS: Final = ("5xx", "Api")
RECEIVER_ERRORS: Final = ("Errors", "ReceiverFunction")
THROTTLES: Final = ("Throttles", "ReceiverFunction")
DURATION: Final = ("Duration", "ReceiverFunction")
TICKS: Final = ("Errors", "ClockFunction")
LETTERS: Final = ("ApproximateNumberOfMessagesVisible", "DeadLetters.QueueName")
UNCLAIMED: Final = ("ApproximateNumberOfMessagesVisible", "Unclaimed.QueueName")
ITERATOR: Final = ("IteratorAge", "FanoutFunction")
FRESHNESS: Final = ("DeliveryToS3.DataFreshness", "Journal")
WRITES_THROTTLED: Final = ("WriteThrottleEvents", "Members")
STACK: Final = "AWS::StackName"
WAITING: Final = ("WaitingAge", STACK)
MISCONFIGURED: Final = ("Misconfigured", STACK)
CONDITIONS: Final = tuple(
    (name, STACK) for name in ("FailureSpike", "CancelSpike", "ManualCredits", "Silence")
)


@dataclass(frozen=True, slots=True)
class Opening:
    """An alarm that a fault opens, once: at most `within` minutes after its beginning.

    It ends at most `ends` minutes after the fault; None where it ends only when a person has acted, which is after the line.
    """

    within: int
    ends: int | None


@dataclass(slots=True)
class Shop:
    """The metrics of a healthy shop, and ways to spoil them."""

    line: TimeLine
    draw: random.Random = field(default_factory=lambda: random.Random(7))
    ticks: list[int] = field(default_factory=list)

    @classmethod
    def healthy(cls, minutes: int) -> Shop:
        """Return a shop in which nothing is wrong, though not everything goes smoothly."""
        shop = cls(TimeLine(minutes))
        for minute in range(minutes):
            shop._minute(minute)
        for scheduled in range(0, minutes, 15):
            shop._tick(scheduled)
        return shop

    def _minute(self, minute: int) -> None:
        line, draw = self.line, self.draw
        line.add(LETTERS, minute, 0)
        line.add(UNCLAIMED, minute, 0)
        # By night nothing comes for hours, and then a few events a minute.
        requests = 0 if minute % DAY < 4 * 60 else draw.choice((0, 0, 1, 2, 5))
        if not requests:
            return
        line.add(REQUESTS, minute, requests)
        line.add(RECEIVER_ERRORS, minute, 0)
        line.add(THROTTLES, minute, 0)
        line.add(DURATION, minute, *(draw.choice((15, 20, 40, 900)) for _ in range(requests)))
        line.add(ITERATOR, minute, draw.uniform(200, 3000))
        line.add(FRESHNESS, minute, draw.uniform(20, 140))
        if minute % 97 == 0:  # a scanner, or a mistyped key
            line.add(REFUSED, minute, 1)
        if minute % 1013 == 0:  # SQS did not answer in time; the event comes again
            line.add(SERVER_ERRORS, minute, 1)
            line.add(DURATION, minute, 6_500)
        if minute % 61 == 0:  # a CRM throttles for some minutes
            line.add(WAITING, minute, draw.uniform(5, 600))

    def _tick(self, scheduled: int) -> None:
        # The schedule is kept to the minute or nearly so, and a failed tick is tried again.
        minute = scheduled + self.draw.choice((0, 0, 0, 1))
        self.ticks.append(minute)
        self.line.add(TICKS, minute, *self.draw.choice(((0,),) * 30 + ((1, 0),)))
        for condition in CONDITIONS:
            self.line.add(condition, minute, 0)
        self.line.add(WAITING, minute, self.draw.uniform(0.5, 4))

    def every(self, key: MetricKey, begin: int, end: int, value: float, step: int = 1) -> None:
        """Measure the same value every `step` minutes."""
        for minute in range(begin, end, step):
            self.line.add(key, minute, value)

    def waits(self, begin: int, end: int) -> None:
        """Defer messages from `begin` on, with the first of them among those that come again every few minutes."""
        for minute in range(begin, end, 7):
            self.line.add(WAITING, minute, (minute - begin) * 60)

    def replace(self, key: MetricKey, begin: int, end: int, value: float) -> None:
        """Measure this value every minute instead of what was measured."""
        self.line.drop(key, begin, end)
        self.every(key, begin, end, value)

    def ages(self, key: MetricKey, begin: int, end: int, unit: float) -> None:
        """Let an age grow by a minute each minute, then recover within five minutes."""
        for minute in range(begin, end):
            self.line.add(key, minute, (minute - begin) * 60 * unit)
        self.every(key, end, end + 5, (end - begin) * 60 * unit)

    def fail_ticks(self, begin: int, end: int) -> None:
        """Fail every tick with its two further tries."""
        for tick in self.ticks:
            if begin <= tick < end:
                self.line.drop(TICKS, tick, tick + 1)
                self.line.add(TICKS, tick, 1)
                self.line.add(TICKS, tick + 1, 1)
                self.line.add(TICKS, tick + 3, 1)

    def read_hides(self, key: MetricKey, minute: int, minutes: int) -> None:
        """Hide messages, as a reading does."""
        self.replace(key, minute, minute + minutes, 0)


Spoil = Callable[[Shop, int, int], None]


@dataclass(frozen=True, slots=True)
class Story:
    """A fault from `BEFORE` on, of so many minutes, and the alarms that it opens; no other alarm may open."""

    name: str
    minutes: int
    spoil: Spoil
    opens: Mapping[str, Opening] = field(default_factory=dict)
    after: int = AFTER

    def shop(self) -> Shop:
        """Return the shop's metrics in this story."""
        shop = Shop.healthy(BEFORE + self.minutes + self.after)
        self.spoil(shop, BEFORE, BEFORE + self.minutes)
        return shop


def _nothing(_shop: Shop, _begin: int, _end: int) -> None:
    """Leave it as it is."""


def _down(shop: Shop, begin: int, end: int) -> None:
    shop.waits(begin, end)


def _refused_credentials(shop: Shop, begin: int, end: int) -> None:
    shop.waits(begin, end)
    shop.every(MISCONFIGURED, begin, end, 1, step=7)


def _queue_down(shop: Shop, begin: int, end: int) -> None:
    for minute in range(begin, end):
        shop.line.add(REQUESTS, minute, 2)
        shop.line.add(SERVER_ERRORS, minute, 2)
        shop.line.add(DURATION, minute, 6_500)


def _table_down(shop: Shop, begin: int, end: int) -> None:
    shop.waits(begin, end)
    shop.fail_ticks(begin, end)
    shop.ages(ITERATOR, begin, end, 1000)


def _topic_down(shop: Shop, begin: int, end: int) -> None:
    shop.ages(ITERATOR, begin, end, 1000)


def _bucket_refuses(shop: Shop, begin: int, end: int) -> None:
    shop.ages(FRESHNESS, begin, end, 1)


def _one_stuck(shop: Shop, begin: int, end: int) -> None:
    """After its tries it is a dead letter; a person reads it twice, which hides it for six minutes, and redrives it."""
    shop.replace(LETTERS, begin, end, 1)
    for reading in (begin + 100, begin + 180):
        shop.read_hides(LETTERS, reading, 6)


def _many_letters(shop: Shop, begin: int, end: int) -> None:
    for minute in range(begin, end):
        shop.replace(LETTERS, minute, minute + 1, min(minute - begin, 60) / 2)


def _letters_stay(shop: Shop, begin: int, _end: int) -> None:
    """Three letters that no person looks at, and one more each day."""
    for minute in range(begin, shop.line.minutes):
        shop.replace(LETTERS, minute, minute + 1, 3 + (minute - begin) // DAY)


def _one_unclaimed(shop: Shop, begin: int, end: int) -> None:
    """The clock reads it at every tick, and hides it for twelve minutes."""
    shop.replace(UNCLAIMED, begin, end, 1)
    for tick in shop.ticks:
        if begin <= tick < end:
            shop.read_hides(UNCLAIMED, tick, min(12, end - tick))


def _no_ticks(shop: Shop, begin: int, end: int) -> None:
    for key in (TICKS, WAITING, *CONDITIONS):
        shop.line.drop(key, begin, end)


def _failing_ticks(shop: Shop, begin: int, end: int) -> None:
    shop.fail_ticks(begin, end)


def _no_notifier(shop: Shop, begin: int, end: int) -> None:
    shop.line.drop(WAITING, begin, end)


def _wrong_key(shop: Shop, begin: int, end: int) -> None:
    for minute in range(begin, end, 5):
        for key in (REQUESTS, REFUSED):
            shop.line.drop(key, minute, minute + 5)
            shop.line.add(key, minute, 6)


def _scanner(shop: Shop, begin: int, end: int) -> None:
    """A third of the requests are refused, or all of a few."""
    for minute in range(begin, end, 15):
        shop.line.drop(REFUSED, minute, minute + 15)
        for key, number in ((REQUESTS, 60), (REFUSED, 20)) if minute % 2 else ((REQUESTS, 9), (REFUSED, 9)):
            shop.line.add(key, minute, number)


def _throttled(shop: Shop, begin: int, end: int) -> None:
    for minute in range(begin, end):
        for key, number in ((REQUESTS, 40), (THROTTLES, 10), (SERVER_ERRORS, 10)):
            shop.line.add(key, minute, number)


def _crashes(shop: Shop, begin: int, end: int) -> None:
    for minute in range(begin, end):
        for key in (REQUESTS, RECEIVER_ERRORS, SERVER_ERRORS):
            shop.line.add(key, minute, 1)


def _slow(shop: Shop, begin: int, end: int) -> None:
    shop.every(DURATION, begin, end, 9_300)


def _condition(number: int) -> Spoil:
    def spoil(shop: Shop, begin: int, end: int) -> None:
        for tick in shop.ticks:
            if begin <= tick < end:
                shop.line.drop(CONDITIONS[number], tick, tick + 1)
                shop.line.add(CONDITIONS[number], tick, 1)

    return spoil


def _flickers(shop: Shop, begin: int, end: int) -> None:
    """A wave of payments fails and pays again: the condition holds at every other tick."""
    for tick in shop.ticks[::2]:
        if begin <= tick < end:
            shop.line.add(CONDITIONS[0], tick, 1)


def _spike_and_no_clock(shop: Shop, begin: int, end: int) -> None:
    _condition(0)(shop, begin, begin + 60)
    _no_ticks(shop, begin + 60, end)


def _table_throttles(shop: Shop, begin: int, end: int) -> None:
    shop.every(WRITES_THROTTLED, begin, end, 40)
    shop.every(WAITING, begin, end, 120, step=5)


LATE: Final = Opening(within=45, ends=190)
STORIES: Final = (
    Story("a healthy week", WEEK, _nothing),
    Story("a CRM is down for six hours", 360, _down, {"late": LATE}),
    Story("Slack is down for an hour", 60, _down, {"late": LATE}),
    Story("a CRM is down for twenty minutes", 20, _down),
    Story(
        "a CRM refuses its token",
        120,
        _refused_credentials,
        {"misconfigured": Opening(2, 75), "late": LATE},
    ),
    Story(
        "grants are refused the API for ten minutes",
        10,
        _refused_credentials,
        {"misconfigured": Opening(2, 75)},
    ),
    Story("SQS does not answer", 30, _queue_down, {"api-5xx": Opening(5, 30)}),
    Story(
        "DynamoDB is down",
        90,
        _table_down,
        {"late": LATE, "clock": Opening(75, 60), "fanout-late": Opening(30, 30)},
    ),
    Story("SNS is down", 90, _topic_down, {"fanout-late": Opening(30, 30)}),
    Story("Firehose does not answer", 90, _down, {"late": LATE}),
    Story("S3 refuses the journal", 180, _bucket_refuses, {"journal-late": Opening(50, 30)}),
    Story("one stuck message", 240, _one_stuck, {"dead-letters": Opening(2, 70)}),
    Story(
        "thirty messages are given up in an hour",
        300,
        _many_letters,
        {"dead-letters": Opening(5, 70), "dead-letters-growing": Opening(60, -60)},
    ),
    Story("three dead letters stay for two days", 2 * DAY, _letters_stay, {"dead-letters": Opening(2, None)}),
    Story("one message is unclaimed for a day", DAY, _one_unclaimed, {"unclaimed": Opening(20, 70)}),
    Story("the clock is dead", 360, _no_ticks, {"clock": Opening(75, 75), "late": Opening(75, 75)}),
    Story("the clock's ticks fail", 120, _failing_ticks, {"clock": Opening(75, 60)}),
    Story("the notifier is dead", 180, _no_notifier, {"late": Opening(75, 75)}),
    Story("all callers are refused", 120, _wrong_key, {"refused": Opening(15, 45)}),
    Story("some callers are refused", 240, _scanner),
    Story(
        "the receiver is throttled",
        20,
        _throttled,
        {"receiver-throttled": Opening(2, 30), "api-5xx": Opening(2, 30)},
    ),
    Story(
        "the receiver crashes", 30, _crashes, {"receiver-errors": Opening(2, 30), "api-5xx": Opening(5, 30)}
    ),
    Story("the receiver is slow", 60, _slow, {"receiver-slow": Opening(12, 30)}),
    Story("payments fail", 120, _condition(0), {"failure-spike": Opening(16, 46)}),
    Story("payments fail at every other tick", 180, _flickers, {"failure-spike": Opening(31, 46)}),
    Story("members leave", 60, _condition(1), {"cancel-spike": Opening(16, 376)}),
    Story("credits are changed by hand", 60, _condition(2), {"manual-credits": Opening(16, 46)}),
    Story("no webhook comes", 600, _condition(3), {"silence": Opening(16, 46)}),
    Story(
        "payments fail, and the clock dies",
        360,
        _spike_and_no_clock,
        {"failure-spike": Opening(16, 76), "clock": Opening(150, 75), "late": Opening(150, 75)},
    ),
    Story("the members table is throttled", 30, _table_throttles, {"table-throttled": Opening(12, 30)}),
)
