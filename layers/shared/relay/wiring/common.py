"""What most functions share: the settings, the time, the log, the members, and where messages go."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from relay.errors import MisconfiguredError

if TYPE_CHECKING:
    from relay.adapters.aws.firehose import FirehoseJournal
    from relay.adapters.aws.sns import SnsOutgoing
    from relay.adapters.aws.sqs import SqsOutgoing
    from relay.adapters.aws.telemetry import PowertoolsTelemetry
    from relay.adapters.dynamodb.members import DynamoMembers


def setting(name: str) -> str:
    """Return an environment variable that must be there.

    Raises:
        MisconfiguredError: when it is missing or empty.

    """
    value = os.environ.get(name, "")
    if not value:
        raise MisconfiguredError(f"the setting {name} is missing", setting=name)
    return value


def now() -> datetime:
    """Return the wall clock's time."""
    return datetime.now(UTC)


@cache
def telemetry() -> PowertoolsTelemetry:
    """Return the log and the metrics."""
    from relay.adapters.aws.telemetry import PowertoolsTelemetry

    return PowertoolsTelemetry()


@cache
def members() -> DynamoMembers:
    """Return the members table."""
    from relay.adapters.dynamodb.members import DynamoMembers

    return DynamoMembers(setting("MEMBERS_TABLE"), setting("SHOP_DOMAIN"))


@cache
def journal() -> FirehoseJournal:
    """Return the journal."""
    from relay.adapters.aws.firehose import FirehoseJournal

    return FirehoseJournal(setting("JOURNAL_STREAM"))


@cache
def dead_letters() -> SqsOutgoing:
    """Return the queue of what was given up."""
    from relay.adapters.aws.sqs import SqsOutgoing

    return SqsOutgoing(setting("DEAD_LETTERS_URL"), "dead letters")


@cache
def changes() -> SnsOutgoing:
    """Return the topic on which every target hears which member changed."""
    from relay.adapters.aws.sns import SnsOutgoing

    return SnsOutgoing(setting("CHANGES_TOPIC"), "changes")


@cache
def alerts() -> SqsOutgoing:
    """Return the notifier's queue."""
    from relay.adapters.aws.sqs import SqsOutgoing

    return SqsOutgoing(setting("ALERTS_URL"), "alerts")
