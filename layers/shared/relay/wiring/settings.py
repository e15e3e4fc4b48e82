"""The settings of each kind of function: parsed once, typed, and every problem named at the same time.

The receiver's are in `receiver_settings.py`, those of the CRMs in `crms.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from relay.topics import FOLDERS, queue_variable
from relay.wiring.environment import Settings, SettingsReader

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_LONGEST_SQS_DELAY: Final = 900
_LONGEST_KEPT: Final = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings(Settings):
    """The least that a function needs to defer its messages while other settings are wrong."""

    source_url: str
    source_name: str
    shop: str

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        url = reader.url("SOURCE_URL")
        return cls(
            source_url=url,
            source_name=reader.optional("SOURCE_NAME") or url.rpartition("/")[2],
            shop=reader.optional("SHOP_DOMAIN") or "unknown",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings(Settings):
    """What every function fed by a queue needs. `source_name` is for people; dead letters carry it.

    `tries_table` counts the tries of suspects; without it they are not counted, and only the queue's own policy ends
    a message that ends the function.
    """

    shop: str
    source_url: str
    source_name: str
    dead_letters_url: str
    members_table: str
    tries_table: str

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        return cls(
            shop=reader.text("SHOP_DOMAIN"),
            source_url=reader.url("SOURCE_URL"),
            source_name=reader.text("SOURCE_NAME"),
            dead_letters_url=reader.url("DEAD_LETTERS_URL"),
            members_table=reader.text("MEMBERS_TABLE"),
            tries_table=reader.optional("TRIES_TABLE"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSettings(Settings):
    """The settings of a topic's function. `topic_queues` are the URLs of the topics' queues by folder, as far as it knows them.

    `asks_api` is true where an API key can confirm what a webhook claims.
    """

    queue: QueueSettings
    journal_stream: str
    topic_queues: Mapping[str, str]
    asks_api: bool

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        urls = {
            folder: reader.url(name)
            for folder in FOLDERS.values()
            if reader.optional(name := queue_variable(folder))
        }
        return cls(
            queue=QueueSettings.read(reader),
            journal_stream=reader.text("JOURNAL_STREAM"),
            topic_queues=urls,
            asks_api=bool(reader.optional("ASKS_API")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings(Settings):
    """Where Inveterate's API is, and the name of the secret with its key."""

    url: str
    secret: str

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        return cls(url=reader.url("INVETERATE_URL"), secret=reader.text("INVETERATE_SECRET"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSettings(Settings):
    """The queues of `reconcile` and `grants`, empty where no API is configured, and the seconds a request waits there."""

    rechecks_url: str
    grants_url: str
    delay: int

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        rechecks, grants = (
            reader.url(name) if reader.optional(name) else "" for name in ("RECHECKS_URL", "GRANTS_URL")
        )
        return cls(
            rechecks_url=rechecks,
            grants_url=grants,
            delay=recheck_delay(reader) if rechecks or grants else 0,
        )


def recheck_delay(reader: SettingsReader) -> int:
    """Return how many seconds a request waits in its queue."""
    return reader.integer("RECHECK_DELAY", at_most=_LONGEST_SQS_DELAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileSettings(Settings):
    """The settings of `reconcile`. `callback_url` is the callback's address without its key, `key_digests` the keys' hashes."""

    queue: QueueSettings
    api: ApiSettings
    mirrors_table: str
    journal_stream: str
    recheck_delay: int
    alerts_url: str
    callback_url: str
    key_digests: frozenset[str]

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        reader.text("KEY_DIGESTS")
        return cls(
            queue=QueueSettings.read(reader),
            api=ApiSettings.read(reader),
            mirrors_table=reader.text("MIRRORS_TABLE"),
            journal_stream=reader.text("JOURNAL_STREAM"),
            recheck_delay=recheck_delay(reader),
            alerts_url=reader.url("ALERTS_URL"),
            callback_url=reader.url("CALLBACK_URL"),
            key_digests=frozenset(digest.lower() for digest in reader.words("KEY_DIGESTS", ",")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantSettings(Settings):
    """The settings of `grants`."""

    queue: QueueSettings
    api: ApiSettings
    grants_table: str
    journal_stream: str

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        return cls(
            queue=QueueSettings.read(reader),
            api=ApiSettings.read(reader),
            grants_table=reader.text("GRANTS_TABLE"),
            journal_stream=reader.text("JOURNAL_STREAM"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FanoutSettings(Settings):
    """The settings of `fanout`. `dead_letters_url` may be empty: a message that can never be sent then stops its shard."""

    shop: str
    changes_topic: str
    alerts_url: str
    dead_letters_url: str
    kpis_table: str
    requests: RequestSettings

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        return cls(
            shop=reader.text("SHOP_DOMAIN"),
            changes_topic=reader.text("CHANGES_TOPIC"),
            alerts_url=reader.url("ALERTS_URL"),
            dead_letters_url=reader.url("DEAD_LETTERS_URL") if reader.optional("DEAD_LETTERS_URL") else "",
            kpis_table=reader.text("KPIS_TABLE"),
            requests=RequestSettings.read(reader),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSettings(Settings):
    """The settings of `clock`. `topic_queues` are URLs by folder, `crm_queues` those of the targets that there are.

    `rechecks_url` is the queue of `reconcile`, empty where no API is configured.
    """

    shop: str
    zone: ZoneInfo
    members_table: str
    mirrors_table: str
    kpis_table: str
    changes_topic: str
    alerts_url: str
    unclaimed_url: str
    dead_letters_url: str
    journal_stream: str
    journal_bucket: str
    journal_days: int
    topic_queues: Mapping[str, str]
    crm_queues: tuple[str, ...]
    rechecks_url: str

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        return cls(
            shop=reader.text("SHOP_DOMAIN"),
            zone=reader.zone("TIME_ZONE"),
            members_table=reader.text("MEMBERS_TABLE"),
            mirrors_table=reader.text("MIRRORS_TABLE"),
            kpis_table=reader.text("KPIS_TABLE"),
            changes_topic=reader.text("CHANGES_TOPIC"),
            alerts_url=reader.url("ALERTS_URL"),
            unclaimed_url=reader.url("UNCLAIMED_URL"),
            dead_letters_url=reader.url("DEAD_LETTERS_URL"),
            journal_stream=reader.text("JOURNAL_STREAM"),
            journal_bucket=reader.text("JOURNAL_BUCKET"),
            journal_days=reader.integer("JOURNAL_DAYS", at_most=_LONGEST_KEPT),
            topic_queues={folder: reader.url(queue_variable(folder)) for folder in FOLDERS.values()},
            crm_queues=reader.words("CRM_QUEUE_URLS"),
            rechecks_url=reader.url("RECHECKS_URL") if reader.optional("RECHECKS_URL") else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """An alert channel that has an API: its address and the name of its secret.

    `channel` is Slack's own, and so is `stack`: what buttons name, empty where no clicks are taken. `runbook` is PagerDuty's:
    the page to which its incidents link.
    """

    url: str
    secret: str
    channel: str = ""
    stack: str = ""
    runbook: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierSettings(Settings):
    """The settings of `notifier`; a channel that is not configured is None."""

    queue: QueueSettings
    zone: ZoneInfo
    incidents_table: str
    email_topic: str
    slack: ChannelSettings | None
    pagerduty: ChannelSettings | None
    kpis_table: str = ""

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        slack, pagerduty = reader.optional("SLACK_SECRET"), reader.optional("PAGERDUTY_SECRET")
        return cls(
            queue=QueueSettings.read(reader),
            zone=reader.zone("TIME_ZONE"),
            incidents_table=reader.text("INCIDENTS_TABLE"),
            email_topic=reader.text("EMAIL_TOPIC"),
            slack=ChannelSettings(
                url=reader.url("SLACK_URL"),
                secret=slack,
                channel=reader.optional("SLACK_CHANNEL"),
                stack=reader.optional("STACK_NAME") if reader.optional("SLACK_SIGNING_SECRET") else "",
            )
            if slack
            else None,
            pagerduty=ChannelSettings(
                url=reader.url("PAGERDUTY_URL"), secret=pagerduty, runbook=reader.optional("RUNBOOK_URL")
            )
            if pagerduty
            else None,
            kpis_table=reader.optional("KPIS_TABLE"),
        )
