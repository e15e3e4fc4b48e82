"""How members become Klaviyo's profiles: exact requests, identifiers, and what is read again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import httpx
import pytest
from relay.adapters.klaviyo import Klaviyo, KlaviyoOptions
from relay.adapters.klaviyo.mapping import PROPERTIES
from relay.errors import MisconfiguredError, TransientError
from relay.ports.crm import ContactRef, CrmOutcome
from relay.rules.crm_profile import CrmProfile

from tests.contract.crm.profiles import AT, key_of, wanted
from tests.contract.crm.tokens import FixedToken
from tests.unit.crm.scripted_klaviyo import EMAIL, MEMBER, ScriptedKlaviyo, known


def test_the_exact_import() -> None:
    """One query, then one call: the documented headers, path and JSON:API body; every field, null if unknown."""
    klaviyo = ScriptedKlaviyo()
    assert klaviyo.crm().upsert([wanted(tier_name="Gold", credit_balance=Decimal("24.99"))]) == {
        MEMBER: CrmOutcome(state="mirrored", id="01P", made=True)
    }
    query, request = klaviyo.asked
    assert (query.method, query.url.path) == ("GET", "/api/profiles")
    assert dict(query.url.params) == {
        "filter": f'any(email,["{EMAIL}"])',
        "fields[profile]": "email,external_id,properties",
        "page[size]": "100",
    }
    assert (request.method, request.url.path) == ("POST", "/api/profile-import")
    assert request.headers["authorization"] == "Klaviyo-API-Key pk_made_up"
    assert request.headers["revision"] == "2026-07-15"
    assert request.headers["content-type"] == "application/vnd.api+json"
    (data,) = klaviyo.sent()
    assert data.keys() == {"type", "attributes"}
    assert data["type"] == "profile"
    assert data["attributes"].keys() == {"email", "properties"}
    assert data["attributes"]["email"] == EMAIL
    properties = data["attributes"]["properties"]
    assert properties.keys() == set(PROPERTIES.values())
    assert (properties["Membership Tier"], properties["Membership Credit Balance"]) == ("Gold", 24.99)
    assert properties["Membership Pending Cancel At"] is None
    assert b'"Membership Credit Balance":24.99' in request.content


@pytest.mark.parametrize("revision", ["", "latest", "2023-02-22", "2026-7-15", "2026-07-15.pre"])
def test_an_unknown_revision(revision: str) -> None:
    """A revision that the adapter was not written for is a setting to correct."""
    with pytest.raises(MisconfiguredError) as caught:
        Klaviyo("https://k.example", FixedToken("pk_made_up"), KlaviyoOptions(revision=revision))
    assert caught.value.setting == "KlaviyoRevision"


def test_our_key_as_external_id() -> None:
    """By opt-in our key is the profile's external id; it never replaces one that is not ours."""
    options = KlaviyoOptions(external_id=True)
    free, ours = (
        ScriptedKlaviyo(known=[known(None)]),
        ScriptedKlaviyo(known=[known(MEMBER, external_id=MEMBER)]),
    )
    theirs = ScriptedKlaviyo(known=[known(None, external_id="shopify-1")])
    for klaviyo, written in ((ScriptedKlaviyo(), True), (free, True), (ours, True), (theirs, False)):
        assert klaviyo.crm(options).upsert([wanted()])[MEMBER].state == "mirrored"
        assert ("external_id" in klaviyo.sent()[0]["attributes"]) is written


@pytest.mark.parametrize(("status", "code"), [(409, "duplicate_profile"), (404, "not_found")])
def test_identifiers_in_conflict(status: int, code: str) -> None:
    """A member that is refused for its identifiers is sent once more by its address alone, with a reason."""
    body = {"errors": [{"id": "1", "code": code, "title": "t", "detail": EMAIL}]}
    klaviyo = ScriptedKlaviyo(("/api/profile-import", status, body))
    outcome = klaviyo.crm(KlaviyoOptions(external_id=True)).upsert([wanted()])[MEMBER]
    assert outcome == CrmOutcome(state="mirrored", id="01P", reason="identity_conflict", made=True)
    first, second = klaviyo.sent()
    assert first["attributes"]["external_id"] == MEMBER
    assert "external_id" not in second["attributes"]
    again = ScriptedKlaviyo(*[("/api/profile-import", status, body)] * 2)
    assert again.crm().upsert([wanted()])[MEMBER] == CrmOutcome(state="waiting", reason="identity_conflict")


