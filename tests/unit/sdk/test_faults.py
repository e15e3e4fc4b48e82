"""Every fault of the network, a gateway or the platform: applied at most once, never a false success."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from inveterate import (
    AmbiguousWriteError,
    BenefitType,
    ConnectionFailedError,
    CustomerId,
    InveterateError,
    MemoryIntents,
    RateLimitError,
    StatusError,
    SubscriptionId,
    TierId,
)

from tests.support.sdk.grant_calls import hourly
from tests.support.sdk_fault_server.calls import (
    Call,
    Use,
    call_async,
    call_sync,
    early,
    limits,
    reset,
    serving,
)
from tests.support.sdk_fault_server.faults import EARLY, FAULTS, Fault
from tests.support.sdk_fault_server.platform import MEMBER, TIER, Platform, Readings
from tests.support.sdk_fault_server.server import FaultServer, Reply, Request

CUSTOMER, BENEFIT = CustomerId(MEMBER), BenefitType("REFERRALS")

READS: dict[str, Use] = {
    "members.get": lambda client: client.members.get(CUSTOMER),
    "members.list": lambda client: client.members.list(),
    "members.credits.list": lambda client: client.members.credits.list(CUSTOMER),
    "webhook_subscriptions.list": lambda client: client.webhook_subscriptions.list(),
    "storefront.members.get": lambda client: client.storefront.members.get(CUSTOMER),
    "storefront.tiers.get": lambda client: client.storefront.tiers.get(CUSTOMER),
}
WRITES: dict[str, Use] = {
    "members.credits.add": lambda client: client.members.credits.add(CUSTOMER, 5),
    "members.change_tier": lambda client: client.members.change_tier(CUSTOMER, TierId(TIER)),
    "members.update": lambda client: client.members.update(CUSTOMER, notes="n"),
    "members.create": lambda client: client.members.create(
        CUSTOMER, TierId(TIER), credits=1, birthday=date(1988, 4, 1)
    ),
    "benefits.update": lambda client: client.benefits.update(BENEFIT, {"name": "n"}),
    "storefront.members.redeem": lambda client: client.storefront.members.redeem(CUSTOMER),
    "storefront.members.cancel": lambda client: client.storefront.members.cancel(CUSTOMER),
    "webhook_subscriptions.delete": lambda client: client.webhook_subscriptions.delete(
        SubscriptionId("0"), "customer.updated"
    ),
}
ASYNC = ("members.get", "members.credits.list", "members.credits.add", "storefront.members.redeem")
"""The operations that are tested on the asyncio client as well: the steps of the others are the same."""


def uses(operations: dict[str, Use]) -> pytest.MarkDecorator:
    """Parametrise a test by operation and client."""
    return pytest.mark.parametrize(
        ("name", "call"),
        [
            pytest.param(name, call, id=f"{name}-{call.__name__.removeprefix('call_')}")
            for name in operations
            for call in ((call_sync, call_async) if name in ASYNC else (call_sync,))
        ],
    )


both = pytest.mark.parametrize("call", [call_sync, call_async], ids=["sync", "async"])
every_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """A platform behind real sockets."""
    with serving() as running:
        yield running


def failing(server: FaultServer, fault: Fault, method: str, **switches: Any) -> Platform:
    """Put a platform behind the server that fails requests of this kind, and none of the key checks."""
    platform = reset(server, Platform(Readings(**switches)))

    def fail(platform: Platform, request: Request) -> Reply | None:
        reads = request.method == "GET"
        if reads is (method == "GET") and not request.path.endswith("/merchant"):
            return fault(platform, request)
        return None

    platform.fault = fail
    if fault in EARLY and method != "GET":
        server.before = early(fault.answer)
    return platform


@pytest.mark.parametrize("fault", [one for one in FAULTS if not one.applies], ids=lambda fault: fault.name)
@uses(READS)
def test_a_read_fails_or_is_right(server: FaultServer, fault: Fault, name: str, call: Call) -> None:
    """A fault of a read is a typed error; no reply has another member's data."""
    failing(server, fault, "GET")
    outcome = call(server, READS[name], **limits(fault))
    names_a_member = name not in {"members.list", "webhook_subscriptions.list"}
    if names_a_member or not fault.name.startswith("stranger"):
        assert isinstance(outcome, InveterateError)
    assert not names_a_member or "stranger" not in repr(outcome)


