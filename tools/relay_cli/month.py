"""A month of a membership programme, played through the deployed stack: what `make run` shows and proves.

The platform is the simulator, with its own clock and its own faults; Relay knows it by its API and its webhooks
alone. Relay's clock is ticked with the platform's time, so that a month passes for both.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from relay_cli.awaiting import Awaiting
from relay_cli.counting import matters, plain
from relay_cli.nearby import post
from relay_cli.observing import Observer
from relay_cli.reckoning import Got, Reckoning, Sent, reckon
from relay_cli.staging import Say, Stage

SCENARIO: Final = "month"
STEP_HOURS: Final = 24
"""By so much the clock is turned at a time, and Relay's clock ticked after it."""

ON_THE_WAY: Final = 40
"""So many deliveries may be under way when the clock is turned again."""

_OTHERS_AT_MOST: Final = 20
_STUCK: Final = 100.0
"""Seconds without a change after which no good end is awaited any more: what was put off waits for up to 80."""

_OVER: Final = 30.0
"""The same where no message waits for anything."""

_CALM: Final = 4.0
_LONGEST: Final = 300.0
_PAUSE: Final = 2.0
_SAID_EVERY: Final = 5
_WAIT: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How the month shall be: how many join, by which seed things go wrong, and which things."""

    members: int = 200
    seed: int = 0
    faults: str = "default"
    step_hours: float = STEP_HOURS


@dataclass(slots=True)
class Month:
    """One month on one stage. What the stage had seen before is not its matter."""

    stage: Stage
    wanted: Wanted
    say: Say
    observer: Observer
    _had: Got | None = None
    _steps: int = 0
    _failed: list[str] = field(default_factory=list)

    def play(self) -> None:
        """Play the scenario, step by step."""
        from sim import player

        self._had = self._look()
        self.stage.sim.subscribe(self.stage.callback_by_name)
        self._break_things(self.wanted.faults)
        for _ in player.play(player.load(SCENARIO), self._post, self.stage.sim.tiers()):
            pass
        self._tick(self.stage.sim.get("state")["now"])
        # The month is over for the faults as well; what they did is still to be got over.
        self._break_others("none")

    def settle(self) -> Reckoning:
        """Wait for the end, and let nothing go wrong any more after it."""
        try:
            return self._settled()
        finally:
            self._break_things("none")

    def _settled(self) -> Reckoning:
        """Look until all is well and calm, or until nothing happens any more; return the last reckoning."""
        began = changed = time.monotonic()
        got, awaiting = self._look(), Awaiting(self.say)
        while True:
            found = reckon(self._sent(), self._since(got), all_faults=self.wanted.faults == "all")
            awaiting(found.verdict)
            calm, waits = time.monotonic() - changed, found.verdict.result["waiting"]
            well = calm > _CALM and not found.verdict.problems
            if well or calm > (_STUCK if waits else _OVER) or time.monotonic() - began > _LONGEST:
                return found
            time.sleep(_PAUSE)
            before, got = got, self._look()
            if got != before:
                changed = time.monotonic()

    def _break_things(self, faults: str) -> None:
        self.stage.sim.post("faults", {"set": faults})
        self._break_others(faults)

    def _break_others(self, faults: str) -> None:
        from sim.faults import OTHER_SERVERS

        chances = (
            {} if faults == "none" else {"seed": self.wanted.seed, **OTHER_SERVERS, "most": _OTHERS_AT_MOST}
        )
        for url in (self.stage.hubspot, self.stage.slack):
            _chances(url, chances)

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do a step of the scenario: as many members as are wanted, and time in small steps."""
        if path == "populate":
            return self.stage.sim.post(path, {**body, "members": self.wanted.members})
        if path == "advance":
            return self._advance(24 * float(body["days"]))
        return self.stage.sim.post(path, body)

    def _advance(self, hours: float) -> dict[str, Any]:
        state = self.stage.sim.get("state")
        while hours > 0:
            step = min(hours, self.wanted.step_hours)
            hours -= step
            before, state = state, self.stage.sim.post("advance", {"hours": step})
            # A tick takes a second, most of it waiting: meanwhile the next webhooks are on their way.
            self._tick(before["now"])
            self._wait_for_deliveries()
            self._steps += 1
            if self._steps % _SAID_EVERY == 0:
                self._say_how_far(state)
        return state

    def _say_how_far(self, state: Mapping[str, Any]) -> None:
        counts = state["counts"]
        self.say(
            f"{state['now'][:10]}: {state['members']} members, {state['total_events']} events, "
            f"{counts.get('delivered', 0)} delivered, {state['open']} on the way"
        )

    def _wait_for_deliveries(self) -> None:
        until = time.monotonic() + _WAIT
        while self.stage.sim.get("state")["open"] > ON_THE_WAY and time.monotonic() < until:
            time.sleep(0.1)

    def _tick(self, now: str) -> None:
        """Tick Relay's clock with the platform's time."""
        payload = json.dumps({"time": now})
        function = self.stage.stack.outputs["ClockFunction"]
        reply = self.stage.aws.client("lambda").invoke(FunctionName=function, Payload=payload)
        if reply.get("FunctionError"):
            self._failed.append(f"{now}: {reply['Payload'].read().decode()[:300]}")

    def _sent(self) -> Sent:
        sim = self.stage.sim
        made = sim.get("requests")
        return Sent(
            requests=made["requests"],
            forgotten=made["forgotten"],
            counts=sim.get("state")["counts"],
            truth=sim.get("truth")["members"],
            matters=matters(sim.get("incidents")["incidents"]),
        )

    def _look(self) -> Got:
        look = self.observer
        return Got(
            seen=look.look(),
            contacts=look.contacts(),
            messages=tuple(plain(message["payload"]) for message in look.messages()),
            mails=tuple(look.mails()),
            reasons=look.reasons(),
        )

    def _since(self, got: Got) -> Got:
        """Return what has come since the month began, where it does not go by event ids or members."""
        had = self._had or Got(seen=got.seen)
        queues = {name: _more(held, had.seen.queues.get(name, ())) for name, held in got.seen.queues.items()}
        return replace(
            got,
            seen=replace(got.seen, queues=queues),
            messages=got.messages[len(had.messages) :],
            mails=got.mails[len(had.mails) :],
            ticks_failed=tuple(self._failed),
        )


def _more(held: Sequence[str], had: Sequence[str]) -> tuple[str, ...]:
    """Return what is held now beyond what was before: the same name may be there several times."""
    before = Counter(had)
    more = []
    for one in held:
        if before[one]:
            before[one] -= 1
        else:
            more.append(one)
    return tuple(more)


def _chances(url: str, given: Mapping[str, Any]) -> None:
    post(f"{url}/_standin/chances", json=dict(given)).raise_for_status()


def play(stage: Stage, wanted: Wanted, say: Say, observer: Observer) -> Reckoning:
    """Play a month and judge it."""
    month = Month(stage, wanted, say, observer)
    say(f"a month for {wanted.members} members, faults: {wanted.faults}, seed {wanted.seed}")
    month.play()
    say("the month is over")
    return month.settle()
