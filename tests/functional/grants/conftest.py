"""The function `grants` in its surroundings: the simulator behind a real socket, and AWS in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from inveterate import Client as ApiClient
from inveterate import Retries
from inveterate.webhooks import model_for
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb import keys
from relay.adapters.dynamodb.members import DynamoMembers
from relay.adapters.http import ssl_context
from relay.model.effects import GrantCredits
from relay.model.member import member_key, merge
from relay.model.messages import EventEffects, GrantRequest, Outbox, dump
from relay.ports.members import MemberRecord
from relay.rules.settings import Retention, Rules, TierSetting
from relay.wiring.functions import GrantServices
from relay.wiring.services import keep

from functions.fanout import app as fanout
from functions.grants import app
from tests.functional.sim.sim_server import KEY, FakeReceiver, SimClient, running_simulator
from tests.support.grant_fakes import Clock
from tests.support.lambda_env import function_env, queues, sent_at, sqs_record
from tests.support.moto_tables import make_table
from tests.support.port_fakes import FakeContext, FakeJournal
from tests.support.topic_functions import TOPIC_RULES
from tests.unit.sim.sim_worlds import GOLD, WALL

SHOP = "relay-demo.myshopify.com"
SECRET = "/relay/inveterate"
RULE = "retention.credits"


@dataclass
class FaultyNetwork(httpx.HTTPTransport):
    """A network that treats requests for credits as `then` says; everything else goes through."""

    then: Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response] | None = None
    posts: int = 0

    def __post_init__(self) -> None:
        super().__init__(verify=ssl_context())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass it on, or call `then`."""

        def go() -> httpx.Response:
            return httpx.HTTPTransport.handle_request(self, request)

        if request.method != "POST":
            return go()
        self.posts += 1
        return self.then(request, go) if self.then else go()


def lost_answer(_request: httpx.Request, go: Callable[[], httpx.Response]) -> httpx.Response:
    """Deliver it, and lose the answer."""
    go().close()
    raise httpx.ReadError("cut")


def lost_request(_request: httpx.Request, _go: Callable[[], httpx.Response]) -> httpx.Response:
    """Lose it on the way, which looks the same."""
    raise httpx.ReadError("cut")


@dataclass
class Deployed:
    """The function's surroundings."""

    sim: SimClient
    receiver: FakeReceiver
    queue: str
    dead: str
    journal: FakeJournal
    clock: Clock
    network: FaultyNetwork

    @property
    def members(self) -> DynamoMembers:
        """Return the members table."""
        return DynamoMembers("members", SHOP)

    def cancelling_member(self) -> str:
        """Let a member join and ask to cancel; both events are merged, and ten minutes pass."""
        customer: str = self.sim.act("join", tier_id=GOLD)["customer_id"]
        self.sim.act("cancel", customer_id=customer, policy="end_of_cycle")
        self.merge_events(customer)
        self.sim.act("advance", minutes=10)
        return customer

    def merge_events(self, customer: str) -> None:
        """Merge the simulator's events of a member."""
        self.sim.wait_until_idle()
        key = member_key(SHOP, customer)
        record = self.members.load([key])[0][key]
        member = record.member
        for body in self.receiver.bodies:
            topic = body["metadata"]["topic"]
            event = model_for(topic).read(json.dumps(body), received_at=WALL)
            if event.customer_id == customer:
                member = merge(member, TOPIC_RULES[topic].facts(event))
        self.members.save(
            MemberRecord(member=member, version=record.version), Outbox(member=key, changed=True)
        )

    def wanted(self, customer: str, *, event_id: str = "a" * 32, amount: int = 10) -> GrantRequest:
        """Return what the rule asks for when a member's cancellation becomes pending."""
        key = member_key(SHOP, customer)
        member = self.members.load([key])[0][key].member
        register = member.registers["pending_cancel_at"]
        assert member.moment("pending_cancel_at")
        return GrantRequest(
            id=f"{event_id}.{RULE}",
            event_id=event_id,
            topic="customer.pending_cancellation",
            member=key,
            at=register.at,
            rule=RULE,
            key=key,
            amount=Decimal(amount),
        )

    def call(self, *grants: GrantRequest) -> dict[str, Any]:
        """Call the handler with a batch."""
        return app.handler(
            {
                "Records": [
                    sent_at(sqs_record(f"m{number}", dump(grant)), self.clock())
                    for number, grant in enumerate(grants)
                ]
            },
            FakeContext(120_000),
        )

    def fan_out(self, grant: GrantRequest) -> dict[str, Any]:
        """Let the members table's stream hand out a write whose rule asked for it."""
        event_effects = EventEffects(
            event_id=grant.event_id,
            topic=grant.topic,
            at=grant.at,
            effects=(GrantCredits(rule=grant.rule, key=grant.key, amount=grant.amount),),
        )
        outbox = dump(Outbox(member=grant.member, changed=False, events=(event_effects,)))
        image = {"o": {"S": outbox}}
        return fanout.handler(
            {"Records": [{"dynamodb": {"SequenceNumber": "1", "NewImage": image}}]}, FakeContext()
        )

    def entries(self, customer: str) -> list[tuple[float, str]]:
        """Return what our grants left in a member's ledger: amounts and notes."""
        self.sim.act("advance", minutes=1)
        ledger = self.sim.sim.world.members[customer].ledger
        return [
            (float(entry.amount), entry.note or "") for entry in ledger if "#grant-" in (entry.note or "")
        ]

    def said(self, caplog: pytest.LogCaptureFixture) -> list[str]:
        """Return the outcomes that were logged."""
        return [line.message for line in caplog.records if line.name == "grants"]


