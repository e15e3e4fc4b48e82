"""Plays a history while its CRM has a setback: it refuses everybody for a while, or the merchant deletes a contact.

A setback happens before an arrival, in the natural order. Members that wait for their CRM wait for the clock, so this world
ticks while any does. In the end, with the CRM healed, time passes until no member waits or two weeks are over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.judge import rig_observed
from tests.judge.adversary import Adversary, as_happened
from tests.judge.history import History
from tests.judge.observed import Observed
from tests.judge.rig import _LOG, NO_HIGH_VALUE, World, _in_the_world
from tests.judge.rig_crms import RigCrm
from tests.judge.rig_faults import StruckAws
from tests.support.aws.fake_aws import FakeAws
from tests.support.aws.virtual_clock import VirtualClock

# A lasting "no" of each provider that is no member's fault, as an answer to a whole call, and as one to each record.
REFUSALS: dict[str, tuple[tuple[int, Any], ...]] = {
    "hubspot": (
        (400, {"category": "LIMIT_EXCEEDED", "correlationId": "x", "message": "the portal is full"}),
        (
            400,
            {"category": "VALIDATION_ERROR", "correlationId": "x", "errors": [{"code": "REQUIRED_PROPERTY"}]},
        ),
    ),
    "klaviyo": ((400, {"errors": [{"code": "limit_exceeded", "title": "no"}]}),),
    "salesforce": (
        (200, "STORAGE_LIMIT_EXCEEDED"),
        (200, "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
    ),
    "webhook": ((400, {}), (422, "no"), (418, "")),
}
# The paths of writes; what reads goes on.
_WRITES = ("batch/upsert", "/contacts/", "profile-import", "/composite/", "/hook")
# Enough for every wait of two weeks.
_ROUNDS = 120


@dataclass(slots=True)
class RefusingApp:
    """A CRM that answers every write with one refusal while `refusal` is set."""

    app: ASGIApp
    refusal: tuple[int, Any] | None = None
    refused: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        reads = scope["path"].endswith("batch/read") or scope["method"] == "GET"
        if self.refusal is None or reads or not any(part in scope["path"] for part in _WRITES):
            await self.app(scope, receive, send)
            return
        self.refused += 1
        status, body = self.refusal
        if status == 200:
            records = json.loads((await receive())["body"])["records"]
            error = {"statusCode": body, "message": "no", "fields": []}
            body = [{"id": None, "success": False, "errors": [error]} for _ in records]
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": content})


class SetbackWorld(World):
    """A world whose clock ticks while a member waits for its CRM."""

    def states(self) -> dict[str, str]:
        """Return the sync state of each member, by customer id."""
        items = self.aws.account.dynamodb.tables["mirrors"].items.values()
        return {
            item["key"]["S"].rpartition(":")[2]: item.get("state", {}).get("S", "")
            for item in items
            if item["key"]["S"].startswith("sync#")
        }

    def _needs_tick(self) -> bool:
        return "waiting" in self.states().values() or World._needs_tick(self)


@dataclass(slots=True)
class Setbacks:
    """One CRM with what can befall it, and what befalls it before an arrival, by its number."""

    make: Callable[[], RigCrm]
    at: Mapping[int, Callable[[RigCrm, RefusingApp], None]] = field(default_factory=dict)
    rules: str = NO_HIGH_VALUE


def play(
    history: History, setbacks: Setbacks, adversary: Adversary | None = None
) -> tuple[Observed, dict[str, str]]:
    """Return what is left behind, and the sync state of each member.

    Raises:
        RestlessError: the service never comes to rest.

    """
    plan = as_happened(history)
    first = min(d.at for e in history.events for d in e.deliveries)
    clock = VirtualClock(datetime.fromtimestamp(first / 1000, UTC))
    made = setbacks.make()
    refusing = RefusingApp(made.app)
    crm = replace(made, app=refusing)
    by_pair = {(sent.event, sent.number): sent.delivery for sent in history.sent()}
    aws = StruckAws(FakeAws(clock), adversary or Adversary())
    world = SetbackWorld(history, plan, aws, crm, clock, setbacks.rules)
    with _in_the_world(world):
        for number, pair in enumerate([*plan.arrivals, None]):
            if number in setbacks.at:
                setbacks.at[number](crm, refusing)
            if pair is not None:
                world.wait_until(datetime.fromtimestamp(by_pair[pair].at / 1000, UTC))
                world.aws.event = pair[0]
                world.post(*pair, by_pair[pair])
                world.run()
        refusing.refusal = None
        world.aws.event = "the end"
        for _ in range(_ROUNDS):
            clock.advance(timedelta(hours=4))
            world.tick()
            if "waiting" not in world.states().values():
                break
        observed = rig_observed.observe(world, _LOG.getvalue())
        observed.groups = list(range(len(plan.arrivals)))
        return observed, world.states()
