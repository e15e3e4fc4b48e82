"""The console and the shop in a real browser: what a person does in the one is seen in the other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.functional.sim.sim_server import FakeReceiver
from tests.support.browser import HOOK, KEY, Stage, Visitor, join, staged

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.xdist_group("browser")
ADDRESS = "ada@example.com"
LOST = "customer.payment_failed"


def pipeline(receiver: FakeReceiver) -> dict[str, Any]:
    """Say of each event what a pipeline would: an alert for a lost payment, and one field that is wrong."""
    events = {}
    member = None
    for number, body in enumerate(receiver.bodies, 1):
        alerts = ["Slack: payment lost"] if body["metadata"]["topic"] == LOST else []
        events[f"ours-{number}"] = {"outcome": "applied", "alerts": alerts, "crm": "contact 101"}
        member = body["payload"].get("customerId") or member
    wrong = {"member": f"relay-demo:{member}", "field": "tier_name", "truth": "Gold", "mirror": "Silver"}
    return {"events": events, "mismatches": [wrong] if member else []}


Opened = Callable[[Stage], Visitor]


@pytest.fixture
def opened(chrome: Browser) -> Iterator[Opened]:
    """Open a page; no script in it may have failed."""
    visitors: list[Visitor] = []

    def make(stage: Stage) -> Visitor:
        context = chrome.new_context(viewport={"width": 1280, "height": 860})
        context.set_default_timeout(15_000)
        stage.leaving.callback(context.close)
        visitors.append(Visitor(context.new_page(), stage.url))
        return visitors[-1]

    yield make
    # A refusal is shown to the person, and Chromium writes it down as well; that is no fault of the page.
    errors = [error for one in visitors for error in one.errors if "status of 4" not in error]
    assert errors == []


def _figure(page: Page, step: str) -> str:
    return page.locator(f'[data-step="{step}"] .figure').inner_text()


def test_who_joins_in_the_shop_appears_in_the_console_and_the_webhook_is_shown_delivered(
    opened: Opened,
) -> None:
    """The console was open before: nothing is reloaded, and a name with markup in it stays a name."""
    with staged(3) as stage:
        console = opened(stage).go("/console")
        console.locator("#live.good").wait_for()
        join(opened(stage).go("/shop"))
        console.get_by_role("button", name="Ada <b>Alda</b>").wait_for()
        row = console.locator("#delivery-rows tr", has_text="customer.joined.paid_tier")
        row.locator(".pill.good", has_text="delivered").wait_for()
        assert "202" in row.inner_text()
        assert re.search(r"\d ms", row.inner_text())
        assert "no pipeline attached" in row.inner_text()
        assert "customer.joined.paid_tier" in stage.receiver.topics
        assert console.locator("bdi b").count() == 0


def test_a_payment_that_fails_for_three_days_is_shown_with_what_the_pipeline_did(opened: Opened) -> None:
    """Failing, advancing and looking are done with the page's own buttons; differences are shown in red."""
    with staged(pipeline=pipeline) as stage:
        member = stage.client.act("join", tier_id="3a636361", first_name="Ben", last_name="Eze")
        console = opened(stage).go("/console")
        console.get_by_role("button", name="Ben Eze").first.click()
        console.get_by_role("button", name="Fail payment").click()
        console.locator("#drawer .pill.bad", has_text="unpaid").wait_for()
        console.get_by_role("button", name="Close").click()
        console.get_by_role("button", name="+ 3 days").click()
        lost = console.locator("#delivery-rows tr", has_text=LOST)
        lost.get_by_text("Slack: payment lost").wait_for()
        assert lost.count() == 1
        assert "contact 101" in lost.inner_text()
        console.locator("#member-rows", has_text="cancelled").wait_for()
        assert _figure(console, "decided") == "1 alert"
        assert _figure(console, "mirrored") == "1 difference"
        assert console.locator("#wrong td.bad").inner_text() == "Silver"
        field = console.locator("#wrong-rows td").nth(1)
        assert field.inner_text().split() == ["Tier", "tier_name"]  # a shop's word, and the field's own name
        assert stage.receiver.topics.count("customer_billing.attempt.failed") == 3
        assert member["customer_id"]


