"""Plays a scenario, a YAML file with one step a line, against a running simulator.

A step is one of: `advance: {days: 3}`, a command (`join: {as: ada, tier: Gold}`, `fail_payment: {member: ada}`, …),
`trigger: {topic: …}`, `switches:`, `faults:`, `behaviour:`, `populate:` or `wait_until_idle: {seconds: 30}`. `as`
names a customer within the scenario and `member` refers to that name; a tier is given by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from sim.commands import COMMANDS
from sim.errors import NotFoundError, RefusedError

SCENARIOS: Final = Path(__file__).parent / "scenarios"
_CONTROL_STEPS: Final = frozenset(
    {"advance", "switches", "faults", "behaviour", "populate", "wait_until_idle"}
)
Post = Callable[[str, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario: a name, a description and the steps."""

    name: str
    about: str
    steps: tuple[tuple[str, dict[str, Any]], ...]


@dataclass(slots=True)
class PlayedStep:
    """A step with the reply of the simulator."""

    step: str
    body: dict[str, Any]
    reply: dict[str, Any] = field(default_factory=dict)


def names() -> list[str]:
    """Return the names of all scenarios."""
    return sorted(path.stem for path in SCENARIOS.glob("*.yaml"))


def load(name: str, folder: Path = SCENARIOS) -> Scenario:
    """Read a scenario.

    Raises:
        NotFoundError: the scenario does not exist.
        RefusedError: it has an unknown step.

    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise NotFoundError(f"no such scenario: {name} ({', '.join(names())})")
    return read(name, yaml.safe_load(path.read_text(encoding="utf-8")))


def read(name: str, content: Any) -> Scenario:
    """Read a scenario from the parsed content of its file.

    Raises:
        RefusedError: it has an unknown step.

    """
    steps = []
    for step in content["steps"]:
        (verb, body), *rest = step.items()
        if rest or (verb not in _CONTROL_STEPS and verb not in COMMANDS and verb != "trigger"):
            raise RefusedError(f"{name}: no such step: {verb}")
        steps.append((verb, dict(body or {})))
    return Scenario(name, str(content.get("about", "")).strip(), tuple(steps))


def play(scenario: Scenario, post: Post, tiers: Mapping[str, str]) -> Iterator[PlayedStep]:
    """Play a scenario and yield each step; `tiers` maps names to ids."""
    customers: dict[str, str] = {}
    for verb, given in scenario.steps:
        body = dict(given)
        alias = body.pop("as", None)
        if "member" in body:
            body["customer_id"] = customers[body.pop("member")]
        if "tier" in body:
            body["tier_id"] = tiers[body.pop("tier")]
        path = f"trigger/{body.pop('topic')}" if verb == "trigger" else verb
        reply = post(path, body)
        if alias and reply.get("customer_id"):
            customers[alias] = reply["customer_id"]
        yield PlayedStep(verb, given, reply)


@contextmanager
def over_http(url: str, timeout: float = 600) -> Iterator[tuple[Post, dict[str, str]]]:
    """Connect to a running simulator; yield a function that posts to its control API, and the tier ids by name.

    Raises:
        RefusedError: what answers is no simulator; from a post, with the reason of the simulator.

    """
    with httpx.Client(base_url=url, timeout=timeout, trust_env=False) as client:

        def post(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
            reply = client.post(f"/_sim/{path}", json=dict(body))
            found = _answer(reply, url)
            if reply.status_code >= 400:  # noqa: PLR2004 - where errors begin
                raise RefusedError(f"{path}: {found.get('error', reply.status_code)}")
            return found

        tiers = _answer(client.get("/_sim/tiers").raise_for_status(), url)["tiers"]
        yield post, {tier["name"]: tier["id"] for tier in tiers}


def _answer(reply: httpx.Response, url: str) -> dict[str, Any]:
    """Return an answer of the control API.

    Raises:
        RefusedError: it is a page, or another program's answer.

    """
    try:
        found = reply.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RefusedError(f"what answers at {url} is no simulator: a proxy or another program")
    return found
