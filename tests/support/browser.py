"""A real headless Chromium for the tests of pages, and a simulator whose webhooks somebody takes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from sim.events import TOPICS
from sim.programme import WorldSettings
from sim.server import create_app
from sim.simulator import SimulatorSettings
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.functional.sim.sim_server import FakeReceiver, SimClient, served
from tests.unit.sim.sim_worlds import START, WALL

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

KEY = "a-key-that-no-page-may-show"
HOOK = "/webhooks/a-callback-key-that-no-page-may-show"
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def chromium() -> str | None:
    """Return where Chromium is, or None: scripts/system-packages installs it."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium; it keeps nothing, and reaches nothing but this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Playwright gives it a profile of its own, empty and thrown away.
        started = playwright.chromium.launch(executable_path=chromium(), args=list(_FLAGS))
        try:
            yield started
        finally:
            started.close()


class Visitor:
    """A page in a profile of its own."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)

    def go(self, path: str) -> Page:
        """Open a page of it."""
        self.page.goto(f"{self.url}{path}")
        return self.page


class Overheard:
    """Keeps all that is sent to browsers, streams included: as bytes leave the server, so that nothing is missed."""

    def __init__(self, app: ASGIApp, sent: list[bytes]) -> None:
        self._app = app
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def heard(message: Message) -> None:
            self._sent.extend(value for _, value in message.get("headers", ()))
            self._sent.append(message.get("body", b""))
            await send(message)

        agent = dict(scope.get("headers", ())).get(b"user-agent", b"")
        await self._app(scope, receive, heard if b"Chrome" in agent else send)


@dataclass(frozen=True, slots=True)
class Stage:
    """A simulator, where it is, who takes its webhooks, and what browsers got; `leaving` ends before it does."""

    url: str
    client: SimClient
    receiver: FakeReceiver
    sent: list[bytes]
    leaving: ExitStack = field(default_factory=ExitStack)


@contextmanager
def staged(
    members: int = 0,
    *,
    pipeline: Callable[[FakeReceiver], dict[str, Any]] | None = None,
    listening: bool = True,
) -> Iterator[Stage]:
    """Serve a simulator and a receiver that takes all topics; `pipeline` tells what became of them."""
    receiver = FakeReceiver()
    with served(receiver.app) as hooks:
        settings = SimulatorSettings(
            world=WorldSettings(seed=1, members=members, start=START, wall_clock=lambda: WALL),
            api_key=KEY, switches={"retry_schedule": "0.05,0.1"}, write_delay=0.02,
        )  # fmt: skip
        app = create_app(settings, pipeline=(lambda: pipeline(receiver)) if pipeline else None)
        sent: list[bytes] = []
        app.add_middleware(Overheard, sent=sent)
        with served(app) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
            client = SimClient(http, app.state.sim)
            if listening:
                _subscribe(http, f"{hooks}{HOOK}")
            stage = Stage(url, client, receiver, sent)
            # A page that outlived its server would call that an error, rightly.
            with stage.leaving:
                yield stage


def _subscribe(http: httpx.Client, callback: str) -> None:
    for topic in TOPICS:
        http.post(
            "/v2.0/admin/webhook-subscriptions",
            headers={"X-Inveterate-Api-Key": KEY},
            json={"topic": topic, "callbackUrl": callback, "name": "relay"},
        ).raise_for_status()
    # A write takes effect a moment later; whatever is done next waits for it.
    http.post("/_sim/advance", json={"minutes": 1}).raise_for_status()


def join(page: Page, tier: str = "Join Gold", email: str = "ada@example.com", first: str = "Ada") -> None:
    """Join in the shop, as a person does."""
    page.get_by_role("button", name=tier).click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("First name").fill(first)
    page.get_by_label("Last name").fill("<b>Alda</b>")
    page.get_by_role("button", name="Pay and join").click()
    page.get_by_text("You are in.").wait_for()