def test_a_delivery_names_its_member_listed_or_not_and_an_erased_one_by_id(opened: Opened) -> None:
    """The list has a hundred members; who was erased has neither name nor address."""
    with staged(120) as stage:
        first = stage.client.http.get("/_sim/members", params={"limit": 1000}).json()["members"][-1]
        erased = stage.client.act("join", tier_id="3a636361", first_name="Ben", last_name="Eze")[
            "customer_id"
        ]
        stage.client.act("anonymise", customer_id=erased)
        stage.client.act("order", customer_id=first["customer_id"])
        console = opened(stage).go("/console")
        name = " ".join(f"{first['first_name']} {first['last_name']}".split())
        rows = console.locator("#delivery-rows")
        rows.locator("tr", has_text="customer.ordered").get_by_text(name).first.wait_for()
        rows.locator("tr", has_text="customer.updated").get_by_text(erased).first.wait_for()
        assert console.locator("#member-rows").get_by_role("button", name=erased).count() == 1


def test_what_is_not_sent_on_purpose_is_no_failure(opened: Opened) -> None:
    """A fault of the simulator is not the receiver's: its figure is not red."""
    with staged(1) as stage:
        stage.client.http.post("/_sim/faults", json={"drop": 1.0}).raise_for_status()
        stage.client.act("join", tier_id="3a636361", first_name="Ben", last_name="Eze")
        console = opened(stage).go("/console")
        said = console.locator('[data-step="accepted"]')
        said.get_by_text("none given up").wait_for()
        said.get_by_text("not sent on purpose").wait_for()
        assert "bad" not in (said.get_attribute("class") or "")


def test_a_pipeline_that_fails_is_not_taken_for_none_nor_for_equality(opened: Opened) -> None:
    """From the first look on: the page says that it does not answer, and claims nothing of the CRM."""

    def failing(_: FakeReceiver) -> dict[str, Any]:
        raise ConnectionError

    with staged(pipeline=failing) as stage:
        visitor = opened(stage)
        console = visitor.go("/console")
        said = '[data-step="decided"] .detail'
        console.locator(said, has_text="the pipeline does not answer: ConnectionError").wait_for()
        assert _figure(console, "mirrored") == "not known"
        console.close()
        # Chromium writes the refusals down; they are what is tried here.
        visitor.errors[:] = [error for error in visitor.errors if "status of 503" not in error]


def test_the_drawer_shows_the_seven_metafields_and_the_tags_and_lets_things_happen(opened: Opened) -> None:
    """Granting credits changes what is shown, without a reload."""
    with staged() as stage:
        ben = stage.client.act("join", tier_id="3a636361", first_name="Ben", last_name="Eze")
        page = opened(stage).go("/console")
        page.get_by_role("button", name="Ben Eze").first.press("Enter")
        drawer = page.locator("#drawer")
        drawer.get_by_text("inveterate.balance", exact=True).wait_for()
        assert drawer.locator(".metafields dt").count() == 7
        assert "inveterate tier:Gold" in drawer.locator(".tags").inner_text()
        drawer.get_by_label("Credits").fill("7.25")
        drawer.get_by_label("Credits").press("Tab")
        stage.client.act("renew_card", customer_id=ben["customer_id"])
        drawer.get_by_text("customer.payment_methods.updated").first.wait_for()
        assert drawer.get_by_label("Credits").input_value() == "7.25", "what is typed outlives the news"
        drawer.get_by_role("button", name="Grant credits").click()
        drawer.locator(".metafields").get_by_text("17.25").first.wait_for()
        drawer.get_by_role("button", name="Cancel at cycle end").click()
        drawer.locator(".pill.warn", has_text="leaving").wait_for()


