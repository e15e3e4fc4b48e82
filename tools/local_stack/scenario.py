"""Play a month of a membership programme through the deployed stack: what `make run` shows and proves.

The platform is the simulator, with its own clock and faults; Relay knows it by its API and its webhooks alone.
Relay's clock function is invoked with the platform's time, so that a month passes for both.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from local_stack import crm_refusals
from local_stack.duplicates import incidents_by_moment, slack_text
from local_stack.environment import LocalEnvironment
from local_stack.local_http import post
from local_stack.observer import Observer
from local_stack.older_members import import_members
from local_stack.progress import RemainingWork, ReportProgress
from local_stack.verdict import OlderMembers, PlatformActivity, RelayOutput, ScenarioVerdict, judge_scenario

SCENARIO: Final = "month"
STEP_HOURS: Final = 24
"""Hours by which the simulator's clock advances before Relay's clock ticks."""

MAX_OPEN_DELIVERIES: Final = 40
"""Deliveries in flight at most when the clock advances again."""

_MAX_FAULTS_OF_OTHERS: Final = 20
_STUCK: Final = 400.0
"""Seconds without a change after which the run ends while messages wait: a deferral lasts up to 80 s, and SQS keeps a message
back for 360 s whose function ran out of time, as it may on a slow machine."""

_STUCK_WHEN_EMPTY: Final = 30.0
"""The same while no message waits."""

_STUCK_REFUSED: Final = 400.0
_MAX_WAIT_REFUSED: Final = 900.0
"""The same, and the longest wait, after HubSpot has refused everybody: one member is tried every five minutes, and notes
look again after as long as they have waited."""

REFUSALS: Final = "refusals"
"""The faults `default`, and a HubSpot that refuses everybody for a part of the month."""

_CALM: Final = 4.0
_MAX_WAIT: Final = 900.0
_INTERVAL: Final = 2.0
_STEPS_PER_REPORT: Final = 5
_MAX_DELIVERY_WAIT: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioOptions:
    """How many members join, the seed of the faults, and which faults: `default`, `all`, `refusals` or `none`.

    `older` members are there before the topics are subscribed.
    """

    members: int = 200
    seed: int = 0
    faults: str = "default"
    older: int = 0
    step_hours: float = STEP_HOURS

    @property
    def refuses(self) -> bool:
        """Whether HubSpot refuses everybody for a part of the month."""
        return self.faults == REFUSALS


@dataclass(slots=True)
class ScenarioRun:
    """One scenario in one environment. What was in the environment before does not count."""

    environment: LocalEnvironment
    options: ScenarioOptions
    progress: ReportProgress
    observer: Observer
    _before: RelayOutput | None = None
    _older: OlderMembers | None = None
    _steps: int = 0
    _failed_ticks: list[str] = field(default_factory=list)

    def play(self) -> None:
        """Play the scenario, step by step."""
        from sim import player

        sim = self.environment.sim
        if self.options.older:
            self._older = import_members(self.environment, self.options.older, self.progress, self.observer)
        self._before = self._relay_output()
        sim.subscribe(self.environment.callback_by_name)
        self._set_faults(self.options.faults)
        for _ in player.play(player.load(SCENARIO), self._post, sim.tiers()):
            pass
        self._tick(sim.get("state")["now"])
        # No new faults of HubSpot and Slack; Relay still has to recover from the earlier ones.
        self._set_faults_of_others("none")
        if self.options.refuses:
            crm_refusals.end(self.environment)
            crm_refusals.release(self.environment)

    def wait_until_done(self) -> ScenarioVerdict:
        """Observe until the end, turn all faults off, and return the verdict."""
        try:
            return self._observe_until_done()
        finally:
            self._set_faults("none")

    def _observe_until_done(self) -> ScenarioVerdict:
        """Observe until all is well and nothing changes, or until nothing changes for long; return the last verdict."""
        began = changed = time.monotonic()
        output, remaining = self._relay_output(), RemainingWork(self.progress)
        refuses = self.options.refuses
        longest_calm, longest = (_STUCK_REFUSED, _MAX_WAIT_REFUSED) if refuses else (_STUCK, _MAX_WAIT)
        while True:
            verdict = self._judge(output)
            remaining(verdict)
            calm = time.monotonic() - changed
            well = calm > _CALM and not verdict.problems
            stuck = calm > (longest_calm if verdict.result["waiting"] else _STUCK_WHEN_EMPTY)
            if well or stuck or time.monotonic() - began > longest:
                return verdict
            time.sleep(_INTERVAL)
            before, output = output, self._relay_output()
            if output != before:
                changed = time.monotonic()

    def _judge(self, output: RelayOutput) -> ScenarioVerdict:
        """Return the verdict; after refusals also whether there were any, and who was left behind."""
        verdict = judge_scenario(
            self._platform_activity(), self._since_start(output), all_faults=self.options.faults == "all"
        )
        if not self.options.refuses:
            return verdict
        refused = crm_refusals.refused_calls(self.environment)
        left = crm_refusals.left_behind(self.environment)
        nothing = () if refused else ("HubSpot refused nothing: the month shows nothing",)
        result = {**verdict.result, "refused_calls": refused, "left_behind": len(left)}
        return replace(verdict, result=result, problems=(*verdict.problems, *nothing, *left))

    def _set_faults(self, faults: str) -> None:
        self.environment.sim.post("faults", {"set": "default" if faults == REFUSALS else faults})
        self._set_faults_of_others(faults)

    def _set_faults_of_others(self, faults: str) -> None:
        from fakes.fault_rates import DEFAULT_RATES

        rates: dict[str, Any] = {}
        if faults != "none":
            rates = {"seed": self.options.seed, **DEFAULT_RATES, "most": _MAX_FAULTS_OF_OTHERS}
        for url in (self.environment.hubspot, self.environment.slack):
            post(f"{url}/_standin/fault_rates", json=rates).raise_for_status()

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do one step of the scenario, with the number of members of the options, and time in small steps."""
        sim = self.environment.sim
        if path == "populate":
            return sim.post(path, {**body, "members": self.options.members})
        if path == "advance":
            return self._advance(24 * float(body["days"]))
        return sim.post(path, body)

    def _advance(self, hours: float) -> dict[str, Any]:
        sim = self.environment.sim
        state = sim.get("state")
        while hours > 0:
            step = min(hours, self.options.step_hours)
            hours -= step
            before, state = state, sim.post("advance", {"hours": step})
            # A tick takes a second, mostly waiting. Meanwhile the webhooks of the next step are in flight.
            self._tick(before["now"])
            self._wait_for_deliveries()
            self._steps += 1
            if self.options.refuses and self._steps == crm_refusals.BEGINS:
                crm_refusals.begin(self.environment)
                self.progress(f"{state['now'][:10]}: HubSpot refuses everybody")
            if self.options.refuses and self._steps == crm_refusals.ENDS:
                crm_refusals.end(self.environment)
                self.progress(f"{state['now'][:10]}: HubSpot takes members again")
            if self._steps % _STEPS_PER_REPORT == 0:
                self._report(state)
        return state

    def _report(self, state: Mapping[str, Any]) -> None:
        counts = state["counts"]
        self.progress(
            f"{state['now'][:10]}: {state['members']} members, {state['total_events']} events, "
            f"{counts.get('delivered', 0)} delivered, {state['open']} in flight"
        )

    def _wait_for_deliveries(self) -> None:
        until = time.monotonic() + _MAX_DELIVERY_WAIT
        sim = self.environment.sim
        while sim.get("state")["open"] > MAX_OPEN_DELIVERIES and time.monotonic() < until:
            time.sleep(0.1)

    def _tick(self, now: str) -> None:
        """Invoke Relay's clock function with the platform's time."""
        payload = json.dumps({"time": now})
        function = self.environment.stack.outputs["ClockFunction"]
        reply = self.environment.aws.client("lambda").invoke(FunctionName=function, Payload=payload)
        if reply.get("FunctionError"):
            self._failed_ticks.append(f"{now}: {reply['Payload'].read().decode()[:300]}")

    def _platform_activity(self) -> PlatformActivity:
        sim = self.environment.sim
        made, state = sim.get("requests"), sim.get("state")
        return PlatformActivity(
            requests=made["requests"],
            forgotten=made["forgotten"],
            counts=state["counts"],
            struck=state["struck"],
            truth=sim.get("expected_state")["members"],
            incidents=incidents_by_moment(sim.get("incidents")["incidents"]),
        )

    def _relay_output(self) -> RelayOutput:
        observer = self.observer
        return RelayOutput(
            observed=observer.observe(),
            contacts=observer.contacts(),
            slack=tuple(slack_text(message["payload"]) for message in observer.slack_messages()),
            emails=tuple(observer.emails()),
            reasons=observer.reasons(),
        )

    def _since_start(self, output: RelayOutput) -> RelayOutput:
        """Return the output without what was there before: queued messages, Slack messages and e-mails.

        All else is compared by event id or member key, so what was there before changes nothing.
        """
        before = self._before or RelayOutput(observed=output.observed)
        queues = {
            name: _without(ids, before.observed.queues.get(name, ()))
            for name, ids in output.observed.queues.items()
        }
        return replace(
            output,
            observed=replace(output.observed, queues=queues),
            slack=output.slack[len(before.slack) :],
            emails=output.emails[len(before.emails) :],
            failed_ticks=tuple(self._failed_ticks),
            older=self._older,
        )


def _without(ids: Sequence[str], before: Sequence[str]) -> tuple[str, ...]:
    """Return `ids` less those of `before`, counted: one id may be there several times."""
    left = Counter(before)
    more = []
    for one in ids:
        if left[one]:
            left[one] -= 1
        else:
            more.append(one)
    return tuple(more)


def play_scenario(
    environment: LocalEnvironment, options: ScenarioOptions, progress: ReportProgress, observer: Observer
) -> ScenarioVerdict:
    """Play a month and return the verdict."""
    run = ScenarioRun(environment, options, progress, observer)
    progress(f"a month for {options.members} members, faults: {options.faults}, seed {options.seed}")
    run.play()
    progress("the month is over")
    return run.wait_until_done()
