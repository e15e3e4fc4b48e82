"""Random faults of the fake Slack and the fake HubSpot, set over HTTP."""

from __future__ import annotations

import httpx
import pytest
from fakes.hubspot import FakeHubspot
from fakes.local_server import serve
from fakes.slack import HOOK as SLACK_HOOK
from fakes.slack import FakeSlack
from local_stack.local_http import get, post


def test_fakes_fail_at_the_given_rate() -> None:
    """Slack and HubSpot answer 503 at the given rate and accept nothing then; invalid rates are refused."""
    with serve(FakeSlack().app) as slack, serve(FakeHubspot().app()) as hubspot:
        for url in (slack, hubspot):
            assert post(f"{url}/_standin/fault_rates", json={"unknown": 1}).status_code == 422
            set_up = post(f"{url}/_standin/fault_rates", json={"fails": 1.0, "most": 1})
            assert set_up.json()["fails"] == 1.0
        answers = [post(f"{slack}{SLACK_HOOK}", json={"text": "hello"}).status_code for _ in range(2)]
        assert answers == [503, 200]
        assert len(get(f"{slack}/_standin/messages").json()["messages"]) == 1
        read = {"url": f"{hubspot}/crm/v3/properties/contacts", "headers": {"authorization": "Bearer t"}}
        assert [get(**read).status_code for _ in range(2)] == [503, 200]  # type: ignore[arg-type]  # its parts differ


def test_a_request_that_hangs_is_not_accepted() -> None:
    """A request that hangs is never accepted, even if the client waits."""
    with serve(FakeSlack().app) as slack:
        post(f"{slack}/_standin/fault_rates", json={"hangs": 1.0, "most": 1, "seconds": 0.3})
        with pytest.raises(httpx.ReadTimeout):
            post(f"{slack}{SLACK_HOOK}", json={"text": "hello"}, timeout=0.1)
        assert get(f"{slack}/_standin/fault_rates").json()["struck"] == 1
        assert get(f"{slack}/_standin/messages").json()["messages"] == []
