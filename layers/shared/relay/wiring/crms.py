"""The supported CRMs: one class of settings for each, which makes its adapter, and one line in `CRMS`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from relay.model.metrics import CRM_LAG, CRM_NOT_TAKEN
from relay.wiring.environment import Settings, SettingsReader
from relay.wiring.services import QueueServices, recheck_queue
from relay.wiring.settings import QueueSettings, RequestSettings

if TYPE_CHECKING:
    from relay.adapters.aws.ssm import Secret
    from relay.adapters.dynamodb.crm_state import DynamoSyncStates
    from relay.adapters.dynamodb.rate_limit import RateLimitedTransport
    from relay.adapters.dynamodb.scans import DynamoSyncStateScan
    from relay.crm.audit import CrmAudit
    from relay.crm.circuit_breaker import CircuitBreaker
    from relay.crm.claimed_write import ClaimedWrite
    from relay.crm.sync import CrmSync, SyncCounts
    from relay.crm.waiting import WaitingMembers
    from relay.model.metrics import Outcome
    from relay.ports.crm import Crm, CrmOutcome, RateLimit
    from relay.queues.batch import Message, Results


class AdapterSettings(Protocol):
    """The settings that are a CRM's own."""

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        ...

    def crm(self, secret: Secret, transport_for: TransportFactory) -> Crm:
        """Return the adapter."""
        ...


