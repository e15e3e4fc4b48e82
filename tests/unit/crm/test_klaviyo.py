"""Klaviyo's names, its requests to the letter, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import httpx
import pytest
from relay.adapters.klaviyo import Klaviyo, Options, exact
from relay.adapters.klaviyo.mapping import KEY, PROPERTIES, encode, properties_of
from relay.canonical import CANONICAL, Profile
from relay.changes import Change, Happening
from relay.effects import Note
from relay.errors import MisconfiguredError, TransientError
from relay.fields import Value
from relay.ports.crm import Home, Outcome

from tests.contract.crm.profiles import AT, key_of, wanted
from tests.contract.crm.tokens import FixedToken

MEMBER = key_of(7001)
EMAIL = "member-7001@example.com"


@pytest.mark.parametrize(
    ("value", "json_value"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (Decimal("24.90"), Decimal("24.90")),
        (date(2026, 2, 5), "2026-02-05"),
        (datetime(2026, 11, 22, 10, tzinfo=UTC), "2026-11-22T10:00:00.000Z"),
        (datetime(2026, 11, 22, 10, tzinfo=timezone(timedelta(hours=2))), "2026-11-22T08:00:00.000Z"),
        ("half \ud83e", "half ?"),
    ],
)
def test_notation(value: Value, json_value: object) -> None:
    """Numbers stay numbers, moments and days are ISO-8601, and what is unknown is null."""
    assert encode(value) == json_value


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (Decimal("24.99"), "24.99"),
        (Decimal("0.10"), "0.1"),
        (Decimal("1E+3"), "1000"),
        (Decimal("12345678901234567.89"), "12345678901234567.89"),
    ],
)
def test_amounts_are_exact_in_json(amount: Decimal, written: str) -> None:
    """An amount is a plain number with all of its cents, as sent and as read; no float comes in between."""
    assert exact.dumps({"a": [amount, "x"], "b": None, "ü": True}) == (
        f'{{"a":[{written},"x"],"b":null,"ü":true}}'.encode()
    )
    if "." in written:
        assert exact.loads(f'{{"a":{written}}}'.encode())["a"] == amount


def test_names_are_the_contract() -> None:
    """The names that differ from the rule are those agreed with merchants, and none is Inveterate's own."""
    assert PROPERTIES["key"] == "Membership Key"
    assert PROPERTIES["shopify_customer_id"] == "Membership Shopify ID"
    assert PROPERTIES["status"] == "Membership Status"
    assert PROPERTIES["payment_status"] == "Membership Payment Status"
    assert PROPERTIES["tier_id"] == "Membership Tier ID"
    assert PROPERTIES["tier_name"] == "Membership Tier"
    assert PROPERTIES["previous_tier_name"] == "Membership Previous Tier"
    assert PROPERTIES["joined_at"] == "Membership Joined At"
    assert PROPERTIES["next_payment_on"] == "Membership Next Payment"
    assert PROPERTIES["fee_amount"] == "Membership Fee"
    assert PROPERTIES["credit_balance"] == "Membership Credit Balance"
    assert PROPERTIES["credits_earned_total"] == "Membership Credits Earned"
    assert PROPERTIES["credits_expiring_amount"] == "Membership Credits Expiring"
    assert PROPERTIES["credits_expiring_at"] == "Membership Credits Expiring At"
    assert PROPERTIES["referrals_count"] == "Membership Referrals"
    assert PROPERTIES["last_credit_reason"] == "Membership Last Credit Reason"
    assert PROPERTIES["mirror_updated_at"] == "Membership Updated At"
    assert all(name.startswith("Membership ") for name in PROPERTIES.values())
    assert PROPERTIES.keys() == CANONICAL.keys() - {"email"}
    assert len(set(PROPERTIES.values())) == len(PROPERTIES)


