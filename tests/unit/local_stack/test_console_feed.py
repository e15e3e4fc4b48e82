"""The console's feed has each event's outcome, the alerts that it caused, and the contact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from local_stack.console_feed import ConsoleFeed, event_results
from local_stack.observation import Observation
from local_stack.observer import Observer

SHOP = "acme.myshopify.com"
TEXT = "! Warning: lost - Ada\n<https://admin.shopify.com/store/acme/customers/1|Open>\n2026-03-01 07:10 UTC\nRule lost"


def line(event_id: str, outcome: str, *effects: str, customer: str = "1", **more: Any) -> dict[str, Any]:
    at = "2026-03-01T07:10:12.000+00:00"
    return {
        "id": event_id,
        "shop": SHOP,
        "customer": customer,
        "at": at,
        "outcome": outcome,
        "effects": effects,
        **more,
    }


def test_the_result_of_an_event() -> None:
    """It has the outcome, the Slack message of its rule, customer and minute, once, and the contact."""
    journal = (line("e1", "applied", "e1.lost", "e1.other", "e1.lost"), line("e2", "stale"))
    found = event_results(Observation(journal=journal, contacts={f"{SHOP}:1": "101"}), [TEXT])
    assert found["e1"] == {
        "outcome": "applied",
        "alerts": ["Slack: ! Warning: lost - Ada"],
        "crm": "contact 101",
    }
    assert found["e2"] == {"outcome": "stale", "alerts": [], "crm": "contact 101"}


def test_a_reading_of_the_api_is_no_event() -> None:
    """The journal keeps what Relay read; the console counts what the platform told."""
    journal = (
        line("api-1", "applied", topic="relay.reconcile"),
        line("e1", "applied", topic="customer.updated"),
    )
    assert event_results(Observation(journal=journal), []).keys() == {"e1"}


def test_the_message_of_a_note_with_a_key_of_its_own_is_the_events() -> None:
    """An effect's id begins with the event's id or with a key: its rule is what follows the dot."""
    found = event_results(Observation(journal=(line("e1", "applied", "489900bd.lost"),)), [TEXT])
    assert len(found["e1"]["alerts"]) == 1


def test_a_repeat_does_not_hide_the_outcome() -> None:
    """An event that arrived again is still `applied`."""
    journal = (line("e1", "repeat"), line("e1", "applied", "e1.lost"))
    assert event_results(Observation(journal=journal), [])["e1"]["outcome"] == "applied"


def test_a_message_about_something_else_is_not_listed() -> None:
    """The message of another customer, rule or day is not the event's."""
    others = (line("e1", "applied", "e1.lost", customer="2"), line("e2", "applied", "e2.found"),
              line("e3", "applied", "e3.lost", at="2026-03-02T07:10:12.000+00:00"))  # fmt: skip
    found = event_results(Observation(journal=others, skipped={f"{SHOP}:2": "no_email"}), [TEXT])
    assert [one["alerts"] for one in found.values()] == [[], [], []]
    assert found["e1"]["crm"] == "no contact: no e-mail address"
    assert found["e2"]["crm"] is None


def test_a_message_that_names_another_moment_is_not_of_that_moment() -> None:
    """A moment in the details, as that of the next attempt, is not the message's own."""
    named = TEXT.replace("\n2026", "\n2026-03-02 07:10 UTC\n2026")
    later = line("e2", "applied", "e2.lost", at="2026-03-02T07:10:12.000+00:00")
    found = event_results(Observation(journal=(line("e1", "applied", "e1.lost"), later)), [named])
    assert [len(one["alerts"]) for one in found.values()] == [1, 0]


@dataclass
class FakeObserver:
    """An observer, its environment and its simulator in one."""

    queues: Mapping[str, tuple[str, ...]]
    open: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def environment(self) -> FakeObserver:
        return self

    @property
    def sim(self) -> FakeObserver:
        return self

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        member = {"key": "k", "customer_id": "1", "fields": {"status": "active"}, "unheard": []}
        return {"open": self.open, "members": [member]}

    def observe(self) -> Observation:
        return Observation(queues=self.queues)

    def slack_messages(self) -> list[Any]:
        return []

    def contacts(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(
    ("queues", "in_flight", "compared"),
    [({}, 0, True), ({"crm-sync": ("e1",)}, 0, False), ({}, 1, False), ({"dead-letters": ("e1",)}, 0, True)],
)
def test_the_crm_is_compared_only_when_nothing_is_in_flight(
    queues: dict[str, tuple[str, ...]], in_flight: int, *, compared: bool
) -> None:
    """While events are in flight the CRM is not compared, and `compared` says so."""
    found = ConsoleFeed(cast("Observer", FakeObserver(queues, in_flight)))()
    assert found["compared"] is compared
    assert len(found["mismatches"]) == compared
    assert found["members"] == (["1"] if compared else [])
