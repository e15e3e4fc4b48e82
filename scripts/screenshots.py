"""Take the pictures of the console and the shop that the documentation shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.browser import browser, staged

FOLDER: Final = Path(__file__).parent.parent / "docs" / "images"
_LARGEST: Final = 300_000
_SIZE: Final = {"width": 1280, "height": 860}


@contextmanager
def scene() -> Iterator[str]:
    """Run a programme for a month, with the usual faults and one member who cannot pay."""
    with staged(40) as stage:
        act = stage.client.act
        act("faults", set="default")
        act("populate", members=25, over_days=25)
        act("advance", days=30)
        joined = act("join", tier_id="3a636361", first_name="Grace", last_name="Hansen")
        act("advance", days=2)
        act("fail_payment", customer_id=joined["customer_id"])
        act("order", customer_id=joined["customer_id"])
        stage.client.wait_until_idle()
        yield stage.url


def take(url: str) -> None:
    """Take both pictures.

    Raises:
        SystemExit: when one is too large for a repository.

    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with browser() as started:
        page = started.new_page(viewport=_SIZE)  # type: ignore[arg-type]  # these two are what it wants
        page.request.get(
            f"{url}/_sim/pipeline"
        )  # its first look takes a while, and the picture shall show it
        page.goto(f"{url}/console")
        page.locator("#delivery-rows tr, #deliveries-empty:not([hidden])").first.wait_for()
        page.locator("#member-rows tr").first.wait_for()
        page.wait_for_timeout(2500)  # until nothing is marked as new any more
        page.screenshot(path=FOLDER / "console.png")
        page.goto(f"{url}/shop")
        page.get_by_role("button", name="Join Gold").wait_for()
        page.screenshot(path=FOLDER / "shop.png", full_page=True)
    for picture in (FOLDER / "console.png", FOLDER / "shop.png"):
        size = picture.stat().st_size
        print(f"{picture.name}: {size // 1000} kB")
        if size > _LARGEST:
            raise SystemExit(f"{picture.name} is too large")


if __name__ == "__main__":
    if sys.argv[1:]:
        take(sys.argv[1].rstrip("/"))
    else:
        with scene() as address:
            take(address)
