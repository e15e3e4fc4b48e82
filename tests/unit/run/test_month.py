"""A month on a stage that was used before: what was there stays out of the count, and the clock ticks in steps."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any, cast

from relay_cli.judging import DEAD, Seen
from relay_cli.month import Month, Wanted
from relay_cli.observing import Observer
from relay_cli.reckoning import Got
from relay_cli.staging import Stage


@dataclass
class Sim:
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
class Aws:
    """A Lambda that notes what it is invoked with, and fails when told to."""

    fails: bool = False
    ticks: list[bytes] = field(default_factory=list)

    def client(self, _service: str) -> Aws:
        return self

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert FunctionName == "clock"
        self.ticks.append(Payload.encode())
        return {"Payload": io.BytesIO(b"boom")} | ({"FunctionError": "Unhandled"} if self.fails else {})


@dataclass
class Scene:
    """As much of a stage as turning the clock needs."""

    sim: Sim = field(default_factory=Sim)
    aws: Aws = field(default_factory=Aws)

    @property
    def stack(self) -> Scene:
        return self

    @property
    def outputs(self) -> dict[str, str]:
        return {"ClockFunction": "clock"}


def month(scene: Scene, **wanted: Any) -> Month:
    return Month(cast("Stage", scene), Wanted(**wanted), lambda _text: None, cast("Observer", None))


def test_time_passes_in_steps_for_both() -> None:
    """Each step is followed by a tick with the time before it: those webhooks have arrived by then."""
    scene = Scene()
    month(scene, step_hours=24)._post("advance", {"days": 2.5})
    assert [body for _, body in scene.sim.asked] == [{"hours": 24}, {"hours": 24}, {"hours": 12}]
    assert scene.aws.ticks == [b'{"time": "hour 0"}', b'{"time": "hour 24"}', b'{"time": "hour 48"}']


def test_as_many_join_as_are_wanted() -> None:
    """Whatever the scenario says; its other steps are done as they stand."""
    scene = Scene()
    played = month(scene, members=7)
    played._post("populate", {"members": 200, "over_days": 3})
    played._post("behaviour", {"orders": 1.0})
    assert scene.sim.asked == [("populate", {"members": 7, "over_days": 3}), ("behaviour", {"orders": 1.0})]


def test_what_was_there_before_does_not_count() -> None:
    """Messages, mails and dead letters of an earlier play are not this month's; a tick that failed is."""
    played = month(Scene(aws=Aws(fails=True)))
    played._had = Got(seen=Seen(queues={DEAD: ("a", "")}), messages=("old",), mails=("old",))
    played._tick("noon")
    now = Got(
        seen=Seen(queues={DEAD: ("", "a", "a"), "new": ("b",)}), messages=("old", "new"), mails=("old",)
    )
    found = played._since(now)
    assert found.seen.queues == {DEAD: ("a",), "new": ("b",)}
    assert (found.messages, found.mails, found.ticks_failed) == (("new",), (), ("noon: boom",))
