"""The CSRF guard, the log of webhook requests, and the effect of API reads on the expected state."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.sim.sim_server import FakeReceiver, running_simulator
from tests.unit.sim.sim_worlds import GOLD

JOINED = "customer.joined.paid_tier"


@pytest.mark.parametrize(
    ("origin", "status"), [("http://evil.example", 403), ("null", 403), ("", 200), ("own", 200)]
)
def test_pages_of_another_origin_cannot_change_the_simulator(origin: str, status: int) -> None:
    """A page of another origin cannot advance the clock; the pages of the simulator and programs can."""
    with running_simulator() as client:
        own = f"http://{client.http.base_url.netloc.decode()}"
        headers = {"Origin": own if origin == "own" else origin} if origin else {}
        before = client.read("state")["now"]
        reply = client.http.post("/_sim/advance", json={"days": 1}, headers=headers)
        assert reply.status_code == status
        assert (client.read("state")["now"] == before) == (status == 403)
        # The browser itself keeps the answer of a read from the page.
        assert client.http.get("/_sim/state", headers=headers).status_code == 200


def requests(faults: dict[str, float], receiver: FakeReceiver | None = None) -> list[dict[str, Any]]:
    with running_simulator(receiver, faults=faults) as client:
        client.subscribe(JOINED)
        client.act("join", tier_id=GOLD)
        client.wait_until_idle()
        found = client.read("requests")
        assert found["forgotten"] == 0
        made: list[dict[str, Any]] = found["requests"]
        return made


def test_every_request_is_listed_with_its_true_answer() -> None:
    """A lost answer is listed too: the receiver has accepted that delivery."""
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
    """Each is listed with its receipt, so that a test can check that the receiver did not process it."""
    made = requests({kind: 1.0})
    assert [one["kind"] for one in made] == [kind, "delivery"]
    assert [one["receipt"] for one in made] == ["ours-1", "ours-2"]


def test_refused_requests_and_copies_are_listed() -> None:
    """A 503, then a 202, and the copy of a duplicate as such."""
    made = requests({"duplicate": 1.0}, FakeReceiver(lambda number, _: 503 if number == 1 else 202))
    assert sorted((one["kind"], one["status"]) for one in made) == [
        ("copy", 202),
        ("delivery", 202),
        ("delivery", 503),
    ]


def test_an_api_read_updates_the_expected_state() -> None:
    """A read adds the totals that no event contains; a failed read adds nothing."""
    with running_simulator() as client:
        client.subscribe(JOINED)
        member_id = client.act("join", tier_id=GOLD)["customer_id"]
        client.act("grant", customer_id=member_id, amount=5)

        def total() -> str | None:
            [member] = client.read("expected_state")["members"]
            value: str | None = member["fields"].get("credits_earned_total")
            return value

        assert total() is None
        client.act("faults", api_5xx=1.0)
        assert client.api("GET", f"/v2.0/admin/members/{member_id}").status_code == 500
        assert total() is None
        client.act("faults", set="none")
        assert client.api("GET", f"/v2.0/admin/members/{member_id}").status_code == 200
        assert total() == "15"
