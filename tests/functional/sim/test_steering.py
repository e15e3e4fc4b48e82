"""What a player and a judge need of a simulator: who may steer it, every request it made, what reading told."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from local_stack.local_http import get, post
from sim.standins.hubspot import HubspotStandIn
from sim.standins.serving import serve
from sim.standins.slack import HOOK as SLACK_HOOK
from sim.standins.slack import SlackStandIn

from tests.functional.sim.running import Receiver, running
from tests.unit.sim.history import GOLD

JOINED = "customer.joined.paid_tier"


@pytest.mark.parametrize(
    ("origin", "status"), [("http://evil.example", 403), ("null", 403), ("", 200), ("own", 200)]
)
def test_no_page_of_another_origin_steers(origin: str, status: int) -> None:
    """A page elsewhere may not turn the clock; the simulator's own pages and programs may."""
    with running() as client:
        own = f"http://{client.http.base_url.netloc.decode()}"
        headers = {"Origin": own if origin == "own" else origin} if origin else {}
        before = client.read("state")["now"]
        reply = client.http.post("/_sim/advance", json={"days": 1}, headers=headers)
        assert reply.status_code == status
        assert (client.read("state")["now"] == before) == (status == 403)
        # Reading is left to the browser's own rules: it keeps the answer from the page.
        assert client.http.get("/_sim/state", headers=headers).status_code == 200


def requests(faults: dict[str, float], receiver: Receiver | None = None) -> list[dict[str, Any]]:
    with running(receiver, faults=faults) as client:
        client.subscribe(JOINED)
        client.act("join", tier_id=GOLD)
        client.through()
        found = client.read("requests")
        assert found["forgotten"] == 0
        made: list[dict[str, Any]] = found["requests"]
        return made


def test_every_request_is_listed_with_its_true_answer() -> None:
    """Also an answer that the sender is made to lose: the receiver has accepted that delivery."""
    first, *more = requests({"lost_ack": 1.0})
    assert (first["kind"], first["status"], first["receipt"], first["place"]) == (
        "delivery",
        202,
        "ours-1",
        1,
    )
    assert [one["place"] for one in more] == [2, 3, 4, 5]
    assert {one["event"] for one in more} == {first["event"]}


@pytest.mark.parametrize("kind", ["tamper", "wrong_key", "unknown_topic"])
def test_forgeries_are_listed_as_such(kind: str) -> None:
    """With the receipt that they got: whoever accepts one has to account for it."""
    made = requests({kind: 1.0})
    assert [one["kind"] for one in made] == [kind, "delivery"]
    assert [one["receipt"] for one in made] == ["ours-1", "ours-2"]


def test_a_refusal_is_listed_and_a_copy_is_one() -> None:
    """503 first, then 202; the copy apart."""
    made = requests({"duplicate": 1.0}, Receiver(lambda number, _: 503 if number == 1 else 202))
    assert sorted((one["kind"], one["status"]) for one in made) == [
        ("copy", 202),
        ("delivery", 202),
        ("delivery", 503),
    ]


def test_what_the_api_tells_is_true_from_then_on() -> None:
    """Totals that no event told of are known to who has read them; an answer that failed told nothing."""
    with running() as client:
        client.subscribe(JOINED)
        who = client.act("join", tier_id=GOLD)["customer_id"]
        client.act("grant", customer_id=who, amount=5)

        def total() -> str | None:
            [member] = client.read("truth")["members"]
            value: str | None = member["fields"].get("credits_earned_total")
            return value

        assert total() is None
        client.act("faults", api_5xx=1.0)
        assert client.api("GET", f"/v2.0/admin/members/{who}").status_code == 500
        assert total() is None
        client.act("faults", set="none")
        assert client.api("GET", f"/v2.0/admin/members/{who}").status_code == 200
        assert total() == "15"


def test_stand_ins_fail_by_chance() -> None:
    """Slack and HubSpot answer 503 as often as they are told to, take nothing then, and refuse nonsense."""
    with serve(SlackStandIn().app) as slack, serve(HubspotStandIn().app()) as hubspot:
        for url in (slack, hubspot):
            assert post(f"{url}/_standin/chances", json={"mood": "bad"}).status_code == 422
            set_up = post(f"{url}/_standin/chances", json={"fails": 1.0, "most": 1})
            assert set_up.json()["fails"] == 1.0
        answers = [post(f"{slack}{SLACK_HOOK}", json={"text": "hello"}).status_code for _ in range(2)]
        assert answers == [503, 200]
        assert len(get(f"{slack}/_standin/messages").json()["messages"]) == 1
        read = {"url": f"{hubspot}/crm/v3/properties/contacts", "headers": {"authorization": "Bearer t"}}
        assert [get(**read).status_code for _ in range(2)] == [503, 200]  # type: ignore[arg-type]  # its parts differ


def test_who_waits_too_little_for_slack_was_not_heard() -> None:
    """What hangs by chance is not taken, late or ever: the request never got through."""
    with serve(SlackStandIn().app) as slack:
        post(f"{slack}/_standin/chances", json={"hangs": 1.0, "most": 1, "seconds": 0.3})
        with pytest.raises(httpx.ReadTimeout):
            post(f"{slack}{SLACK_HOOK}", json={"text": "hello"}, timeout=0.1)
        assert get(f"{slack}/_standin/chances").json()["struck"] == 1
        assert get(f"{slack}/_standin/messages").json()["messages"] == []
