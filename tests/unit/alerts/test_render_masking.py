"""Texts of a message are cut, masked and linked."""

from __future__ import annotations

import pytest
from relay.alerts.render import slack_message
from relay.alerts.render.content import customer_link, masked_email, masked_name
from relay.alerts.render.plain_text import line
from relay.alerts.render.slack import escaped

from tests.support.incident_builders import CUSTOMER_LINK, blocks_text, notification


def test_names_are_masked_unless_the_merchant_wants_them_whole() -> None:
    """`Rules.mask` is the merchant's choice."""
    whole = notification(mask=False)
    assert "Mia Keller (mia.keller@example.com)" in blocks_text(slack_message(whole))
    assert "keller@" not in blocks_text(slack_message(notification()))


def test_cutting_is_visible_and_never_splits_an_entity() -> None:
    """A cut text ends in an ellipsis, after a whole character."""
    assert escaped("a & b", 9) == "a &amp; b"
    assert escaped("a & b", 8) == "a &amp;…"
    assert escaped("a & b", 7) == "a…"
    assert escaped("abc", 3) == "abc"


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("mia.keller@example.com", "m•••@example.com"),
        ("m@example.com", "m•••@example.com"),
        ("odd@quoted@example.com", "o•••@example.com"),
        ("no address", ""),
        ("@example.com", ""),
        (None, ""),
    ],
)
def test_masked_addresses(address: str | None, masked: str) -> None:
    """The domain stays, and the first character of the name."""
    assert masked_email(address) == masked


@pytest.mark.parametrize(
    ("first", "last", "masked"),
    [
        ("Mia", "Keller", "Mia K."),
        ("Mia", None, "Mia"),
        (None, "Keller", "K."),
        (" ", "", ""),
        ("José", "Ñandú", "José Ñ."),
    ],
)
def test_masked_names(first: str | None, last: str | None, masked: str) -> None:
    """The last name is an initial."""
    assert masked_name(first, last) == masked


@pytest.mark.parametrize("customer", ["", "7001/../..", "7001?x", "seven", "７００１"])  # noqa: RUF001 - the point of the case
def test_a_link_leads_to_a_customer_or_nowhere(customer: str) -> None:
    """An id that is no number makes no link."""
    assert customer_link("acme.myshopify.com", customer) == ""
    assert customer_link("acme.myshopify.com/x", "7001") == ""
    assert customer_link("acme.myshopify.com", "7001") == CUSTOMER_LINK


def test_names_of_all_scripts_stay_whole() -> None:
    """Joiners that scripts and emoji need are kept."""
    assert line("\u0645\u06cc\u200c\u062e 👩\u200d🚀") == "\u0645\u06cc\u200c\u062e 👩\u200d🚀"