def test_members_are_found_and_sorted(opened: Opened) -> None:
    """Search asks the simulator, so that it finds members that the page has not listed; a heading sorts both ways."""
    with staged(130, listening=False) as stage:
        wanted = stage.client.read("members", limit=1000)["members"][-1]
        page = opened(stage).go("/console")
        page.locator("#member-rows tr").nth(99).wait_for()
        assert "no subscription" in _figure(page, "sent")
        page.get_by_role("button", name="Credits", exact=True).click()
        page.locator("th[aria-sort=descending]").wait_for()
        page.wait_for_function(
            """() => { const all = [...document.querySelectorAll('#member-rows td:nth-child(4)')].map(c => +c.innerText);
            return all.length === 100 && all[0] > 0 && all.every((one, n) => !n || all[n - 1] >= one); }"""
        )
        page.get_by_label("Search members").fill(wanted["customer_id"])
        page.wait_for_function("() => document.querySelectorAll('#member-rows tr').length === 1")
        assert wanted["customer_id"] == page.locator("#member-rows tr").get_attribute("data-member")


def test_the_shop_sends_the_documented_items_and_fills_window_inveterate(opened: Opened) -> None:
    """A membership with its selling plan, the gift as a second item, and no reload with a slide-out cart."""
    with staged() as stage:
        page = opened(stage).go("/shop")
        page.get_by_role("button", name="Join Platinum").wait_for()
        with page.expect_request("**/cart/add.js") as sent:
            page.get_by_role("button", name="Join Platinum").click()
        page.get_by_role("button", name="Pay and join").wait_for()
        tier = next(one for one in stage.client.read("tiers")["tiers"] if one["name"] == "Platinum")
        membership, gift = json.loads(sent.value.post_data or "")["items"]
        assert membership == {
            "id": tier["variant_id"],
            "quantity": 1,
            "selling_plan": tier["selling_plan_id"],
            "properties": {"_inveterate_subscription": True},
        }
        assert gift["properties"] == {"_inveterate_free_signup_gift": True}
        assert "selling_plan" not in gift
        assert "cart-updated" not in page.url
        properties = page.evaluate("window.inveterate.properties")
        assert sorted(properties) == [
            "benefits", "campaigns", "constants", "customer", "pageType", "product",
            "redirectUrl", "referralApiUrl", "referralData", "referralStorageName",
        ]  # fmt: skip
        assert properties["product"]["selling_plan_groups"][0]["selling_plans"][0]["id"]
        assert page.evaluate("window.inveterate.membershipProducts.length") == 6


def test_without_a_slide_out_cart_the_page_reloads_and_says_so(opened: Opened) -> None:
    """What updateLPSettings says decides, as documented; what was added is still there."""
    with staged() as stage:
        page = opened(stage).go("/shop")
        page.get_by_role("button", name="Join Gold").wait_for()
        page.evaluate("window.inveterate.landing.updateLPSettings({ addToCartRedirect: true })")
        page.get_by_role("button", name="Join Gold").click()
        page.wait_for_url("**/shop?cart-updated=true")
        page.get_by_text("It is in your cart.").wait_for()
        assert page.locator("#cart-count").inner_text() == "2"


def test_a_member_is_known_to_the_shop_until_they_sign_out(opened: Opened) -> None:
    """Who is there says the session; after signing out the same address is refused a second membership."""
    with staged() as stage:
        page = opened(stage).go("/shop")
        join(page, "Try Silver")
        assert page.evaluate("window.inveterate.properties.customer.tierName") == "Silver"
        assert page.get_by_role("button", name="Your membership").is_disabled()
        page.get_by_role("button", name="Close").click()
        page.get_by_role("button", name="sign out").click()
        page.get_by_role("button", name="Join Gold").click()
        page.get_by_label("E-mail").fill(ADDRESS)
        page.get_by_label("First name").fill("Ada")
        page.get_by_label("Last name").fill("Alda")
        with page.expect_response("**/shop/checkout") as refused:
            page.get_by_role("button", name="Pay and join").click()
        page.get_by_text("is a member already").wait_for()
        assert refused.value.status == 409


