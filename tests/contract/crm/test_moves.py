"""A step that destroys comes last: whichever call is refused or is the last one before a crash, one contact holds the member.

Each scenario is a member that moves to an address that another contact of the CRM has. Every write of the move is struck
once: refused by the CRM, or the last before the process ends, before or after it took effect. After each, some contact
holds all of the member's fields, and the sync state names every other that holds any. Then the fault is gone, and the
member ends on one contact alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest
from fakes.hubspot import FakeHubspot
from fakes.klaviyo import FakeKlaviyo
from fakes.salesforce import FakeSalesforce
from fakes.signed_webhook import FakeWebhookReceiver
from relay.adapters.hubspot import Hubspot
from relay.adapters.klaviyo import Klaviyo
from relay.adapters.salesforce import Salesforce, SalesforceOrg
from relay.adapters.webhook import Webhook
from relay.ports.crm import Crm

from tests.contract.crm.hubspot_setup import HubspotTestSetup
from tests.contract.crm.in_memory_sync import InMemorySync
from tests.contract.crm.klaviyo_setup import KlaviyoTestSetup
from tests.contract.crm.profiles import AT, key_of
from tests.contract.crm.salesforce_setup import CREDENTIALS, OBJECT, SalesforceTestSetup, define_fields
from tests.contract.crm.setups import CrmTestSetup
from tests.contract.crm.tokens import FixedToken
from tests.contract.crm.webhook_setup import SECRET, WebhookTestSetup
from tests.support.crm_fakes import KilledError
from tests.support.virtual_crm import InProcessTransport
from tests.support.virtual_time import VirtualClock

KEY: Final = key_of(7001)
OURS: Final = {"key", "tier_name", "status", "shopify_customer_id"}
URL: Final = "https://crm.example"


@dataclass
class StruckTransport(httpx.BaseTransport):
    """Counts the writes, and strikes the one with the number `at`.

    "refused" is a lasting refusal, "busy" a 503; "lost" takes effect without an answer; "before" and "after" are a crash.
    "always" is a lasting refusal of every write.
    """

    inner: httpx.BaseTransport
    refuse: Callable[[httpx.Request], httpx.Response]
    at: int = 0
    how: str = ""
    writes: list[str] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on, unless it is struck."""
        reads = request.method == "GET" or request.url.path.endswith(("/batch/read", "/token"))
        if reads:
            return self.inner.handle_request(request)
        self.writes.append(request.url.path)
        struck = len(self.writes) == self.at
        if struck and self.how == "before":
            raise KilledError
        if (struck and self.how == "refused") or self.how == "always":
            return self.refuse(request)
        if struck and self.how == "busy":
            return httpx.Response(503, request=request)
        response = self.inner.handle_request(request)
        if struck and self.how == "after":
            raise KilledError
        if struck and self.how == "lost":
            raise httpx.ReadTimeout("no answer", request=request)
        return response

    def strike(self, at: int, how: str) -> None:
        """Strike the write with this number from now on."""
        self.writes.clear()
        self.at, self.how = at, how


def _hubspot(transport: Callable[[Any, Any], StruckTransport]) -> tuple[CrmTestSetup, StruckTransport]:
    fake = FakeHubspot()
    body = {"category": "VALIDATION_ERROR", "correlationId": "x", "errors": [{"code": "LIMIT_OF_TOMORROW"}]}
    struck = transport(fake.app(), lambda _: httpx.Response(400, json=body))
    crm = Hubspot(URL, FixedToken(), transport=struck)
    crm.ensure_schema()
    return HubspotTestSetup(fake, crm), struck


def _klaviyo(transport: Callable[[Any, Any], StruckTransport]) -> tuple[CrmTestSetup, StruckTransport]:
    fake = FakeKlaviyo()
    struck = transport(
        fake.app(), lambda _: httpx.Response(400, json={"errors": [{"code": "limit_of_tomorrow"}]})
    )
    return KlaviyoTestSetup(fake, Klaviyo(URL, FixedToken("pk_x"), transport=struck)), struck


def _salesforce(transport: Callable[[Any, Any], StruckTransport]) -> tuple[CrmTestSetup, StruckTransport]:
    fake = FakeSalesforce()
    define_fields(fake)
    body = [{"errorCode": "LIMIT_OF_TOMORROW", "message": "no", "fields": []}]
    struck = transport(fake.app(), lambda _: httpx.Response(400, json=body))
    crm = Salesforce(SalesforceOrg(URL, OBJECT), FixedToken(CREDENTIALS), struck)
    return SalesforceTestSetup(fake, crm), struck


def _webhook(transport: Callable[[Any, Any], StruckTransport]) -> tuple[CrmTestSetup, StruckTransport]:
    fake = FakeWebhookReceiver((SECRET,))
    struck = transport(fake.app(), lambda _: httpx.Response(400))
    crm = Webhook(f"{URL}/hook", FixedToken(SECRET), struck)
    return WebhookTestSetup(fake, crm), struck


PROVIDERS: Final = {
    "hubspot": _hubspot,
    "klaviyo": _klaviyo,
    "salesforce": _salesforce,
    "webhook": _webhook,
}


