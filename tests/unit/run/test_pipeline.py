"""What the console is told of each event: the outcome that counts, the messages that it caused, the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from relay_cli.judging import Seen
from relay_cli.observing import Observer
from relay_cli.pipeline import Pipeline, told

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


def test_what_became_of_an_event() -> None:
    """Its outcome, the Slack message of its own rule, customer and minute, once, and the contact."""
    journal = (line("e1", "applied", "e1.lost", "e1.other", "e1.lost"), line("e2", "stale"))
    found = told(Seen(journal=journal, contacts={f"{SHOP}:1": "101"}), [TEXT])
    assert found["e1"] == {
        "outcome": "applied",
        "alerts": ["Slack: ! Warning: lost - Ada"],
        "crm": "contact 101",
    }
    assert found["e2"] == {"outcome": "stale", "alerts": [], "crm": "contact 101"}


def test_a_repeat_does_not_hide_what_was_done() -> None:
    """An event that came again was applied all the same."""
    journal = (line("e1", "repeat"), line("e1", "applied", "e1.lost"))
    assert told(Seen(journal=journal), [])["e1"]["outcome"] == "applied"


def test_a_message_about_somebody_or_something_else_is_not_its() -> None:
    """Another customer, another rule, another day."""
    others = (line("e1", "applied", "e1.lost", customer="2"), line("e2", "applied", "e2.found"),
              line("e3", "applied", "e3.lost", at="2026-03-02T07:10:12.000+00:00"))  # fmt: skip
    found = told(Seen(journal=others, skipped={f"{SHOP}:2": "no_email"}), [TEXT])
    assert [one["alerts"] for one in found.values()] == [[], [], []]
    assert found["e1"]["crm"] == "skipped: no_email"
    assert found["e2"]["crm"] is None


def test_a_message_that_names_another_moment_is_not_of_that_moment() -> None:
    """When the last attempt is expected is a detail; the message tells of the attempt before."""
    named = TEXT.replace("\n2026", "\n2026-03-02 07:10 UTC\n2026")
    later = line("e2", "applied", "e2.lost", at="2026-03-02T07:10:12.000+00:00")
    found = told(Seen(journal=(line("e1", "applied", "e1.lost"), later)), [named])
    assert [len(one["alerts"]) for one in found.values()] == [1, 0]


@dataclass
class Looked:
    """A stage and its observer, as one look finds them."""

    queues: Mapping[str, tuple[str, ...]]
    open: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def stage(self) -> Looked:
        return self

    @property
    def sim(self) -> Looked:
        return self

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        member = {"key": "k", "customer_id": "1", "fields": {"status": "active"}, "unheard": []}
        return {"open": self.open, "members": [member]}

    def look(self) -> Seen:
        return Seen(queues=self.queues)

    def messages(self) -> list[Any]:
        return []

    def contacts(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(
    ("queues", "under_way", "compared"),
    [({}, 0, True), ({"crm-sync": ("e1",)}, 0, False), ({}, 1, False), ({"dead-letters": ("e1",)}, 0, True)],
)
def test_nothing_is_claimed_of_what_is_under_way(
    queues: dict[str, tuple[str, ...]], under_way: int, *, compared: bool
) -> None:
    """Before all has arrived, the CRM is not compared, and that is said: no difference is no finding then."""
    found = Pipeline(cast("Observer", Looked(queues, under_way)))()
    assert found["compared"] is compared
    assert len(found["mismatches"]) == compared
