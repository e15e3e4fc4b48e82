"""A scenario in an environment that was used before: earlier output does not count, and the clock ticks in steps."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any, cast

from local_stack.environment import LocalEnvironment
from local_stack.observation import DEAD_LETTERS, Observation
from local_stack.observer import Observer
from local_stack.scenario import ScenarioOptions, ScenarioRun
from local_stack.verdict import RelayOutput


@dataclass
class FakeSimulator:
    """A simulator that only counts hours."""

    hours: float = 0
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((path, dict(body)))
        self.hours += body.get("hours", 0)
        return self.get("state")

    def get(self, _path: str) -> dict[str, Any]:
        return {"now": f"hour {self.hours:g}", "open": 0, "members": 0, "total_events": 0, "counts": {}}


@dataclass
class FakeLambda:
    """A Lambda that records its invocations, and fails where `fails` is set."""

    fails: bool = False
    ticks: list[bytes] = field(default_factory=list)

    def client(self, _service: str) -> FakeLambda:
        return self

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert FunctionName == "clock"
        self.ticks.append(Payload.encode())
        return {"Payload": io.BytesIO(b"boom")} | ({"FunctionError": "Unhandled"} if self.fails else {})


@dataclass
class FakeEnvironment:
    """The part of an environment that advancing the clock needs."""

    sim: FakeSimulator = field(default_factory=FakeSimulator)
    aws: FakeLambda = field(default_factory=FakeLambda)

    @property
    def stack(self) -> FakeEnvironment:
        return self

    @property
    def outputs(self) -> dict[str, str]:
        return {"ClockFunction": "clock"}


def scenario_run(fake: FakeEnvironment, **options: Any) -> ScenarioRun:
    environment = cast("LocalEnvironment", fake)
    return ScenarioRun(environment, ScenarioOptions(**options), lambda _text: None, cast("Observer", None))


def test_time_passes_in_steps_for_both() -> None:
    """Each step is followed by a tick with the time before the step, whose webhooks have arrived by then."""
    fake = FakeEnvironment()
    scenario_run(fake, step_hours=24)._post("advance", {"days": 2.5})
    assert [body for _, body in fake.sim.asked] == [{"hours": 24}, {"hours": 24}, {"hours": 12}]
    assert fake.aws.ticks == [b'{"time": "hour 0"}', b'{"time": "hour 24"}', b'{"time": "hour 48"}']


def test_the_options_say_how_many_members_join() -> None:
    """The number of the options replaces the scenario's; its other steps are done unchanged."""
    fake = FakeEnvironment()
    run = scenario_run(fake, members=7)
    run._post("populate", {"members": 200, "over_days": 3})
    run._post("behaviour", {"orders": 1.0})
    assert fake.sim.asked == [("populate", {"members": 7, "over_days": 3}), ("behaviour", {"orders": 1.0})]


def test_earlier_output_does_not_count() -> None:
    """Messages, e-mails and dead letters of an earlier scenario do not count; a failed tick does."""
    run = scenario_run(FakeEnvironment(aws=FakeLambda(fails=True)))
    run._before = RelayOutput(
        observed=Observation(queues={DEAD_LETTERS: ("a", "")}), slack=("old",), emails=("old",)
    )
    run._tick("noon")
    now = RelayOutput(
        observed=Observation(queues={DEAD_LETTERS: ("", "a", "a"), "new": ("b",)}),
        slack=("old", "new"),
        emails=("old",),
    )
    found = run._since_start(now)
    assert found.observed.queues == {DEAD_LETTERS: ("a",), "new": ("b",)}
    assert (found.slack, found.emails, found.failed_ticks) == (("new",), (), ("noon: boom",))
