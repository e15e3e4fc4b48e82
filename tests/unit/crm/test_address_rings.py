"""Rings of members that wait for each other's addresses, and the order in which they are written."""

from __future__ import annotations

import pytest
from relay.crm.address_rings import chain, holder_key, holders_first, parting_order, rings


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ({}, []),
        ({"a": "b"}, []),
        ({"a": "a"}, []),
        ({"a": "b", "b": "a"}, [["a", "b"]]),
        ({"x": "a", "a": "b", "b": "c", "c": "a"}, [["a", "b", "c"]]),
        ({"b": "a", "d": "c", "a": "b", "c": "d"}, [["b", "a"], ["d", "c"]]),
        ({"a": "b", "b": "c", "c": "d", "d": "e", "e": "a"}, [["a", "b", "c", "d", "e"]]),
        ({"a": "b", "b": "c", "c": "d", "d": "e", "e": "f", "f": "a"}, []),
    ],
)
def test_rings(links: dict[str, str], expected: list[list[str]]) -> None:
    """Only what leads back to its beginning is a ring, each once, and of five members at most."""
    assert rings(links) == expected


def test_a_chain() -> None:
    """It ends at a member without a link, before one that is in it already, and after four links."""
    assert chain("a", {"a": "b", "b": "c"}) == ["a", "b", "c"]
    assert chain("x", {"x": "a", "a": "b", "b": "a"}) == ["x", "a", "b"]
    assert chain("1", {str(n): str(n + 1) for n in range(1, 9)}) == ["1", "2", "3", "4", "5"]


def test_the_order_of_a_ring() -> None:
    """Each takes a place that was left before, once the second one has given its own away."""
    ring = ["a", "b", "c", "d"]
    free, holders = {"b"}, dict(zip(ring, ["b", "c", "d", "a"], strict=True))
    for key in parting_order(ring):
        assert holders[key] in free
        free = free - {holders[key]} | {key}


def test_holders_come_first() -> None:
    """Each comes after the one that it waits for, if that is among them; all are there once."""
    links = {"a": "b", "b": "c", "d": "elsewhere"}
    assert holders_first(["a", "d", "b", "c"], links) == ["c", "b", "a", "d"]
    assert sorted(holders_first(["a", "b"], {"a": "b", "b": "a"})) == ["a", "b"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("shop.example:7", "shop.example:7"),
        (" SHOP.Example:7 ", "shop.example:7"),
        ("other.example:7", None),
        ("no key at all", None),
        ("", None),
    ],
)
def test_another_spelling_of_a_key(found: str, expected: str | None) -> None:
    """What a merchant edited in the CRM is compared without case and blanks; another shop's key is none of ours."""
    assert holder_key("shop.example:1", found) == expected
