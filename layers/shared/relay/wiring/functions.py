"""The services of `reconcile`, `grants`, `notifier` and `fanout`: one class for each function."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Self

from relay.model.metrics import WAITING_AGE
from relay.wiring.environment import stack_name
from relay.wiring.services import (
    BaseServices,
    QueueServices,
    journal,
    kpi_store,
    queue_at,
    recheck_queue,
    sns_topic,
)
from relay.wiring.settings import (
    ApiSettings,
    FanoutSettings,
    GrantSettings,
    NotifierSettings,
    QueueSettings,
    ReconcileSettings,
)

if TYPE_CHECKING:
    from relay.adapters.dynamodb.kpis import DynamoKpiStore
    from relay.adapters.inveterate_api import InveterateApi
    from relay.alerts.notifier import Notifier
    from relay.grants.granter import Granter
    from relay.ports.alerts import AlertChannel, IncidentStore, Responder
    from relay.ports.grants import GrantStore
    from relay.ports.kpis import KpiStore
    from relay.ports.messaging import Journal, MessageSender
    from relay.queues.batch import Message, Results
    from relay.queues.requests import GrantQueue, RecheckQueue
    from relay.reconcile.full_run import FullRunner
    from relay.reconcile.reconciler import Reconciler
    from relay.reconcile.subscriptions import SubscriptionCheck
    from relay.reconcile.worker import ReconcileWorker


class ApiServices(QueueServices):
    """The services of a function that calls Inveterate's API and journals what it did."""

    def __init__(self, queue: QueueSettings, api: ApiSettings, journal_stream: str) -> None:
        super().__init__(queue)
        self._api = api
        self._journal_stream = journal_stream

    @cached_property
    def api(self) -> InveterateApi:
        """Inveterate's API."""
        from relay.adapters.aws.ssm import Secret
        from relay.adapters.inveterate_api import InveterateApi

        return InveterateApi(self._api.url, Secret(self._api.secret))

    @cached_property
    def journal(self) -> Journal:
        """The journal."""
        return journal(self._journal_stream)

    def close(self) -> None:
        """End the connections to the API."""
        if "api" in vars(self):
            self.api.close()


class ReconcileServices(ApiServices):
    """The services of `reconcile`."""

    function = "reconcile"

    def __init__(self, settings: ReconcileSettings) -> None:
        super().__init__(settings.queue, settings.api, settings.journal_stream)
        self.settings = settings

    @classmethod
    def from_env(cls) -> Self:
        """Make them from the environment."""
        return cls(ReconcileSettings.from_env())

    @cached_property
    def worker(self) -> ReconcileWorker:
        """Reads members from the API and repairs their records; looks at the subscriptions once a day."""
        from relay.adapters.aws.sqs import SqsSource
        from relay.reconcile.worker import ReconcileWorker

        return ReconcileWorker(
            rechecks=self.rechecks,
            full_run=self.full_run,
            check=self.check,
            waiting=SqsSource(self.queue.source_url, self.queue.source_name).waiting,
        )

    @cached_property
    def full_run(self) -> FullRunner:
        """Reads all members."""
        from relay.adapters.dynamodb.platform import DynamoFullRuns
        from relay.adapters.dynamodb.scans import DynamoMemberScan
        from relay.reconcile.full_run import FullRunner

        return FullRunner(
            shop=self.shop,
            members=self.members,
            member_scan=DynamoMemberScan(self.queue.members_table, self.shop),
            api=self.api,
            runs=DynamoFullRuns(self.settings.mirrors_table),
            journal=self.journal,
            clock=self.clock,
            telemetry=self.telemetry,
            steps=self.own_queue,
            alerts=queue_at(self.settings.alerts_url, "alerts"),
            pause=time.sleep,
        )

    @cached_property
    def check(self) -> SubscriptionCheck:
        """Compares the subscriptions that the platform holds with the stack's."""
        from relay.adapters.dynamodb.platform import DynamoSubscriptionStates
        from relay.reconcile.subscriptions import Callback, SubscriptionCheck

        return SubscriptionCheck(
            shop=self.shop,
            api=self.api,
            callback=Callback(
                name=f"relay {stack_name()}",
                base_url=self.settings.callback_url,
                key_digests=self.settings.key_digests,
            ),
            states=DynamoSubscriptionStates(self.settings.mirrors_table),
            alerts=queue_at(self.settings.alerts_url, "alerts"),
            telemetry=self.telemetry,
        )

    @cached_property
    def rechecks(self) -> Reconciler:
        """Reads single members."""
        from relay.adapters.dynamodb.throttle import DynamoReadThrottle
        from relay.queues.requests import RecheckQueue
        from relay.reconcile.reconciler import DELAYS, Reconciler

        return Reconciler(
            shop=self.shop,
            members=self.members,
            throttle=DynamoReadThrottle(self.settings.mirrors_table),
            api=self.api,
            journal=self.journal,
            clock=self.clock,
            telemetry=self.telemetry,
            every=timedelta(seconds=DELAYS * self.settings.recheck_delay),
            requests=RecheckQueue(self.own_queue, self.settings.recheck_delay),
            full_run_stands_in=self.full_run.stands_in,
        )


