"""HubSpot's names, its texts of values, its definitions and its paths."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import httpx
import pytest
from relay.adapters.hubspot import Hubspot
from relay.adapters.hubspot.mapping import GROUP, PROPERTIES, definitions, encode, properties_of
from relay.errors import MisconfiguredError
from relay.model.fields import Value
from relay.ports.crm import CrmOutcome

from tests.contract.crm.profiles import wanted
from tests.contract.crm.tokens import FixedToken
from tests.unit.crm.scripted_hubspot import KEY, all_done


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (Decimal("24.90"), "24.9"),
        (Decimal("1E+21"), "1000000000000000000000"),
        (Decimal("1E-7"), "0.0000001"),
        (date(2026, 2, 5), "2026-02-05"),
        (datetime(2026, 11, 22, 10, tzinfo=UTC), "2026-11-22T10:00:00.000Z"),
        (datetime(2026, 11, 22, 10, tzinfo=timezone(timedelta(hours=2))), "2026-11-22T08:00:00.000Z"),
        ("<!channel> Ünïcode", "<!channel> Ünïcode"),
        ("half \ud83e", "half ?"),
    ],
)
def test_encode(value: Value, text: str) -> None:
    """Every value is a string as HubSpot reads it; an unknown value is empty, which clears."""
    assert encode(value) == text


def test_names_and_consent_are_the_merchants() -> None:
    """No call writes a contact's name, phone or consent."""
    written = properties_of(wanted()).keys()
    assert not {name for name in written if "name" in name and not name.startswith("membership_")}
    assert not {"phone", "hs_legal_basis"} & written


def test_definitions() -> None:
    """Each of our properties is defined in our group; the key alone is unique; types have options where needed."""
    defined = {definition["name"]: definition for definition in definitions()}
    assert defined.keys() == set(PROPERTIES.values()) - {"email"}
    assert {definition["groupName"] for definition in defined.values()} == {GROUP}
    assert [name for name, each in defined.items() if each.get("hasUniqueValue")] == ["membership_key"]
    assert [option["value"] for option in defined["membership_status"]["options"]] == [
        "trialing",
        "active",
        "past_due",
        "pending_cancellation",
        "cancelled",
        "unknown",
        "none",
    ]
    kinds = {name: (each["type"], each["fieldType"]) for name, each in defined.items()}
    assert kinds["membership_joined_at"] == ("datetime", "date")
    assert kinds["membership_next_payment_on"] == ("date", "date")
    assert kinds["membership_credit_balance"] == ("number", "number")
    assert kinds["membership_high_value"] == ("bool", "booleancheckbox")
    assert kinds["membership_tier"] == ("string", "text")
    assert kinds["membership_cancel_reason"] == ("string", "textarea")


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("v3", "/crm/v3/objects/contacts/batch/upsert"),
        ("2026-03", "/crm/objects/2026-03/contacts/batch/upsert"),
        ("2026-09", "/crm/objects/2026-09/contacts/batch/upsert"),
    ],
)
def test_paths(version: str, path: str) -> None:
    """Each version has its own path; the request has the documented form, with a trace id and only strings."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return all_done(request)

    crm = Hubspot("https://hub.example", FixedToken(), version, httpx.MockTransport(answer))
    assert crm.upsert([wanted(tier_name="Gold")]) == {KEY: CrmOutcome(state="mirrored", id="51", made=True)}
    (request,) = asked
    assert request.url.path == path
    assert request.headers["authorization"] == "Bearer a-service-key"
    (sent,) = json.loads(request.content)["inputs"]
    assert (sent["idProperty"], sent["id"], sent["objectWriteTraceId"]) == ("membership_key", KEY, KEY)
    assert all(isinstance(value, str) for value in sent["properties"].values())
    assert sent["properties"]["membership_tier"] == "Gold"


def test_an_unknown_version() -> None:
    """A version that is not in the table is a setting to correct."""
    with pytest.raises(MisconfiguredError) as caught:
        Hubspot("https://hub.example", FixedToken(), "2027-03")
    assert caught.value.setting == "HubSpotVersion"