@dataclass
class Move:
    """A member at an old address, a contact of the merchant's at the new one, and a transport to strike."""

    setup: CrmTestSetup
    transport: StruckTransport
    sync: InMemorySync

    @property
    def crm(self) -> Crm:
        """The adapter."""
        return self.setup.crm

    def homes(self) -> list[Any]:
        """Return the contacts that hold all of the member's fields."""
        return [
            contact
            for contact in self.setup.contacts()
            if contact.get("tier_name") == "Gold" and contact.get("shopify_customer_id") == "7001"
        ]

    def others_are_named(self) -> bool:
        """Return whether the sync state names every contact that holds any field, as its home or a previous one."""
        state = self.sync.sync_state(7001)
        named = {state.id, *state.previous_contacts}
        addresses = {state.email, *state.possible_emails, *state.previous_contacts}
        return all(
            id_ in named or contact.get("email") in addresses
            for id_, contact in self._by_id()
            if OURS & contact.keys() and contact.get("shopify_customer_id") in {None, "7001"}
        )

    def _by_id(self) -> Iterator[tuple[str, Any]]:
        fake: Any = getattr(self.setup, "fake")  # noqa: B009 - not part of what every setup has
        contacts = self.setup.contacts()
        match self.crm.name:
            case "hubspot":
                yield from zip(fake.portal.contacts, contacts, strict=True)
            case "klaviyo":
                yield from zip(fake.account.profiles, contacts, strict=True)
            case "salesforce":
                yield from zip(fake.org.records, contacts, strict=True)


@pytest.fixture(params=PROVIDERS)
def move(request: pytest.FixtureRequest) -> Iterator[Move]:
    """Return a member whose address is about to change to one that another contact has."""
    clock = VirtualClock()

    def transport(app: Any, refuse: Any) -> StruckTransport:
        return StruckTransport(InProcessTransport(app, clock), refuse)

    setup, struck = PROVIDERS[request.param](transport)
    sync = InMemorySync(setup.crm)
    assert sync.write(7001, email="old@example.com", tier_name="Gold").state == "mirrored"
    if setup.crm.name != "webhook":
        setup.seed(email="new@example.com", merchants_note="met at the fair")
    sync.update(7001, email="new@example.com", tier_name="Gold")
    yield Move(setup, struck, sync)
    struck.inner.close()


@pytest.mark.parametrize("how", ["refused", "before", "after"])
@pytest.mark.parametrize("at", range(1, 6))
def test_every_call_of_a_move(move: Move, at: int, how: str) -> None:
    """Whichever write is struck, the member has a home, the others are named, and all ends on one contact."""
    move.transport.strike(at, how)
    try:
        move.sync.send(7001)
    except KilledError:
        assert how != "refused"
    assert move.homes(), f"no contact holds the member after {move.transport.writes}"
    assert move.others_are_named(), move.sync.sync_state(7001)
    move.transport.strike(0, "")
    move.sync.clock.forward(200)
    for _ in range(2):
        move.sync.send(7001)
        move.sync.clock.forward(200)
    [home] = move.homes()
    assert (home["key"], home["email"]) == (KEY, "new@example.com")
    assert [contact for contact in move.setup.contacts() if OURS & contact.keys()] == [home]
    state = move.sync.sync_state(7001)
    assert (state.state, state.previous_contacts) == ("mirrored", frozenset())


def test_two_strikes_in_a_row(move: Move) -> None:
    """A second crash at the next call of the second attempt changes nothing of that."""
    for at in range(1, 5):
        move.transport.strike(at, "after")
        try:
            move.sync.send(7001)
        except KilledError:
            assert move.homes()
        move.sync.clock.forward(200)
    move.transport.strike(0, "")
    move.sync.send(7001)
    [home] = move.homes()
    assert (home["key"], home["email"]) == (KEY, "new@example.com")


@pytest.mark.parametrize("together", [True, False])
def test_two_members_that_swap_addresses(move: Move, together: bool) -> None:  # noqa: FBT001 - a table's column
    """Each ends with its new address, whether one call has both or the second comes after the first."""
    move.sync.update(7001, email="a@example.com", tier_name="Gold")
    move.sync.send(7001)
    move.sync.write(7002, email="b@example.com", tier_name="Silver")
    move.sync.update(7001, email="b@example.com", tier_name="Gold")
    move.sync.update(7002, email="a@example.com", tier_name="Silver")
    if not together:
        move.sync.send(7001)
        move.sync.send(7002)
        assert move.homes()
    move.sync.send(7001, 7002)
    shown = {key: move.setup.shown(key) for key in (KEY, key_of(7002))}
    assert {key: (fields or {}).get("email") for key, fields in shown.items()} == {
        KEY: "b@example.com",
        key_of(7002): "a@example.com",
    }
    assert len(move.homes()) == 1


def test_two_members_of_one_address(move: Move) -> None:
    """The second member gets the same answer in one call with the first as after it."""
    answers = []
    for first, second in (((7003, 7004), ()), ((7005,), (7006,))):
        for customer in (*first, *second):
            move.sync.update(customer, email=f"twin-{first[0]}@example.com")
        outcomes = move.sync.send(*first)
        if second:
            outcomes |= move.sync.send(*second)
        answers.append([(o.state, o.reason) for o in outcomes.values()])  # type: ignore[union-attr]  # no error
    assert answers[0] == answers[1]


def test_an_address_of_a_member_that_has_ended(move: Move) -> None:
    """A contact under the key of a member that has ended, or has no address any more, locks no member out."""
    move.sync.write(7007, email="shared@example.com", tier_name="Old")
    move.sync.update(7007, email="shared@example.com", tier_name="Old", cancelled_at=AT + timedelta(days=1))
    move.sync.send(7007)
    move.sync.update(7008, email="shared@example.com", tier_name="New")
    outcome = move.sync.send(7008)[key_of(7008)]
    assert getattr(outcome, "state", None) == "mirrored"
    shown = move.setup.shown(key_of(7008))
    assert shown is not None
    assert shown["tier_name"] == "New"
