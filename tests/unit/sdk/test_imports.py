"""Imports of the SDK: each name loads only what it needs, and every public name exists."""

from __future__ import annotations

import subprocess
import sys

import pytest

LAZY = """
import sys
{}
heavy = sorted(name for name in ("httpx", "httpcore", "pydantic", "anyio", "ssl", "asyncio") if name in sys.modules)
print(heavy)
"""


@pytest.mark.parametrize(
    ("statement", "loaded"),
    [
        ("import inveterate", []),
        ("import inveterate.webhooks", []),
        ("from inveterate.webhooks import TOPICS, LEGACY_TOPICS, topic_named", []),
        ("from inveterate.webhooks import parse", ["pydantic"]),
        ("from inveterate import CustomerId, TierId, Member", ["pydantic"]),
        ("from inveterate import InveterateError, AmbiguousWriteError", []),
    ],
)
def test_a_name_loads_what_it_needs(statement: str, loaded: list[str]) -> None:
    """Reading a webhook loads no HTTP client; reading a topic loads nothing."""
    ran = subprocess.run(
        [sys.executable, "-c", LAZY.format(statement)], capture_output=True, text=True, check=True
    )
    assert set(eval(ran.stdout)) - {"asyncio", "ssl"} == set(loaded)  # noqa: S307 - our own output


def test_every_public_name_exists() -> None:
    """`__all__` and the table of modules agree."""
    import inveterate
    from inveterate import webhooks

    for package in (inveterate, webhooks):
        assert all(getattr(package, name) is not None for name in package.__all__)
        assert set(package._MODULE_OF) == set(package.__all__)
        with pytest.raises(AttributeError):
            _ = package.NoSuchName
    assert set(dir(inveterate)) == set(inveterate.__all__)
