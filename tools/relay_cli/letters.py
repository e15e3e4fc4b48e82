"""What `relay dead-letters` and `relay unclaimed` share: the choice of letters, the stack's queues, and what is printed."""

from __future__ import annotations

import argparse
import getpass
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from relay_cli.errors import CliError, UsageError
from relay_cli.output import table

if TYPE_CHECKING:
    from relay.adapters.aws.sqs import SqsInbox
    from relay.ports.messaging import Journal, MessageSender
    from relay.recovery.letters import Letter, LetterFilter, LetterGroup

    from relay_cli.stack import Stack

HELD_FOR: Final = 600
"""Seconds for which a letter that a command has received is hidden from others, should the command be ended by force."""

_MAX_NAME_LENGTH: Final = 80


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
    group.add_argument("--limit", metavar="COUNT", type=_positive, help="at most COUNT letters")


def filter_of(arguments: argparse.Namespace, now: datetime) -> LetterFilter:
    """Return the choice that the options make.

    Raises:
        UsageError: an id is too short, or a time is none.

    """
    from relay.recovery.letters import LetterFilter

    shortest = 8
    for one in arguments.ids:
        if len(one) < shortest:
            raise UsageError(f"the id {one} is too short", "give its first 8 characters at least")
    return LetterFilter(
        ids=frozenset(arguments.ids),
        sources=frozenset(getattr(arguments, "source", None) or ()),
        topics=frozenset(arguments.topic or ()),
        reasons=frozenset(arguments.reason or ()),
        customers=frozenset(arguments.customer or ()),
        since=_time(arguments.since, "--since", now),
        until=_time(arguments.until, "--until", now),
    )


def _time(text: str | None, option: str, now: datetime) -> datetime | None:
    if not text:
        return None
    units = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
    if text[:-1].isdecimal() and text[-1] in units:
        return now - int(text[:-1]) * units[text[-1]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option}: {text} is no time", "write it as 2026-12-31, 2026-12-31T09:00, 3h or 2d"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


def operator() -> str:
    """Return the name under which the journal keeps what a person did: the login's."""
    return getpass.getuser()[:_MAX_NAME_LENGTH]


def inbox(stack: Stack, output: str, name: str) -> SqsInbox:
    """Return the queue behind an output, read by hand."""
    from relay.adapters.aws.sqs import SqsInbox

    return SqsInbox(stack.output(output), name, stack.aws(), hidden_for=HELD_FOR)


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


def pause(seconds: float) -> None:
    """Wait, so that letters do not go faster than asked."""
    time.sleep(seconds)


def the_one(letters: Sequence[Letter], wanted: str) -> Letter:
    """Return the only letter of these.

    Raises:
        CliError: there is none, or there are several.

    """
    if not letters:
        raise CliError(f"there is no letter {wanted}", "`list` shows those that there are")
    if len(letters) > 1:
        raise CliError(f"{len(letters)} letters begin with {wanted}", "give more characters of the id")
    return letters[0]


def as_groups(groups: Sequence[LetterGroup], *, empty: str) -> str:
    """Return the groups as a table."""
    rows = [
        (one.count, one.source, one.topic, one.reason, _minute(one.first), _minute(one.last))
        for one in groups
    ]
    return table(("letters", "source", "topic", "reason", "first (UTC)", "last (UTC)"), rows, empty=empty)


def as_rows(letters: Sequence[Letter]) -> str:
    """Return letters as a table."""
    rows = [
        (
            letter.id[:12],
            _minute(letter.message.received_at),
            letter.source or "unknown",
            letter.topic,
            letter.reason,
            letter.customer,
            letter.header.redrives or None,
        )
        for letter in letters
    ]
    return table(("id", "received (UTC)", "source", "topic", "reason", "customer", "redrives"), rows)


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


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
