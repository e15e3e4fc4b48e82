"""What `relay dead-letters` and `relay unclaimed` share: the choice of letters, the stack's queues, and what is printed."""

from __future__ import annotations

import argparse
import getpass
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from relay_cli.errors import CliError, UsageError
from relay_cli.numbers import whole_number
from relay_cli.output import table
from relay_cli.resources import QueueDepth, queue_depths

if TYPE_CHECKING:
    from relay.adapters.aws.sqs import SqsInbox
    from relay.model.metrics import Metric, Outcome
    from relay.ports.messaging import Journal, MessageSender
    from relay.queues.batch import Message
    from relay.recovery.dead_letters import LetterResult
    from relay.recovery.letters import Letter, LetterFilter, LetterGroup

    from relay_cli.stack import Stack

HELD_FOR: Final = 600
"""Seconds for which a letter that a command has received is hidden from others, should the command be ended by force."""

Row = TypeVar("Row")

_MAX_NAME_LENGTH: Final = 80
_SHORTEST_ID: Final = 8
_IDS_NAMED: Final = 5


def add_filters(parser: argparse.ArgumentParser, *, with_source: bool = True) -> None:
    """Add the options that choose letters; each may be given several times."""
    group = parser.add_argument_group("which letters (default: all)")
    group.add_argument(
        "ids", nargs="*", metavar="ID", help="ids as `list` shows them, or their first 8 characters"
    )
    if with_source:
        group.add_argument("--source", action="append", metavar="QUEUE", help="the queue they came from")
    group.add_argument("--topic", action="append", metavar="TOPIC", help="the topic")
    group.add_argument("--reason", action="append", metavar="REASON", help="the reason, as `list` shows it")
    group.add_argument("--customer", action="append", metavar="CUSTOMER", help="the customer id")
    group.add_argument(
        "--since", metavar="TIME", help="received at this time or later: ISO 8601 (UTC), or 3h, 2d"
    )
    group.add_argument("--until", metavar="TIME", help="received before this time")
    group.add_argument("--limit", metavar="COUNT", type=whole_number(1), help="at most COUNT letters")


def filter_of(arguments: argparse.Namespace, now: datetime) -> LetterFilter:
    """Return the choice that the options make.

    Raises:
        UsageError: an id is too short, or a time is none.

    """
    from relay.recovery.letters import LetterFilter

    for one in arguments.ids:
        _require_length(one)
    return LetterFilter(
        ids=frozenset(arguments.ids),
        sources=frozenset(getattr(arguments, "source", None) or ()),
        topics=frozenset(arguments.topic or ()),
        reasons=frozenset(arguments.reason or ()),
        customers=frozenset(arguments.customer or ()),
        since=time_of(arguments.since, "--since", now),
        until=time_of(arguments.until, "--until", now),
    )


def check_choice(arguments: argparse.Namespace) -> None:
    """Check what the arguments choose, before anything else is needed: a stack, a region, credentials.

    Raises:
        UsageError: an id is too short, or a time is none.

    """
    if arguments.action == "show":
        _require_length(arguments.id)
    else:
        filter_of(arguments, now())


def by_id(letter_id: str) -> LetterFilter:
    """Return the choice of one letter by its id, or by the beginning of it.

    Raises:
        UsageError: the id is too short.

    """
    from relay.recovery.letters import LetterFilter

    _require_length(letter_id)
    return LetterFilter(ids=frozenset({letter_id}))


def _require_length(letter_id: str) -> None:
    if len(letter_id) < _SHORTEST_ID:
        raise UsageError(f"the id {letter_id} is too short", "give its first 8 characters at least")


def time_of(text: str | None, option: str, now: datetime) -> datetime | None:
    """Return the moment that an option names; None without one.

    Raises:
        UsageError: it is no time.

    """
    if not text:
        return None
    units = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
    try:
        if text[:-1].isdecimal() and text[-1] in units:
            return now - int(text[:-1]) * units[text[-1]]
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: {text} is no time", "write it as 2026-12-31, 2026-12-31T09:00, 3h or 2d"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


def operator() -> str:
    """Return the name under which the journal keeps what a person did: the login's."""
    return getpass.getuser()[:_MAX_NAME_LENGTH]


@dataclass
class WatchedInbox:
    """A queue that is read by hand, and how many of its messages other readers held when this command began."""

    inbox: SqsInbox
    depth: Callable[[], QueueDepth]
    _before: QueueDepth | None = None
    _seen: set[str] = field(default_factory=set)

    def receive(self) -> Sequence[Message]:
        """Return a few messages, hidden from other readers for a while; none when empty."""
        # Asked after the first reading, the queue would count what this command itself holds.
        self._before = self._before or self.depth()
        messages = self.inbox.receive()
        self._seen |= {message.id for message in messages}
        return messages

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages."""
        self.inbox.delete(messages)

    def release(self, receipts: Sequence[str]) -> None:
        """Show messages to other readers again."""
        self.inbox.release(receipts)

    def held_by_others(self) -> int:
        """Return how many messages were held by others, about.

        SQS counts approximately, and late: what it still counted as held and this command could read was held by none.
        """
        before = self._before
        return max(min(before.in_flight, before.total - len(self._seen)), 0) if before else 0


def inbox(stack: Stack, output: str, name: str) -> WatchedInbox:
    """Return the queue behind an output, read by hand."""
    from relay.adapters.aws.sqs import SqsInbox

    url = stack.output(output)
    return WatchedInbox(
        SqsInbox(url, name, stack.aws(), hidden_for=HELD_FOR), lambda: next(queue_depths(stack, [url]))
    )


def journal_of(stack: Stack) -> Journal:
    """Return the stack's journal."""
    from relay.adapters.aws.firehose import FirehoseJournal

    return FirehoseJournal(stack.output("JournalStream"), stack.aws())