def test_inveterates_names_are_written_where_the_merchant_says_so() -> None:
    """By default no property of Inveterate's own link is touched; by opt-in its five are written beside ours."""
    profile = wanted(joined_at=AT, credit_balance=Decimal(5), referrals_count=2, tier_name="Gold")
    assert not [name for name in properties_of(profile) if name.startswith("Inveterate")]
    told = properties_of(profile, compat=True)
    assert {name: value for name, value in told.items() if name.startswith("Inveterate")} == {
        "Inveterate: Credits": Decimal(5),
        "Inveterate: Date Joined": "2026-11-22",
        "Inveterate: Referrals Count": 2,
        "Inveterate: Subscription Status": "active",
        "Inveterate: Tier Name": "Gold",
    }
    assert properties_of(wanted(), compat=True)["Inveterate: Subscription Status"] is None
    ended = wanted(joined_at=AT, cancelled_at=AT)
    assert properties_of(ended, compat=True)["Inveterate: Subscription Status"] == "cancelled"


class Answering:
    """A Klaviyo that notes what it is asked, and answers as it is told; else as if it knew nobody and took all."""

    def __init__(
        self, *answers: tuple[str, int, Any], known: Sequence[dict[str, Any]] = (), headers: Any = None
    ) -> None:
        self.asked: list[httpx.Request] = []
        self.answers = list(answers)
        self.known = list(known)
        self.headers = headers or {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        self.asked.append(request)
        for number, (path, status, body) in enumerate(self.answers):
            if path == request.url.path:
                del self.answers[number]
                return httpx.Response(status, json=body, headers=self.headers)
        if request.method == "GET":
            return httpx.Response(200, json={"data": self.known, "links": {}})
        if request.url.path == "/api/events":
            return httpx.Response(202)
        return httpx.Response(201, json={"data": {**json.loads(request.content)["data"], "id": "01P"}})

    def crm(self, options: Options | None = None, key: FixedToken | None = None) -> Klaviyo:
        """Return an adapter at this Klaviyo."""
        return Klaviyo("https://k.example", key or FixedToken(), options, httpx.MockTransport(self))

    def sent(self, path: str = "/api/profile-import") -> list[dict[str, Any]]:
        """Return the resources that were sent to a path."""
        return [json.loads(request.content)["data"] for request in self.asked if request.url.path == path]


def known(key: str | None, email: str = EMAIL, id_: str = "01P", **attributes: object) -> dict[str, Any]:
    """Return a profile as Klaviyo shows it."""
    properties = {KEY: key} if key else {}
    return {
        "type": "profile",
        "id": id_,
        "attributes": {"email": email, "properties": properties, **attributes},
    }


def test_an_import_to_the_letter() -> None:
    """One look, then one call: the documented headers, path and JSON:API body; every field, null where unknown."""
    klaviyo = Answering()
    assert klaviyo.crm().upsert([wanted(tier_name="Gold", credit_balance=Decimal("24.99"))]) == {
        MEMBER: Outcome(state="mirrored", id="01P")
    }
    look, request = klaviyo.asked
    assert (look.method, look.url.path) == ("GET", "/api/profiles")
    assert dict(look.url.params) == {
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
    """What is no revision that this was written for is a setting to mend."""
    with pytest.raises(MisconfiguredError) as caught:
        Klaviyo("https://k.example", FixedToken(), Options(revision=revision))
    assert caught.value.setting == "KLAVIYO_REVISION"


def test_our_key_as_external_id() -> None:
    """By opt-in our key is the profile's external id; never in place of one that somebody else has set."""
    options = Options(external_id=True)
    free, ours = Answering(known=[known(None)]), Answering(known=[known(MEMBER, external_id=MEMBER)])
    theirs = Answering(known=[known(None, external_id="shopify-1")])
    for klaviyo, written in ((Answering(), True), (free, True), (ours, True), (theirs, False)):
        assert klaviyo.crm(options).upsert([wanted()])[MEMBER].state == "mirrored"
        assert ("external_id" in klaviyo.sent()[0]["attributes"]) is written


@pytest.mark.parametrize(("status", "code"), [(409, "duplicate_profile"), (404, "not_found")])
def test_identifiers_in_conflict(status: int, code: str) -> None:
    """What is refused for its identifiers is sent once more by its address alone, and says so."""
    body = {"errors": [{"id": "1", "code": code, "title": "t", "detail": EMAIL}]}
    klaviyo = Answering(("/api/profile-import", status, body))
    outcome = klaviyo.crm(Options(external_id=True)).upsert([wanted()])[MEMBER]
    assert outcome == Outcome(state="mirrored", id="01P", reason="identity_conflict")
    first, second = klaviyo.sent()
    assert first["attributes"]["external_id"] == MEMBER
    assert "external_id" not in second["attributes"]
    again = Answering(*[("/api/profile-import", status, body)] * 2)
    assert again.crm().upsert([wanted()])[MEMBER] == Outcome(state="refused", reason="identity_conflict")


def test_two_members_with_one_address() -> None:
    """Of two members who have one address in the same call, the second does not take the first one's profile."""
    klaviyo = Answering()
    first, second = wanted(1, email="a@example.com"), wanted(2, email="A@example.com")
    outcomes = klaviyo.crm().upsert([first, second])
    assert [outcomes[each.key].reason for each in (first, second)] == ["", "owned_by_other"]
    assert len(klaviyo.sent()) == 1


def test_an_address_that_spoils_the_question() -> None:
    """Where Klaviyo refuses to look for one address, that member is refused and all others are written."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and "odd" in request.url.params["filter"]:
            return httpx.Response(400, json={"errors": [{"code": "invalid", "detail": "odd"}]})
        return usual(request)

    usual = Answering()
    crm = Klaviyo("https://k.example", FixedToken(), transport=httpx.MockTransport(answer))
    members = [wanted(n, email="odd" if n == 3 else f"{n}@example.com") for n in range(7)]
    outcomes = dict(crm.upsert(members))
    assert outcomes.pop(key_of(3)) == Outcome(state="refused", reason="invalid")
    assert {outcome.state for outcome in outcomes.values()} == {"mirrored"}


def test_a_refused_key_is_read_anew() -> None:
    """After a 401 the key is forgotten: a rotation needs no deployment."""
    key = FixedToken()
    body = {"errors": [{"code": "authentication_failed", "detail": "pk_made_up"}]}
    crm = Answering(("/api/profiles", 401, body)).crm(key=key)
    assert crm.upsert([wanted()])[MEMBER] == Outcome(state="unauthorised", reason="authentication_failed")
    assert key.forgotten == 1


@pytest.mark.parametrize(
    ("error", "state"),
    [(MisconfiguredError("gone", setting="s"), "unauthorised"), (TransientError("down"), "retry")],
)
def test_a_key_that_cannot_be_read(error: Exception, state: str) -> None:
    """Without a key nothing is sent, and nothing is raised."""

    class NoKey(FixedToken):
        def value(self) -> str:
            raise error

    klaviyo = Answering()
    assert klaviyo.crm(key=NoKey()).upsert([wanted()])[MEMBER].state == state
    assert not klaviyo.asked


@pytest.mark.parametrize(
    ("error", "unanswered"),
    [
        (httpx.ConnectError("no"), False),
        (httpx.ConnectTimeout("no"), False),
        (httpx.ReadTimeout("no"), True),
        (httpx.RemoteProtocolError("no"), True),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_network(error: Exception, unanswered: bool, method: str) -> None:  # noqa: FBT001 - a table's column
    """A connection that was not made changed nothing, and no question did; a write that broke off may have."""
    usual = Answering()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == method:
            raise error
        return usual(request)

    crm = Klaviyo("https://k.example", FixedToken(), transport=httpx.MockTransport(answer))
    outcome = crm.upsert([wanted()])[MEMBER]
    assert (outcome.state, outcome.unanswered) == ("retry", unanswered and method == "POST")


def test_only_the_one_in_the_call_is_in_doubt() -> None:
    """Of a batch that broke off, those whose call was never made need not wait for it to take effect."""
    usual = Answering()

    def answer(request: httpx.Request) -> httpx.Response:
        if b"7002@" in request.content:
            raise httpx.ReadTimeout("no")
        return usual(request)

    crm = Klaviyo("https://k.example", FixedToken(), transport=httpx.MockTransport(answer))
    outcomes = crm.upsert([wanted(number) for number in (7001, 7002, 7003)])
    assert [(outcome.state, outcome.unanswered) for outcome in outcomes.values()] == [
        ("mirrored", False),
        ("retry", True),
        ("retry", False),
    ]


@pytest.mark.parametrize("path", ["/api/profiles", "/api/profile-import"])
@pytest.mark.parametrize("status", [302, 405, 415, 500, 503])
def test_what_says_nothing_of_a_member_is_for_later(path: str, status: int) -> None:
    """A status that has nothing to do with the member never refuses it."""
    assert Answering((path, status, None)).crm().upsert([wanted()])[MEMBER].state == "retry"


@pytest.mark.parametrize("path", ["/api/profiles", "/api/events"])
def test_a_path_that_the_revision_does_not_know(path: str) -> None:
    """A 404 for a path is everybody's matter and for later: nothing is refused for it."""
    crm = Answering((path, 404, {"errors": [{"code": "not_found"}]})).crm()
    outcomes = crm.upsert([wanted()]) if path == "/api/profiles" else crm.record([change()], homes())
    assert [outcome.state for outcome in outcomes.values()] == ["retry"]


@pytest.mark.parametrize("asked", ["soon", "-5", "nan", "inf", "9" * 30])
def test_an_insane_wait_is_not_obeyed(asked: str) -> None:
    """A `Retry-After` that is no sane number of seconds is left aside: after a minute both windows are over."""
    crm = Answering(("/api/profiles", 429, {}), headers={"Retry-After": asked}).crm()
    assert crm.upsert([wanted()])[MEMBER].retry_after == 60


def test_the_last_call_of_a_minute_is_the_last() -> None:
    """Where Klaviyo says that none is left in this minute, none is made: no 429 is asked for."""
    reply = {"data": known(key_of(1), "member-1@example.com")}
    klaviyo = Answering(
        ("/api/profile-import", 200, reply), headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "17"}
    )
    crm = klaviyo.crm()
    outcomes = crm.upsert([wanted(1), wanted(2)])
    assert outcomes[key_of(1)].state == "mirrored"
    late = outcomes[key_of(2)]
    assert (late.state, late.reason) == ("retry", "rate_limit_reached")
    assert 16 < (late.retry_after or 0) <= 17
    assert len(klaviyo.sent()) == 1


@pytest.mark.parametrize(
    "body", [None, [], {}, {"data": None}, {"data": {"id": "01P"}}, {"data": known(None)}]
)
def test_an_odd_success_is_none(body: object) -> None:
    """A success that does not show the member's key is none."""
    outcome = Answering(("/api/profile-import", 200, body)).crm().upsert([wanted()])[MEMBER]
    assert (outcome.state, outcome.reason) == ("refused", "silent_2xx")


@pytest.mark.parametrize("body", [None, [], {}, {"data": None}])
def test_an_odd_answer_to_who_is_there_writes_nothing(body: object) -> None:
    """Without an answer to who is there, nobody is written: everybody would pass for new."""
    klaviyo = Answering(("/api/profiles", 200, body))
    assert klaviyo.crm().upsert([wanted()])[MEMBER].state == "retry"
    assert not klaviyo.sent()


def test_no_sentence_of_klaviyos_is_repeated() -> None:
    """A reason is Klaviyo's code and the part of the request that it is about, never a sentence, which has values."""
    source = {"pointer": "/data/attributes/email"}
    errors = [{"code": "jane doe"}, {"code": "invalid", "detail": f"{EMAIL} is bad", "source": source}]
    crm = Answering(("/api/profile-import", 400, {"errors": errors})).crm()
    assert crm.upsert([wanted()])[MEMBER] == Outcome(state="refused", reason="invalid /data/attributes/email")
    errors = [{"code": EMAIL, "source": {"pointer": f"/data/{EMAIL}"}}]
    crm = Answering(("/api/profile-import", 400, {"errors": errors})).crm()
    assert crm.upsert([wanted()])[MEMBER] == Outcome(state="refused", reason="http_400")


def change(*notes: Note, quiet: bool = False) -> Change:
    """Return a change with these notes, or with one."""
    effects = notes or (Note(rule="joined", name="Membership Joined"),)
    return Change(
        member=MEMBER, happenings=(Happening(event_id="e1", topic="t", at=AT, effects=effects),), quiet=quiet
    )


def homes() -> dict[str, Home]:
    """Return where the member is."""
    return {MEMBER: Home(key=MEMBER, id="01P", email=EMAIL)}


def test_an_event_to_the_letter() -> None:
    """An event has its own id, the event's time, the contract's properties, its value, and the profile by address."""
    klaviyo = Answering()
    note = Note(
        rule="changed",
        name="Store Credit Changed",
        properties={"amount": Decimal("-5.50"), "amount_minor": -550, "currency": "USD", "tier_name": "Gold"},
    )
    assert klaviyo.crm().record([change(note)], homes()) == {"e1.changed": Outcome(state="mirrored")}
    assert klaviyo.sent("/api/events") == [
        {
            "type": "event",
            "attributes": {
                "unique_id": "e1.changed",
                "time": "2026-11-22T10:00:00Z",
                "backfill": False,
                "value": -5.5,
                "value_currency": "USD",
                "properties": {
                    "membership_key": MEMBER,
                    "tier_id": None,
                    "tier_name": "Gold",
                    "status": None,
                    "amount": -5.5,
                    "amount_minor": -550,
                    "currency": "USD",
                    "occurred_at": "2026-11-22T10:00:00.000Z",
                    "inveterate_event_id": "e1",
                    "delta": None,
                    "reason": None,
                },
                "metric": {"data": {"type": "metric", "attributes": {"name": "Store Credit Changed"}}},
                "profile": {"data": {"type": "profile", "attributes": {"email": EMAIL}}},
            },
        }
    ]


@pytest.mark.parametrize(
    ("told", "sent"), [("usd", {"value_currency": "USD"}), ("points", {}), ("", {}), (None, {})]
)
def test_a_currency_that_is_none(told: str | None, sent: dict[str, str]) -> None:
    """A value goes without a currency rather than with one for which Klaviyo would refuse the event."""
    klaviyo = Answering()
    properties: dict[str, Any] = {"amount": Decimal(5)} | ({} if told is None else {"currency": told})
    klaviyo.crm().record(
        [change(Note(rule="r", name="Store Credit Changed", properties=properties))], homes()
    )
    (event,) = klaviyo.sent("/api/events")
    attributes = event["attributes"]
    assert {name: attributes[name] for name in attributes if name == "value_currency"} == sent
    assert attributes["value"] == 5


def test_a_note_without_an_address() -> None:
    """A note about a member whose profile is not known is skipped: its event would make a profile of its own."""
    klaviyo = Answering()
    outcome = Outcome(state="skipped", reason="no_email")
    assert klaviyo.crm().record([change()], {}) == {"e1.joined": outcome}
    assert not klaviyo.asked


def test_notes_after_a_closed_door() -> None:
    """After a call that got nowhere none is made; a note that Klaviyo will not have keeps no other out."""
    notes = [Note(rule=rule, name="Membership Joined") for rule in ("a", "b", "c")]
    klaviyo = Answering(("/api/events", 400, {"errors": [{"code": "invalid"}]}), ("/api/events", 502, None))
    outcomes = klaviyo.crm().record([change(*notes)], homes())
    assert [(outcome.state, outcome.unanswered) for outcome in outcomes.values()] == [
        ("refused", False),
        ("retry", True),
        ("retry", False),
    ]
    assert len(klaviyo.sent("/api/events")) == 2


@pytest.mark.parametrize(
    ("status", "error"), [(403, MisconfiguredError), (500, TransientError), (429, TransientError)]
)
def test_reading_and_checking_raise(status: int, error: type[Exception]) -> None:
    """Who reads or checks hears of it as an error, in which stands no key and no address."""
    calls: list[Callable[[Klaviyo], object]] = [
        lambda crm: crm.check(),
        lambda crm: crm.read([Home(key=MEMBER, email=EMAIL)]),
    ]
    for call in calls:
        crm = Answering(("/api/profiles", status, {"errors": [{"code": "no", "detail": EMAIL}]})).crm()
        with pytest.raises(error) as caught:
            call(crm)
        assert EMAIL not in str(caught.value)
        assert "pk_" not in str(caught.value)


def test_what_was_written_is_what_is_read() -> None:
    """`shown` says before a write what `read` finds after it, digit for digit."""
    profile: Profile = wanted(
        tier_name="Gold",
        credit_balance=Decimal("24.90"),
        next_payment_on=date(2026, 12, 5),
        joined_at=AT,
        failed_attempts=1,
        revenue=Decimal("123456789.01"),
    )
    klaviyo = Answering()
    crm = klaviyo.crm()
    crm.upsert([profile])
    written = klaviyo.sent()[0]
    klaviyo.known = [{**written, "id": "01P"}]
    assert crm.read([Home(key=MEMBER, id="01P")]) == {MEMBER: crm.shown(profile)}
    klaviyo.known = [known("other.myshopify.com:1")]
    assert crm.read([Home(key=MEMBER, id="01P")]) == {}


def test_one_profile_does_not_spoil_a_job() -> None:
    """A job that is refused for one of its profiles is handed in without that one, and without any list."""
    jobs = "/api/profile-bulk-import-jobs"
    spoilt = {"errors": [{"code": "invalid", "source": {"pointer": "/data/attributes/profiles/data/1/type"}}]}
    klaviyo = Answering((jobs, 400, spoilt), (jobs, 202, {"data": {"id": "job-1"}}))
    outcome = klaviyo.crm().bulk.submit([wanted(number) for number in (1, 2, 3)])
    assert outcome == Outcome(state="pending", id="job-1")
    first, second = klaviyo.sent(jobs)
    assert first.keys() == second.keys() == {"type", "attributes"}
    assert first["type"] == "profile-bulk-import-job"
    given = [
        [each["attributes"]["email"] for each in sent["attributes"]["profiles"]["data"]]
        for sent in (first, second)
    ]
    addresses = [f"member-{number}@example.com" for number in (1, 2, 3)]
    assert given == [addresses, [addresses[0], addresses[2]]]
    profile = first["attributes"]["profiles"]["data"][0]
    assert None not in profile["attributes"]["properties"].values()
    assert "Membership Tier" in profile["meta"]["patch_properties"]["unset"]


def test_a_listing_without_end_is_left() -> None:
    """Links that lead on for ever are not followed for ever, and never to another server."""
    page = {"data": [], "links": {"next": "https://elsewhere.example/api/x?page%5Bcursor%5D=1"}}
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        complete = {"data": {"id": "j", "attributes": {"status": "complete"}}}
        return httpx.Response(200, json=complete if request.url.path.endswith("/j") else page)

    crm = Klaviyo("https://k.example", FixedToken(), transport=httpx.MockTransport(answer))
    assert crm.bulk.collect("j", [MEMBER])[MEMBER].state == "pending"
    assert len(asked) < 500
    assert {url.host for url in asked} == {"k.example"}


def test_nothing_has_to_be_defined() -> None:
    """Klaviyo knows a property from its first use on."""
    klaviyo = Answering()
    assert klaviyo.crm().ensure_schema(dry_run=True) == ()
    assert not klaviyo.asked
