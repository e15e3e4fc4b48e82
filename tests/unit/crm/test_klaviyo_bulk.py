"""How thousands of members become Klaviyo's import jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from relay.adapters.klaviyo import Klaviyo
from relay.adapters.klaviyo.client import JOBS
from relay.ports.crm import CrmOutcome

from tests.contract.crm.profiles import wanted
from tests.contract.crm.tokens import FixedToken
from tests.unit.crm.scripted_klaviyo import MEMBER, ScriptedKlaviyo


def test_one_profile_does_not_spoil_a_job() -> None:
    """A job that is refused for one of its profiles is submitted again without that profile, and without any list."""
    jobs = "/api/profile-bulk-import-jobs"
    spoilt = {"errors": [{"code": "invalid", "source": {"pointer": "/data/attributes/profiles/data/1/type"}}]}
    klaviyo = ScriptedKlaviyo((jobs, 400, spoilt), (jobs, 202, {"data": {"id": "job-1"}}))
    outcome = klaviyo.crm().bulk.submit([wanted(number) for number in (1, 2, 3)])
    assert outcome == CrmOutcome(state="pending", id="job-1")
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


def test_a_listing_without_end() -> None:
    """Endless links are not followed for ever, and never to another server."""
    page = {"data": [], "links": {"next": "https://elsewhere.example/api/x?page%5Bcursor%5D=1"}}
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        complete = {"data": {"id": "j", "attributes": {"status": "complete"}}}
        return httpx.Response(200, json=complete if request.url.path.endswith("/j") else page)

    crm = Klaviyo("https://k.example", FixedToken("pk_made_up"), transport=httpx.MockTransport(answer))
    assert crm.bulk.collect("j", [MEMBER])[MEMBER].state == "pending"
    assert len(asked) < 500
    assert {url.host for url in asked} == {"k.example"}


@pytest.mark.parametrize(
    ("status", "hours", "is_lost"),
    [
        ("queued", 1, False),
        ("processing", 23, False),
        ("processing", 25, True),
        ("queued", 25, True),
        ("failed", 1, False),
        ("failed", 25, True),
        (None, 1, False),
    ],
)
def test_a_job_that_never_ends_is_lost(status: str | None, hours: int, *, is_lost: bool) -> None:
    """Its members are sent again: as long as they are pending, no newer change of theirs arrives."""
    created = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    job = {"data": {"id": "j", "attributes": {"status": status, "created_at": created}}}
    outcomes = ScriptedKlaviyo((f"{JOBS}/j", 200, job)).crm().bulk.collect("j", [MEMBER])
    assert outcomes == ({} if is_lost else {MEMBER: CrmOutcome(state="pending", id="j")})