def test_two_members_with_one_address() -> None:
    """Of two members with one address in the same call, the second does not take the first one's profile."""
    klaviyo = ScriptedKlaviyo()
    first, second = wanted(1, email="a@example.com"), wanted(2, email="A@example.com")
    outcomes = klaviyo.crm().upsert([first, second])
    assert [outcomes[each.key].reason for each in (first, second)] == ["", "email_held_by_member"]
    assert len(klaviyo.sent()) == 1


def test_an_address_that_spoils_the_query() -> None:
    """If Klaviyo refuses to search for one address, that member is refused and all others are written."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and "odd" in request.url.params["filter"]:
            return httpx.Response(400, json={"errors": [{"code": "invalid", "detail": "odd"}]})
        return usual(request)

    usual = ScriptedKlaviyo()
    crm = Klaviyo("https://k.example", FixedToken("pk_made_up"), transport=httpx.MockTransport(answer))
    members = [wanted(n, email="odd" if n == 3 else f"{n}@example.com") for n in range(7)]
    outcomes = dict(crm.upsert(members))
    assert outcomes.pop(key_of(3)) == CrmOutcome(state="refused", reason="invalid")
    assert {outcome.state for outcome in outcomes.values()} == {"mirrored"}


@pytest.mark.parametrize(
    "body", [None, [], {}, {"data": None}, {"data": {"id": "01P"}}, {"data": known(None)}]
)
def test_an_unreadable_success_names_no_member(body: object) -> None:
    """A success without the member's key is none: the member waits."""
    outcome = ScriptedKlaviyo(("/api/profile-import", 200, body)).crm().upsert([wanted()])[MEMBER]
    assert (outcome.state, outcome.reason) == ("waiting", "silent_2xx")


@pytest.mark.parametrize("body", [None, [], {}, {"data": None}])
def test_an_unreadable_query_writes_nothing(body: object) -> None:
    """Without a list of profiles no member is written: every one would pass for new."""
    klaviyo = ScriptedKlaviyo(("/api/profiles", 200, body))
    assert klaviyo.crm().upsert([wanted()])[MEMBER].state == "retry"
    assert not klaviyo.sent()


@pytest.mark.parametrize(
    ("status", "error"), [(403, MisconfiguredError), (500, TransientError), (429, TransientError)]
)
def test_reading_and_checking_raise(status: int, error: type[Exception]) -> None:
    """Reading and checking raise an error without a key or an address."""
    calls: list[Callable[[Klaviyo], object]] = [
        lambda crm: crm.check(),
        lambda crm: crm.read([ContactRef(key=MEMBER, email=EMAIL)]),
    ]
    for call in calls:
        crm = ScriptedKlaviyo(("/api/profiles", status, {"errors": [{"code": "no", "detail": EMAIL}]})).crm()
        with pytest.raises(error) as caught:
            call(crm)
        assert EMAIL not in str(caught.value)
        assert "pk_" not in str(caught.value)


def test_what_was_written_is_what_is_read() -> None:
    """`expected_fields` says before a write what `read` finds after it, digit for digit."""
    profile: CrmProfile = wanted(
        tier_name="Gold",
        credit_balance=Decimal("24.90"),
        next_payment_on=date(2026, 12, 5),
        joined_at=AT,
        failed_attempts=1,
        revenue=Decimal("123456789.01"),
    )
    klaviyo = ScriptedKlaviyo()
    crm = klaviyo.crm()
    crm.upsert([profile])
    written = klaviyo.sent()[0]
    klaviyo.known = [{**written, "id": "01P"}]
    assert crm.read([ContactRef(key=MEMBER, id="01P")]) == {MEMBER: crm.expected_fields(profile)}
    klaviyo.known = [known("other.myshopify.com:1")]
    assert crm.read([ContactRef(key=MEMBER, id="01P")]) == {}


def test_klaviyo_needs_no_definitions() -> None:
    """Klaviyo knows a property from its first use on."""
    klaviyo = ScriptedKlaviyo()
    assert klaviyo.crm().ensure_schema(dry_run=True) == ()
    assert not klaviyo.asked
