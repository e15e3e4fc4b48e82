"""Plays a scenario against a running simulator: small readable files, one step a line.

A step is one of: `advance: {days: 3}`, an act (`join: {as: ada, tier: Gold}`, `fail_payment: {who: ada}`, …),
`trigger: {topic: …}`, `switches:`, `faults:`, `habits:`, `populate:` or `settle: {seconds: 30}`. `as` gives a
customer a name in the scenario and `who` uses it; tiers go by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from sim.acts import ACTS
from sim.errors import NotThereError, RefusedError

SCENARIOS: Final = Path(__file__).parent / "scenarios"
_PLAIN: Final = frozenset({"advance", "switches", "faults", "habits", "populate", "settle"})
Post = Callable[[str, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is played: a name, a sentence, and its steps."""

    name: str
    about: str
    steps: tuple[tuple[str, dict[str, Any]], ...]


@dataclass(slots=True)
class Played:
    """What became of a step: the reply of the simulator."""

    step: str
    body: dict[str, Any]
    reply: dict[str, Any] = field(default_factory=dict)


def names() -> list[str]:
    """Return the names of all scenarios."""
    return sorted(path.stem for path in SCENARIOS.glob("*.yaml"))


def load(name: str, folder: Path = SCENARIOS) -> Scenario:
    """Read a scenario.

    Raises:
        NotThereError: when there is none of that name.
        RefusedError: when it has a step that nobody knows.

    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise NotThereError(f"no such scenario: {name} ({', '.join(names())})")
    return read(name, yaml.safe_load(path.read_text(encoding="utf-8")))


def read(name: str, content: Any) -> Scenario:
    """Read a scenario from what its file holds.

    Raises:
        RefusedError: when it has a step that nobody knows.

    """
    steps = []
    for step in content["steps"]:
        (verb, body), *rest = step.items()
        if rest or (verb not in _PLAIN and verb not in ACTS and verb != "trigger"):
            raise RefusedError(f"{name}: no such step: {verb}")
        steps.append((verb, dict(body or {})))
    return Scenario(name, str(content.get("about", "")).strip(), tuple(steps))


def play(scenario: Scenario, post: Post, tiers: Mapping[str, str]) -> Iterator[Played]:
    """Play it step by step; `tiers` are ids by name."""
    people: dict[str, str] = {}
    for verb, given in scenario.steps:
        body = dict(given)
        called = body.pop("as", None)
        if "who" in body:
            body["customer_id"] = people[body.pop("who")]
        if "tier" in body:
            body["tier_id"] = tiers[body.pop("tier")]
        path = f"trigger/{body.pop('topic')}" if verb == "trigger" else verb
        reply = post(path, body)
        if called and reply.get("customer_id"):
            people[called] = reply["customer_id"]
        yield Played(verb, given, reply)


@contextmanager
def over_http(url: str, timeout: float = 600) -> Iterator[tuple[Post, dict[str, str]]]:
    """Hold a connection to a running simulator: how to post to it, and its tiers by name.

    Raises:
        RefusedError: from a post, with the simulator's reason.

    """
    with httpx.Client(base_url=url, timeout=timeout, trust_env=False) as client:

        def post(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
            reply = client.post(f"/_sim/{path}", json=dict(body))
            found: dict[str, Any] = reply.json()
            if reply.status_code >= 400:  # noqa: PLR2004 - where errors begin
                raise RefusedError(f"{path}: {found.get('error', reply.status_code)}")
            return found

        tiers = client.get("/_sim/tiers").raise_for_status().json()["tiers"]
        yield post, {tier["name"]: tier["id"] for tier in tiers}
