"""What `relay init` proposes from the programme is a document that `relay rules` takes, whatever the API says of a tier."""

from __future__ import annotations

from typing import Any

import pytest
from inveterate.models.shop import Tier
from relay.rules.document import validated
from relay.rules.settings import Rules
from relay_cli.commands.rules import yaml_document
from relay_cli.setup.programme import proposal


def proposed(*tiers: dict[str, Any]) -> Rules:
    """Return the rules of a proposal, read as `relay rules apply` reads them."""
    text = proposal([Tier.of(tier) for tier in tiers])
    assert text
    return validated(yaml_document.load(text) or {})


def test_what_the_api_says_of_a_tier() -> None:
    """Id, name, rank and interval; the annual fee is the price times the intervals of a year."""
    rules = proposed(
        {
            "tierId": "12e45678",
            "tierName": 'Gold: "the best" #1',
            "rank": 3,
            "price": 9.99,
            "billingIntervalMonths": 1,
        },
        {"tierId": "b", "tierName": "Free", "rank": 1, "price": 0, "billingIntervalMonths": None},
    )
    gold = rules.tiers["12e45678"]
    assert (gold.name, gold.rank, gold.billing_interval) == ('Gold: "the best" #1', 3, "month")
    assert str(gold.annual_fee) == "119.88"
    assert (rules.tiers["b"].rank, rules.tiers["b"].annual_fee) == (1, None)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"rank": "first", "price": "a lot", "billingIntervalMonths": "monthly"},
        {"rank": None, "price": None, "billingIntervalMonths": 0},
        {"rank": 1.5, "price": -3, "billingIntervalMonths": 5},
        {"price": True, "billingIntervalMonths": True},
        {"price": "NaN", "billingIntervalMonths": 12},
        {"price": 10, "billingIntervalMonths": 7},
    ],
)
def test_what_does_not_fit_is_left_out(more: dict[str, Any]) -> None:
    """No page describes a tier: the document is valid whatever comes."""
    rules = proposed({"tierId": "3a636361", "tierName": "Gold", **more})
    assert rules.tiers["3a636361"].name == "Gold"


def test_nothing_to_propose() -> None:
    """Without tiers, or without their ids."""
    assert proposal([]) is None
    assert proposal([Tier.of({"tierName": "nameless"})]) is None
