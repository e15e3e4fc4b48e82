"""The fake Klaviyo refuses what Klaviyo refuses, so that an adapter that passes here also works there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from fakes.klaviyo import KlaviyoRateLimits
from fakes.klaviyo_account import KlaviyoAccount
from fakes.klaviyo_validation import KlaviyoError, parse_filter

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def profile(email: str | None = "a@example.com", **data: Any) -> dict[str, Any]:
    """Return a profile resource."""
    attributes: dict[str, Any] = {"email": email} if email else {}
    return {"type": "profile", "attributes": attributes | data.pop("attributes", {}), **data}


def event(**attributes: Any) -> dict[str, Any]:
    """Return an event resource."""
    usual = {
        "properties": {},
        "metric": {"data": {"type": "metric", "attributes": {"name": "Joined"}}},
        "profile": {"data": profile()},
    }
    return {"type": "event", "attributes": usual | attributes}


def test_null_clears_and_absent_leaves() -> None:
    """A property that is null goes, one that is absent stays, and `unset` takes away; for a job null is nothing."""
    account = KlaviyoAccount()
    one, new = account.upsert(profile(attributes={"properties": {"A": 1, "B": 2, "C": 3, "D": 4}}))
    assert new
    again, new = account.upsert(
        profile(
            "A@Example.com",
            attributes={"properties": {"A": None, "E": 5}},
            meta={"patch_properties": {"unset": ["B"]}},
        )
    )
    assert (again is one, new) == (True, False)
    assert one.properties == {"C": 3, "D": 4, "E": 5}
    account.upsert(profile(attributes={"properties": {"C": None, "D": 6}}), clears=False)
    assert one.properties == {"C": 3, "D": 6, "E": 5}


@pytest.mark.parametrize(
    ("data", "status", "pointer"),
    [
        ({"type": "person", "attributes": {}}, 400, "/data/type"),
        ({"type": "profile"}, 400, "/data/attributes"),
        (profile(None), 400, "/data/attributes"),
        (profile("not an address"), 400, "/data/attributes/email"),
        (profile(attributes={"consent": True}), 400, "/data/attributes/consent"),
        (profile(attributes={"properties": ["x"]}), 400, "/data/attributes/properties"),
        (profile(id="01NONE"), 404, "/data"),
        (profile(meta={"patch_properties": {"unset": 7}}), 400, "/data/meta/patch_properties/unset"),
    ],
)
def test_what_is_no_profile(data: dict[str, Any], status: int, pointer: str) -> None:
    """A resource that Klaviyo would refuse is refused, with its status and the part that is wrong."""
    with pytest.raises(KlaviyoError) as caught:
        KlaviyoAccount().upsert(data)
    assert (caught.value.status, caught.value.pointer) == (status, pointer)
    assert caught.value.body()["errors"][0].keys() >= {"id", "code", "title", "detail", "source"}


def test_identifiers_that_belong_to_two() -> None:
    """Two identifiers of different profiles are in conflict; an id whose new address is taken is not found."""
    account = KlaviyoAccount()
    one, _ = account.upsert(profile("a@example.com", attributes={"external_id": "x"}))
    account.upsert(profile("b@example.com"))
    with pytest.raises(KlaviyoError) as caught:
        account.upsert(profile("b@example.com", attributes={"external_id": "x"}))
    assert (caught.value.status, caught.value.error["code"]) == (409, "duplicate_profile")
    assert caught.value.meta["duplicate_profile_id"] == one.id
    with pytest.raises(KlaviyoError) as caught:
        account.upsert(profile("b@example.com", id=one.id))
    assert (caught.value.status, caught.value.error["code"]) == (404, "not_found")


def test_events_are_deduplicated_as_klaviyo_does() -> None:
    """By id for a profile and metric; without one, by the second. A back-fill starts no flow."""
    account = KlaviyoAccount()
    for data in (
        event(unique_id="1"),
        event(unique_id="1"),
        event(unique_id="2", backfill=True),
        event(time="2026-11-22T09:00:00.100Z"),
        event(time="2026-11-22T09:00:00.900Z"),
    ):
        account.record(data, NOW)
    assert [each["unique_id"] for each in account.events] == ["1", "2", None]
    assert account.flows == ["Joined", "Joined"]
    assert len(account.profiles) == 1


@pytest.mark.parametrize(
    "attributes",
    [
        {"time": "yesterday"},
        {"time": "1989-01-01T00:00:00Z"},
        {"time": "2028-01-01T00:00:00Z"},
        {"value": "99"},
        {"value": True},
        {"backfill": "no"},
        {"properties": None},
        {"properties": {str(number): 1 for number in range(401)}},
        {"metric": {"data": {"type": "metric", "attributes": {"name": "x" * 128}}}},
        {"metric": {"data": {"attributes": {"name": "x"}}}},
        {"profile": {"data": {"type": "profile", "attributes": {}}}},
        {"list": "all"},
    ],
)
def test_what_is_no_event(attributes: dict[str, Any]) -> None:
    """An event that Klaviyo would refuse is refused, and nothing of it is kept."""
    account = KlaviyoAccount()
    with pytest.raises(KlaviyoError) as caught:
        account.record(event(**attributes), NOW)
    assert caught.value.status == 400
    assert account.events == []


def test_the_states_of_a_job() -> None:
    """A job is queued, processing, then complete; only then it has imported profiles and reports errors."""
    account = KlaviyoAccount()
    data = {
        "type": "profile-bulk-import-job",
        "attributes": {"profiles": {"data": [profile(), profile("odd")]}},
    }
    job = account.submit(data)
    assert (job.status, account.profiles) == ("queued", {})
    assert account.poll(job).status == "processing"
    assert account.poll(job).status == "complete"
    assert len(job.profiles) == 1
    (error,) = job.errors
    assert error["attributes"]["original_payload"] == profile("odd")
    with pytest.raises(KlaviyoError) as caught:
        account.submit({**data, "attributes": {"profiles": {"data": [profile(), {"type": "x"}]}}})
    assert caught.value.pointer == "/data/attributes/profiles/data/1/type"


def test_filters() -> None:
    """A filter is an operator over one identifier, its values as JSON."""
    assert parse_filter('any(email,["A@b.co","c@d.co"])') == ("email", ["a@b.co", "c@d.co"])
    assert parse_filter('equals(id,"01")') == ("id", ["01"])
    for odd in ("", 'any(properties,["x"])', "any(email,[x])", "equals(id,1)"):
        with pytest.raises(KlaviyoError):
            parse_filter(odd)


def test_limits_by_the_second_and_the_minute() -> None:
    """In fixed windows, each endpoint by itself; the headers contain the limit per minute."""
    now = [0.0]
    limits = KlaviyoRateLimits(lambda: now[0])
    counted = [limits.count("/api/profile-bulk-import-jobs/1") for _ in range(11)]
    assert [wait for _, wait in counted] == [None] * 10 + [1.0]
    assert counted[9][0]["RateLimit-Remaining"] == "140"
    assert limits.count("/api/profiles")[1] is None
    for second in range(1, 15):
        now[0] = float(second)
        assert [limits.count("/api/profile-bulk-import-jobs")[1] for _ in range(10)] == [None] * 10
    now[0] = 20.0
    assert limits.count("/api/profile-bulk-import-jobs")[1] == 40.0
    now[0] = 60.0
    assert limits.count("/api/profile-bulk-import-jobs")[1] is None
