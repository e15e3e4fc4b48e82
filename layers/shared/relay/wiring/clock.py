"""The services of `clock`."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Self

from relay.wiring.environment import stack_name
from relay.wiring.services import BaseServices, journal, kpi_store, queue_at, sns_topic
from relay.wiring.settings import ClockSettings

if TYPE_CHECKING:
    from relay.ingest.unclaimed import UnclaimedDrain
    from relay.recovery.dead_letters import LetterBox
    from relay.recovery.erasure_pass import ErasurePass
    from relay.scheduler.tick import Scheduler


class ClockServices(BaseServices):
    """The services of `clock`."""

    function = "clock"

    def __init__(self, settings: ClockSettings) -> None:
        super().__init__(settings.shop)
        self.settings = settings

    @classmethod
    def from_env(cls) -> Self:
        """Make them from the environment."""
        return cls(ClockSettings.from_env())

    @cached_property
    def scheduler(self) -> Scheduler:
        """Does what is due at a tick."""
        from relay.adapters.dynamodb.kpis import DynamoDailyRunStore
        from relay.adapters.dynamodb.members import DynamoMembers
        from relay.adapters.dynamodb.scans import DynamoMemberScan, DynamoSyncStatusScan
        from relay.scheduler.daily import DailyRunner
        from relay.scheduler.old_letters import OldLetters
        from relay.scheduler.tick import Scheduler

        settings = self.settings
        alerts, changes = queue_at(settings.alerts_url, "alerts"), sns_topic(settings.changes_topic)
        members = DynamoMembers(settings.members_table, self.shop)
        kpis = kpi_store(settings.kpis_table, self.shop, self.clock)
        daily = DailyRunner(
            shop=self.shop,
            zone=settings.zone,
            runs=DynamoDailyRunStore(settings.kpis_table, self.shop),
            members=members,
            measures=members,
            member_scan=DynamoMemberScan(settings.members_table, self.shop),
            sync_status_scan=DynamoSyncStatusScan(settings.mirrors_table),
            kpis=kpis,
            changes=changes,
            alerts=alerts,
            telemetry=self.telemetry,
            archive=OldLetters(shop=self.shop, box=self.letters, alerts=alerts, telemetry=self.telemetry),
            imported_at=self._imported_at,
        )
        return Scheduler(
            alerts=alerts,
            members=members,
            kpis=kpis,
            daily=daily,
            drain=self.drain,
            telemetry=self.telemetry,
            crm_queues=[queue_at(url, url.rpartition("/")[2]) for url in settings.crm_queues],
            reconcile=queue_at(settings.rechecks_url, "reconcile") if settings.rechecks_url else None,
            erasures=self._erasures,
        )

    def _imported_at(self) -> datetime | None:
        """Return when the latest import has ended; None without an API key, or without an import."""
        from relay.adapters.dynamodb.platform import DynamoFullRuns

        run = DynamoFullRuns(self.settings.mirrors_table).load() if self.settings.rechecks_url else None
        return run.imported_at if run else None

    def _erasures(self) -> ErasurePass:
        """Return the weekly pass over the journal. It loads botocore."""
        from relay.adapters.aws.s3 import S3Journal
        from relay.adapters.dynamodb.scans import DynamoMemberScan
        from relay.recovery.erasure_pass import ErasurePass

        settings = self.settings
        return ErasurePass(
            archive=S3Journal(settings.journal_bucket),
            member_scan=DynamoMemberScan(settings.members_table, self.shop),
            journal_days=settings.journal_days,
        )

    @cached_property
    def letters(self) -> LetterBox:
        """The dead letters, read by hand."""
        from relay.adapters.aws.sqs import SqsInbox
        from relay.adapters.dynamodb.members import DynamoMembers
        from relay.recovery.dead_letters import LetterBox
        from relay.recovery.erased import erased_customers

        members = DynamoMembers(self.settings.members_table, self.shop)
        return LetterBox(
            stack=stack_name(),
            shop=self.shop,
            queue=SqsInbox(self.settings.dead_letters_url, "dead letters"),
            journal=journal(self.settings.journal_stream),
            clock=self.clock,
            by="clock",
            erased=lambda customers: erased_customers(members, self.shop, customers),
        )

    @cached_property
    def drain(self) -> UnclaimedDrain:
        """Tries again to route what is in the queue `unclaimed`."""
        from relay.adapters.aws.sqs import SqsInbox
        from relay.ingest.unclaimed import UnclaimedDrain

        return UnclaimedDrain(
            shop=self.shop,
            unclaimed=SqsInbox(self.settings.unclaimed_url, "unclaimed"),
            topics={folder: queue_at(url, folder) for folder, url in self.settings.topic_queues.items()},
            dead_letters=queue_at(self.settings.dead_letters_url, "dead letters"),
            journal=journal(self.settings.journal_stream),
        )