def queue_named(stack: Stack, name: str) -> MessageSender | None:
    """Return one of the stack's queues by its name; None where the stack has none of that name."""
    from botocore.exceptions import ClientError
    from relay.adapters.aws.sqs import SqsOutgoing

    from relay_cli.aws_access import error_code

    try:
        url = stack.client("sqs").get_queue_url(QueueName=f"{stack.name}-{name}")["QueueUrl"]
    except ClientError as error:
        if error_code(error).endswith(("NonExistentQueue", "QueueDoesNotExist")):
            return None
        raise
    return SqsOutgoing(str(url), name, stack.aws())


def folders_queues(stack: Stack) -> dict[str, MessageSender]:
    """Return the topics' queues by folder, those that the stack has."""
    from relay.topics import FOLDERS

    found = {folder: queue_named(stack, folder) for folder in FOLDERS.values()}
    return {folder: queue for folder, queue in found.items() if queue is not None}


def erased_of(stack: Stack) -> Callable[[Collection[str]], AbstractSet[str]]:
    """Return what tells which of some customers are erased."""
    from relay.adapters.dynamodb.members import DynamoMembers
    from relay.recovery.erased import erased_customers

    shop = stack.parameters["ShopDomain"]
    members = DynamoMembers(stack.output("MembersTable"), shop, stack.aws())
    return lambda customers: erased_customers(members, shop, customers)


class QuietTelemetry:
    """Keeps no log: a command prints its result."""

    def outcome(self, outcome: Outcome, *, event_id: str | None, topic: str | None, **about: object) -> None:
        """Do nothing."""

    def measure(self, metric: Metric, value: float) -> None:
        """Do nothing."""


def pause(seconds: float) -> None:
    """Wait, so that letters do not go faster than asked."""
    time.sleep(seconds)


def of_one_id(letters: Sequence[Letter], wanted: str, held: str) -> Sequence[Letter]:
    """Return these letters, all of one id: two deliveries of one event have one. `held` says what others hold.

    Raises:
        CliError: there is none, or they have several ids.

    """
    if not letters:
        raise CliError(
            f"there is no letter {wanted} that can be read now" if held else f"there is no letter {wanted}",
            held or "`list` shows those that there are",
        )
    if len(ids := {letter.id for letter in letters}) > 1:
        raise CliError(
            f"the ids of {len(letters)} letters begin with {wanted}",
            f"give more characters of the id: {', '.join(sorted(ids)[:_IDS_NAMED])}",
        )
    return letters


def as_groups(groups: Sequence[LetterGroup], *, empty: str, thing: str, with_source: bool) -> str:
    """Return the groups as a table; the source only where letters have one."""
    columns: dict[str, Callable[[LetterGroup], object]] = {
        f"{thing}s": lambda one: one.count,
        "source": lambda one: one.source,
        "topic": lambda one: one.topic,
        "reason": lambda one: one.reason,
        "first (UTC)": lambda one: _minute(one.first),
        "last (UTC)": lambda one: _minute(one.last),
    }
    return _columns(columns, groups, () if with_source else ("source",), empty)


def as_rows(letters: Sequence[Letter], *, with_source: bool) -> str:
    """Return letters as a table; where they come from and how often they went back only where they can."""
    columns: dict[str, Callable[[Letter], object]] = {
        "id": lambda letter: letter.id[:12],
        "received (UTC)": lambda letter: _minute(letter.message.received_at),
        "source": lambda letter: letter.source or "unknown",
        "topic": lambda letter: letter.topic,
        "reason": lambda letter: letter.reason,
        "customer": lambda letter: letter.customer,
        "redrives": lambda letter: letter.header.redrives or None,
    }
    return _columns(columns, letters, () if with_source else ("source", "redrives"))


def _columns(
    columns: Mapping[str, Callable[[Row], object]],
    rows: Sequence[Row],
    without: Collection[str],
    empty: str = "",
) -> str:
    shown = {name: cell for name, cell in columns.items() if name not in without}
    return table(tuple(shown), [tuple(cell(row) for cell in shown.values()) for row in rows], empty=empty)


def group_rows(groups: Sequence[LetterGroup]) -> list[dict[str, Any]]:
    """Return the groups for `--json`."""
    return [
        {
            "source": one.source,
            "topic": one.topic,
            "reason": one.reason,
            "count": one.count,
            "first": one.first,
            "last": one.last,
        }
        for one in groups
    ]


def result_value(result: LetterResult) -> dict[str, Any]:
    """Return what a command did, for `--json`."""
    return {
        "done": result.done,
        "failed": result.failed,
        "skipped": dict(result.skipped),
        "groups": group_rows(result.groups),
    }


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
