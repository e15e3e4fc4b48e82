"""The console and the shop as people read them: on a telephone, with long alerts, in a shop's words, and honest in grey."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.functional.sim.sim_server import FakeReceiver
from tests.support.browser import Stage, join, staged

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    Opened = Callable[[Stage, int], Page]

pytestmark = pytest.mark.xdist_group("browser")

GOLD = "3a636361"
TELEPHONE = 390
ALERT = (
    "Slack: ⚠️ Warning: A payment of 25.00 USD by Maximiliane-Henriette v. failed, another payment method is needed, "
    "and one attempt is left"
)
"""As long as a heading gets."""

_CUT_OFF = """() => [...document.querySelectorAll('.cards td, .cards td *, .way *, .head *, h1, .time')]
  .filter((one) => one.checkVisibility() && one.innerText?.trim()
    && (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 3)
    && getComputedStyle(one).display !== 'inline' && getComputedStyle(one).overflow !== 'visible')
  .map((one) => one.outerHTML)"""
"""Elements that hide a part of their text."""

_LINES = (
    "(one) => Math.round(one.getBoundingClientRect().height / parseFloat(getComputedStyle(one).lineHeight))"
)

Pipeline = Callable[[FakeReceiver], dict[str, Any]]


@pytest.fixture
def opened(chrome: Browser) -> Opened:
    """Open an empty page of a width at a stage, which closes it."""

    def make(stage: Stage, width: int) -> Page:
        context = chrome.new_context(viewport={"width": width, "height": 844})
        context.set_default_timeout(15_000)
        stage.leaving.callback(context.close)
        return context.new_page()

    return make


def alerting(receiver: FakeReceiver) -> dict[str, Any]:
    """Say of each event that it raised a long alert, and of all members that they were compared."""
    members = [body["payload"].get("customerId") for body in receiver.bodies]
    events = {
        f"ours-{number}": {"outcome": "applied", "alerts": [ALERT], "crm": "contact 101"}
        for number, _ in enumerate(receiver.bodies, 1)
    }
    return {"events": events, "mismatches": [], "compared": True, "members": members}


def nothing_compared(_: FakeReceiver) -> dict[str, Any]:
    """Say that there is a pipeline, and that nothing was compared."""
    return {"events": {}, "mismatches": [], "compared": True, "members": []}


def in_flight(_: FakeReceiver) -> dict[str, Any]:
    """Say that events are still processed."""
    return {"events": {}, "mismatches": [], "compared": False, "members": ["1"]}


def failing(_: FakeReceiver) -> dict[str, Any]:
    """Do not answer."""
    raise ConnectionError


@pytest.mark.parametrize("width", [TELEPHONE, 320])
def test_on_a_telephone_no_table_is_cut_off_and_no_column_is_missing(opened: Opened, width: int) -> None:
    """Every member shows the e-mail address, tier, status, credits and next payment; every delivery all of its cells."""
    with staged(30, pipeline=alerting) as stage:
        member = stage.client.act("join", tier_id=GOLD, first_name="Ben", last_name="Eze")
        page = opened(stage, width)
        page.goto(f"{stage.url}/console")
        page.locator("#delivery-rows .pill.info").first.wait_for()
        row = page.locator(f'#member-rows tr[data-member="{member["customer_id"]}"]')
        row.locator(".pill", has_text="CRM in sync").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        shown = row.inner_text()
        for part in ("Ben Eze", "@example.com", "Gold", "active", "Credits", "Next payment", "2026"):
            assert part in shown
        for cell in row.locator("td").all() + page.locator("#delivery-rows tr").first.locator("td").all():
            assert _is_within(cell, width)
        assert page.evaluate(_CUT_OFF) == []
        row.get_by_role("button", name="Ben Eze").click()
        page.locator("#drawer td.fate, #drawer .fate").first.wait_for()
        for inside in page.locator("#drawer .actions > *, #drawer .actions button, #drawer section").all():
            assert _is_within(inside, width)


def _is_within(cell: Locator, width: int) -> bool:
    box = cell.bounding_box()
    return bool(box and box["x"] >= 0 and box["width"] > 0 and box["x"] + box["width"] <= width)


@pytest.mark.parametrize("width", [TELEPHONE, 800, 1280])
def test_an_alert_takes_few_lines(opened: Opened, width: int) -> None:
    """The longest heading is readable in five lines at most, in the list of deliveries."""
    with staged(pipeline=alerting) as stage:
        stage.client.act("join", tier_id=GOLD)
        page = opened(stage, width)
        page.goto(f"{stage.url}/console")
        alert = page.locator("#delivery-rows .pill.info").first
        alert.wait_for()
        assert alert.inner_text() == ALERT
        assert alert.evaluate(_LINES) <= 5


@pytest.mark.parametrize(
    ("pipeline", "figure"),
    [(nothing_compared, "nothing to compare"), (in_flight, "in progress"), (failing, "not known"), (None, "no pipeline")],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_what_was_not_compared_is_grey(opened: Opened, pipeline: Pipeline | None, figure: str) -> None:
    """Green says that something was compared and is equal: neither the step nor a member claims it otherwise."""
    with staged(pipeline=pipeline) as stage:
        stage.client.act("join", tier_id=GOLD)
        page = opened(stage, 1280)
        page.goto(f"{stage.url}/console")
        step = page.locator('[data-step="mirrored"]')
        step.get_by_text(figure, exact=True).wait_for()
        page.locator("#member-rows tr").first.wait_for()
        assert step.get_attribute("class") == "off"
        assert page.locator("#member-rows .pill.good", has_text="CRM").count() == 0
        assert page.locator("#member-rows .pill.off", has_text="not compared").count() == (
            pipeline is not None
        )


def test_the_pages_speak_as_a_shop_does(opened: Opened) -> None:
    """A free trial, a price, an event and a ledger's reason are words; no name in capitals with underscores is shown."""
    with staged(3) as stage:
        page = opened(stage, 1280)
        page.goto(f"{stage.url}/shop")
        page.get_by_text("14-day free trial", exact=True).wait_for()
        page.locator("li", has_text="Free shipping from $40").first.wait_for()
        join(page, "Try Silver")
        assert "Began a free trial" in page.locator("#thanks").inner_text()
        page.goto(f"{stage.url}/console")
        page.get_by_role("button", name="Began a free trial").first.wait_for()
        assert "Silver, $9.99 a month, 14-day free trial" in page.locator("#join-tier").inner_text()
        page.get_by_role("button", name="Ada").first.click()
        drawer = page.locator("#drawer")
        drawer.locator(".pill.info", has_text="free trial").wait_for()
        drawer.get_by_role("button", name="Grant credits").click()
        drawer.locator("td", has_text="Given or taken by hand").wait_for()
        words = page.locator("body").inner_text().split()
        assert [word for word in words if word.isupper() and "_" in word] == []