class GrantServices(ApiServices):
    """The services of `grants`."""

    function = "grants"

    def __init__(self, settings: GrantSettings) -> None:
        super().__init__(settings.queue, settings.api, settings.journal_stream)
        self.settings = settings

    @classmethod
    def from_env(cls) -> Self:
        """Make them from the environment."""
        return cls(GrantSettings.from_env())

    @cached_property
    def worker(self) -> Granter:
        """Grants credits."""
        from relay.grants.granter import Granter
        from relay.rules.segments import is_worth_credits

        return Granter(
            shop=self.shop,
            members=self.members,
            grants=self.grants,
            api=self.api,
            journal=self.journal,
            clock=self.clock,
            telemetry=self.telemetry,
            is_worth_it=is_worth_credits,
        )

    @cached_property
    def grants(self) -> GrantStore:
        """The grants table."""
        from relay.adapters.dynamodb.grants import DynamoGrantStore

        return DynamoGrantStore(self.settings.grants_table, self.clock)


class NotifierServices(QueueServices):
    """The services of `notifier`."""

    function = "notifier"

    def __init__(self, settings: NotifierSettings) -> None:
        super().__init__(settings.queue)
        self.settings = settings

    @classmethod
    def from_env(cls) -> Self:
        """Make them from the environment."""
        return cls(NotifierSettings.from_env())

    @cached_property
    def worker(self) -> Notifier:
        """Sends alerts; it remembers the rules as it last read them."""
        from relay.alerts.delivery import NotifierContext
        from relay.alerts.notifier import Notifier

        context = NotifierContext(
            shop=self.shop,
            incidents=self.incidents,
            members=self.members,
            channels=self.channels,
            clock=self.clock,
            telemetry=self.telemetry,
            zone=self.settings.zone,
            responder=self.responder,
            kpis=self.kpis,
        )
        return Notifier(context=context)

    def observe_work(self, messages: Sequence[Message], _results: Results) -> None:
        """Measure how long the oldest of these messages has waited.

        The clock sends a tick every 15 minutes, so a quarter of an hour without a value is a notifier that does not run.
        """
        oldest = min(message.waiting_since for message in messages)
        self.telemetry.measure(WAITING_AGE, max((self.clock() - oldest).total_seconds(), 0.0))

    @cached_property
    def kpis(self) -> KpiStore | None:
        """The programme's KPI events, for the figures of an alarm; None where no table is named."""
        table = self.settings.kpis_table
        return kpi_store(table, self.shop, self.clock) if table else None

    @cached_property
    def responder(self) -> Responder:
        """Answers people who click in Slack."""
        from relay.adapters.slack_response import SlackResponder

        return SlackResponder(self.settings.slack.url if self.settings.slack else "")

    @cached_property
    def incidents(self) -> IncidentStore:
        """The incidents table."""
        from relay.adapters.dynamodb.incidents import DynamoIncidents

        return DynamoIncidents(self.settings.incidents_table, self.clock)

    @cached_property
    def channels(self) -> tuple[AlertChannel, ...]:
        """The alert channels: e-mail always, Slack and PagerDuty where they are configured."""
        from relay.adapters.channels.email import EmailChannel

        channels: list[AlertChannel] = [EmailChannel(self.settings.email_topic)]
        if slack := self.settings.slack:
            from relay.adapters.aws.ssm import Secret
            from relay.adapters.channels.slack import SlackChannel

            channel = SlackChannel(
                Secret(slack.secret), api=slack.url, channel=slack.channel, stack=slack.stack
            )
            channels.append(channel)
        if pagerduty := self.settings.pagerduty:
            from relay.adapters.aws.ssm import Secret
            from relay.adapters.channels.pagerduty import PagerDutyChannel

            channels.append(
                PagerDutyChannel(
                    pagerduty.url, Secret(pagerduty.secret), self.shop, runbook=pagerduty.runbook
                )
            )
        return tuple(channels)


class FanoutServices(BaseServices):
    """The services of `fanout`."""

    function = "fanout"

    def __init__(self, settings: FanoutSettings) -> None:
        super().__init__(settings.shop)
        self.settings = settings

    @classmethod
    def from_env(cls) -> Self:
        """Make them from the environment."""
        return cls(FanoutSettings.from_env())

    @cached_property
    def changes(self) -> MessageSender:
        """The SNS topic on which every target's queue learns which member changed."""
        return sns_topic(self.settings.changes_topic)

    @cached_property
    def alerts(self) -> MessageSender:
        """The notifier's queue."""
        return queue_at(self.settings.alerts_url, "alerts")

    @cached_property
    def dead_letters(self) -> MessageSender | None:
        """The queue of what can never be sent; None where the settings name none."""
        url = self.settings.dead_letters_url
        return queue_at(url, "dead letters") if url else None

    @cached_property
    def kpis(self) -> DynamoKpiStore:
        """The programme's KPI events."""
        return kpi_store(self.settings.kpis_table, self.shop, self.clock)

    @cached_property
    def rechecks(self) -> RecheckQueue | None:
        """The queue of `reconcile`; None where no API is configured."""
        return recheck_queue(self.settings.requests)

    @cached_property
    def grants(self) -> GrantQueue | None:
        """The queue of `grants`; None where no API is configured."""
        from relay.queues.requests import GrantQueue

        requests = self.settings.requests
        return (
            GrantQueue(queue_at(requests.grants_url, "grants"), requests.delay)
            if requests.grants_url
            else None
        )