RULES_SET = Rules(
    retention=Retention(on=True, monthly_ceiling=Decimal(50)),
    tiers={GOLD: TierSetting(rank=2), "another": TierSetting(rank=1)},
)
"""With these everybody in Gold is high-value."""


def set_rules(rules: Rules) -> None:
    """Store the merchant's rules."""
    client("dynamodb").put_item(
        TableName="members",
        Item={"pk": {"S": keys.RULES}, "document": {"S": rules.model_dump_json()}},
    )


Deploying = Callable[..., Any]


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Deploying:
    """Return what deploys the function against a simulator with these switches."""

    @contextmanager
    def deploying(
        *, write_delay: float = 0.02, looks: Sequence[float] = (0.0, 0.1), **switches: str
    ) -> Iterator[Deployed]:
        queue, dead, topic = _resources()
        receiver, clock = FakeReceiver(), Clock(datetime.fromisoformat("2027-06-01T00:00:00+00:00"))
        with (
            running_simulator(receiver, switches=switches, write_delay=write_delay) as sim,
            function_env(monkeypatch, _settings(str(sim.http.base_url), queue, dead, topic)),
        ):
            services = GrantServices.from_env()
            journal, network = FakeJournal(), FaultyNetwork()
            services.clock, services.journal = clock, journal
            services.api.connect, services.api.looks = connecting(network), looks
            keep(services)
            sim.subscribe("customer.joined.paid_tier", "customer.pending_cancellation")
            try:
                yield Deployed(sim, receiver, queue, dead, journal, clock, network)
            finally:
                network.close()

    return deploying


def connecting(network: httpx.BaseTransport) -> Callable[..., ApiClient]:
    """Return what makes clients of one network, with little patience."""
    patience = Retries(max_attempts=2, base_delay=0.01)
    return lambda url, key, hook: ApiClient(
        key, base_url=url, transport=network, timeout=8, retries=patience, hooks=(hook,)
    )


def _resources() -> tuple[str, str, str]:
    make_table("members")
    make_table("grants")
    make_table("figures")
    set_rules(RULES_SET)
    client("ssm").put_parameter(Name=SECRET, Value=KEY, Type="SecureString")
    queue, dead = queues("grants", "dead")
    return queue, dead, client("sns").create_topic(Name="changes")["TopicArn"]


def _settings(url: str, queue: str, dead: str, topic: str) -> Mapping[str, str]:
    return {
        "POWERTOOLS_SERVICE_NAME": "grants",
        "SHOP_DOMAIN": SHOP,
        "SOURCE_URL": queue,
        "SOURCE_NAME": "grants",
        "DEAD_LETTERS_URL": dead,
        "MEMBERS_TABLE": "members",
        "GRANTS_TABLE": "grants",
        "JOURNAL_STREAM": "journal",
        "INVETERATE_URL": url,
        "INVETERATE_SECRET": SECRET,
        "CHANGES_TOPIC": topic,
        "KPIS_TABLE": "figures",
        "ALERTS_URL": dead,
        "GRANTS_URL": queue,
        "RECHECK_DELAY": "0",
    }


LATER = timedelta(seconds=601).total_seconds()
"""By then a request may be taken for lost."""