class TransportFactory(Protocol):
    """Makes the transport that keeps a CRM's rate limits."""

    def __call__(self, limits: Sequence[RateLimit], /) -> RateLimitedTransport:
        """Return the transport."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HubspotSettings:
    """HubSpot's settings; `events` says whether it takes custom events."""

    url: str
    version: str
    events: bool

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        return cls(
            url=reader.url("HUBSPOT_URL"),
            version=reader.text("HUBSPOT_VERSION"),
            events=reader.switch("HUBSPOT_EVENTS"),
        )

    def crm(self, secret: Secret, transport_for: TransportFactory) -> Crm:
        """Return the adapter."""
        from relay.adapters.hubspot import Hubspot

        return Hubspot(self.url, secret, self.version, transport_for(Hubspot.rate_limits), events=self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class KlaviyoSettings:
    """Klaviyo's settings."""

    url: str
    revision: str
    external_id: bool
    compat: bool

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        return cls(
            url=reader.url("KLAVIYO_URL"),
            revision=reader.text("KLAVIYO_REVISION"),
            external_id=reader.switch("KLAVIYO_SET_EXTERNAL_ID"),
            compat=reader.switch("KLAVIYO_COMPAT_NAMES"),
        )

    def crm(self, secret: Secret, transport_for: TransportFactory) -> Crm:
        """Return the adapter."""
        from relay.adapters.klaviyo import Klaviyo, KlaviyoOptions

        options = KlaviyoOptions(revision=self.revision, external_id=self.external_id, compat=self.compat)
        return Klaviyo(self.url, secret, options, transport_for(Klaviyo.rate_limits))


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesforceSettings:
    """Salesforce's settings: the org's own address, the object that members are, and the API's version."""

    url: str
    sobject: str
    version: str
    allow_duplicates: bool

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        return cls(
            url=reader.url("SALESFORCE_URL"),
            sobject=reader.text("SALESFORCE_OBJECT"),
            version=reader.text("SALESFORCE_VERSION"),
            allow_duplicates=reader.switch("SALESFORCE_ALLOW_DUPLICATES"),
        )

    def crm(self, secret: Secret, transport_for: TransportFactory) -> Crm:
        """Return the adapter."""
        from relay.adapters.salesforce import Salesforce, SalesforceOrg

        org = SalesforceOrg(self.url, self.sobject, self.version, self.allow_duplicates)
        return Salesforce(org, secret, transport_for(Salesforce.rate_limits))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """The address of the merchant's own webhook."""

    url: str

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them."""
        return cls(url=reader.url("WEBHOOK_URL"))

    def crm(self, secret: Secret, transport_for: TransportFactory) -> Crm:
        """Return the adapter."""
        from relay.adapters.webhook import Webhook

        return Webhook(self.url, secret, transport_for(Webhook.rate_limits))


CREDENTIALS: Final = {
    "hubspot": "HubSpotSecret",
    "klaviyo": "KlaviyoSecret",
    "salesforce": "SalesforceSecret",
    "webhook": "WebhookSecret",
}
"""The parameter of the stack that names each CRM's secret."""

CRMS: Final[Mapping[str, type[AdapterSettings]]] = {
    "hubspot": HubspotSettings,
    "klaviyo": KlaviyoSettings,
    "salesforce": SalesforceSettings,
    "webhook": WebhookSettings,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmSettings(Settings):
    """The settings of `crm_sync`; `secret` is the name of the CRM's secret, `own` what only this CRM has."""

    queue: QueueSettings
    target: str
    mirrors_table: str
    secret: str
    requests: RequestSettings
    own: AdapterSettings | None
    zone: tzinfo = UTC

    @classmethod
    def read(cls, reader: SettingsReader) -> Self:
        """Read them; without a known target its own settings are not read."""
        kind = reader.choice("TARGET", CRMS)
        target = reader.optional("TARGET") if kind else ""
        return cls(
            queue=QueueSettings.read(reader),
            target=target,
            mirrors_table=reader.text("MIRRORS_TABLE"),
            secret=reader.text(f"{target.upper()}_SECRET") if kind else "",
            requests=RequestSettings.read(reader),
            own=kind.read(reader) if kind else None,
            # A function whose environment is older than its code knows no zone.
            zone=reader.zone("TIME_ZONE") if reader.optional("TIME_ZONE") else UTC,
        )


_NO_RESULT: Final = TimeoutError("not started")


class CrmServices(QueueServices):
    """What `crm_sync` needs for its target; the operator's commands about one CRM use the same parts."""

    function = "crm_sync"

    def __init__(self, settings: CrmSettings) -> None:
        super().__init__(settings.queue)
        self.settings = settings

    @classmethod
    def from_env(cls) -> Self:
        """Make them from the environment."""
        return cls(CrmSettings.from_env())

    @cached_property
    def worker(self) -> CrmSync:
        """Writes members to the CRM."""
        from relay.crm.audit import AUDIT_TOPIC
        from relay.crm.sync import CrmSync

        return CrmSync(
            shop=self.settings.queue.shop,
            crm=self.crm,
            members=self.members,
            sync_states=self.sync_states,
            clock=self.clock,
            credential=CREDENTIALS[self.settings.target],
            observe=self.observe,
            rechecks=recheck_queue(self.settings.requests),
            breaker=self.circuit_breaker,
            commands={AUDIT_TOPIC: self.audit.run},
            waiting=self.waiting,
            measure=self.measure,
            zone=self.settings.zone,
        )

    @cached_property
    def crm(self) -> Crm:
        """The target's adapter."""
        from relay.adapters.aws.ssm import Secret

        assert self.settings.own, "settings with an unknown target are refused"  # noqa: S101 - for the type checker
        return self.settings.own.crm(Secret(self.settings.secret), self._transport)

    @cached_property
    def sync_states(self) -> DynamoSyncStates:
        """What the target holds of each member."""
        from relay.adapters.dynamodb.crm_state import DynamoSyncStates

        return DynamoSyncStates(self.settings.mirrors_table, self.settings.target)

    @cached_property
    def sync_state_scan(self) -> DynamoSyncStateScan:
        """All of the target's sync states."""
        from relay.adapters.dynamodb.scans import DynamoSyncStateScan

        return DynamoSyncStateScan(self.settings.mirrors_table, self.settings.target)

    @cached_property
    def claimed_write(self) -> ClaimedWrite:
        """Writes members under a claim."""
        from relay.crm.claimed_write import ClaimedWrite

        return ClaimedWrite(
            crm=self.crm,
            members=self.members,
            sync_states=self.sync_states,
            clock=self.clock,
            observe=self.observe,
            zone=self.settings.zone,
        )

    @cached_property
    def audit(self) -> CrmAudit:
        """The target's audits."""
        from relay.crm.audit import CrmAudit

        return CrmAudit(writer=self.claimed_write, sync_state_scan=self.sync_state_scan, queue=self.own_queue)

    @cached_property
    def waiting(self) -> WaitingMembers:
        """The members that the CRM does not take, and that are tried again."""
        from relay.crm.waiting import WaitingMembers

        return WaitingMembers(crm=self.crm, scan=self.sync_state_scan, queue=self.own_queue, clock=self.clock)

    @cached_property
    def circuit_breaker(self) -> CircuitBreaker:
        """Keeps this function from calling a CRM that is down."""
        from relay.adapters.dynamodb.circuit import DynamoCircuits
        from relay.crm.circuit_breaker import CircuitBreaker

        return CircuitBreaker(
            circuits=DynamoCircuits(self.settings.mirrors_table, self.settings.target), clock=self.clock
        )

    def observe(self, key: str, outcome: CrmOutcome) -> None:
        """Log an outcome that a person may want to look at. The member goes by its key alone."""
        logged: Outcome
        match outcome.state:
            case "skipped" | "refused" | "waiting":
                logged = outcome.state
            case "mirrored" if outcome.reason == "identity_conflict":
                logged = "identity_conflict"
            case _:
                return
        self.telemetry.outcome(
            logged,
            event_id=None,
            topic=None,
            target=self.settings.target,
            member=key,
            reason=outcome.reason,
        )

    def observe_work(self, messages: Sequence[Message], results: Results) -> None:
        """Measure how old the oldest change is that the CRM has now."""
        applied = [message.received_at for message in messages if results.get(message.id, _NO_RESULT) is None]
        if applied:
            self.telemetry.measure(CRM_LAG, (self.clock() - min(applied)).total_seconds())

    def measure(self, counts: SyncCounts) -> None:
        """Record what the calls of an invocation did."""
        for number in range(counts.writes):
            self.telemetry.measure(CRM_NOT_TAKEN, int(number < counts.not_taken))
        if counts.notes_dropped:
            self.telemetry.outcome(
                "notes_dropped",
                event_id=None,
                topic=None,
                target=self.settings.target,
                notes=counts.notes_dropped,
            )

    def close(self) -> None:
        """End the connections to the CRM, if there are any."""
        adapter: Any = vars(self).get("crm")
        if adapter:
            adapter.close()

    def _transport(self, limits: Sequence[RateLimit], /) -> RateLimitedTransport:
        """Return a transport that keeps these rate limits together with all other environments."""
        from relay.adapters.dynamodb.rate_limit import DynamoRateLimits, rate_limited_transport
        from relay.crm.rate_limit import RateLimiter

        store = DynamoRateLimits(self.settings.mirrors_table, self.settings.target)
        return rate_limited_transport(RateLimiter(limits, store, self.clock, time.sleep))
