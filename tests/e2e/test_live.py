"""The console and the shop with the real pipeline behind them: from a click to the contact and the alert."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.browser import Visitor, join
from tests.support.local_stage import Played

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("local-aws")]
LOST = "customer.payment_failed"
_PATIENCE = 60_000


@pytest.fixture
def visitor(chrome: Browser, played: Played) -> Iterator[Visitor]:
    """A browser at the simulator of the stage, whose topics are subscribed to the deployed callback URL."""
    played.stage.sim.subscribe(played.stage.callback_by_name)
    context = chrome.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(_PATIENCE)
    yield Visitor(context.new_page(), played.stage.sim.url)
    context.close()


def test_who_joins_in_the_shop_becomes_a_contact(visitor: Visitor, played: Played) -> None:
    """Joined in the shop: in the console's list, the webhook delivered, the contact in the CRM by address."""
    join(visitor.go("/shop"), email="ada.alda@example.com")
    console = visitor.go("/console")
    console.get_by_role("button", name="Ada <b>Alda</b>").wait_for()
    row = console.locator("#delivery-rows tr", has_text="customer.joined.paid_tier")
    row.locator(".pill.good", has_text="delivered").wait_for()
    row.get_by_text("applied").wait_for()
    row.get_by_text("contact ").wait_for()
    addresses = [contact.get("email") for contact in played.observer.contacts().values()]
    assert addresses.count("ada.alda@example.com") == 1
    assert visitor.errors == []


def test_a_payment_that_is_lost_is_told_once(visitor: Visitor, played: Played) -> None:
    """A payment fails, three days pass: people hear once that it fails, at the last but one attempt, and once of the end."""
    before = played.observe()
    join(visitor.go("/shop"), email="ben@example.com", first="Ben")
    console = visitor.go("/console")
    console.get_by_role("button", name="Ben <b>Alda</b>").first.click()
    console.get_by_role("button", name="Fail payment").click()
    console.locator("#drawer .pill.bad", has_text="unpaid").wait_for()
    console.get_by_role("button", name="Close").click()
    console.get_by_role("button", name="+ 3 days").click()
    rows = console.locator("#delivery-rows tr")
    alerted = rows.filter(has_text="customer_billing.attempt.failed").get_by_text("Slack: ")
    ended = rows.filter(has_text="customer.cancelled").get_by_text("Slack: ")
    ended.wait_for()
    alerted.wait_for()
    assert rows.filter(has_text=LOST).count() == 1
    seen = played.wait(lambda seen: seen.emails >= before.emails + 2 and not seen.queues["alerts"])
    # The warning, that it failed for good, and the loss. Where the cancellation overtakes the final failure on its own
    # queue, the loss has said it.
    told = seen.openings - before.openings
    assert told in {2, 3}
    assert seen.emails == before.emails + told
    messages = console.get_by_text("Slack: ")
    expect(messages).to_have_count(told, timeout=_PATIENCE)
    assert len(set(messages.all_inner_texts())) == told
    assert console.locator("#wrong").is_hidden()
    assert visitor.errors == []
