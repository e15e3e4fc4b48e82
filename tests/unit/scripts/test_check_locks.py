"""A lock is stale when it differs from what pyproject.toml asks for, whatever the files' times."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from scripts import check_locks

HASH = f"    --hash=sha256:{'0' * 64}\n"
LOCK = f"""\
httpx==0.28.1 \\
{HASH}    # via relay (pyproject.toml)
idna==3.20 \\
{HASH}    # via httpx
moto==5.2.1 \\
{HASH}    # via
    #   other
    #   relay (pyproject.toml:dev)
"""


def stale(lock: str, *wanted: str) -> list[str]:
    """Check a lock against requirements."""
    return check_locks.stale([Requirement(text) for text in wanted], lock)


def test_a_lock_that_fits() -> None:
    """What is asked for is there, in a version that was asked for, with its hash."""
    assert stale(LOCK, "httpx>=0.28", "moto[server]>=5") == []


@pytest.mark.parametrize(
    ("lock", "wanted", "fault"),
    [
        (LOCK, ("httpx", "moto", "rich"), "rich is not in it"),
        (LOCK, ("httpx", "moto", "idna"), "idna was not asked for when it was made"),
        (LOCK, ("httpx",), "moto is asked for no more"),
        (LOCK, ("httpx>=1", "moto"), "httpx is 0.28.1 and should be >=1"),
        (LOCK.replace(HASH, "", 1), ("httpx", "moto"), "httpx has no hash"),
    ],
)
def test_what_makes_a_lock_stale(lock: str, wanted: tuple[str, ...], fault: str) -> None:
    """A dependency added, removed or raised without `make lock`, or a pin without a hash."""
    assert fault in stale(lock, *wanted)


def test_our_locks_fit() -> None:
    """The repository's own locks are fresh."""
    assert check_locks.main() == 0


@pytest.mark.parametrize("dev", [["starlette>=1"], ["starlette>=1", "uvicorn>=9"]])
def test_an_extra_asks_for_what_is_tested(dev: list[str]) -> None:
    """A package of an extra is in the group `dev`, with the same versions."""
    extras = {"sim": ["starlette>=1", "uvicorn"]}
    assert check_locks.untested(extras, ["starlette>=1", "uvicorn"]) == []
    assert check_locks.untested(extras, dev) == ["the extra sim asks for uvicorn, and the group dev does not"]
