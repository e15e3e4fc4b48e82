"""Random faults of a fake server: the rates, a seed that repeats them, and limits that keep them from becoming an outage."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

DEFAULT_RATES: Final = {"fails": 0.03, "hangs": 0.01}
"""The rates of `make run`: the other servers have them whenever the platform has any faults at all."""


@dataclass(slots=True, kw_only=True)
class FaultRates:
    """How often a request `fails` (503) or `hangs` (no answer for `seconds`), each from 0 to 1; at most `most` faults.

    The same seed affects the same requests, counted from the first. The request after a faulty one always succeeds:
    an outage is a test of its own. `calm` seconds pass between two requests that hang. The client repeats the first
    one in that time; if both answers were lost, no observer could say whether the message was accepted.
    """

    seed: int = 0
    fails: float = 0.0
    hangs: float = 0.0
    most: int = 50
    seconds: float = 12.0
    calm: float = 150.0
    struck: int = 0
    _draws: int = field(default=0, init=False)
    _skip_next: bool = field(default=False, init=False)
    _next_hang_from: float = field(default=0.0, init=False)

    def draw(self) -> Literal["fails", "hangs"] | None:
        """Return the fault of the next request, None for a normal answer."""
        self._draws += 1
        chance = random.Random(f"{self.seed}/{self._draws}").random()  # noqa: S311 - a seeded fault can be repeated
        if self._skip_next or self.struck >= self.most or chance >= self.fails + self.hangs:
            self._skip_next = False
            return None
        hangs, now = chance >= self.fails, time.monotonic()
        if hangs and now < self._next_hang_from:
            return None
        self._next_hang_from = now + self.calm if hangs else self._next_hang_from
        self._skip_next = True
        self.struck += 1
        return "hangs" if hangs else "fails"


def route(get_rates: Callable[[], FaultRates], set_rates: Callable[[FaultRates], object]) -> Route:
    """Return the route that sets the rates (POST) and shows them (GET)."""

    async def endpoint(request: Request) -> Response:
        if request.method == "POST":
            try:
                set_rates(FaultRates(**await request.json()))
            except (TypeError, ValueError) as error:
                return JSONResponse({"error": f"invalid rates: {error}"}, 422)
        return JSONResponse(_as_dict(get_rates()))

    return Route("/_standin/fault_rates", endpoint, methods=["GET", "POST"])


def _as_dict(rates: FaultRates) -> dict[str, Any]:
    return {"seed": rates.seed, "fails": rates.fails, "hangs": rates.hangs, "struck": rates.struck}