@every_fault
@uses(WRITES)
def test_a_write_is_sent_once_and_a_success_is_true(
    server: FaultServer, fault: Fault, name: str, call: Call
) -> None:
    """At most once; no fault is a success; a definite failure was not applied. A 429 is undocumented."""
    platform = failing(server, fault, "WRITE")
    outcome = call(server, WRITES[name], **limits(fault))
    sent = [request for request in server.requests if request.method != "GET"]
    assert len(platform.applied) <= 1
    assert len(sent) <= 1
    if not isinstance(outcome, InveterateError):
        # Two faults are documented successes: a deletion's 204, and unrelated data for a write without a member.
        assert name.startswith(("webhook_subscriptions", "benefits"))
        assert fault.name.startswith("stranger") or (name.endswith("delete") and fault.name.startswith("204"))
    elif isinstance(outcome, RateLimitError):
        assert fault.name.startswith("429")
    elif isinstance(outcome, AmbiguousWriteError):
        assert not fault.definite
    else:
        assert isinstance(outcome, StatusError | ConnectionFailedError)
        assert not platform.applied


GRANT_SWITCHES: list[dict[str, Any]] = [
    {},
    {"note": "hidden"},
    {"note": "nested"},
    {"cursor": "other_name", "cap": 10},
    {"cursor": "absent", "cap": 10},
    {"cursor": "nested", "cap": 10},
    {"shows_after": 2},
]


@every_fault
@pytest.mark.parametrize("switches", GRANT_SWITCHES, ids=str)
def test_credits_are_granted_at_most_once(
    server: FaultServer, fault: Fault, switches: dict[str, Any]
) -> None:
    """Four calls with one key, each an hour later: never twice, and `granted` only if it is."""
    platform = failing(server, fault, "WRITE", **switches)
    for number in range(12):  # more than a page of the readings with a cap
        platform.add_old_entry(f"#grant-{number:020x}")
    intents = MemoryIntents(clock=hourly())
    for number in range(4):
        outcome = (call_async if number == 1 else call_sync)(
            server,
            lambda client: client.members.credits.grant(CUSTOMER, 5, key="k", looks=(0.0, 0.0, 0.0)),
            intents=intents,
            **limits(fault),
        )
        assert platform.credits_of() <= 5
        if not isinstance(outcome, InveterateError) and outcome.status != "unknown":
            assert platform.credits_of() == 5
        if isinstance(outcome, InveterateError):
            assert isinstance(outcome, StatusError | ConnectionFailedError)
        if number == 2:
            platform.fault, server.before = (lambda _platform, _request: None), (lambda _: None)


@both
@every_fault
def test_a_ledger_that_fails_never_leads_to_a_second_grant(
    server: FaultServer, fault: Fault, call: Call
) -> None:
    """The reply to the grant is lost, and then the ledger cannot be read: the outcome stays unknown."""
    platform = failing(server, fault, "GET")
    lost = platform.fault

    def fail(platform: Platform, request: Request) -> Reply | None:
        if request.method == "POST":
            platform.answer(request)
            return Reply(wire="reset")
        return lost(platform, request)

    platform.fault = fail
    intents = MemoryIntents(clock=hourly())
    for _ in range(2):
        outcome = call(
            server,
            lambda client: client.members.credits.grant(CUSTOMER, 5, key="k", looks=(0.0,)),
            intents=intents,
            **limits(fault),
        )
        assert outcome.status == "unknown"
    assert platform.credits_of() == 5
