"""What goes wrong by chance at a server that Relay talks to: seeded, never twice running, and not without end."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass(slots=True, kw_only=True)
class Chances:
    """How often a request `fails` (503) or `hangs` (no answer for `seconds`), from 0 to 1; `most` in all.

    The same seed strikes the same requests, counted from the first. The request after one that went wrong is
    left alone, so that bad luck never amounts to an outage, which is another thing to try. Between two that hang
    pass `calm` seconds: whoever got no answer asks again within them, and a message whose answer is lost twice
    can be told by nobody.
    """

    seed: int = 0
    fails: float = 0.0
    hangs: float = 0.0
    most: int = 50
    seconds: float = 12.0
    calm: float = 150.0
    struck: int = 0
    _drawn: int = field(default=0, init=False)
    _spare: bool = field(default=False, init=False)
    _hangs_from: float = field(default=0.0, init=False)

    def draw(self) -> Literal["fails", "hangs"] | None:
        """Return what becomes of the next request: None for the usual."""
        self._drawn += 1
        chance = random.Random(f"{self.seed}/{self._drawn}").random()  # noqa: S311 - the same history each time
        if self._spare or self.struck >= self.most or chance >= self.fails + self.hangs:
            self._spare = False
            return None
        hangs, now = chance >= self.fails, time.monotonic()
        if hangs and now < self._hangs_from:
            return None
        self._hangs_from = now + self.calm if hangs else self._hangs_from
        self._spare = True
        self.struck += 1
        return "hangs" if hangs else "fails"


def route(current: Callable[[], Chances], use: Callable[[Chances], object]) -> Route:
    """Return the route by which they are set and read."""

    async def endpoint(request: Request) -> Response:
        if request.method == "POST":
            try:
                use(Chances(**await request.json()))
            except (TypeError, ValueError) as error:
                return JSONResponse({"error": f"not understood: {error}"}, 422)
        return JSONResponse(_described(current()))

    return Route("/_standin/chances", endpoint, methods=["GET", "POST"])


def _described(chances: Chances) -> dict[str, Any]:
    return {"seed": chances.seed, "fails": chances.fails, "hangs": chances.hangs, "struck": chances.struck}