def test_no_key_is_in_anything_that_a_browser_receives(opened: Opened) -> None:
    """Neither the API key, nor the callback URL, nor a subscription's token: in no body, header or stream."""
    with staged(5, pipeline=pipeline) as stage:
        join(opened(stage).go("/shop"))
        page = opened(stage).go("/console")
        page.locator("#live.good").wait_for()
        stage.client.act("join", tier_id="3a636361")
        page.locator("#delivery-rows .mono").first.click()
        page.locator("#drawer pre").wait_for()
        page.get_by_role("button", name="Close").click()
        page.get_by_role("button", name="Ada").first.click()
        page.locator("#drawer .metafields").wait_for()
        everything = b"\n".join(stage.sent).decode()
        assert "event: delivery" in everything
        assert "inveterate-subscriber" in everything
        tokens = [one.token for one in stage.client.sim.subscriptions.values()]
        assert len(tokens) == 15
        for secret in (KEY, HOOK, *tokens):
            assert secret not in everything


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("path", ["/console", "/shop"])
def test_nothing_is_wider_than_the_window_and_everything_has_a_name(
    chrome: Browser, path: str, width: int, scheme: str
) -> None:
    """In both schemes and widths, whatever can be reached has a name for who cannot see it."""
    with staged(30, listening=False) as stage:
        page = chrome.new_page(viewport={"width": width, "height": 860}, color_scheme=scheme)  # type: ignore[arg-type]  # one of its words
        page.goto(f"{stage.url}{path}")
        page.locator("#member-rows tr, .tier").nth(5).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, a, input, select, dialog')].filter((one) => !(
            one.innerText?.trim() || one.getAttribute('aria-label') || one.getAttribute('aria-labelledby')
            || one.labels?.length)).map((one) => one.outerHTML)"""
        )
        page.close()
        assert nameless == []


def test_a_page_takes_nothing_from_elsewhere_and_no_name_leads_out_of_its_folder() -> None:
    """The policy allows this server alone; there is no path to another file."""
    with staged(listening=False) as stage:
        reply = stage.client.http.get("/console")
        assert reply.headers["content-security-policy"].startswith("default-src 'self';")
        for name in ("..%2Fserver.py", "%2e%2e/server.py", "console.html/..", "nothing.js"):
            assert stage.client.http.get(f"/pages/{name}").status_code == 404


def test_a_pipeline_that_does_not_answer_is_said_to_be_so() -> None:
    """The page shows its error's kind and no more: the text may hold what a page must not show."""

    def broken(_: FakeReceiver) -> dict[str, Any]:
        raise RuntimeError(KEY)

    with staged(pipeline=broken, listening=False) as stage:
        reply = stage.client.http.get("/_sim/pipeline")
        assert reply.status_code == 503
        assert reply.json() == {
            "attached": True,
            "events": {},
            "mismatches": [],
            "members": [],
            "error": "RuntimeError",
        }


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ([{"id": 44_858_553_761_923 + 65_536 * 3}], "selling plan"),
        ([{"id": 44_858_553_761_923 + 65_536}], "cannot be bought"),
        ([{"id": 1}], "cannot be bought"),
        ([{"id": 44_900_112_400_387, "properties": {"_inveterate_free_signup_gift": True}}], "requires a membership"),
        ([{"id": 44_858_553_761_923, "quantity": 2}], "quantity"),
        ([{"id": "x"}], "Not a list"),
        ("x", "Not a list"),
    ],
)  # fmt: skip
def test_a_cart_refuses_what_a_shop_would_and_keeps_nothing_of_it(items: Any, why: str) -> None:
    """A membership is bought with its selling plan, a spend-based tier not at all, a gift not alone."""
    with staged(listening=False) as stage:
        reply = stage.client.http.post("/cart/add.js", json={"items": items})
        assert reply.status_code == 422
        assert why in reply.json()["description"]
        assert stage.client.http.get("/cart.js").json()["item_count"] == 0
