"""Several functions at once, each with its own client, over sockets: one request per key, none above the ceiling."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

import httpx
import pytest
from relay.adapters.aws.ssm import Secret
from relay.adapters.dynamodb.grants import DynamoGrantStore
from relay.adapters.inveterate_api import InveterateApi
from relay.grants.granter import Granter
from relay.model.messages import GrantRequest, dump
from relay.queues.batch import Message
from relay.wiring.functions import GrantServices
from relay.wiring.services import service

from tests.functional.grants.conftest import (
    SECRET,
    SHOP,
    Deployed,
    Deploying,
    FaultyNetwork,
    connecting,
    lost_answer,
)
from tests.support.grant_fakes import grant_store
from tests.support.port_fakes import FakeContext, FakeJournal, FakeMembers, FakeTelemetry


def function(
    deployed: Deployed, store: DynamoGrantStore, members: FakeMembers
) -> tuple[Granter, FaultyNetwork]:
    """Return one instance of the function: its own client and network, the table that all share."""
    network = FaultyNetwork(then=deployed.network.then)
    api = InveterateApi(service(GrantServices).settings.api.url, Secret(SECRET))
    api.secret.value()
    api.connect, api.looks = connecting(network), (0.0, 0.3)
    return (
        Granter(
            shop=SHOP,
            members=members,
            grants=store,
            api=api,
            journal=FakeJournal(),
            clock=deployed.clock,
            telemetry=FakeTelemetry(),
        ),
        network,
    )


def at_once(
    deployed: Deployed, grants: Sequence[GrantRequest], *, repeats: int = 1
) -> tuple[list[Exception | None], int]:
    """Let as many functions work on the grants at once; return their answers and how many requests were made."""
    keys = [grant.member for grant in grants]
    records, rules = deployed.members.load(keys)
    members = FakeMembers(records=dict(records), rules=rules)
    store = grant_store("grants", deployed.clock)
    functions = [function(deployed, store, members) for _ in grants]
    barrier = threading.Barrier(len(grants))
    answers: list[Exception | None] = []

    def run(granter: Granter, grant: GrantRequest) -> None:
        barrier.wait()
        for _ in range(repeats):
            answers.extend(granter.work([message(grant, deployed.clock())], FakeContext(120_000)).values())

    threads = [
        threading.Thread(target=run, args=(granter, grant))
        for (granter, _), grant in zip(functions, grants, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for granter, network in functions:
        assert isinstance(granter.api, InveterateApi)
        granter.api.close()
        network.close()
    return answers, sum(network.posts for _, network in functions)


def message(grant: GrantRequest, at: datetime) -> Message:
    """Return a message as the batch hands it over."""
    return Message(
        id="m",
        body=dump(grant),
        receives=1,
        receipt="r",
        sent_at=at,
    )


@pytest.mark.parametrize("then", [None, lost_answer])
@pytest.mark.parametrize("notes", ["yes", "no"])
def test_eight_duplicates_at_once(
    deploy: Deploying,
    then: Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response] | None,
    notes: str,
) -> None:
    """One request and one entry, whether its answer comes or not, whether the ledger shows notes or not."""
    with deploy(ledger_notes=notes) as deployed:
        customer = deployed.cancelling_member()
        deployed.network.then = then
        answers, posts = at_once(deployed, [deployed.wanted(customer)] * 8, repeats=2)
        assert (posts, len(deployed.entries(customer))) == (1, 1)
        assert len(answers) == 16
        if then is None or notes == "yes":
            assert None in answers
        assert grant_store("grants").claimed(f"{deployed.clock():%Y-%m}") == Decimal(10)


def test_eight_members_at_once_under_a_ceiling_for_five(deploy: Deploying) -> None:
    """Five are given, three wait; the months' sum is what the ledgers hold."""
    with deploy() as deployed:
        customers = [deployed.cancelling_member() for _ in range(8)]
        answers, posts = at_once(deployed, [deployed.wanted(customer) for customer in customers])
        assert posts == 5
        assert answers.count(None) == 5
        assert sorted(len(deployed.entries(customer)) for customer in customers) == [0] * 3 + [1] * 5
        assert grant_store("grants").claimed(f"{deployed.clock():%Y-%m}") == Decimal(50)
