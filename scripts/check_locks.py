"""Say whether the locks hold what pyproject.toml asks for: by content, since a checkout has no order of times."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)(.*)$")
_ASKED_FOR = re.compile(r"^\s+#\s+(?:via )?relay \(pyproject\.toml(?::\w+)?\)$")


def main() -> int:
    """Print what is stale; 0 when nothing is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shipped = [Requirement(text) for text in project["project"]["dependencies"]]
    everything = shipped + [Requirement(text) for text in project["dependency-groups"]["dev"]]
    layer = (ROOT / "layers/shared/requirements.txt").read_text()
    dev = (ROOT / "requirements/dev.txt").read_text()
    faults = [f"requirements/dev.txt: {fault}" for fault in stale(everything, dev)]
    for tool in ("checkov", "audit"):
        apart = [Requirement(text) for text in project["dependency-groups"][tool]]
        lock = (ROOT / f"requirements/{tool}.txt").read_text()
        faults += [f"requirements/{tool}.txt: {fault}" for fault in stale(apart, lock)]
    faults += [f"layers/shared/requirements.txt: {fault}" for fault in stale(shipped, layer)]
    extras = project["project"].get("optional-dependencies", {})
    faults += [f"pyproject.toml: {fault}" for fault in untested(extras, project["dependency-groups"]["dev"])]
    tested = pins(dev)
    faults += [
        f"{name} ships as {version} and is tested as {tested.get(name)}"
        for name, version in pins(layer).items()
        if tested.get(name) != version
    ]
    for fault in faults:
        print(f"{fault}: run `make lock`")
    return 1 if faults else 0


def stale(wanted: Iterable[Requirement], lock: str) -> list[str]:
    """Return where a lock differs from what is wanted: missing, other than specified, no more asked for, unhashed."""
    requirements = {canonicalize_name(requirement.name): requirement for requirement in wanted}
    pinned, asked = pins(lock), asked_for(lock)
    faults = [f"{name} is not in it" for name in requirements if name not in pinned]
    faults += [
        f"{name} is {pinned[name]} and should be {requirement.specifier}"
        for name, requirement in requirements.items()
        if name in pinned and not requirement.specifier.contains(pinned[name], prereleases=True)
    ]
    faults += [f"{name} is asked for no more" for name in sorted(asked - requirements.keys())]
    faults += [f"{name} was not asked for when it was made" for name in sorted(requirements.keys() - asked)]
    faults += [f"{name} has no hash" for name in sorted(pinned.keys() - hashed(lock))]
    return faults


def untested(extras: Mapping[str, Iterable[str]], dev: Iterable[str]) -> list[str]:
    """Return what an extra asks for and the group `dev`, which is what the tests run with, does not ask for alike."""
    tested = {canonicalize_name(one.name): one.specifier for one in map(Requirement, dev)}
    return [
        f"the extra {extra} asks for {wanted}, and the group dev does not"
        for extra, texts in extras.items()
        for wanted in map(Requirement, texts)
        if tested.get(canonicalize_name(wanted.name)) != wanted.specifier
    ]


def pins(lock: str) -> dict[str, str]:
    """Return the versions in a lock, by name."""
    matches = (_PIN.match(line) for line in lock.splitlines())
    return {canonicalize_name(match[1]): match[2] for match in matches if match}


def asked_for(lock: str) -> set[str]:
    """Return the names of which the lock says that pyproject.toml asked for them."""
    return _marked(lock, _ASKED_FOR)


def hashed(lock: str) -> set[str]:
    """Return the names that have a hash."""
    return _marked(lock, re.compile(r"^\s+--hash=sha256:[0-9a-f]{64}"))


def _marked(lock: str, mark: re.Pattern[str]) -> set[str]:
    names, current = set(), ""
    for line in lock.splitlines():
        if pin := _PIN.match(line):
            current = canonicalize_name(pin[1])
        elif mark.match(line):
            names.add(current)
    return names


if __name__ == "__main__":
    sys.exit(main())
